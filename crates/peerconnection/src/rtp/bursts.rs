//! Packets that are sealed or opened together, where several leave or come at one moment: SRTP computes their HMACs side by side.
//! Those that leave are written into one buffer, one behind the other, and handed out from it in their order.

use std::time::Instant;

use peerage_ice::Ecn;
use peerage_rtp::Ssrc;
use peerage_srtp::Burst;
use smallvec::SmallVec;

use super::RtpTransport;
use crate::net::Input;

/// Packets that are sealed at once: as many as the lanes that hash them.
const BURST: usize = 8;
/// Fewer gain nothing, and are not copied for it.
const LEAST: usize = 2;

/// A packet that is sealed and waits to be handed out.
#[derive(Clone, Copy, Debug)]
struct Sealed {
    ssrc: Ssrc,
    len: usize,
    mark: Option<Ecn>,
}

/// See the module. Nothing is taken before the first burst.
#[derive(Debug, Default)]
pub(super) struct SealedPackets {
    bytes: Vec<u8>,
    packets: SmallVec<[Sealed; BURST]>,
    /// How many of them were handed out, and where the next one begins.
    next: usize,
    at: usize,
    tags: Burst,
}

impl SealedPackets {
    /// Appends the next packet; its size and how it is marked.
    pub(super) fn hand_out(&mut self, buf: &mut Vec<u8>) -> Option<(usize, Option<Ecn>)> {
        let Sealed { len, mark, .. } = *self.packets.get(self.next)?;
        buf.extend_from_slice(&self.bytes[self.at..self.at + len]);
        self.next += 1;
        self.at += len;
        Some((len, mark))
    }

    /// Keeps the packets that wait of sources for which `keep` says so.
    pub(super) fn retain(&mut self, keep: impl Fn(Ssrc) -> bool) {
        let (mut at, mut kept) = (self.at, Vec::new());
        let waiting = self.packets.drain(..).skip(self.next);
        let waiting: SmallVec<[Sealed; BURST]> = waiting
            .filter(|packet| {
                let bytes = at..at + packet.len;
                at = bytes.end;
                let keeps = keep(packet.ssrc);
                if keeps {
                    kept.extend_from_slice(&self.bytes[bytes]);
                }
                keeps
            })
            .collect();
        (self.packets, self.bytes, self.next, self.at) = (waiting, kept, 0, 0);
    }

    /// Lets go what waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl RtpTransport {
    /// Seals what is due now, up to eight packets at once, where that takes less time than one by one.
    pub(super) fn seal_burst(&mut self, now: Instant) {
        let gains = self.srtp.as_ref().is_some_and(|srtp| srtp.sender.gains_from_bursts());
        if !gains || self.rate.as_ref().is_none_or(|rate| rate.waiting() < LEAST) {
            return;
        }
        let mut burst = std::mem::take(&mut self.sealed);
        burst.bytes.clear();
        burst.packets.clear();
        (burst.next, burst.at) = (0, 0);
        while burst.packets.len() < BURST {
            let sealed = self.seal_next(now, &mut burst.bytes, Some(&mut burst.tags));
            let Some((ssrc, len, mark)) = sealed else { break };
            burst.packets.push(Sealed { ssrc, len, mark });
        }
        if let Some(srtp) = &mut self.srtp {
            srtp.sender.finish_burst(&mut burst.bytes, &mut burst.tags);
        }
        self.sealed = burst;
    }

    /// Takes RTP packets that came together: [`handle_rtp`](Self::handle_rtp) of each, in their order.
    pub(crate) fn handle_rtp_burst(&mut self, now: Instant, inputs: &mut [Input<'_>]) {
        let Some(srtp) = &mut self.srtp else {
            self.statistics.packets_dropped += inputs.len() as u64;
            return;
        };
        let mut opened = std::mem::take(&mut self.opened);
        let mut views: SmallVec<[&mut [u8]; BURST]> =
            inputs.iter_mut().map(|input| &mut *input.data).collect();
        srtp.receiver.unprotect_rtp_batch(&mut views, &mut opened);
        drop(views);
        for (input, opened) in inputs.iter().zip(&opened) {
            match opened {
                Ok(len) => self.take_opened(now, input.ecn, input.data.len(), &input.data[..*len]),
                Err(_) => self.statistics.packets_unprotectable += 1,
            }
        }
        self.opened = opened;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> SealedPackets {
        let mut sealed = SealedPackets::default();
        for (source, len) in [(1u8, 3), (2, 4), (1, 2), (3, 5)] {
            sealed.bytes.extend(std::iter::repeat_n(source, len));
            let ssrc = Ssrc(u32::from(source));
            sealed.packets.push(Sealed { ssrc, len, mark: (source == 2).then_some(Ecn::Ect0) });
        }
        sealed
    }

    #[test]
    fn packets_come_out_in_their_order() {
        let (mut sealed, mut buf) = (waiting(), vec![9]);
        assert_eq!(sealed.hand_out(&mut buf), Some((3, None)));
        assert_eq!(sealed.hand_out(&mut buf), Some((4, Some(Ecn::Ect0))));
        assert_eq!(sealed.hand_out(&mut buf), Some((2, None)));
        assert_eq!(sealed.hand_out(&mut buf), Some((5, None)));
        assert_eq!(sealed.hand_out(&mut buf), None);
        assert_eq!(buf, [9, 1, 1, 1, 2, 2, 2, 2, 1, 1, 3, 3, 3, 3, 3]);
    }

    #[test]
    fn those_of_a_source_that_ends_are_left_out() {
        let (mut sealed, mut buf) = (waiting(), Vec::new());
        sealed.hand_out(&mut buf);
        sealed.retain(|ssrc| ssrc != Ssrc(1));
        while sealed.hand_out(&mut buf).is_some() {}
        assert_eq!(buf, [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
    }
}
