//! H.264 payloads (RFC 6184): single NAL units, STAP-A and FU-A, sent and read; profile and level negotiation; and the
//! few fields of parameter sets that transport needs.

mod payload;
mod profile_level_id;
mod sps;

pub(crate) use payload::{packetize, read};
pub use profile_level_id::{Level, LevelNegotiation, Profile, ProfileLevelId};
pub use sps::dimensions as sps_dimensions;

/// `nal_unit_type` (ITU-T H.264 table 7-1 and RFC 6184 table 1).
pub(crate) mod nal_type {
    pub(crate) const SLICE: u8 = 1;
    pub(crate) const IDR_SLICE: u8 = 5;
    pub(crate) const SPS: u8 = 7;
    pub(crate) const PPS: u8 = 8;
    pub(crate) const ACCESS_UNIT_DELIMITER: u8 = 9;
    pub(crate) const STAP_A: u8 = 24;
    pub(crate) const STAP_B: u8 = 25;
    pub(crate) const MTAP_16: u8 = 26;
    pub(crate) const MTAP_24: u8 = 27;
    pub(crate) const FU_A: u8 = 28;
    pub(crate) const FU_B: u8 = 29;
}
