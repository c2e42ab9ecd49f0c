//! Parity and what it recovers, on its way through the transport. What is taken out of RED, and what is recovered, is media
//! or nothing: neither is unwrapped a second time, so that a peer cannot put packets into packets without end.

use std::time::{Duration, Instant};

use peerage_rtp::receive::Route;
use peerage_rtp::repair::{FecFormat, RECOVERY_WINDOW};
use peerage_rtp::{RtpPacket, Ssrc};

use crate::rtp::RtpTransport;
use crate::rtp::receive::Accepted;
use crate::rtp::routing::{ReceivedCodec, Section};

/// How long a gap is left to parity before it is asked for: a part of the round trip that asking would take ...
const PATIENCE: u32 = 4;
/// ... and at most this.
const MAX_PATIENCE: Duration = Duration::from_millis(30);

/// Writes what RED carries as a packet of its own, with its header (RFC 2198 §3). False where it is not a single block.
pub(in crate::rtp) fn take_off_red(packet: &RtpPacket<'_>, out: &mut Vec<u8>) -> bool {
    let bytes = packet.as_bytes();
    let Some((&first, _)) = packet.payload().split_first() else { return false };
    if first & 0x80 != 0 {
        return false;
    }
    out.clear();
    out.extend_from_slice(&bytes[..packet.header_len()]);
    out[1] = out[1] & 0x80 | first;
    out.extend_from_slice(&bytes[packet.header_len() + 1..]);
    true
}

impl RtpTransport {
    /// Takes a packet of video in RED.
    pub(in crate::rtp) fn take_red(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        let Some(section) = self.routing.section(route) else { return };
        let first = packet.payload().first().copied();
        if first.is_none() || first == section.fec.ulpfec {
            self.take_ulpfec(now, packet, route, index);
            return;
        }
        let mut plain = std::mem::take(&mut self.unwrapped);
        match take_off_red(packet, &mut plain).then(|| RtpPacket::parse(&plain)) {
            Some(Ok(inner)) => self.take_media(now, &inner, route, index),
            _ => self.take_unreadable(now, packet, route, index),
        }
        self.unwrapped = plain;
    }

    /// Takes a packet of which nothing can be read but that it came: it is not asked for again, and the frame that it is of
    /// is lost.
    pub(in crate::rtp) fn take_unreadable(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        self.statistics.packets_malformed += 1;
        if self.belongs(route, index) && self.receivers[index].count_filler(now, packet) {
            self.receivers[index].lose(packet);
            self.after_packet(now, index);
        }
    }

    /// Takes parity that has a number of the media's, or padding in its place.
    fn take_ulpfec(&mut self, now: Instant, packet: &RtpPacket<'_>, route: &Route, index: usize) {
        if !self.belongs(route, index) {
            return;
        }
        self.log.parity_received(now, packet, &self.extensions);
        let is_new = self.receivers[index].count_filler(now, packet);
        if let (Some((_, parity)), true) = (packet.payload().split_first(), is_new) {
            self.receivers[index].fec.count(parity.len(), None);
            self.take_parity(now, index, FecFormat::UlpFec, packet, parity);
        }
        let section = self.routing.section(route).filter(|_| is_new);
        if let Some(accepted) =
            section.and_then(|codecs| self.receivers[index].fill(packet, codecs))
        {
            self.give_out_filler(now, index, packet, accepted);
        }
        self.take_recovered(now, route, index);
        self.after_packet(now, index);
    }

    /// Takes a packet of a FlexFEC stream.
    pub(in crate::rtp) fn take_flexfec(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        let Some(section) = self.routing.section(route) else { return };
        let is_it = section.fec.flexfec == Some(packet.payload_type().get());
        if !is_it || !self.belongs(route, index) {
            self.statistics.packets_dropped += 1;
            return;
        }
        self.log.parity_received(now, packet, &self.extensions);
        let parity = packet.payload();
        if parity.is_empty() {
            return;
        }
        self.receivers[index].fec.count(parity.len(), Some(packet.ssrc()));
        self.take_parity(now, index, FecFormat::FlexFec03, packet, parity);
        self.take_recovered(now, route, index);
        self.after_packet(now, index);
    }

