//! RTP packets as the application hands them in and gets them: the level of forwarding servers (SFUs), without frames.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes};
use peerage_rtp::extension::{
    AbsoluteCaptureTime, AudioLevel, ColorSpace, ExtensionKind, ExtensionWriter, HeaderExtension,
    MixerToClientAudioLevels, PlayoutDelay, VideoContentType, VideoLayersAllocation,
    VideoOrientation, VideoTiming,
};
use peerage_rtp::forward::{ChosenPacket, LayeredPacket, PayloadPrefix, Rewritten, SourcePacket};
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::{ExtensionMap, RtpPacket, Ssrc};
use peerage_sdp::Word;

use super::arena::Arena;
use super::frame::Choice;
use crate::media::CodecFormat;
use crate::transceiver::TransceiverHandle;

/// What becomes of the media that come in on a transceiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReceiveMode {
    /// Packets are assembled: frames come out, complete and in decoding order, as [`Event::Frame`](crate::Event::Frame).
    #[default]
    Frames,
    /// Packets come out as they arrive, from [`PeerConnection::poll_rtp`](crate::PeerConnection::poll_rtp). Lost ones are
    /// asked for again as in the other mode, and come out under their own numbers; keyframes are asked for by the
    /// application only, since nothing looks into the payloads.
    Packets,
}

/// An RTP packet that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedPacket {
    /// Whose it is.
    pub transceiver: TransceiverHandle,
    /// Which layer of a simulcast.
    pub rid: Option<Word>,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload type, as our description has it.
    pub payload_type: u8,
    /// What the payload type stands for.
    pub format: PayloadFormat,
    /// The codec, which is the same on other connections.
    pub codec: CodecFormat,
    /// The sequence number without its wraps: the next packet of the source has the next number, for ever. The low 16
    /// bits are those on the wire.
    pub sequence: u64,
    /// The timestamp, in ticks of the codec's RTP clock.
    pub timestamp: u32,
    /// The marker.
    pub marker: bool,
    /// It was lost, and came as a retransmission.
    pub repaired: bool,
    /// The header extensions that are of use to others than this transport.
    pub extensions: PacketExtensions,
    /// How long after its timestamp it left the peer, in ticks of the same clock, where that was negotiated and is said
    /// (RFC 5450). Only the difference between two packets of a source means anything.
    pub transmission_offset: Option<i32>,
    /// The sources that were mixed (RFC 3550 §5.1); most often none.
    pub contributing: Vec<Contribution>,
    /// The payload without padding, the only copy of it; empty where the packet was padding and nothing else. It shares
    /// 16 kB of memory with its neighbours: copy what is kept for long.
    pub payload: Bytes,
    /// When it came.
    pub arrival: Instant,
}

impl ReceivedPacket {
    /// What [`StreamRewriter`](peerage_rtp::forward::StreamRewriter) is to know of it.
    pub fn source(&self) -> SourcePacket<'_> {
        SourcePacket {
            source: self.ssrc,
            sequence: self.sequence,
            timestamp: self.timestamp,
            payload: &self.payload,
            arrival: self.arrival,
        }
    }
}

/// So that [`LayerReader`](peerage_rtp::forward::LayerReader) and
/// [`LayerSelector`](peerage_rtp::forward::LayerSelector) take it as it is, or behind an [`Arc`], for each receiver to share.
impl LayeredPacket for ReceivedPacket {
    fn source(&self) -> SourcePacket<'_> {
        Self::source(self)
    }

    fn marker(&self) -> bool {
        self.marker
    }

    fn dependency_descriptor(&self) -> Option<&[u8]> {
        self.extensions.dependency_descriptor.as_deref()
    }
}

