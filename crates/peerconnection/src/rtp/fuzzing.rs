//! What fuzz bodies see of the transport from inside: they seal what no call of ours sends, and check that nothing grows
//! beyond its limit.

use peerage_rtp::payload::AssemblerConfig;
use peerage_rtp::repair::NackConfig;

use super::{
    MAX_QUEUED_FRAMES, MAX_QUEUED_PACKETS, MAX_QUEUED_RETRANSMISSIONS, MAX_QUEUED_RTCP,
    MAX_RECEIVE_STREAMS, RtpTransport, Target,
};

impl RtpTransport {
    /// Seals RTP or RTCP; `None` where SRTP refuses it, as it does what has no header.
    pub(crate) fn try_seal(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        let sender = &mut self.srtp.as_mut()?.sender;
        let sealed = match packet.get(1).is_some_and(|second| (192..224).contains(second)) {
            true => sender.protect_rtcp(&mut packet, 0),
            false => sender.protect_rtp(&mut packet, 0),
        };
        sealed.ok().map(|()| packet)
    }

    /// The transport-wide number of the next packet.
    pub(crate) fn next_number(&self) -> u16 {
        self.rate.as_ref().map_or(0, |rate| rate.number())
    }

    /// Every queue, map and buffer is within its limit, and what refers to another of them refers to what is there.
    ///
    /// # Panics
    /// If not.
    pub(crate) fn assert_bounded(&self) {
        assert!(self.receivers.len() <= MAX_RECEIVE_STREAMS, "{} streams", self.receivers.len());
        assert!(self.by_ssrc.len() <= 2 * MAX_RECEIVE_STREAMS, "{} sources", self.by_ssrc.len());
        for (source, target) in &self.by_ssrc {
            let (Target::Media(index) | Target::Repair(index) | Target::Parity(index)) = *target;
            let Some(stream) = self.receivers.get(index) else {
                panic!("source {source:#x} belongs to stream {index}, which is not there");
            };
            let is_media = matches!(target, Target::Media(_));
            assert_eq!(stream.ssrc().0 == *source, is_media, "source {source:#x}");
        }
        self.assembly.assert_bounded(self.receivers.iter().map(|stream| stream.held_bytes()));
        let (nack, assembler) = (NackConfig::default(), AssemblerConfig::default());
        let mut decoders = 0;
        for (index, stream) in self.receivers.iter().enumerate() {
            assert!(stream.missing() <= nack.max_missing, "{} missing", stream.missing());
            // Payloads, and the places of packets.
            let most = assembler.max_bytes + (1 << 20);
            assert!(stream.held_bytes() <= most, "{} bytes", stream.held_bytes());
            let listed = self.repairing.iter().filter(|other| **other == index).count();
            assert_eq!(listed, usize::from(stream.repairing), "of stream {index}");
            let looked_at = stream.repairing && self.next_nack.is_some();
            assert!(looked_at || stream.nack_due().is_none(), "nobody looks at {index}");
            decoders += usize::from(stream.fec.is_active());
        }
        assert!(decoders <= super::fec::MAX_DECODERS, "{decoders} decoders");
        assert!(self.repairing.iter().all(|index| *index < self.receivers.len()));
        assert!(self.queued_frames <= MAX_QUEUED_FRAMES, "{} frames", self.queued_frames);
        let most = MAX_QUEUED_RTCP + super::goodbye::MAX_QUEUED_GOODBYES;
        assert!(self.rtcp.len() <= most, "{} of RTCP", self.rtcp.len());
        assert!(self.outgoing.is_empty(), "all packets of a frame go into the pacer");
        let sent = self.senders.iter().count();
        assert!(self.keyframes_wanted.len() <= sent, "{} requests", self.keyframes_wanted.len());
        if let Some(rate) = &self.rate {
            // Room for a frame beyond the limit at which frames are refused, and what is sent again.
            let limit = 2 * MAX_QUEUED_PACKETS + MAX_QUEUED_RETRANSMISSIONS;
            assert!(rate.waiting() <= limit, "{} packets wait", rate.waiting());
        }
        if let Some(srtp) = &self.srtp {
            let (rtp, rtcp) = srtp.receiver.streams();
            let limit = peerage_srtp::Config::default().max_streams;
            assert!(rtp <= limit && rtcp <= limit, "{rtp} and {rtcp} streams of SRTP");
        }
        // What a packet is copied to holds one packet.
        for buffer in [&self.scratch, &self.unwrapped, &self.recovered] {
            assert!(buffer.capacity() <= 1 << 17, "{} bytes for one packet", buffer.capacity());
        }
        assert!(self.forwarding.waiting() <= super::forwarding::MAX_RECEIVED_PACKETS);
    }
}
