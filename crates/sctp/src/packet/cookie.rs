//! COOKIE ECHO and COOKIE ACK, the second half of the handshake (RFC 9260 §3.3.11, §3.3.12).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Type = 10 or 11|  Chunk Flags  |         Length                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                  Cookie (COOKIE ECHO only)                    /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{begin_chunk, end};

pub(crate) const COOKIE_ECHO: u8 = 10;
pub(crate) const COOKIE_ACK: u8 = 11;

pub(crate) fn write_cookie_echo(buf: &mut Vec<u8>, cookie: &[u8]) {
    let start = begin_chunk(buf, COOKIE_ECHO, 0);
    buf.extend_from_slice(cookie);
    end(buf, start);
}

pub(crate) fn write_cookie_ack(buf: &mut Vec<u8>) {
    let start = begin_chunk(buf, COOKIE_ACK, 0);
    end(buf, start);
}
