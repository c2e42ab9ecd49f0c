//! What becomes of the streams of the peer when a description is agreed on: which go on, which rest and which end, and who
//! repairs whom. The transport calls it.

use peerage_rtp::Ssrc;
use peerage_rtp::receive::StreamRole;

use super::receive::ReceiveStream;
use super::{RtpTransport, Target};
use crate::jsep::AgreedMedia;
use crate::transceiver::Transceivers;

impl RtpTransport {
    /// Follows what descriptions have settled of what is received. The header extensions were settled before.
    pub(super) fn configure_receivers(
        &mut self,
        agreed: &[AgreedMedia],
        transceivers: &Transceivers,
    ) {
        // Of a transceiver at rest the streams stay for what was counted (webrtc-stats §4.4), until it is stopped.
        let arrivals = &mut self.arrivals;
        // Who repairs whom: indices change.
        let receivers = &self.receivers;
        let repairs: Vec<(u32, Ssrc, Target)> = (self.by_ssrc.iter())
            .filter_map(|(&ssrc, &target)| match target {
                Target::Media(_) => None,
                Target::Repair(index) | Target::Parity(index) => {
                    Some((ssrc, receivers[index].ssrc(), target))
                }
            })
            .collect();
        self.receivers.retain(|stream| {
            let lives = transceivers.get(stream.transceiver()).is_some_and(|t| !t.stopped);
            if !lives {
                arrivals.forget(stream.ssrc());
            }
            lives
        });
        let received = |stream: &ReceiveStream| {
            let of = |media: &&AgreedMedia| media.transceiver == stream.transceiver();
            agreed.iter().find(of).is_some_and(|media| media.agreement.direction.receives())
        };
        for stream in &mut self.receivers {
            if !received(stream) {
                stream.rest();
            }
            stream.fec.set_extensions(&self.extensions);
            stream.count_bytes();
        }
        self.recount();
        self.repairing.clear();
        self.by_ssrc.clear();
        for (index, stream) in self.receivers.iter_mut().enumerate() {
            self.by_ssrc.insert(stream.ssrc().0, Target::Media(index));
            stream.repairing = stream.nack_due().is_some();
            if stream.repairing {
                self.repairing.push(index);
            }
        }
        for (ssrc, media, target) in repairs {
            if let Some(&Target::Media(index)) = self.by_ssrc.get(&media.0) {
                let target = match target {
                    Target::Parity(_) => Target::Parity(index),
                    _ => Target::Repair(index),
                };
                self.by_ssrc.insert(ssrc, target);
            } else {
                self.arrivals.forget(Ssrc(ssrc));
            }
        }
        // Peers name the layer of a stream until it is known, not again after a negotiation (RFC 8852 §3).
        let known = self.by_ssrc.iter().map(|(&ssrc, target)| {
            let (index, role) = match *target {
                Target::Media(index) => (index, StreamRole::Media),
                Target::Repair(index) | Target::Parity(index) => (index, StreamRole::Repair),
            };
            let stream = &self.receivers[index];
            (Ssrc(ssrc), stream.transceiver(), stream.layer(), role)
        });
        self.routing.configure(agreed, known);
        let (routing, receivers) = (&self.routing, &self.receivers);
        self.by_ssrc.retain(|&ssrc, target| match *target {
            Target::Media(_) => true,
            // A description may name another stream that it repairs.
            Target::Repair(index) | Target::Parity(index) => {
                routing.repaired_by(Ssrc(ssrc)).is_none_or(|media| media == receivers[index].ssrc())
            }
        });
    }
}
