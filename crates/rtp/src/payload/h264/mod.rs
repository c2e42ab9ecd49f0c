//! H.264 payloads (RFC 6184): single NAL units, STAP-A and FU-A, sent and read; profile and level negotiation; and the
//! few fields of parameter sets that transport needs.

mod nal_type;
mod payload;
mod profile_level_id;
mod sps;

pub(crate) use payload::{packetize, read};
pub use profile_level_id::{Level, LevelNegotiation, Profile, ProfileLevelId};
pub use sps::dimensions as sps_dimensions;