/// An RTP packet to be sent. Source, mid, rid, send time and transport-wide number are put in by the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutgoingPacket {
    /// The codec, by the payload type under which it is sent; `None`: by `codec`.
    pub payload_type: Option<u8>,
    /// The codec, whatever its payload type is at this peer; `None`: the one that the encoding has chosen, or else the first
    /// that was agreed on.
    pub codec: Option<CodecFormat>,
    /// Where in the sequence it belongs, from any beginning: gaps stay gaps, and late packets find their place up to
    /// [`MAX_LATE_PACKETS`](crate::MAX_LATE_PACKETS) behind. The number on the wire differs from it by a constant. `None`:
    /// after the packet before.
    pub sequence: Option<u64>,
    /// The timestamp, in ticks of the codec's RTP clock, from any beginning. It wraps.
    pub timestamp: u32,
    /// The marker.
    pub marker: bool,
    /// Header extensions; those that were not negotiated are left out.
    pub extensions: PacketExtensions,
    /// The sources that were mixed (RFC 3550 §5.1): the first 15 are sent.
    pub contributing: Vec<Contribution>,
    /// Bytes that stand before the payload: what a forwarding server has changed at its beginning.
    pub prefix: PayloadPrefix,
    /// The payload, or what of it follows the prefix. It is shared, not copied, until it is sealed.
    pub payload: Bytes,
}

impl OutgoingPacket {
    /// A packet of the first codec that was agreed on, to be numbered by the connection.
    pub fn new(payload: impl Into<Bytes>, timestamp: u32) -> Self {
        Self {
            payload_type: None,
            codec: None,
            sequence: None,
            timestamp,
            marker: false,
            extensions: PacketExtensions::default(),
            contributing: Vec::new(),
            prefix: PayloadPrefix::new(),
            payload: payload.into(),
        }
    }

    /// The packet that was received, to be sent on as it is: codec, number, timestamp, marker, extensions, contributing
    /// sources and payload. The
    /// payload type becomes that of the same codec at the receiver; where the receiver did not agree to it, sending it is an
    /// error.
    pub fn forward(packet: &ReceivedPacket) -> Self {
        Self {
            payload_type: None,
            codec: Some(packet.codec),
            sequence: Some(packet.sequence),
            timestamp: packet.timestamp,
            marker: packet.marker,
            extensions: packet.extensions.clone(),
            contributing: packet.contributing.clone(),
            prefix: PayloadPrefix::new(),
            payload: packet.payload.clone(),
        }
    }

    /// The same in its place in a joined stream; see [`peerage_rtp::forward`].
    #[must_use]
    pub fn rewritten(mut self, to: &Rewritten) -> Self {
        self.sequence = Some(to.sequence);
        self.timestamp = to.timestamp;
        self.prefix.clone_from(&to.prefix);
        self.payload.advance(to.prefix.len().min(self.payload.len()));
        self
    }

    /// The packet of the layers that a receiver gets, to be sent on: with the marker, and where it has to be another the
    /// dependency descriptor, that are right for those layers.
    pub fn of_layers<P: Borrow<ReceivedPacket>>(chosen: &ChosenPacket<P>) -> Self {
        let mut packet = Self::forward(chosen.packet.borrow());
        packet.marker = chosen.marker;
        if let Some(descriptor) = &chosen.descriptor {
            packet.extensions.dependency_descriptor = Some(descriptor.clone());
        }
        packet
    }

    pub(super) fn choice(&self) -> Choice {
        match (self.payload_type, self.codec) {
            (Some(number), _) => Choice::Number(number),
            (None, Some(format)) => Choice::Format(format),
            (None, None) => Choice::First,
        }
    }

    /// A packet without a payload, that fills the place of one that is left out. It goes by the codec of the packet before.
    pub fn filler(sequence: u64, timestamp: u32) -> Self {
        Self { sequence: Some(sequence), ..Self::new(Bytes::new(), timestamp) }
    }
}

