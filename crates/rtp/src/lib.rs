#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
pub mod extension;
mod number;
pub mod packet;
pub mod payload;
pub mod rtcp;

pub use error::Error;
pub use extension::ExtensionMap;
pub use number::{
    PayloadType, RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc, StaticPayload,
    TimestampUnwrapper,
};
pub use packet::{PacketClass, RtpHeader, RtpPacket, classify};
