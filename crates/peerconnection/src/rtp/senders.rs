//! The streams that are sent, found by source and by encoding without a search.

use peerage_rtp::Ssrc;
use rustc_hash::FxHashMap;

use super::send::SendStream;
use crate::transceiver::TransceiverHandle;

/// See the module.
#[derive(Default)]
pub(super) struct Senders {
    list: Vec<SendStream>,
    by_ssrc: FxHashMap<u32, usize>,
    by_encoding: FxHashMap<(TransceiverHandle, usize), usize>,
}

impl Senders {
    pub(super) fn push(&mut self, stream: SendStream) {
        let index = self.list.len();
        self.by_ssrc.insert(stream.ssrc().0, index);
        self.by_encoding.insert((stream.transceiver(), stream.encoding()), index);
        self.list.push(stream);
    }

    /// Takes all of them out.
    pub(super) fn take(&mut self) -> Vec<SendStream> {
        std::mem::take(self).list
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SendStream> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SendStream> {
        self.list.iter_mut()
    }

    pub(super) fn get(&self, ssrc: Ssrc) -> Option<&SendStream> {
        self.by_ssrc.get(&ssrc.0).map(|&index| &self.list[index])
    }

    pub(super) fn get_mut(&mut self, ssrc: Ssrc) -> Option<&mut SendStream> {
        self.by_ssrc.get(&ssrc.0).map(|&index| &mut self.list[index])
    }

    pub(super) fn of_encoding(
        &mut self,
        transceiver: TransceiverHandle,
        encoding: usize,
    ) -> Option<&mut SendStream> {
        self.by_encoding.get(&(transceiver, encoding)).map(|&index| &mut self.list[index])
    }
}
