//! RTP packets as the application hands them in and gets them: the level of forwarding servers (SFUs), without frames.

use std::time::Instant;

use bytes::Bytes;
use peerage_rtp::extension::{
    AbsoluteCaptureTime, AudioLevel, ExtensionKind, ExtensionWriter, HeaderExtension, PlayoutDelay,
    VideoOrientation,
};
use peerage_rtp::forward::{PayloadPrefix, Rewritten, SourcePacket};
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::{ExtensionMap, RtpPacket};
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

/// An RTP packet to be sent. Source, mid, rid, send time and transport-wide number are put in by the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutgoingPacket {
    /// The codec, by the payload type under which it is sent; `None`: by `codec`.
    pub payload_type: Option<u8>,
    /// The codec, whatever its payload type is at this peer; `None`: the first that was agreed on.
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
            prefix: PayloadPrefix::new(),
            payload: payload.into(),
        }
    }

    /// The packet that was received, to be sent on as it is: codec, number, timestamp, marker, extensions and payload. The
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
        self.payload = self.payload.slice(to.prefix.len().min(self.payload.len())..);
        self
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
}

impl PacketExtensions {
    /// Reads those of a packet; what is malformed is left out.
    pub(super) fn read(packet: &RtpPacket<'_>, map: &ExtensionMap, arena: &mut Arena) -> Self {
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
                    extensions.dependency_descriptor = Some(arena.copy(&[value]));
                }
                _ => {}
            }
        }
        extensions
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.audio_level.is_none()
            && self.video_orientation.is_none()
            && self.absolute_capture_time.is_none()
            && self.playout_delay.is_none()
            && self.dependency_descriptor.is_none()
    }

    /// Writes those that were negotiated.
    pub(super) fn write(&self, writer: &mut ExtensionWriter<'_>, map: &ExtensionMap) {
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
        let id = map.id(ExtensionKind::DependencyDescriptor);
        if let (Some(descriptor), Some(id)) = (&self.dependency_descriptor, id) {
            if map.two_byte_allowed() {
                writer.allow_two_byte();
            }
            let _ = writer.put(id, descriptor);
        }
    }
}
