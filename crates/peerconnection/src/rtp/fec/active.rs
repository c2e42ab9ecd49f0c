//! The streams whose packets are kept for parity: few, for each takes much memory. They make room for others when no parity
//! comes for them any more. What comes in calls it, and the timer of reports.

use std::time::Instant;

use super::receive::YIELDS;
use crate::rtp::RtpTransport;
use crate::rtp::receive::ReceiveStream;

/// Streams whose packets are kept for parity at once: each takes up to half a megabyte.
pub(in crate::rtp) const MAX_DECODERS: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::rtp) struct ActiveParity {
    /// Their indices, in no order.
    streams: Vec<usize>,
    /// None of them makes room before.
    full_until: Option<Instant>,
}

impl ActiveParity {
    /// Looks for them anew, when streams went or have other indices.
    pub(in crate::rtp) fn recount(&mut self, streams: &[ReceiveStream]) {
        let active = streams.iter().enumerate().filter(|(_, stream)| stream.fec.is_active());
        self.streams.clear();
        self.streams.extend(active.map(|(index, _)| index));
        self.full_until = None;
    }

    /// One has come to its end.
    pub(super) fn ended(&mut self, index: usize) {
        self.streams.retain(|other| *other != index);
        self.full_until = None;
    }
}

impl RtpTransport {
    /// Whether there is room for one more, which is counted then: that for which no parity has come for longest makes room,
    /// if that is long.
    pub(super) fn admit_parity(&mut self, now: Instant, index: usize) -> bool {
        if self.parity.streams.len() >= MAX_DECODERS {
            if self.parity.full_until.is_some_and(|until| until > now) {
                return false;
            }
            let last = |index: &usize| self.receivers[*index].fec.last();
            let Some(&oldest) = self.parity.streams.iter().min_by_key(|index| last(index)) else {
                return false;
            };
            if let Some(until) = last(&oldest).map(|last| last + YIELDS).filter(|at| *at > now) {
                self.parity.full_until = Some(until);
                return false;
            }
            self.receivers[oldest].end_fec();
            self.parity.ended(oldest);
        }
        self.parity.streams.push(index);
        true
    }

    /// Ends what is kept for parity that comes no more, whether packets of the media come or not.
    pub(in crate::rtp) fn end_idle_parity(&mut self, now: Instant) {
        let (parity, receivers) = (&mut self.parity, &mut self.receivers);
        parity.streams.retain(|&index| {
            let stays = !receivers[index].fec.is_idle(now);
            if !stays {
                receivers[index].end_fec();
            }
            stays
        });
    }
}
