//! What the encoders of the application count: the transport cannot know it, and getStats tells it with what it does.

use std::time::Duration;

use super::RtpTransport;
use crate::stats::QualityLimitationReason;
use crate::transceiver::TransceiverHandle;

/// What an encoder has done for one encoding since it began, of which `outbound-rtp` tells (webrtc-stats,
/// `RTCOutboundRtpStreamStats`). Frames are counted as they are handed in.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EncoderStatistics {
    /// The library and its version.
    pub implementation: Option<String>,
    /// Whether it is hardware that saves power.
    pub power_efficient: bool,
    /// Sum of the quantisers of all frames, on the codec's own scale; `None` where it does not tell them.
    pub quantizer_sum: Option<u64>,
    /// Time spent encoding.
    pub encode_time: Duration,
    /// Bytes that its frames should have had together.
    pub target_bytes: u64,
    /// Why its pictures are smaller or fewer than those of the source, as far as the encoder's side knows. The path is
    /// watched by the transport as well.
    pub limitation: QualityLimitationReason,
    /// How often the size has changed for that.
    pub resolution_changes: u32,
    /// The layers that it makes, `L1T3` for instance; `None`: those of the parameters.
    pub scalability_mode: Option<String>,
}

impl RtpTransport {
    /// Takes what the encoder of an encoding has done so far, in place of what was told before.
    pub(crate) fn set_encoder_statistics(
        &mut self,
        transceiver: TransceiverHandle,
        encoding: usize,
        statistics: EncoderStatistics,
    ) {
        let Some(stream) = self.senders.of_encoding(transceiver, encoding) else { return };
        stream.counters.quality.set_encoder(statistics.limitation);
        stream.counters.encoder = Some(Box::new(statistics));
    }
}
