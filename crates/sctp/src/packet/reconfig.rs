//! RE-CONFIG and its parameters: resetting and adding streams (RFC 6525 §3.1, §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Type = 130    |  Chunk Flags  |      Chunk Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                  Re-configuration Parameter                   /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /             Re-configuration Parameter (optional)             /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{
    Malformed, Parameters, RawParameter, be16, be32, begin_chunk, begin_parameter, end,
};
use crate::serial::{ReconfigSeq, StreamId, Tsn};

pub(crate) const RE_CONFIG: u8 = 130;

const OUTGOING_RESET: u16 = 13;
const INCOMING_RESET: u16 = 14;
const TSN_RESET: u16 = 15;
const RESPONSE: u16 = 16;
const ADD_OUTGOING: u16 = 17;
const ADD_INCOMING: u16 = 18;

/// How a request was met (RFC 6525 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReconfigResult(pub(crate) u32);

impl ReconfigResult {
    pub(crate) const NOTHING_TO_DO: Self = Self(0);
    pub(crate) const PERFORMED: Self = Self(1);
    pub(crate) const DENIED: Self = Self(2);
    pub(crate) const WRONG_SSN: Self = Self(3);
    pub(crate) const ALREADY_IN_PROGRESS: Self = Self(4);
    pub(crate) const BAD_SEQUENCE_NUMBER: Self = Self(5);
    pub(crate) const IN_PROGRESS: Self = Self(6);
}

/// Stream numbers as they travel. None stands for all streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamList<'a>(&'a [u8]);

impl<'a> StreamList<'a> {
    pub(crate) fn is_all(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = StreamId> + 'a {
        self.0.chunks_exact(2).map(|b| StreamId(u16::from_be_bytes([b[0], b[1]])))
    }
}

/// One parameter of a RE-CONFIG chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReconfigParameter<'a> {
    /// I am resetting these streams of mine (RFC 6525 §4.1).
    OutgoingReset {
        request: ReconfigSeq,
        response: ReconfigSeq,
        last_tsn: Tsn,
        streams: StreamList<'a>,
    },
    /// Reset these streams of yours (§4.2).
    IncomingReset { request: ReconfigSeq, streams: StreamList<'a> },
    /// Reset everything, TSNs too (§4.3).
    TsnReset { request: ReconfigSeq },
    /// An answer (§4.4). The optional TSNs belong to the TSN reset, which we never ask for.
    Response { response: ReconfigSeq, result: ReconfigResult },
    /// I add streams of mine (§4.5).
    AddOutgoing { request: ReconfigSeq, count: u16 },
    /// Add streams of yours (§4.6).
    AddIncoming { request: ReconfigSeq, count: u16 },
}

impl<'a> ReconfigParameter<'a> {
    pub(crate) fn parse(raw: RawParameter<'a>) -> Result<Self, Malformed> {
        const SHORT: Malformed = Malformed("re-configuration parameter cut short (RFC 6525 §4)");
        let value = raw.value;
        let request = ReconfigSeq(be32(value, 0).ok_or(SHORT)?);
        Ok(match raw.kind {
            OUTGOING_RESET => Self::OutgoingReset {
                request,
                response: ReconfigSeq(be32(value, 4).ok_or(SHORT)?),
                last_tsn: Tsn(be32(value, 8).ok_or(SHORT)?),
                streams: StreamList(&value[12..]),
            },
            INCOMING_RESET => Self::IncomingReset { request, streams: StreamList(&value[4..]) },
            TSN_RESET => Self::TsnReset { request },
            RESPONSE => Self::Response {
                response: request,
                result: ReconfigResult(be32(value, 4).ok_or(SHORT)?),
            },
            ADD_OUTGOING => Self::AddOutgoing { request, count: be16(value, 4).ok_or(SHORT)? },
            ADD_INCOMING => Self::AddIncoming { request, count: be16(value, 4).ok_or(SHORT)? },
            _ => return Err(Malformed("unknown re-configuration parameter (RFC 6525 §4)")),
        })
    }
}

/// The parameters of a RE-CONFIG chunk; ends at the first that is malformed or unknown (RFC 6525 §4).
pub(crate) fn parameters(
    value: &[u8],
) -> impl Iterator<Item = Result<ReconfigParameter<'_>, Malformed>> {
    let mut failed = false;
    Parameters::new(value).map_while(move |raw| {
        if failed {
            return None;
        }
        let parsed = raw.and_then(ReconfigParameter::parse);
        failed = parsed.is_err();
        Some(parsed)
    })
}

pub(crate) fn write_outgoing_reset(
    buf: &mut Vec<u8>,
    request: ReconfigSeq,
    response: ReconfigSeq,
    last_tsn: Tsn,
    streams: &[StreamId],
) {
    let start = begin_chunk(buf, RE_CONFIG, 0);
    let at = begin_parameter(buf, OUTGOING_RESET);
    buf.extend_from_slice(&request.0.to_be_bytes());
    buf.extend_from_slice(&response.0.to_be_bytes());
    buf.extend_from_slice(&last_tsn.0.to_be_bytes());
    for stream in streams {
        buf.extend_from_slice(&stream.0.to_be_bytes());
    }
    finish(buf, start, at);
}

pub(crate) fn write_response(buf: &mut Vec<u8>, response: ReconfigSeq, result: ReconfigResult) {
    let start = begin_chunk(buf, RE_CONFIG, 0);
    let at = begin_parameter(buf, RESPONSE);
    buf.extend_from_slice(&response.0.to_be_bytes());
    buf.extend_from_slice(&result.0.to_be_bytes());
    finish(buf, start, at);
}

/// Closes parameter and chunk so that the padding belongs to the chunk.
fn finish(buf: &mut Vec<u8>, chunk: usize, parameter: usize) {
    let unpadded = buf.len();
    end(buf, parameter);
    buf.truncate(unpadded);
    end(buf, chunk);
}