/// Header extensions that travel from end to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketExtensions {
    /// How loud the audio is (RFC 6464).
    pub audio_level: Option<AudioLevel>,
    /// How the picture is to be turned (3GPP TS 26.114 §7.4.5).
    pub video_orientation: Option<VideoOrientation>,
    /// When the media were captured.
    pub absolute_capture_time: Option<AbsoluteCaptureTime>,
    /// How long the receiver is to wait with playing.
    pub playout_delay: Option<PlayoutDelay>,
    /// The dependency descriptor of AV1's RTP specification, as it stands in the packet.
    pub dependency_descriptor: Option<Bytes>,
    /// What is said of a picture now and then, most often with a keyframe.
    pub picture: Option<Arc<PictureExtensions>>,
}

/// Header extensions that few packets have: what is said of a picture now and then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureExtensions {
    /// What the colours mean, and metadata of high dynamic range.
    pub color_space: Option<ColorSpace>,
    /// Whether it is of a screen.
    pub content_type: Option<VideoContentType>,
    /// When it passed the sender's stages.
    pub timing: Option<VideoTiming>,
    /// Bitrates and resolutions of all layers.
    pub layers: Option<VideoLayersAllocation>,
}

/// A source that a packet was mixed of, among others (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Contribution {
    /// The source.
    pub source: u32,
    /// How loud it is in -dBov, 127 being silence (RFC 6465); `None` where that extension was not negotiated.
    pub level: Option<u8>,
}

/// The contributing sources of a packet.
pub(super) fn contributions(packet: &RtpPacket<'_>, map: &ExtensionMap) -> Vec<Contribution> {
    let csrcs = packet.csrcs();
    if csrcs.len() == 0 {
        return Vec::new();
    }
    let levels = packet.extension::<MixerToClientAudioLevels<'_>>(map);
    let mut levels = levels.iter().flat_map(MixerToClientAudioLevels::iter);
    csrcs.map(|Ssrc(source)| Contribution { source, level: levels.next() }).collect()
}

/// Writes how loud contributing sources are, if that was negotiated and is known of any.
pub(super) fn write_levels(
    contributing: &[Contribution],
    writer: &mut ExtensionWriter<'_>,
    map: &ExtensionMap,
) {
    let id = map.id(ExtensionKind::CsrcAudioLevels);
    let Some(id) = id.filter(|_| contributing.iter().any(|source| source.level.is_some())) else {
        return;
    };
    // What does not fit is left out. A level that is not known is silence.
    let _ = writer.put_with(id, |out| {
        out.extend(contributing.iter().map(|source| source.level.unwrap_or(127) & 0x7f));
    });
}

impl PacketExtensions {
    /// Reads those of a packet; what is malformed is left out, and the dependency descriptor where there is no room for it.
    pub(super) fn read(
        packet: &RtpPacket<'_>,
        map: &ExtensionMap,
        mut arena: Option<&mut Arena>,
    ) -> Self {
        let mut extensions = Self::default();
        for (id, value) in packet.extensions() {
            match map.kind(id) {
                Some(ExtensionKind::AudioLevel) => {
                    extensions.audio_level = AudioLevel::parse(value).ok();
                }
                Some(ExtensionKind::VideoOrientation) => {
                    extensions.video_orientation = VideoOrientation::parse(value).ok();
                }
                Some(ExtensionKind::AbsoluteCaptureTime) => {
                    extensions.absolute_capture_time = AbsoluteCaptureTime::parse(value).ok();
                }
                Some(ExtensionKind::PlayoutDelay) => {
                    extensions.playout_delay = PlayoutDelay::parse(value).ok();
                }
                Some(ExtensionKind::DependencyDescriptor) => {
                    let arena = arena.as_deref_mut();
                    extensions.dependency_descriptor = arena.map(|arena| arena.copy(&[value]));
                }
                Some(kind) if PictureExtensions::has(kind) => {
                    // Seldom there, so that the allocation is no matter.
                    let picture = extensions.picture.get_or_insert_default();
                    Arc::make_mut(picture).read(kind, value);
                }
                _ => {}
            }
        }
        extensions
    }

