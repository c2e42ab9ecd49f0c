//! Media files, read and written as streams: memory is bounded by one frame, whatever a file claims about itself.
//!
//! Readers are iterators over frames; what comes out is what
//! [`Packetizer`](peerage_rtp::payload::Packetizer) takes in. Writers take what
//! [`FrameAssembler`](peerage_rtp::payload::FrameAssembler) gives out. Errors tell where in the file they are.

mod annex_b;
mod capture;
mod ebml;
mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ivf;
mod matroska;
mod matroska_reader;
mod obu;
mod ogg_opus;
mod ogg_page;
mod pcap;
mod rtpdump;
mod source;
#[cfg(test)]
mod tests;
mod wav;
mod y4m;

pub use annex_b::{AccessUnit, AnnexBCodec, AnnexBReader, AnnexBWriter};
pub use capture::{CAPTURE_LOCAL, CAPTURE_REMOTE, CAPTURE_RTCP_PORT, CAPTURE_RTP_PORT, RtpCapture};
pub use error::Error;
pub use ivf::{IvfFrame, IvfHeader, IvfReader, IvfWriter};
pub use matroska::{MatroskaTracks, MatroskaVideo, MatroskaWriter};
pub use matroska_reader::{MatroskaCodec, MatroskaFrame, MatroskaReader, MatroskaTrack};
pub use obu::{ObuReader, ObuStreamFormat, ObuWriter};
pub use ogg_opus::{MAX_OPUS_PACKET, OggOpusPacket, OggOpusReader, OggOpusWriter, OpusHead};
pub use pcap::{Datagram, PcapReader, PcapWriter};
pub use rtpdump::{DumpedPacket, RtpDumpReader, RtpDumpWriter};
pub use source::MAX_FRAME;
pub use wav::{WavFormat, WavReader, WavWriter};
pub use y4m::{Y4mHeader, Y4mReader, Y4mWriter};
