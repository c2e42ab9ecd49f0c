//! Error causes, the content of ERROR and ABORT (RFC 9260 §3.3.10).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Cause Code          |       Cause Length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                    Cause-Specific Information                 /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Parameters, RawParameter, begin_parameter, end};

/// Cause codes of RFC 9260 §3.3.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CauseCode(pub(crate) u16);

impl CauseCode {
    pub(crate) const INVALID_STREAM: Self = Self(1);
    pub(crate) const STALE_COOKIE: Self = Self(3);
    pub(crate) const UNRECOGNIZED_CHUNK: Self = Self(6);
    pub(crate) const UNRECOGNIZED_PARAMETERS: Self = Self(8);
    pub(crate) const NO_USER_DATA: Self = Self(9);
    pub(crate) const COOKIE_WHILE_SHUTTING_DOWN: Self = Self(10);
    pub(crate) const USER_INITIATED_ABORT: Self = Self(12);
    pub(crate) const PROTOCOL_VIOLATION: Self = Self(13);

    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            1 => "invalid stream identifier",
            2 => "missing mandatory parameter",
            3 => "stale cookie",
            4 => "out of resource",
            5 => "unresolvable address",
            6 => "unrecognized chunk type",
            7 => "invalid mandatory parameter",
            8 => "unrecognized parameters",
            9 => "no user data",
            10 => "cookie received while shutting down",
            11 => "restart of an association with new addresses",
            12 => "user-initiated abort",
            13 => "protocol violation",
            _ => "unknown cause",
        }
    }
}

/// Bytes of free text of a cause that are kept for the application.
const MAX_TEXT: usize = 256;

pub(crate) fn write_cause(buf: &mut Vec<u8>, code: CauseCode, information: &[u8]) {
    let at = begin_parameter(buf, code.0);
    buf.extend_from_slice(information);
    end(buf, at);
}

/// The code of the first cause of an ABORT or ERROR.
pub(crate) fn first_code(value: &[u8]) -> Option<CauseCode> {
    Parameters::new(value).next()?.ok().map(|cause| CauseCode(cause.kind))
}

/// Puts the first cause of an ABORT or ERROR into words.
pub(crate) fn describe(value: &[u8]) -> String {
    match Parameters::new(value).next() {
        Some(Ok(RawParameter { kind, value, .. })) => {
            let code = CauseCode(kind);
            if matches!(code, CauseCode::USER_INITIATED_ABORT | CauseCode::PROTOCOL_VIOLATION)
                && !value.is_empty()
            {
                let text = String::from_utf8_lossy(&value[..value.len().min(MAX_TEXT)]);
                format!("{}: {text}", code.name())
            } else {
                code.name().to_owned()
            }
        }
        _ => "no cause given".to_owned(),
    }
}
