//! Payload formats: what a codec's frames look like inside RTP packets, there and back.
//!
//! [`Packetizer`] cuts a frame into payloads, [`Depacketizer`] reads a payload, [`FrameAssembler`] makes frames of
//! payloads that come late, twice, in any order or not at all. The formats are chosen by [`PayloadFormat`], from SDP.
//! None of them touches RTP headers: sequence numbers, timestamps and marker bits are handed in and out.

mod annex_b;
mod arrival;
mod assembler;
mod audio;
pub mod av1;
mod bits;
mod decodability;
mod depacketizer;
mod descriptor;
mod error;
mod facts;
mod format;
mod fragments;
mod frame;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod h264;
mod h265;
mod join;
mod keyframe;
pub mod opus;
mod packetizer;
pub mod red;
pub mod telephone_event;
mod vp8;
mod vp9;

pub use annex_b::{NalUnits, find_start_code};
pub use assembler::{AssemblerConfig, AssemblerStatistics, FrameAssembler, Insertion};
pub use audio::{ComfortNoise, l16_samples, write_l16};
pub use decodability::FrameDependencies;
pub use depacketizer::Depacketizer;
pub use descriptor::{CodecDescriptor, Lead, MediaRange, NalSummary, PayloadDescriptor, PictureId};
pub use error::Error;
pub use facts::FrameFacts;
pub use format::{PacketizationMode, PayloadFormat};
pub use frame::{EncodedFrame, FrameInfo};
pub use h265::sps_dimensions as h265_sps_dimensions;
pub use packetizer::{Packetizer, PacketizerOptions};
pub use vp8::Vp8FrameHeader;
pub use vp9::{GroupPicture, ScalabilityStructure, Vp9Descriptor, Vp9FrameHeader};
