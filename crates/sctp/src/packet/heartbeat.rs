//! HEARTBEAT and HEARTBEAT ACK, the probe of an idle path (RFC 9260 §3.3.5, §3.3.6).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Type = 4 or 5 |  Chunk Flags  |       Heartbeat Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Heartbeat Info Type = 1    |         HB Info Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                Sender-Specific Heartbeat Info                 /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, Parameters, begin_chunk, begin_parameter, end};

pub(crate) const HEARTBEAT: u8 = 4;
pub(crate) const HEARTBEAT_ACK: u8 = 5;
const HEARTBEAT_INFO: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat<'a> {
    pub(crate) ack: bool,
    /// Opaque to the receiver, which sends it back.
    pub(crate) info: &'a [u8],
}

impl<'a> Heartbeat<'a> {
    pub(crate) fn parse(ack: bool, value: &'a [u8]) -> Result<Self, Malformed> {
        match Parameters::new(value).next() {
            Some(Ok(parameter)) if parameter.kind == HEARTBEAT_INFO => {
                Ok(Self { ack, info: parameter.value })
            }
            Some(Err(malformed)) => Err(malformed),
            _ => Err(Malformed("HEARTBEAT without Heartbeat Info (RFC 9260 §3.3.5)")),
        }
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let start = begin_chunk(buf, if self.ack { HEARTBEAT_ACK } else { HEARTBEAT }, 0);
        let at = begin_parameter(buf, HEARTBEAT_INFO);
        buf.extend_from_slice(self.info);
        end(buf, at);
        end(buf, start);
    }
}
