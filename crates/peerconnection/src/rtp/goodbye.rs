//! The end of our sources: each that has sent says goodbye (RFC 3550 §6.6), when its transceiver is stopped and when the
//! connection is closed (webrtc-pc §5.4, "stop sending and receiving"). One that is only held goes on later, and says none.

use std::time::Instant;

use peerage_log::Direction;
use peerage_rtp::{Ssrc, rtcp};

use super::RtpTransport;
use crate::transceiver::TransceiverHandle;

impl RtpTransport {
    /// The application has stopped a transceiver: its streams send no more, whatever the peer has agreed to.
    pub(crate) fn stop_sending(&mut self, transceiver: TransceiverHandle) {
        let mut leaving = Vec::new();
        for mut stream in self.senders.take() {
            if stream.transceiver() == transceiver {
                leaving.extend(stream.leave());
                // Kept until the transceiver goes: its numbers must not be given out again under the same key.
                self.paused.push(stream);
            } else {
                self.senders.push(stream);
            }
        }
        self.say_goodbye_of(&leaving);
        self.drop_waiting_of_ended();
    }

    /// Queues the goodbye of sources, behind a report and the name as in every compound packet (RFC 3550 §6.1).
    pub(super) fn say_goodbye_of(&mut self, sources: &[Ssrc]) {
        if self.srtp.is_none() || sources.is_empty() {
            return;
        }
        let packet = self.goodbye(sources);
        self.push_rtcp(packet);
    }

    fn goodbye(&self, sources: &[Ssrc]) -> Vec<u8> {
        let ssrc = sources[0];
        let mut packet = Vec::with_capacity(128);
        rtcp::ReceiverReport { ssrc, reports: (&[][..]).into() }.write(&mut packet);
        self.write_names(&[ssrc], &mut packet);
        rtcp::Goodbye { sources: sources.into(), reason: None }.write(&mut packet);
        packet
    }

    /// The connection is about to be closed: the goodbye of all sources is sealed now, since the keys go with it.
    pub(crate) fn say_goodbye(&mut self, now: Instant) {
        let streams = self.senders.iter_mut().chain(&mut self.paused);
        let sources: Vec<Ssrc> = streams.flat_map(|stream| stream.leave()).collect();
        if sources.is_empty() {
            return;
        }
        let mut packet = self.goodbye(&sources);
        self.log.rtcp(now, Direction::Sent, &packet, &self.clock);
        let Some(srtp) = &mut self.srtp else { return };
        if srtp.sender.protect_rtcp(&mut packet, 0).is_ok() {
            self.statistics.rtcp_sent += 1;
            self.farewell = packet;
        }
    }

    /// Appends that goodbye, once; its size.
    pub(crate) fn poll_farewell(&mut self, buf: &mut Vec<u8>) -> Option<usize> {
        let len = self.farewell.len();
        buf.append(&mut self.farewell);
        (len > 0).then_some(len)
    }
}
