//! ABORT, the end without ceremony (RFC 9260 §3.3.7).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 6    |  Reserved   |T|            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                   zero or more Error Causes                   /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{begin_chunk, end};

pub(crate) const ABORT: u8 = 6;
/// The T bit: the packet carries the receiver's own tag, because the sender knew no better (RFC 9260 §8.5.1).
pub(crate) const REFLECTED_TAG: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abort<'a> {
    pub(crate) reflected_tag: bool,
    /// The causes, as they travel.
    pub(crate) causes: &'a [u8],
}

impl<'a> Abort<'a> {
    pub(crate) fn parse(flags: u8, value: &'a [u8]) -> Self {
        Self { reflected_tag: flags & REFLECTED_TAG != 0, causes: value }
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let start = begin_chunk(buf, ABORT, u8::from(self.reflected_tag));
        buf.extend_from_slice(self.causes);
        end(buf, start);
    }
}
