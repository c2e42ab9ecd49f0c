//! The jitter buffer for sound: what comes in bursts, late, twice or never goes in, and 10 ms come out of each call.
//!
//! ```text
//! packet ─▶ timeline ─▶ packet buffer ─▶ decision ─┬▶ decode ────────▶ merge ─┬▶ play buffer ─▶ stretch ─▶ 10 ms
//!              │                           ▲        ├▶ restore (in-band FEC) ──┤
//!              └▶ delay manager ─ target ──┘        ├▶ conceal (codec's, ours)─┤
//!                 (histogram, peaks)                └▶ comfort noise ──────────┘
//! ```
//!
//! All rates and timestamps of RTP are those of RFC 3550, silences those of RFC 3389 and RFC 7587 §3.1.3, redundancy that of RFC 2198.

mod arrival;
mod background;
mod buffer;
mod config;
mod correlation;
mod decision;
mod delay_manager;
mod expand;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod histogram;
mod lpc;
mod merge;
mod missing;
mod packet;
mod packet_buffer;
mod peaks;
mod play_buffer;
mod pull_clock;
mod statistics;
mod stretch;
mod timeline;

pub use buffer::JitterBuffer;
pub use config::JitterConfig;
pub use packet::JitterPacket;
pub use statistics::JitterStatistics;
