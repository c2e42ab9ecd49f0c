//! What encoders are to do beside their rate: the application's parameters of each encoding that is sent, and the codec that
//! came of them. Frames are encoded elsewhere, so that all the transport can do is to tell.

use rustc_hash::FxHashMap;

use super::RtpTransport;
use crate::media::{PacketTimes, RtpCodec};
use crate::transceiver::{RtpEncodingParameters, TransceiverHandle, Transceivers};

/// What the encoder of one encoding is to make: what the application has set of it (webrtc-pc §5.2.5), what was agreed on
/// with the peer, and what congestion control leaves.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EncodingTarget {
    /// Whether it is sent at all; what is encoded while it is not is dropped.
    pub active: bool,
    /// Bits a second of encoded media, headers not counted; zero: there is no room for this encoding, and it is to pause.
    pub bitrate: u64,
    /// Frames a second at most; zero freezes the picture.
    pub max_framerate: Option<f64>,
    /// By what width and height of the source are divided, 1 or more.
    pub scale_resolution_down_by: f64,
    /// `scalabilityMode`, `L1T3` for instance.
    pub scalability_mode: Option<String>,
    /// The codec that [`Frame`](crate::Frame)s without a payload type of their own are sent as, with the peer's parameters.
    pub codec: RtpCodec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type under which frames of `codec` go as redundant audio, each with those before it (RFC 2198); `None` where
    /// that was not agreed on, or is what `codec` is.
    pub redundant: Option<u8>,
    /// Where `codec` is redundant audio: what is inside of it, and is to be encoded.
    pub carried: Option<RtpCodec>,
    /// The payload type of comfort noise (RFC 3389) of the same clock, which may take the place of what is encoded while nobody
    /// speaks; `None` where that was not agreed on.
    pub comfort_noise: Option<u8>,
    /// How long packets are to last, as the peer would have it. Each [`Frame`](crate::Frame) of audio is one packet.
    pub packet_times: PacketTimes,
}

impl EncodingTarget {
    /// The largest size that may be sent of a source of this size (webrtc-pc §5.2.5, scaleResolutionDownBy): whole pixels,
    /// and one at least.
    pub fn resolution(&self, width: u32, height: u32) -> (u32, u32) {
        let scaled = |length: u32| {
            ((f64::from(length) / self.scale_resolution_down_by.max(1.0)) as u32).max(1)
        };
        (scaled(width), scaled(height))
    }
}

/// All of it but the rate.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    active: bool,
    max_framerate: Option<f64>,
    scale_resolution_down_by: f64,
    scalability_mode: Option<String>,
    codec: RtpCodec,
    payload_type: u8,
    redundant: Option<u8>,
    carried: Option<RtpCodec>,
    comfort_noise: Option<u8>,
    packet_times: PacketTimes,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Encodings {
    known: FxHashMap<(TransceiverHandle, usize), Settings>,
    /// Those that have changed, each once.
    waiting: Vec<(TransceiverHandle, usize)>,
}

impl RtpTransport {
    /// Takes the parameters of all encodings that are sent: after each negotiation, and when the application changes them.
    pub(super) fn arrange_encodings(&mut self, transceivers: &Transceivers) {
        let mut known = FxHashMap::default();
        for stream in self.senders.iter_mut() {
            let of = (stream.transceiver(), stream.encoding());
            let Some(transceiver) = transceivers.get(of.0) else { continue };
            let Some(parameters) = transceiver.sender.encodings.get(of.1) else { continue };
            let agreed = transceiver.agreed.as_deref();
            let packet_times = agreed.map(|agreed| agreed.packet_times).unwrap_or_default();
            stream.prefer(parameters.codec.as_ref());
            let Some((codec, payload_type)) = stream.preferred() else { continue };
            let (redundant, carried) = stream.redundancy(payload_type);
            let RtpEncodingParameters { active, max_framerate, .. } = *parameters;
            known.insert(
                of,
                Settings {
                    active,
                    max_framerate,
                    scale_resolution_down_by: parameters.scale_resolution_down_by.unwrap_or(1.0),
                    scalability_mode: parameters.scalability_mode.clone(),
                    codec: codec.clone(),
                    payload_type,
                    redundant,
                    carried: carried.cloned(),
                    comfort_noise: stream.comfort_noise(payload_type),
                    packet_times,
                },
            );
        }
        let Encodings { known: before, waiting } = &mut self.encodings;
        let changed =
            known.iter().filter(|(of, now)| before.get(of) != Some(now)).map(|(of, _)| *of);
        let ended = before.keys().filter(|of| !known.contains_key(of)).copied();
        for of in changed.chain(ended) {
            if !waiting.contains(&of) {
                waiting.push(of);
            }
        }
        waiting.sort_unstable();
        self.encodings.known = known;
    }

    /// What an encoder is to do; `None` if its encoding is not sent, or before the connection is up.
    pub(crate) fn encoding_target(
        &self,
        transceiver: TransceiverHandle,
        encoding: usize,
    ) -> Option<EncodingTarget> {
        let bitrate = self.target_bitrate(transceiver, encoding)?;
        let settings = self.encodings.known.get(&(transceiver, encoding))?.clone();
        Some(EncodingTarget {
            active: settings.active,
            bitrate,
            max_framerate: settings.max_framerate,
            scale_resolution_down_by: settings.scale_resolution_down_by,
            scalability_mode: settings.scalability_mode,
            codec: settings.codec,
            payload_type: settings.payload_type,
            redundant: settings.redundant,
            carried: settings.carried,
            comfort_noise: settings.comfort_noise,
            packet_times: settings.packet_times,
        })
    }

    /// The next encoding whose encoder is to do something else.
    pub(crate) fn poll_encoding_change(&mut self) -> Option<(TransceiverHandle, usize)> {
        // Before the connection is up there is no rate to be told with it.
        self.rate.as_ref()?;
        let waiting = &mut self.encodings.waiting;
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }
}
