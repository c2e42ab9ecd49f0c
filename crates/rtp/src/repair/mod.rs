//! Repair of lost packets: what was sent is kept and sent again (RTX, RFC 4588) when asked for (RFC 4585 §6.2.1), or can
//! be computed from parity packets (ULPFEC, RFC 5109, inside RED, RFC 2198; FlexFEC, RFC 8627 and its draft 03).
//! RED itself is read by [`payload::red::blocks`](crate::payload::red::blocks); a parity packet inside it follows a single byte,
//! its payload type.
//!
//! ```text
//!   sender                                     receiver
//!   packet ──► SendHistory::insert             packet ──► NackGenerator::receive ──► poll ──► NACK
//!          └─► FecEncoder ──► parity packet           └─► FecDecoder ──► recovered packet ──┐
//!   NACK ────► SendHistory::retransmit         RTX ────► rtx::restore ──────────────────────┴─► as if received
//!                └─► RtxSender::encapsulate
//! ```

mod fec;
mod history;
mod nack;
pub mod rtx;

pub use fec::{FecDecoder, FecEncoder, FecFormat, MAX_PENDING_FEC, MAX_PROTECTED, RECOVERY_WINDOW};
pub use history::{Retransmission, SendHistory, SendHistoryConfig};
pub use nack::{NackConfig, NackGenerator};
pub use rtx::RtxSender;
