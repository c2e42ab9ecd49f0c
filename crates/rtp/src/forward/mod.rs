//! What a forwarding server (SFU) does with packets between two connections, without decoding: it joins the streams of
//! several sources into one that looks as if it had one encoder.
//!
//! ```text
//! packets of all layers ─▶ SimulcastSelector ─▶ packets of one layer ─▶ StreamRewriter ─▶ one stream for one receiver
//!                          (at keyframes only)                          (numbers, timestamps, picture ids)
//! ```
//!
//! Both are made for each receiver of each track. RFC 7667 §3.7 calls the whole a selective forwarding middlebox.

mod numbers;
mod picture;
mod rewriter;
mod selector;
#[cfg(test)]
mod tests;

pub use picture::PayloadPrefix;
pub use rewriter::{Rewritten, SourcePacket, StreamRewriter};
pub use selector::{Selected, SimulcastSelector, begins_keyframe};
