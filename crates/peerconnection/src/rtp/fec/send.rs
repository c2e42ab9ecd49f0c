//! Parity for one stream of ours. Packets of frames are collected as they are cut; at the end of a frame parity is made of
//! them if enough is owed, and leaves behind the frame. Small frames are protected several together, so that what is added
//! keeps to its share.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use peerage_congestion::Class;
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::repair::{FecEncoder, FecFormat, MAX_PROTECTED};
use peerage_rtp::{
    ExtensionMap, PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};

use super::codecs::FecCodecs;
use super::policy::Protection;
use crate::rtp::arena::Arena;
use crate::rtp::packet::{HeaderTemplate, Packet};

/// Frames that are protected together at most: what is lost of the first waits for the parity behind the last.
const MAX_FRAMES: u32 = 4;
/// Bounds of what is owed, in parity packets.
const MAX_CREDIT: f64 = 8.0;
const MIN_CREDIT: f64 = -1.0;
/// Bytes before the parity: ULPFEC's header with a mask of 48 bits (RFC 5109 §7.3, §7.4) and RED's byte; FlexFEC's header
/// with its longest mask (draft-ietf-payload-flexible-fec-scheme-03 §4.2).
const ULPFEC_ROOM: usize = 1 + 18;
const FLEXFEC_ROOM: usize = 32;
/// What of a packet's header stands in the parity's header instead of in the parity.
const FIXED_HEADER: usize = 12;
/// The byte before media in RED (RFC 2198 §3).
const RED_ROOM: usize = 1;

/// In what parity travels.
#[derive(Debug)]
enum Carrier {
    /// RED on the media's source, under the media's numbers (RFC 5109 §14.2).
    Red { red: PayloadType, rtx: Option<PayloadType>, ulpfec: u8 },
    /// A stream of its own.
    Own { payload_type: PayloadType, header: Box<HeaderTemplate> },
}

/// See the module.
#[derive(Debug)]
pub(in crate::rtp) struct FecSender {
    carrier: Carrier,
    encoder: FecEncoder,
    protection: Protection,
    /// Parity packets owed.
    credit: f64,
    /// Frames in the batch.
    frames: u32,
    /// The next number of the parity's own stream. Never begun anew: SRTP must not seal a number twice (RFC 3711 §9.1).
    next: SequenceNumber,
    ready: Vec<Bytes>,
    scratch: Vec<u8>,
}

