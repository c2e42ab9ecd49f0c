//! One stream of ours: frames cut into packets, each with its header and extensions.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use peerage_congestion::{Class, DataSize, Padding, choose_padding};
use peerage_crypto::Rng;
use peerage_rtp::extension::{ExtensionKind, Mid, RtpStreamId};
use peerage_rtp::payload::{Packetizer, PacketizerOptions, PayloadFormat};
use peerage_rtp::repair::{Retransmission, RtxSender, SendHistory, SendHistoryConfig};
use peerage_rtp::rtcp::SenderInfo;
use peerage_rtp::{
    ExtensionMap, NtpTime, PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};
use peerage_sdp::{Feedback, RidDirection};

use super::frame::Frame;
use crate::error::Error;
use crate::jsep::AgreedMedia;
use crate::media::uri;
use crate::transceiver::{RtpEncodingParameters, TransceiverHandle};

/// Bytes that header and extensions may take beside mid and rid: the fixed header, that of the extension and its padding,
/// two bytes before each value, times and numbers, and what a retransmission adds (RFC 4588 §4).
const HEADER_ROOM: usize = 12 + 4 + 3 + 2 * 2 + 5 + 4 + 2;

/// A packet that waits: all but the values of the moment it is sent.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) ssrc: Ssrc,
    /// What the history keeps it under; `None` for retransmissions.
    number: Option<SequenceNumber>,
    pub(super) class: Class,
    bytes: Vec<u8>,
    header_len: usize,
    send_time: Option<Range<usize>>,
    transport_sequence: Option<Range<usize>>,
}

impl Packet {
    /// Appends the packet with the time and the transport-wide sequence number; whether it has room for one.
    pub(super) fn write(&self, now: NtpTime, transport_sequence: u16, buf: &mut Vec<u8>) -> bool {
        let start = buf.len();
        buf.extend_from_slice(&self.bytes);
        let packet = &mut buf[start..];
        if let Some(range) = &self.send_time {
            // 6.18 seconds: the middle of 32.32.
            packet[range.clone()].copy_from_slice(&((now.0 >> 14) as u32).to_be_bytes()[1..]);
        }
        if let Some(range) = &self.transport_sequence {
            packet[range.clone()].copy_from_slice(&transport_sequence.to_be_bytes());
        }
        self.transport_sequence.is_some()
    }

    /// Bytes before SRTP.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn payload_len(&self) -> usize {
        self.bytes.len() - self.header_len
    }
}

/// A codec that the peer takes.
struct Codec {
    /// As the peer numbers it.
    payload_type: PayloadType,
    /// The payload type of retransmissions.
    rtx: Option<PayloadType>,
    /// The peer asks for lost packets.
    nack: bool,
    format: PayloadFormat,
    clock_rate: u32,
}

/// By what `rid` an encoding is sent, empty without simulcast; `None` if it is not sent, because the peer did not agree to
/// it. Without a simulcast only the first is (RFC 8853 §5.3.3; webrtc-pc §4.4.1.5, step 4.6.9).
pub(super) fn agreed_rid<'a>(
    media: &'a AgreedMedia,
    encodings: &'a [RtpEncodingParameters],
    index: usize,
) -> Option<&'a str> {
    let own = encodings.get(index)?.rid.as_str();
    let rids = &media.agreement.rids;
    let agreed =
        |own: &str| rids.iter().any(|r| r.direction == RidDirection::Send && *r.id == *own);
    let layers = media.agreement.simulcast.as_ref().map_or(&[][..], |layers| &layers.send);
    if layers.is_empty() {
        return (index == 0).then_some(if agreed(own) { own } else { "" });
    }
    let has =
        |own: &str| layers.iter().flat_map(|layer| &layer.0).any(|format| *format.rid == *own);
    match encodings.iter().any(|encoding| has(&encoding.rid)) {
        true => has(own).then_some(own),
        // An offer of the peer has named them.
        false => layers.get(index).and_then(|layer| Some(&*layer.0.first()?.rid)),
    }
}

/// See the module.
pub(super) struct SendStream {
    transceiver: TransceiverHandle,
    encoding: usize,
    ssrc: Ssrc,
    mid: String,
    rid: String,
    /// The peer takes transport-wide numbers on this section.
    numbered: bool,
    codecs: Vec<Codec>,
    /// The codec of the last frame and its packetiser.
    current: Option<(PayloadType, Packetizer)>,
    options: PacketizerOptions,
    history: Option<SendHistory>,
    rtx: RtxSender,
    sequence: SequenceNumber,
    /// Added to the application's timestamps, so that they begin anywhere (RFC 3550 §5.1).
    offset: u32,
    packets: u32,
    octets: u32,
    /// The last frame: its timestamp on the wire, when it was sent, its clock rate.
    last: Option<(u32, Instant, u32)>,
}

