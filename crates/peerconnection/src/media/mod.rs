//! What m-sections of audio and video say (RFC 9429 §5.2 to §5.8), as data and as pure functions: which codecs there
//! are and which the two ends have in common, which header extensions, which streams. The description machinery calls
//! it; nothing here keeps the state of a connection, except the numbers that must not change their meaning
//! ([`PayloadTypes`], [`HeaderExtensionIds`]).

mod capabilities;
mod codec;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod header_extension;
mod matching;
mod packet_times;
mod payload_types;
mod section;

pub use capabilities::{Capabilities, CodecCapability, RtpHeaderExtensionCapability, uri};
pub use codec::{CodecRole, MediaKind, RtpCodec, RtpCodecParameters};
pub use format::CodecFormat;
pub(crate) use header_extension::intersect;
pub use header_extension::{HeaderExtensionIds, RtpHeaderExtension};
pub use matching::{NegotiatedCodec, Order, RtxPayloadTypes};
pub(crate) use matching::{
    apply_preferences, check_preferences, dictionary_match, has_common_codec,
    parameters as codec_parameters, same_format,
};
pub use packet_times::PacketTimes;
pub use payload_types::PayloadTypes;
pub(crate) use section::{
    Agreement, accept, answer, bandwidth_of, check_bundle, offer, unrestricted,
};
pub use section::{
    AnswerIntent, LocalMedia, LocalSource, OfferIntent, RemoteMedia, RemoteSource, SimulcastFormat,
    SimulcastLayers, SimulcastStream,
};
