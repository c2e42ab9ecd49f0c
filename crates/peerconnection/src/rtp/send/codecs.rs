//! The codecs that the peer takes, and which of them a frame or a packet is sent in.

use std::ops::Deref;

use peerage_congestion::Class;
use peerage_rtp::PayloadType;
use peerage_rtp::payload::PayloadFormat;
use peerage_sdp::Feedback;
use smallvec::SmallVec;

use super::super::fec::{FecSender, is_protection};
use super::super::frame::Choice;
use super::super::routing::red_block;
use crate::error::Error;
use crate::jsep::AgreedMedia;
use crate::media::{CodecFormat, RtpCodec, dictionary_match, same_format};

/// A codec that the peer takes.
pub(super) struct Codec {
    /// As the peer numbers it.
    pub(super) payload_type: PayloadType,
    /// The payload type of retransmissions.
    pub(super) rtx: Option<PayloadType>,
    /// The peer asks for lost packets.
    pub(super) nack: bool,
    pub(super) format: PayloadFormat,
    /// What it is on any connection.
    pub(super) codec: CodecFormat,
    pub(super) clock_rate: u32,
    /// Redundant audio: the payload type of the frames inside (RFC 2198 §4).
    pub(super) red: Option<PayloadType>,
    /// As it was agreed on, with what the peer says of it, and its place there.
    pub(super) agreed: RtpCodec,
    place: usize,
}

impl Codec {
    /// Whether it carries what the application sends, and not something beside it.
    pub(super) fn is_media(&self) -> bool {
        !matches!(self.format, PayloadFormat::TelephoneEvent | PayloadFormat::ComfortNoise)
    }

    /// How urgent its packets are.
    pub(super) fn class(&self) -> Class {
        if self.format.is_video() { Class::Video } else { Class::Audio }
    }
}

/// What a packet of the application is to know of its codec.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct UsedCodec {
    pub(in super::super) class: Class,
    pub(super) payload_type: PayloadType,
    pub(super) clock_rate: u32,
    /// It has retransmissions.
    pub(super) repairable: bool,
    pub(super) red: Option<PayloadType>,
}

/// By what telephone events are sent.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct EventCodec {
    pub(in super::super) payload_type: PayloadType,
    pub(in super::super) clock_rate: u32,
}

/// All of them; the first that carries media is meant where nothing is said.
#[derive(Default)]
pub(super) struct SendCodecs(Vec<Codec>);

impl Deref for SendCodecs {
    type Target = [Codec];

    fn deref(&self) -> &[Codec] {
        &self.0
    }
}

impl SendCodecs {
    /// As a section has them.
    pub(super) fn agreed(media: &AgreedMedia) -> Self {
        let carries = media.agreement.codecs.iter().filter(|codec| !is_protection(&codec.codec));
        let codecs = carries.enumerate().filter_map(|(place, codec)| {
            let fmtp = codec.remote_fmtp.as_deref().unwrap_or("");
            Some(Codec {
                codec: CodecFormat::of(&codec.codec)?,
                payload_type: PayloadType::new(codec.send)?,
                rtx: codec.rtx.and_then(|rtx| PayloadType::new(rtx.send)),
                nack: codec.codec.rtcp_feedback.contains(&Feedback::Nack),
                format: PayloadFormat::from_sdp(&codec.codec.name, fmtp)?,
                clock_rate: codec.codec.clock_rate,
                red: None,
                agreed: RtpCodec { fmtp: codec.remote_fmtp.clone(), ..codec.codec.clone() },
                place,
            })
        });
        let mut codecs = Self(codecs.collect());
        codecs.find_red_blocks(media);
        codecs
    }

    /// What redundant audio carries: what the peer names, or else the audio of the same clock.
    fn find_red_blocks(&mut self, media: &AgreedMedia) {
        for index in 0..self.0.len() {
            let red = &self.0[index];
            if red.format != PayloadFormat::Red {
                continue;
            }
            let agreed = media.agreement.codecs.iter().find(|c| c.send == red.payload_type.get());
            let fmtp = agreed.and_then(|codec| codec.remote_fmtp.as_deref());
            let named = red_block(fmtp);
            let inner = |codec: &&Codec| {
                let is_it = match named {
                    Some(number) => codec.payload_type.get() == number,
                    None => codec.clock_rate == red.clock_rate,
                };
                is_it && codec.is_media() && codec.format != PayloadFormat::Red
            };
            if let Some(inner) = self.0.iter().find(inner) {
                let (number, format) = (inner.payload_type, red.codec.carrying(inner.codec));
                (self.0[index].red, self.0[index].codec) = (Some(number), format);
            }
        }
        // Without anything to carry it cannot be sent.
        self.0.retain(|codec| codec.format != PayloadFormat::Red || codec.red.is_some());
    }

