//! Codecs that streams are in.

use super::dictionary::dictionary;

dictionary! {
    /// `RTCCodecStats`: a codec that a stream refers to.
    CodecStats {
        /// The payload type.
        payload_type: u32,
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// `audio/opus` and the like.
        mime_type: String,
        ;
        /// Ticks of the RTP timestamp in a second.
        clock_rate: u32,
        /// Audio: channels.
        channels: u32,
        /// The parameters of `a=fmtp`.
        sdp_fmtp_line: String,
    }
}
