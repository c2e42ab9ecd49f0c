//! What is sent more than once: packets that were sent are kept, sent again when the peer misses them (RFC 4588, or as they
//! were sealed), and used as padding. Called when a packet leaves, by feedback and by the pacer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_congestion::{Class, DataSize, Padding, choose_padding};
use peerage_rtp::repair::{Retransmission, SendHistory, SendHistoryConfig};
use peerage_rtp::{PayloadType, SequenceNumber};

use super::{RETRANSMISSION_ROOM, SendStream};
use crate::rtp::kept::Kept;
use crate::rtp::packet::Packet;

impl SendStream {
    /// Whether packets of a payload type are asked for again, and have no other stream to be sent again in.
    fn repeats_as_sealed(&self, payload_type: PayloadType) -> bool {
        if !self.any_without_rtx {
            return false;
        }
        match self.codecs.of(payload_type) {
            Some(codec) => codec.nack && codec.rtx.is_none(),
            // In RED, for parity.
            None => self.codecs.rtx_of(self.fec.as_deref(), payload_type).is_none(),
        }
    }

    /// Whether a packet is to be kept as it leaves, all of it.
    pub(in crate::rtp) fn keeps_sealed(&self, packet: &Packet) -> bool {
        let payload_type = PayloadType::from_low_bits(packet.header[1]);
        packet.number.is_some() && self.repeats_as_sealed(payload_type)
    }

    /// Keeps a packet that was sent, `sealed` being what went out.
    pub(in crate::rtp) fn sent(&mut self, now: Instant, packet: Box<Packet>, sealed: &[u8]) {
        let queued = packet.queued.filter(|&at| at != now);
        let waited = queued.map(|at| now.saturating_duration_since(at));
        let counters = &mut self.counters;
        // Padding is no payload (RFC 3550 §6.4.1).
        let is_padding = packet.number.is_none() && packet.payload.is_empty();
        let payload_len = if is_padding { 0 } else { packet.payload_len() };
        let header_len = packet.len() - payload_len;
        // Parity in RED is of this source as well, and has its numbers.
        if packet.number.is_some() || (packet.is_parity() && packet.identity().0 == self.ssrc) {
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(payload_len as u32);
        }
        counters.flow.add(now, header_len + payload_len);
        counters.packet(header_len, payload_len, waited.unwrap_or_default());
        let Some(number) = packet.number else {
            if let (Some(history), Some(number)) = (&mut self.history, packet.repeats) {
                history.resent(now, number);
            }
            // What probes the path is sent again though nobody misses it.
            if packet.class == Class::Retransmission {
                counters.retransmitted_packets += 1;
                counters.retransmitted_bytes += payload_len as u64;
            }
            self.spare.keep(packet);
            return;
        };
        // The marker ends a picture; of audio it says something else, and nobody asks.
        counters.frames_sent += u32::from(packet.header[1] >> 7);
        let repeats = self.repeats_as_sealed(PayloadType::from_low_bits(packet.header[1]));
        let packet = match repeats {
            true => self.spare.place(packet.into_sealed(self.arena.copy(&[sealed]))),
            false => packet,
        };
        let Some(history) = &mut self.history else {
            self.spare.keep(packet);
            return;
        };
        let kept = Kept::new(packet, &mut self.spare);
        if let Some(gone) = history.insert(now, number, kept) {
            gone.release(&mut self.spare);
        }
    }

    /// A packet to be sent again: in a stream of its own (RFC 4588), as SRTP seals no number twice, or without one as it was
    /// sealed.
    pub(in crate::rtp) fn retransmit(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        round_trip: Duration,
    ) -> Option<Box<Packet>> {
        if self.repair_from.is_some_and(|first| first.is_newer_than(number)) {
            return None;
        }
        let history = self.history.as_mut()?;
        let Retransmission::Send(_) = history.retransmit(now, number, round_trip) else {
            return None;
        };
        self.repeat(now, number)
    }

    /// Whether the peer has asked for a packet more than once: the answer got lost as well.
    pub(in crate::rtp) fn was_asked_for_again(&self, number: SequenceNumber) -> bool {
        self.history.as_ref().is_some_and(|history| history.retransmissions(number) > 1)
    }

    /// One more copy of a packet that is sent again.
    pub(in crate::rtp) fn repeat(
        &mut self,
        now: Instant,
        number: SequenceNumber,
    ) -> Option<Box<Packet>> {
        let kept = self.history.as_ref()?.get(now, number)?;
        let original = kept.unpack(&self.header, self.ssrc);
        if original.is_sealed() {
            let again = Packet { repeats: Some(number), ..original };
            return Some(self.spare.place(again));
        }
        let payload_type = PayloadType::from_low_bits(original.header[1]);
        // Sealed again under the same number it would give the keystream away (RFC 3711 §9.1).
        let rtx = self.codecs.rtx_of(self.fec.as_deref(), payload_type)?;
        let mut header = Vec::with_capacity(original.header.len() + RETRANSMISSION_ROOM);
        let extensions = self.header.extensions();
        self.rtx.encapsulate(&original.header, rtx, extensions, &mut header).ok()?;
        let class = Class::Retransmission;
        let (header, repeats) = (header.into(), Some(number));
        let again = Packet { number: None, repeats, class, header, ..original };
        Some(self.spare.place(again))
    }

    /// What was sent is not sent again: the keys have changed.
    pub(in crate::rtp) fn forget_sent(&mut self) {
        if let Some(history) = &mut self.history {
            *history = SendHistory::new(SendHistoryConfig::default());
        }
    }

    /// Frames are left out until a keyframe comes, and nothing before it is sent again.
    pub(in crate::rtp) fn begin_anew(&mut self) {
        self.load.begin_anew();
        self.repair_from = Some(SequenceNumber(self.next as u16));
    }

    /// Whether padding can be sent beside this stream: a receiver must not take it for media.
    pub(in crate::rtp) fn can_pad(&self) -> bool {
        self.history.is_some() && self.repairable
    }

    /// A packet of about this size that says nothing new, in the stream of retransmissions.
    pub(in crate::rtp) fn pad(&mut self, now: Instant, wanted: DataSize) -> Option<Box<Packet>> {
        let extensions = self.header.extensions();
        let history = self.history.as_ref()?;
        let most = usize::try_from(wanted.as_bytes().saturating_mul(2)).unwrap_or(usize::MAX);
        let common = &self.header;
        let offered = history.padding(now, |packet| packet.len(common) <= most.max(300));
        let any = offered.or_else(|| history.padding(now, |_| true))?;
        let offered = offered.map(|packet| packet.len(common).into());
        let any = any.unpack(common, self.ssrc);
        // What is kept as it was sealed is no padding.
        let payload_type = PayloadType::from_low_bits(*any.header.get(1)?);
        let rtx = self.codecs.rtx_of(self.fec.as_deref(), payload_type)?;
        let mut header = Vec::with_capacity(any.header.len() + usize::from(u8::MAX));
        let payload = match choose_padding(wanted, offered) {
            Padding::Retransmission => {
                self.rtx.encapsulate(&any.header, rtx, extensions, &mut header).ok()?;
                any.payload.clone()
            }
            Padding::Plain(len) => {
                self.rtx.pad(&any.header, rtx, extensions, len, &mut header).ok()?;
                Bytes::new()
            }
        };
        let (header, class) = (header.into(), Class::Padding);
        let padding = Packet { number: None, class, queued: None, header, payload, ..any };
        Some(self.spare.place(padding))
    }
}