    /// Puts the codec that the application has chosen before the others, which stand as agreed on.
    pub(super) fn prefer(&mut self, chosen: Option<&RtpCodec>) {
        let is_it = |codec: &&Codec| {
            codec.is_media() && chosen.is_some_and(|c| dictionary_match(&codec.agreed, c, true))
        };
        // Parameters that only the peer names do not keep its codec from being the one that is meant.
        let named = |codec: &&Codec| {
            codec.is_media() && chosen.is_some_and(|c| same_format(&codec.agreed, c))
        };
        let mut codecs = self.0.iter();
        let found = codecs.clone().find(is_it).or_else(|| codecs.find(named));
        let chosen = found.map(|codec| codec.place);
        self.0.sort_by_key(|codec| (Some(codec.place) != chosen, codec.place));
    }

    /// Of a codec: the payload type of redundant audio that carries it, and what it carries where it is redundant audio itself.
    pub(super) fn redundancy(&self, payload_type: u8) -> (Option<u8>, Option<&RtpCodec>) {
        let number = PayloadType::new(payload_type);
        let around = self.0.iter().find(|codec| codec.red.is_some() && codec.red == number);
        let itself = self.0.iter().find(|codec| Some(codec.payload_type) == number);
        let inner = itself.and_then(|codec| codec.red);
        let inner = self.0.iter().find(|codec| Some(codec.payload_type) == inner);
        (around.map(|codec| codec.payload_type.get()), inner.map(|codec| &codec.agreed))
    }

    /// The payload type of comfort noise that goes with a codec: of the same clock (RFC 3389 §5.1).
    pub(super) fn comfort_noise(&self, payload_type: u8) -> Option<u8> {
        let beside = self.of(PayloadType::new(payload_type)?)?;
        let noise = self.0.iter().find(|codec| {
            codec.format == PayloadFormat::ComfortNoise && codec.clock_rate == beside.clock_rate
        })?;
        Some(noise.payload_type.get())
    }

    /// The codec of a payload type.
    pub(super) fn of(&self, payload_type: PayloadType) -> Option<&Codec> {
        self.0.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// That of telephone events: at the rate of the audio where the peer takes that (RFC 4733 §2.1).
    pub(super) fn of_events(&self, rate: u32) -> Option<EventCodec> {
        let events = |codec: &&Codec| codec.format == PayloadFormat::TelephoneEvent;
        let codec = (self.0.iter().filter(events).find(|codec| codec.clock_rate == rate))
            .or_else(|| self.0.iter().find(events))?;
        Some(EventCodec { payload_type: codec.payload_type, clock_rate: codec.clock_rate })
    }

    /// The payload type of retransmissions of packets that have this one.
    pub(super) fn rtx_of(
        &self,
        fec: Option<&FecSender>,
        payload_type: PayloadType,
    ) -> Option<PayloadType> {
        match self.of(payload_type) {
            Some(codec) => codec.rtx,
            None => fec?.rtx_of(payload_type),
        }
    }

    /// Whether a codec carries frames of this one: it is the same, or redundant audio of it.
    fn carries(&self, codec: &Codec, format: CodecFormat) -> bool {
        let is_inner = |inner: PayloadType| {
            let of = |codec: &Codec| codec.payload_type == inner && codec.codec == format;
            self.0.iter().any(of)
        };
        codec.codec == format || codec.red.is_some_and(is_inner)
    }

    /// The codec that the application chose.
    pub(super) fn chosen(&self, choice: Choice) -> Result<&Codec, Error> {
        let mut codecs = self.0.iter();
        let codec = match choice {
            // What is sent beside the media is not meant by default.
            Choice::First => codecs.find(|codec| codec.is_media()),
            Choice::Number(number) => codecs.find(|codec| codec.payload_type.get() == number),
            Choice::Format(format) => codecs.find(|codec| codec.codec == format),
            Choice::Media(format) => match self.0.iter().find(|codec| codec.is_media()) {
                Some(first) if self.carries(first, format) => Some(first),
                _ => codecs.find(|codec| codec.codec == format),
            },
        };
        codec.ok_or_else(|| {
            Error::Operation(match choice {
                Choice::Number(pt) => format!("payload type {pt} was not agreed on with the peer"),
                Choice::Format(codec) | Choice::Media(codec) => {
                    format!("{codec} was not agreed on with the peer")
                }
                Choice::First => "no codec was agreed on with the peer".to_owned(),
            })
        })
    }
}

/// The headers of the blocks of redundant audio (RFC 2198 §3) with another payload type; `None` if they have it already, or
/// cannot be read.
pub(super) fn renumber_red(payload: &[u8], to: PayloadType) -> Option<SmallVec<[u8; 16]>> {
    let mut headers = SmallVec::new();
    let mut changes = false;
    loop {
        let more = payload.get(headers.len())? & 0x80 != 0;
        let header = payload.get(headers.len()..)?.get(..if more { 4 } else { 1 })?;
        changes |= header[0] & 0x7f != to.get();
        headers.push(header[0] & 0x80 | to.get());
        headers.extend_from_slice(&header[1..]);
        if !more {
            return changes.then_some(headers);
        }
    }
}
