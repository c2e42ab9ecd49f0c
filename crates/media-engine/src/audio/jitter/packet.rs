//! What is put into a jitter buffer.

use bytes::Bytes;
use peerage_rtp::payload::EncodedFrame;

/// One packet of sound, or what redundancy (RFC 2198) restored of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JitterPacket {
    /// Extended RTP sequence number; of redundancy, that of the packet that brought it.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// What the decoder takes; of comfort noise, the payload of RFC 3389.
    pub payload: Bytes,
    /// Whether redundancy brought it.
    pub redundant: bool,
    /// Whether it is comfort noise (RFC 3389), whatever the codec.
    pub comfort_noise: bool,
}

impl From<&EncodedFrame> for JitterPacket {
    /// A frame as it came, which is not comfort noise: that is told by the payload type, which the caller knows.
    fn from(frame: &EncodedFrame) -> Self {
        Self {
            sequence: frame.first_sequence,
            timestamp: frame.timestamp,
            payload: frame.data.clone(),
            redundant: frame.redundant,
            comfort_noise: false,
        }
    }
}