    /// Adds those of another packet of the same frame, which count where both say something.
    pub(super) fn add(&mut self, other: Self) {
        fn last<T>(known: &mut Option<T>, other: Option<T>) {
            if other.is_some() {
                *known = other;
            }
        }
        last(&mut self.audio_level, other.audio_level);
        last(&mut self.video_orientation, other.video_orientation);
        last(&mut self.absolute_capture_time, other.absolute_capture_time);
        last(&mut self.playout_delay, other.playout_delay);
        last(&mut self.dependency_descriptor, other.dependency_descriptor);
        match (&mut self.picture, other.picture) {
            (Some(known), Some(other)) => {
                let (known, other) = (Arc::make_mut(known), Arc::unwrap_or_clone(other));
                last(&mut known.color_space, other.color_space);
                last(&mut known.content_type, other.content_type);
                last(&mut known.timing, other.timing);
                last(&mut known.layers, other.layers);
            }
            (known, other) => last(known, other),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.audio_level.is_none()
            && self.video_orientation.is_none()
            && self.absolute_capture_time.is_none()
            && self.playout_delay.is_none()
            && self.dependency_descriptor.is_none()
            && self.picture.is_none()
    }

    /// Writes those that were negotiated.
    pub(super) fn write(&self, writer: &mut ExtensionWriter<'_>, map: &ExtensionMap) {
        self.write_of_frame(writer, map);
        let id = map.id(ExtensionKind::DependencyDescriptor);
        if let (Some(descriptor), Some(id)) = (&self.dependency_descriptor, id) {
            if map.two_byte_allowed() {
                writer.allow_two_byte();
            }
            let _ = writer.put(id, descriptor);
        }
    }

    /// Writes those that were negotiated and are the same for all packets of a frame.
    pub(super) fn write_of_frame(&self, writer: &mut ExtensionWriter<'_>, map: &ExtensionMap) {
        // What does not fit is left out.
        if let Some(level) = &self.audio_level {
            let _ = writer.set(map, level);
        }
        if let Some(orientation) = &self.video_orientation {
            let _ = writer.set(map, orientation);
        }
        if let Some(time) = &self.absolute_capture_time {
            let _ = writer.set(map, time);
        }
        if let Some(delay) = &self.playout_delay {
            let _ = writer.set(map, delay);
        }
        let Some(picture) = &self.picture else { return };
        if let Some(color_space) = &picture.color_space {
            let _ = writer.set(map, color_space);
        }
        if let Some(content_type) = &picture.content_type {
            let _ = writer.set(map, content_type);
        }
        if let Some(timing) = &picture.timing {
            let _ = writer.set(map, timing);
        }
        if let Some(layers) = &picture.layers {
            let _ = writer.set(map, layers);
        }
    }
}

impl PictureExtensions {
    /// Whether an element is one of these. How long after its timestamp a packet left (RFC 5450) is none: of one that is
    /// sent on it is not true any more.
    fn has(kind: ExtensionKind) -> bool {
        matches!(
            kind,
            ExtensionKind::ColorSpace
                | ExtensionKind::VideoContentType
                | ExtensionKind::VideoTiming
                | ExtensionKind::VideoLayersAllocation
        )
    }

    /// Takes an element; what is malformed is left out.
    fn read(&mut self, kind: ExtensionKind, value: &[u8]) {
        match kind {
            ExtensionKind::ColorSpace => self.color_space = ColorSpace::parse(value).ok(),
            ExtensionKind::VideoContentType => {
                self.content_type = VideoContentType::parse(value).ok();
            }
            ExtensionKind::VideoTiming => self.timing = VideoTiming::parse(value).ok(),
            ExtensionKind::VideoLayersAllocation => {
                self.layers = VideoLayersAllocation::parse(value).ok();
            }
            _ => {}
        }
    }
}
