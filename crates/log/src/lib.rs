#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "json")]
mod error;
mod event;
#[doc(hidden)]
#[cfg(all(feature = "json", any(test, feature = "fuzzing")))]
pub mod fuzzing;
#[cfg(feature = "json")]
mod header;
#[cfg(feature = "json")]
mod reader;
mod sink;
#[cfg(feature = "json")]
mod writer;

#[cfg(feature = "json")]
pub use error::Error;
pub use event::{
    Direction, Encoding, End, Estimate, Frame, LogEvent, Packet, PacketRole, Report, Rtcp,
    RtcpKind, StateOf, Stream,
};
#[cfg(feature = "json")]
pub use header::{FORMAT, Header, VERSION};
#[cfg(feature = "json")]
pub use reader::{LogReader, MAX_LINE, Record};
pub use sink::{EventSink, PacketTap, Plaintext};
#[cfg(feature = "json")]
pub use writer::LogWriter;
