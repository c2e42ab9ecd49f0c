//! What a forwarding server (SFU) does with packets between two connections, without decoding: it joins the streams of
//! several sources into one that looks as if it had one encoder.
//!
//! ```text
//! packets of all layers ─▶ SimulcastSelector ─▶ packets of one layer ─▶ StreamRewriter ─▶ one stream for one receiver
//!                          (at keyframes only)                          (numbers, timestamps, picture ids)
//! ```
//!
//! Both are made for each receiver of each track. RFC 7667 §3.7 calls the whole a selective forwarding middlebox.
//!
//! The layers of one stream (SVC) are chosen in the same place:
//!
//! ```text
//! packets of a stream ─▶ LayerReader ─▶ LayerSelector ─▶ StreamRewriter ─▶ one stream for one receiver
//!                        (one for all)  (where the stream allows a change)
//! ```

mod by_descriptor;
mod by_payload;
mod layer_reader;
mod layer_selector;
mod layers;
mod numbers;
mod picture;
mod rewriter;
mod selector;
#[cfg(test)]
mod tests;

pub use layer_reader::LayerReader;
pub use layer_selector::{ChosenPacket, LayerChoice, LayerSelector};
pub use layers::{Layer, LayeredPacket, PacketLayers};
pub use picture::PayloadPrefix;
pub use rewriter::{Rewritten, SourcePacket, StreamRewriter};
pub use selector::{Selected, SimulcastSelector, begins_keyframe};
