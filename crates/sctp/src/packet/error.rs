//! ERROR, a complaint that does not end the association (RFC 9260 §3.3.10).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 9    |  Chunk Flags  |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                    one or more Error Causes                   /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{begin_chunk, end};

pub(crate) const ERROR: u8 = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperationError<'a> {
    /// The causes, as they travel.
    pub(crate) causes: &'a [u8],
}

impl<'a> OperationError<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Self {
        Self { causes: value }
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let start = begin_chunk(buf, ERROR, 0);
        buf.extend_from_slice(self.causes);
        end(buf, start);
    }
}
