//! SHUTDOWN, SHUTDOWN ACK and SHUTDOWN COMPLETE, the three steps of a graceful end (RFC 9260 §3.3.8, §3.3.9, §3.3.13).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Type = 7,8,14 |  Reserved   |T|           Length              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               Cumulative TSN Ack (SHUTDOWN only)              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, be32, begin_chunk, end};
use crate::serial::Tsn;

pub(crate) const SHUTDOWN: u8 = 7;
pub(crate) const SHUTDOWN_ACK: u8 = 8;
pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;

pub(crate) fn parse_shutdown(value: &[u8]) -> Result<Tsn, Malformed> {
    be32(value, 0).map(Tsn).ok_or(Malformed("SHUTDOWN below 8 bytes (RFC 9260 §3.3.8)"))
}

pub(crate) fn write_shutdown(buf: &mut Vec<u8>, cumulative_tsn: Tsn) {
    let start = begin_chunk(buf, SHUTDOWN, 0);
    buf.extend_from_slice(&cumulative_tsn.0.to_be_bytes());
    end(buf, start);
}

pub(crate) fn write_shutdown_ack(buf: &mut Vec<u8>) {
    let start = begin_chunk(buf, SHUTDOWN_ACK, 0);
    end(buf, start);
}

pub(crate) fn write_shutdown_complete(buf: &mut Vec<u8>, reflected_tag: bool) {
    let start = begin_chunk(buf, SHUTDOWN_COMPLETE, u8::from(reflected_tag));
    end(buf, start);
}
