//! `nal_unit_type` (ITU-T H.264 table 7-1 and RFC 6184 table 1).

pub(super) const SLICE: u8 = 1;
pub(super) const IDR_SLICE: u8 = 5;
pub(super) const SPS: u8 = 7;
pub(super) const PPS: u8 = 8;
pub(super) const ACCESS_UNIT_DELIMITER: u8 = 9;
pub(super) const STAP_A: u8 = 24;
pub(super) const STAP_B: u8 = 25;
pub(super) const MTAP_16: u8 = 26;
pub(super) const MTAP_24: u8 = 27;
pub(super) const FU_A: u8 = 28;
pub(super) const FU_B: u8 = 29;