impl SendStream {
    pub(super) fn new(
        media: &AgreedMedia,
        encoding: usize,
        (ssrc, rtx): (u32, u32),
        rid: &str,
        rng: &mut Rng,
    ) -> Self {
        let mut stream = Self {
            transceiver: media.transceiver,
            encoding,
            ssrc: Ssrc(ssrc),
            mid: String::new(),
            rid: String::new(),
            numbered: false,
            codecs: Vec::new(),
            current: None,
            options: PacketizerOptions {
                picture_id: (rng.u32() & 0x7fff) as u16,
                tl0_picture_index: rng.u32() as u8,
                ..PacketizerOptions::default()
            },
            history: None,
            rtx: RtxSender::new(Ssrc(rtx), SequenceNumber((rng.u32() & 0x7fff) as u16)),
            // RFC 3711 §3.3.1: below 2^15, so that a receiver that misses the first ones guesses the rollover right.
            sequence: SequenceNumber((rng.u32() & 0x7fff) as u16),
            offset: rng.u32(),
            packets: 0,
            octets: 0,
            last: None,
        };
        stream.configure(media, rid);
        stream
    }

    pub(super) fn configure(&mut self, media: &AgreedMedia, rid: &str) {
        rid.clone_into(&mut self.rid);
        self.mid = media.mid.as_ref().map(|mid| mid.to_string()).unwrap_or_default();
        self.numbered =
            media.agreement.extensions.iter().any(|extension| {
                extension.direction.sends() && *extension.uri == *uri::TRANSPORT_CC
            });
        let codecs = media.agreement.codecs.iter().filter_map(|codec| {
            let fmtp = codec.remote_fmtp.as_deref().unwrap_or("");
            Some(Codec {
                payload_type: PayloadType::new(codec.send)?,
                rtx: codec.rtx.and_then(|rtx| PayloadType::new(rtx.send)),
                nack: codec.codec.rtcp_feedback.contains(&Feedback::Nack),
                format: PayloadFormat::from_sdp(&codec.codec.name, fmtp)?,
                clock_rate: codec.codec.clock_rate,
            })
        });
        self.codecs = codecs.collect();
        if !self.codecs.iter().any(|codec| codec.nack) {
            self.history = None;
        } else if self.history.is_none() {
            self.history = Some(SendHistory::new(SendHistoryConfig::default()));
        }
        let codecs = &self.codecs;
        self.current.take_if(|(pt, packetizer)| {
            !codecs.iter().any(|c| c.payload_type == *pt && c.format == packetizer.format())
        });
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub(super) fn transceiver(&self) -> TransceiverHandle {
        self.transceiver
    }

    pub(super) fn encoding(&self) -> usize {
        self.encoding
    }

    /// Cuts a frame into packets of at most `room` bytes.
    pub(super) fn send(
        &mut self,
        now: Instant,
        frame: &Frame,
        room: usize,
        extensions: &ExtensionMap,
        out: &mut VecDeque<Packet>,
    ) -> Result<(), Error> {
        let codec = match frame.payload_type {
            None => self.codecs.first(),
            Some(pt) => self.codecs.iter().find(|codec| codec.payload_type.get() == pt),
        };
        let Some(codec) = codec else {
            return Err(Error::Operation(match frame.payload_type {
                Some(pt) => format!("payload type {pt} was not agreed on with the peer"),
                None => "no codec was agreed on with the peer".to_owned(),
            }));
        };
        let payload_type = codec.payload_type;
        let packetizer = match &mut self.current {
            Some((current, packetizer)) if *current == payload_type => packetizer,
            current => {
                let packetizer = Packetizer::new(codec.format, self.options);
                &mut current.insert((payload_type, packetizer)).1
            }
        };
        let timestamp = frame.timestamp.wrapping_add(self.offset);
        let (ssrc, mid, rid) = (self.ssrc, self.mid.as_str(), self.rid.as_str());
        let numbered = self.numbered;
        let class = if codec.format.is_video() { Class::Video } else { Class::Audio };
        // The peer may have chosen a mid of any length.
        let header_room = HEADER_ROOM + mid.len() + rid.len();
        let (sequence, packets, octets) = (&mut self.sequence, &mut self.packets, &mut self.octets);
        let mut emit = |parts: &[&[u8]], marker: bool| {
            let header = RtpHeader {
                marker,
                payload_type,
                sequence_number: *sequence,
                timestamp: RtpTimestamp(timestamp),
                ssrc,
            };
            let payload_len: usize = parts.iter().map(|part| part.len()).sum();
            let mut bytes = Vec::with_capacity(header_room + payload_len);
            header.write(&mut bytes, |writer| {
                // A value that does not fit is left out: the peer then goes by the SSRC.
                if !mid.is_empty() {
                    let _ = writer.set(extensions, &Mid(mid));
                }
                if !rid.is_empty() {
                    let _ = writer.set(extensions, &RtpStreamId(rid));
                }
                if let Some(id) = extensions.id(ExtensionKind::AbsoluteSendTime) {
                    let _ = writer.put(id, &[0; 3]);
                }
                let id = extensions.id(ExtensionKind::TransportSequenceNumber);
                if let Some(id) = id.filter(|_| numbered) {
                    let _ = writer.put(id, &[0; 2]);
                }
            });
            let header_len = bytes.len();
            let range = |kind| {
                let id = extensions.id(kind)?;
                RtpPacket::parse(&bytes).ok()?.extension_range(id)
            };
            let send_time = range(ExtensionKind::AbsoluteSendTime);
            let transport_sequence = range(ExtensionKind::TransportSequenceNumber);
            for part in parts {
                bytes.extend_from_slice(part);
            }
            let number = Some(*sequence);
            out.push_back(Packet {
                ssrc,
                number,
                class,
                bytes,
                header_len,
                send_time,
                transport_sequence,
            });
            *sequence = sequence.next();
            *packets = packets.wrapping_add(1);
            *octets = octets.wrapping_add(payload_len as u32);
        };
        let max_payload = room.saturating_sub(header_room);
        packetizer
            .packetize(&frame.data, &frame.info, max_payload, &mut emit)
            .map_err(|error| Error::Operation(error.to_string()))?;
        self.last = Some((timestamp, now, codec.clock_rate));
        Ok(())
    }

    /// Keeps a packet that is being sent, as it is on the wire before SRTP.
    pub(super) fn sent(&mut self, now: Instant, packet: &Packet, bytes: &[u8]) {
        if let (Some(history), Some(number)) = (&mut self.history, packet.number) {
            history.insert(now, number, bytes);
        }
    }

    /// A packet to be sent again, in a stream of its own (RFC 4588): SRTP seals no number twice.
    pub(super) fn retransmit(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        round_trip: Duration,
        extensions: &ExtensionMap,
    ) -> Option<Packet> {
        let history = self.history.as_mut()?;
        let Retransmission::Send(original) = history.retransmit(now, number, round_trip) else {
            return None;
        };
        let payload_type = RtpPacket::parse(original).ok()?.payload_type();
        let codec = self.codecs.iter().find(|codec| codec.payload_type == payload_type);
        let rtx = codec.and_then(|codec| codec.rtx);
        let mut bytes = Vec::with_capacity(original.len() + 2);
        match rtx {
            Some(rtx) => self.rtx.encapsulate(original, rtx, extensions, &mut bytes).ok()?,
            // Sealed again under the same number it would give the keystream away (RFC 3711 §9.1).
            None => return None,
        }
        self.repeated(Class::Retransmission, bytes, extensions)
    }

    fn repeated(&self, class: Class, bytes: Vec<u8>, extensions: &ExtensionMap) -> Option<Packet> {
        let packet = RtpPacket::parse(&bytes).ok()?;
        let range = |kind| packet.extension_range(extensions.id(kind)?);
        let send_time = range(ExtensionKind::AbsoluteSendTime);
        let transport_sequence = range(ExtensionKind::TransportSequenceNumber);
        let header_len = packet.header_len();
        let (ssrc, number) = (self.ssrc, None);
        Some(Packet { ssrc, number, class, bytes, header_len, send_time, transport_sequence })
    }

    /// Whether padding can be sent beside this stream: a receiver must not take it for media.
    pub(super) fn can_pad(&self) -> bool {
        let Some((current, _)) = self.current else { return false };
        self.history.is_some()
            && self.codecs.iter().any(|c| c.payload_type == current && c.rtx.is_some())
    }

    /// A packet of about this size that says nothing new, in the stream of retransmissions.
    pub(super) fn pad(
        &mut self,
        now: Instant,
        wanted: DataSize,
        extensions: &ExtensionMap,
    ) -> Option<Packet> {
        let history = self.history.as_ref()?;
        let most = usize::try_from(wanted.as_bytes().saturating_mul(2)).unwrap_or(usize::MAX);
        let offered = history.padding(now, most.max(300));
        let any = offered.or_else(|| history.padding(now, usize::MAX))?;
        let payload_type = RtpPacket::parse(any).ok()?.payload_type();
        let codec = self.codecs.iter().find(|codec| codec.payload_type == payload_type);
        let rtx = codec.and_then(|codec| codec.rtx)?;
        let mut bytes = Vec::with_capacity(any.len() + 2);
        match choose_padding(wanted, offered.map(|packet| packet.len().into())) {
            Padding::Retransmission => {
                self.rtx.encapsulate(any, rtx, extensions, &mut bytes).ok()?;
            }
            Padding::Plain(len) => self.rtx.pad(any, rtx, extensions, len, &mut bytes).ok()?,
        }
        self.repeated(Class::Padding, bytes, extensions)
    }

    /// What a sender report says; `None` before the first frame.
    pub(super) fn sender_info(&self, now: Instant, ntp: u64) -> Option<SenderInfo> {
        let (timestamp, at, clock_rate) = self.last?;
        let since = now.saturating_duration_since(at);
        let ticks = since.as_micros() * u128::from(clock_rate) / 1_000_000;
        Some(SenderInfo {
            ntp,
            rtp_timestamp: RtpTimestamp(timestamp.wrapping_add(ticks as u32)),
            packet_count: self.packets,
            octet_count: self.octets,
        })
    }
}