impl FecSender {
    /// What protects a stream as agreed on, if anything: FlexFEC where both are.
    pub(in crate::rtp) fn new(
        codecs: FecCodecs,
        ssrc: Ssrc,
        (fec_ssrc, first): (Ssrc, SequenceNumber),
        mid: &str,
        numbered: bool,
        map: &ExtensionMap,
    ) -> Option<Self> {
        let number = |pt: Option<u8>| pt.and_then(PayloadType::new);
        let (format, carrier) = if let Some(payload_type) = number(codecs.flexfec) {
            let header = Box::new(HeaderTemplate::new(fec_ssrc, mid, "", numbered, map));
            (FecFormat::FlexFec03, Carrier::Own { payload_type, header })
        } else {
            let (red, ulpfec) = (number(codecs.red)?, codecs.ulpfec?);
            (FecFormat::UlpFec, Carrier::Red { red, rtx: number(codecs.red_rtx), ulpfec })
        };
        let mut encoder = FecEncoder::new(format, ssrc);
        encoder.set_extensions(map);
        Some(Self {
            carrier,
            encoder,
            protection: Protection::default(),
            credit: 0.0,
            frames: 0,
            next: first,
            ready: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// The number that the parity's stream goes on with.
    pub(in crate::rtp) fn next_number(&self) -> SequenceNumber {
        self.next
    }

    /// The payload type of retransmissions, if `payload_type` is that of RED.
    pub(in crate::rtp) fn rtx_of(&self, payload_type: PayloadType) -> Option<PayloadType> {
        match self.carrier {
            Carrier::Red { red, rtx, .. } if red == payload_type => rtx,
            _ => None,
        }
    }

    pub(in crate::rtp) fn is_red(&self, payload_type: PayloadType) -> bool {
        matches!(self.carrier, Carrier::Red { red, .. } if red == payload_type)
    }

    /// Whether a packet of the media's source is parity.
    pub(in crate::rtp) fn is_parity(&self, packet: &RtpPacket<'_>) -> bool {
        let Carrier::Red { red, ulpfec, .. } = self.carrier else { return false };
        packet.payload_type() == red && packet.payload().first() == Some(&ulpfec)
    }

    /// Takes what is known of the path before a frame is cut; whether the frame is protected. `nack`: the peer asks for what
    /// it misses; `rtx`: and gets it.
    pub(in crate::rtp) fn begin_frame(
        &mut self,
        format: PayloadFormat,
        (nack, rtx): (bool, bool),
        loss: f64,
        round_trip: Duration,
    ) -> bool {
        self.protection.update(loss, round_trip, nack && rtx);
        let fits = match self.carrier {
            Carrier::Own { .. } => true,
            // A receiver sees that a number it misses was none of media only where frames are numbered: elsewhere it
            // waits, and asks in vain. Browsers send none there either.
            Carrier::Red { rtx: red_rtx, .. } => {
                let numbered = matches!(format, PayloadFormat::Vp8 | PayloadFormat::Vp9);
                (numbered || !nack) && (red_rtx.is_some() || !rtx)
            }
        };
        let is_on = fits && self.protection.is_on();
        if !is_on && !self.encoder.is_empty() {
            self.encoder.clear();
            (self.credit, self.frames) = (0.0, 0);
        }
        is_on
    }

    /// Bytes of payload that a packet may have, so that parity of it still fits `room`; `header_len` is its header's.
    pub(in crate::rtp) fn max_payload(&self, room: usize, header_len: usize) -> usize {
        let (parity_header, fec_room, red) = match &self.carrier {
            Carrier::Red { .. } => (header_len, ULPFEC_ROOM, RED_ROOM),
            Carrier::Own { header, .. } => (header.len(), FLEXFEC_ROOM, 0),
        };
        let most = room.saturating_sub(parity_header + fec_room + header_len - FIXED_HEADER);
        most.min(room.saturating_sub(header_len + red))
    }

    /// Takes the packets of a frame, and puts them into RED where parity travels in it. Then
    /// [`take_parity`](Self::take_parity) gives what is to follow them.
    pub(in crate::rtp) fn protect<'a>(
        &mut self,
        packets: impl Iterator<Item = &'a mut Box<Packet>>,
        keyframe: bool,
        arena: &mut Arena,
    ) {
        let share = self.protection.share(keyframe);
        for packet in packets {
            self.scratch.clear();
            self.scratch.extend_from_slice(&packet.header);
            self.scratch.extend_from_slice(&packet.payload);
            if matches!(self.encoder.push(&self.scratch), Ok(false)) {
                self.encode(self.owed().max(1), arena);
                let _ = self.encoder.push(&self.scratch);
            }
            self.credit = (self.credit + share).min(MAX_CREDIT);
            if let Carrier::Red { red, .. } = self.carrier {
                // RFC 2198 §3: one byte without the F bit, the payload type, is before the last block, here the only one.
                let (marker, inside) = (packet.header[1] & 0x80, packet.header[1] & 0x7F);
                packet.header[1] = marker | red.get();
                packet.header.push(inside);
            }
        }
        self.frames += 1;
        let owed = self.owed().max(usize::from(keyframe));
        let is_full = self.frames >= MAX_FRAMES || self.encoder.len() >= MAX_PROTECTED;
        if owed > 0 || (is_full && self.credit >= 0.5) {
            self.encode(owed.max(1), arena);
        } else if is_full {
            self.encoder.clear();
            self.frames = 0;
        }
    }

    fn owed(&self) -> usize {
        self.credit.max(0.0) as usize
    }

    fn encode(&mut self, count: usize, arena: &mut Arena) {
        let (ready, carrier) = (&mut self.ready, &self.carrier);
        let before = ready.len();
        self.encoder.encode(count, |parity| {
            ready.push(match carrier {
                Carrier::Red { ulpfec, .. } => arena.copy(&[&[*ulpfec], parity]),
                Carrier::Own { .. } => arena.copy(&[parity]),
            });
        });
        self.frames = 0;
        self.credit = (self.credit - (ready.len() - before) as f64).max(MIN_CREDIT);
    }

    /// Appends the parity that follows the packets of the media. `header` and `next` are the media's, whose numbers are
    /// taken where parity travels beside it; gives how many of them.
    pub(in crate::rtp) fn take_parity(
        &mut self,
        header: &HeaderTemplate,
        (ssrc, timestamp): (Ssrc, RtpTimestamp),
        next: &mut u64,
        out: &mut VecDeque<Box<Packet>>,
    ) -> u64 {
        let mut taken = 0;
        for payload in self.ready.drain(..) {
            let fields = RtpHeader { marker: false, timestamp, ssrc, ..RtpHeader::default() };
            let packet = match &self.carrier {
                Carrier::Red { red, .. } => {
                    let sequence_number = SequenceNumber(*next as u16);
                    *next += 1;
                    taken += 1;
                    let fields = RtpHeader { payload_type: *red, sequence_number, ..fields };
                    header.packet(Class::Video, fields, payload)
                }
                Carrier::Own { payload_type, header } => {
                    let sequence_number = self.next;
                    self.next = self.next.next();
                    let payload_type = *payload_type;
                    let fields = RtpHeader { payload_type, sequence_number, ..fields };
                    header.packet(Class::Video, fields, payload)
                }
            };
            // It is not kept: nobody is sent parity again.
            out.push_back(Box::new(Packet { number: None, ..packet }));
        }
        taken
    }
}
