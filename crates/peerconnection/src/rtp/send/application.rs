//! Packets that the application has made: they get our numbers, timestamps, payload types and header extensions.

use std::time::Instant;

use peerage_congestion::Class;
use peerage_rtp::payload::FrameFacts;
use peerage_rtp::{MAX_CSRCS, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};
use smallvec::SmallVec;

use super::super::frame::Choice;
use super::super::packet::Packet;
use super::super::packets::{OutgoingPacket, write_levels};
use super::codecs::{UsedCodec, renumber_red};
use super::{MAX_LATE_PACKETS, RETRANSMISSION_ROOM, SendStream};
use crate::error::Error;

/// How far ahead it may jump: receivers guess the rollover of what is nearer than 2^15 (RFC 3711 §3.3.1).
const MAX_JUMP: i64 = 1 << 14;
/// The longest datagram with a packet of the application's: Ethernet's 1,500 bytes less the headers of IPv6 and UDP. It has
/// been cut already, so that [`Settings::mtu`](crate::Settings::mtu) comes too late.
const MAX_FORWARDED: usize = 1_452;

impl SendStream {
    /// A packet of the application's is not sent: the next one takes its number, so that no loss is seen.
    pub(in super::super) fn leave_out(&mut self, packet: &OutgoingPacket) {
        let (Some(number), Some(anchor)) = (packet.sequence, self.anchor) else { return };
        let ahead = number.wrapping_add(anchor).wrapping_sub(self.next) as i64;
        // One that is late leaves a gap: those after it have their numbers already.
        if ahead >= 0 {
            self.anchor = Some(anchor.wrapping_sub(1));
        }
    }

    /// The codec of a packet of the application's.
    pub(in super::super) fn codec_of(
        &mut self,
        packet: &OutgoingPacket,
    ) -> Result<UsedCodec, Error> {
        let choice = match (packet.choice(), self.counters.payload_type) {
            // It says nothing, least of all that the codec changes.
            (Choice::First, Some(last))
                if packet.payload.is_empty() && packet.prefix.is_empty() =>
            {
                Choice::Number(last)
            }
            (choice, _) => choice,
        };
        if let Some((last, codec)) = self.used
            && last == choice
        {
            return Ok(codec);
        }
        let codec = self.codecs.chosen(choice)?;
        let used = UsedCodec {
            class: codec.class(),
            payload_type: codec.payload_type,
            clock_rate: codec.clock_rate,
            repairable: codec.rtx.is_some(),
            red: codec.red.filter(|_| matches!(choice, Choice::Format(_))),
        };
        self.used = Some((choice, used));
        Ok(used)
    }

    /// Makes a packet of one of the application's, that goes by [its codec](Self::codec_of); `overhead` is what SRTP adds.
    pub(in super::super) fn packet(
        &mut self,
        now: Instant,
        packet: &OutgoingPacket,
        codec: UsedCodec,
        overhead: usize,
    ) -> Result<Box<Packet>, Error> {
        let UsedCodec { class, payload_type, clock_rate, repairable, red } = codec;
        let number = match packet.sequence {
            None => {
                self.shift_anchor();
                self.next
            }
            Some(number) => {
                let mut anchor = self.anchor.unwrap_or_else(|| self.next.wrapping_sub(number));
                let ahead = number.wrapping_add(anchor).wrapping_sub(self.next) as i64;
                if ahead < -(MAX_LATE_PACKETS as i64) {
                    return Err(Error::Operation(format!(
                        "sequence number {number} is too far behind those before it"
                    )));
                }
                if ahead > MAX_JUMP {
                    // What lies between was not sent, or not taken: one gap is as good as so many.
                    anchor = (self.next + 1).wrapping_sub(number);
                }
                self.anchor = Some(anchor);
                number.wrapping_add(anchor)
            }
        };
        let timestamp = RtpTimestamp(packet.timestamp.wrapping_add(self.offset));
        let (marker, mut payload) = (packet.marker, packet.payload.clone());
        // Redundant audio has the payload types of its blocks within.
        let renumbered = red.and_then(|inner| renumber_red(&payload, inner));
        if let Some(header) = &renumbered {
            payload = payload.slice(header.len()..);
        }
        let sequence_number = SequenceNumber(number as u16);
        let ssrc = self.ssrc;
        let fields = RtpHeader { marker, payload_type, sequence_number, timestamp, ssrc };
        let made = if packet.extensions.is_empty() && packet.contributing.is_empty() {
            self.header.packet(class, fields, payload)
        } else {
            let most = packet.contributing.len().min(MAX_CSRCS);
            let contributing = &packet.contributing[..most];
            let csrcs: SmallVec<[Ssrc; MAX_CSRCS]> =
                contributing.iter().map(|contribution| Ssrc(contribution.source)).collect();
            self.header.packet_with(class, fields, &csrcs, payload, |writer, map| {
                packet.extensions.write(writer, map);
                write_levels(contributing, writer, map);
            })
        };
        let mut made = self.spare.place(made);
        made.header.extend_from_slice(renumbered.as_deref().unwrap_or(&packet.prefix));
        if made.len() + RETRANSMISSION_ROOM + overhead > MAX_FORWARDED {
            return Err(Error::Operation(format!(
                "a packet with a payload of {} bytes is longer than {MAX_FORWARDED}",
                made.payload_len()
            )));
        }
        self.repairable = repairable;
        self.counters.payload_type = Some(payload_type.get());
        if class == Class::Video && marker {
            self.counters.frame(now, FrameFacts::default(), true);
        }
        self.load.count(&made);
        self.load.resume();
        if number >= self.next {
            self.next = number + 1;
            self.last = Some((timestamp.0, now, clock_rate));
        }
        Ok(made)
    }
}
