//! AV1 payloads (AV1 RTP specification 1.0, §4 and §5): OBUs without sizes, aggregated and fragmented behind an
//! aggregation header; and the parts of the AV1 bitstream (AV1 specification §5.3 to §5.5) that transport needs.

mod leb128;
mod obu;
mod payload;

pub use leb128::{read_leb128, write_leb128};
pub use obu::{Obu, ObuHeader, ObuType, Obus, sequence_header_dimensions};
pub(crate) use payload::{join, packetize, read};

/// A temporal delimiter with its size field: what stands before each temporal unit in files (AV1 specification §7.5).
pub const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0x00];
