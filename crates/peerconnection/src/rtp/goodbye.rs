//! The end of our sources: each that has sent says goodbye (RFC 3550 §6.6), when its transceiver is stopped and when the
//! connection is closed (webrtc-pc §5.4, "stop sending and receiving"). One that is only held goes on later, and says none.

use std::time::Instant;

use peerage_log::Direction;
use peerage_rtp::{Ssrc, rtcp};

use super::{MAX_QUEUED_RTCP, RtpTransport};
use crate::transceiver::TransceiverHandle;

/// Sources of one datagram: four packets of 31 (RFC 3550 §6.6) are 512 bytes, so that a report, and a name and a mid of any
/// length, find room before them.
const MAX_LEAVING: usize = 31 * 4;
/// Datagrams of goodbyes that wait beside other RTCP: those of 64 transceivers that are stopped one by one.
pub(super) const MAX_QUEUED_GOODBYES: usize = 64;

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

    /// Queues the goodbye of sources, whatever else waits already: nobody says it again.
    pub(super) fn say_goodbye_of(&mut self, sources: &[Ssrc]) {
        if self.srtp.is_none() || sources.is_empty() {
            return;
        }
        let packets = self.goodbyes(sources);
        let room = (MAX_QUEUED_RTCP + MAX_QUEUED_GOODBYES).saturating_sub(self.rtcp.len());
        self.rtcp.extend(packets.into_iter().take(room));
    }

    /// The goodbye of sources, behind a report and the name as in every compound packet, and in several where one would not
    /// fit the path (RFC 3550 §6.1).
    fn goodbyes(&self, sources: &[Ssrc]) -> Vec<Vec<u8>> {
        let goodbye = |sources: &[Ssrc]| {
            let ssrc = sources[0];
            let mut packet = Vec::with_capacity(128);
            rtcp::ReceiverReport { ssrc, reports: (&[][..]).into() }.write(&mut packet);
            self.write_names(&[ssrc], &mut packet);
            rtcp::Goodbye { sources: sources.into(), reason: None }.write(&mut packet);
            packet
        };
        sources.chunks(MAX_LEAVING).map(goodbye).collect()
    }

    /// The connection is about to be closed: the goodbye of all sources is sealed now, since the keys go with it.
    pub(crate) fn say_goodbye(&mut self, now: Instant) {
        let streams = self.senders.iter_mut().chain(&mut self.paused);
        let sources: Vec<Ssrc> = streams.flat_map(|stream| stream.leave()).collect();
        for mut packet in self.goodbyes(&sources) {
            self.log.rtcp(now, Direction::Sent, &packet, &self.clock);
            let Some(srtp) = &mut self.srtp else { return };
            if srtp.sender.protect_rtcp(&mut packet, 0).is_ok() {
                self.statistics.rtcp_sent += 1;
                self.farewell.push_back(packet);
            }
        }
    }

    /// Appends the next datagram of that goodbye; its size.
    pub(crate) fn poll_farewell(&mut self, buf: &mut Vec<u8>) -> Option<usize> {
        let packet = self.farewell.pop_front()?;
        buf.extend_from_slice(&packet);
        Some(packet.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use peerage_congestion::GccConfig;
    use peerage_crypto::Rng;
    use peerage_sdp::Text;

    use super::super::MAX_REPORT_LEN;
    use super::*;

    #[test]
    fn the_goodbye_of_many_sources_fits_the_path() {
        let clock = (Instant::now(), SystemTime::UNIX_EPOCH);
        let name = Text::new("a-name-of-ours").unwrap();
        let rtp = RtpTransport::new(&mut Rng::from_seed(1), name, clock, GccConfig::default());
        let sources: Vec<Ssrc> = (1..=6_200).map(Ssrc).collect();
        let mut told = Vec::new();
        for datagram in rtp.goodbyes(&sources) {
            assert!(datagram.len() <= MAX_REPORT_LEN, "{} bytes", datagram.len());
            let packets: Vec<_> = rtcp::packets(&datagram).map(Result::unwrap).collect();
            assert!(matches!(packets[0], rtcp::Packet::ReceiverReport(_)), "RFC 3550 §6.1");
            assert!(matches!(packets[1], rtcp::Packet::SourceDescription(_)), "RFC 3550 §6.1");
            for packet in &packets[2..] {
                let rtcp::Packet::Goodbye(goodbye) = packet else { panic!("{packet:?}") };
                told.extend(goodbye.sources.iter());
            }
        }
        assert_eq!(told, sources, "each once");
    }
}
