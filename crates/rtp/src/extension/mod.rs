//! Header extensions (RFC 8285): the one- and two-byte containers, the map from negotiated identifiers to kinds, and one
//! file for each extension that browsers negotiate. [`RtpPacket`](crate::RtpPacket) reads them, the closure given to
//! [`RtpHeader::write`](crate::RtpHeader::write) writes them.

mod abs_capture_time;
mod abs_send_time;
mod audio_level;
mod bits;
mod color_space;
mod container;
mod dependency_descriptor;
mod kind;
mod map;
mod playout_delay;
mod sdes;
mod transmission_offset;
mod transport_sequence_number;
mod value;
mod video_content_type;
mod video_layers_allocation;
mod video_orientation;
mod video_timing;

pub use abs_capture_time::AbsoluteCaptureTime;
pub use abs_send_time::AbsoluteSendTime;
pub use audio_level::{AudioLevel, MixerToClientAudioLevels};
pub use color_space::{ChromaSiting, Chromaticity, ColorRange, ColorSpace, HdrMetadata};
pub use container::{Elements, ExtensionWriter, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
pub use dependency_descriptor::{
    DecodeTargetIndication, DependencyDescriptor, DependencyStructure, FrameDependencies,
    MAX_CHAINS, MAX_DECODE_TARGETS, MAX_FRAME_DIFFS, MAX_SPATIAL_LAYERS, MAX_TEMPLATES,
    MAX_TEMPORAL_LAYERS, MandatoryFields, RenderResolution,
};
pub use kind::ExtensionKind;
pub use map::ExtensionMap;
pub use playout_delay::PlayoutDelay;
pub use sdes::{MAX_SDES_ITEM_LEN, Mid, RepairedRtpStreamId, RtpStreamId};
pub use transmission_offset::TransmissionOffset;
pub use transport_sequence_number::{
    FeedbackRequest, TransportSequenceNumber, TransportSequenceNumberV2,
};
pub use value::HeaderExtension;
pub use video_content_type::VideoContentType;
pub use video_layers_allocation::{
    LayerResolution, MAX_ALLOCATION_SPATIAL_LAYERS, MAX_ALLOCATION_STREAMS,
    MAX_ALLOCATION_TEMPORAL_LAYERS, SpatialLayerAllocation, VideoLayersAllocation,
};
pub use video_orientation::{Rotation, VideoOrientation};
pub use video_timing::{TimingTrigger, VideoTiming};

#[cfg(test)]
mod tests;
