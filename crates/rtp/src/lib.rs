#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
pub mod extension;
pub mod forward;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ntp;
mod number;
pub mod packet;
pub mod payload;
pub mod receive;
pub mod repair;
pub mod rtcp;
pub mod scalability;

pub use error::Error;
pub use extension::ExtensionMap;
pub use ntp::{NtpClock, NtpTime, compact_from_duration, duration_from_compact, round_trip};
pub use number::{
    PayloadType, RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc, StaticPayload,
    TimestampUnwrapper,
};
pub use packet::{MAX_CSRCS, PacketClass, RtpHeader, RtpPacket, classify};
