//! Who is heard: `RTCRtpContributingSource` and `RTCRtpSynchronizationSource` (webrtc-pc §5.3).

/// A source whose media came in packets of a receiver's streams.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContributingSource {
    /// When it was heard last, in milliseconds since 1970.
    pub timestamp: f64,
    /// The CSRC or SSRC.
    pub source: u32,
    /// How loud it was, from 0 (silence) to 1; audio only, and only where the packets tell (RFC 6464, RFC 6465).
    pub audio_level: Option<f64>,
    /// The RTP timestamp of the last packet.
    pub rtp_timestamp: u32,
}

/// A source that sent the packets itself.
pub type SynchronizationSource = ContributingSource;