    /// Whether a stream is of the section that a packet came for.
    fn belongs(&self, route: &Route, index: usize) -> bool {
        let section = self.routing.section(route);
        section.is_some_and(|section| section.transceiver == self.receivers[index].transceiver())
    }

    fn take_parity(
        &mut self,
        now: Instant,
        index: usize,
        format: FecFormat,
        packet: &RtpPacket<'_>,
        parity: &[u8],
    ) {
        if !self.receivers[index].fec.is_active() && self.admit_parity(now, index) {
            self.receivers[index].begin_fec(format, &self.extensions);
        }
        let patience = (self.round_trip / PATIENCE).min(MAX_PATIENCE);
        let stream = &mut self.receivers[index];
        stream.set_patience(patience);
        stream.fec.parity(now, format, packet, parity);
    }

    /// Keeps a packet of media where parity may need it, and takes what it makes recoverable.
    pub(in crate::rtp) fn keep_for_parity(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        route: &Route,
        index: usize,
    ) {
        let stream = &mut self.receivers[index];
        match stream.fec.media(now, packet) {
            true => self.take_recovered(now, route, index),
            false => {
                stream.set_patience(Duration::ZERO);
                self.parity.ended(index);
            }
        }
    }

    /// Recovered packets go the way of those that came, once.
    fn take_recovered(&mut self, now: Instant, route: &Route, index: usize) {
        let mut bytes = std::mem::take(&mut self.recovered);
        for _ in 0..RECOVERY_WINDOW {
            bytes.clear();
            if !self.receivers[index].fec.poll(&mut bytes) {
                break;
            }
            let Ok(packet) = RtpPacket::parse(&bytes) else { continue };
            let Some(section) = self.routing.section(route) else { break };
            // Neither RED nor retransmissions nor parity are among the codecs.
            let Some(&codec) = section.codec(packet.payload_type().get()) else { continue };
            self.receivers[index].note_extensions(&packet, &self.extensions);
            let recovered = self.receivers[index].recovered(now, &codec, &packet);
            self.statistics.packets_recovered += u64::from(recovered.is_some());
            if let Some(accepted) = recovered.flatten() {
                self.give_out(now, index, &packet, accepted, true);
            }
        }
        self.recovered = bytes;
    }

    /// An application that takes packets gets an empty one, so that the numbers have no gap: downstream nobody could repair
    /// it.
    fn give_out_filler(
        &mut self,
        now: Instant,
        index: usize,
        packet: &RtpPacket<'_>,
        accepted: Accepted,
    ) {
        let mut header = std::mem::take(&mut self.unwrapped);
        header.clear();
        header.extend_from_slice(&packet.as_bytes()[..packet.header_len()]);
        header[0] &= !0x20;
        header[1] = accepted.payload_type;
        if let Ok(empty) = RtpPacket::parse(&header) {
            self.give_out(now, index, &empty, accepted, false);
        }
        self.unwrapped = header;
    }
}

/// The stream that a FlexFEC packet says it protects (draft-ietf-payload-flexible-fec-scheme-03 §4.2): of use where no
/// description tells.
pub(in crate::rtp) fn protected_by(parity: &[u8]) -> Option<Ssrc> {
    let (count, ssrc) = (*parity.get(8)?, parity.get(12..16)?);
    let ssrc = u32::from_be_bytes(ssrc.try_into().ok()?);
    (count == 1).then_some(Ssrc(ssrc))
}

/// What a packet of media carries, in RED or without.
pub(in crate::rtp) fn codec_inside<'a>(
    section: &'a Section,
    packet: &RtpPacket<'_>,
) -> Option<&'a ReceivedCodec> {
    let payload_type = packet.payload_type().get();
    match section.fec.red == Some(payload_type) {
        true => section.codec(*packet.payload().first()?),
        false => section.codec(payload_type),
    }
}
