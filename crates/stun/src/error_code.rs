//! ERROR-CODE and the codes of STUN, TURN and ICE (RFC 8489 §14.8, RFC 8656 §19, RFC 8445 §16.1).

use std::fmt;

/// An error code with its reason phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode<'a> {
    code: u16,
    reason: &'a str,
}

impl<'a> ErrorCode<'a> {
    /// Try another server.
    pub const TRY_ALTERNATE: ErrorCode<'static> = ErrorCode { code: 300, reason: "Try Alternate" };
    /// The request was malformed.
    pub const BAD_REQUEST: ErrorCode<'static> = ErrorCode { code: 400, reason: "Bad Request" };
    /// The request lacked correct credentials.
    pub const UNAUTHENTICATED: ErrorCode<'static> =
        ErrorCode { code: 401, reason: "Unauthenticated" };
    /// The request cannot be performed (RFC 8656).
    pub const FORBIDDEN: ErrorCode<'static> = ErrorCode { code: 403, reason: "Forbidden" };
    /// A comprehension-required attribute is unknown.
    pub const UNKNOWN_ATTRIBUTE: ErrorCode<'static> =
        ErrorCode { code: 420, reason: "Unknown Attribute" };
    /// There is an allocation, or none (RFC 8656).
    pub const ALLOCATION_MISMATCH: ErrorCode<'static> =
        ErrorCode { code: 437, reason: "Allocation Mismatch" };
    /// The nonce is no longer valid.
    pub const STALE_NONCE: ErrorCode<'static> = ErrorCode { code: 438, reason: "Stale Nonce" };
    /// The address family is not supported (RFC 8656).
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: ErrorCode<'static> =
        ErrorCode { code: 440, reason: "Address Family not Supported" };
    /// The credentials are not those of the allocation (RFC 8656).
    pub const WRONG_CREDENTIALS: ErrorCode<'static> =
        ErrorCode { code: 441, reason: "Wrong Credentials" };
    /// The transport is not supported (RFC 8656).
    pub const UNSUPPORTED_TRANSPORT: ErrorCode<'static> =
        ErrorCode { code: 442, reason: "Unsupported Transport Protocol" };
    /// The peer's family is not that of the relayed address (RFC 8656).
    pub const PEER_ADDRESS_FAMILY_MISMATCH: ErrorCode<'static> =
        ErrorCode { code: 443, reason: "Peer Address Family Mismatch" };
    /// The connection to the peer exists already (RFC 6062).
    pub const CONNECTION_ALREADY_EXISTS: ErrorCode<'static> =
        ErrorCode { code: 446, reason: "Connection Already Exists" };
    /// The connection to the peer timed out or failed (RFC 6062).
    pub const CONNECTION_TIMEOUT_OR_FAILURE: ErrorCode<'static> =
        ErrorCode { code: 447, reason: "Connection Timeout or Failure" };
    /// No more allocations for this user (RFC 8656).
    pub const ALLOCATION_QUOTA_REACHED: ErrorCode<'static> =
        ErrorCode { code: 486, reason: "Allocation Quota Reached" };
    /// Both ICE agents have the same role (RFC 8445).
    pub const ROLE_CONFLICT: ErrorCode<'static> = ErrorCode { code: 487, reason: "Role Conflict" };
    /// The server has a temporary trouble.
    pub const SERVER_ERROR: ErrorCode<'static> = ErrorCode { code: 500, reason: "Server Error" };
    /// The server has no more room (RFC 8656).
    pub const INSUFFICIENT_CAPACITY: ErrorCode<'static> =
        ErrorCode { code: 508, reason: "Insufficient Capacity" };

    /// A code from 300 to 699 and a reason of at most 509 bytes; `None` otherwise.
    pub fn new(code: u16, reason: &'a str) -> Option<Self> {
        ((300..700).contains(&code) && reason.len() <= 509).then_some(Self { code, reason })
    }

    /// The code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason phrase: for diagnosis only.
    pub fn reason(&self) -> &'a str {
        self.reason
    }

    /// Reads the two bytes of class and number, and the reason after them.
    pub(crate) fn read(class: u8, number: u8, reason: &'a [u8]) -> Option<Self> {
        let class = u16::from(class & 0b111);
        // RFC 8489 §14.8: class 3 to 6, number 0 to 99, at most 763 bytes of reason when decoding.
        if !(3..=6).contains(&class) || number > 99 || reason.len() > 763 {
            return None;
        }
        Some(Self {
            code: class * 100 + u16::from(number),
            reason: std::str::from_utf8(reason).ok()?,
        })
    }

    pub(crate) fn class_and_number(&self) -> [u8; 2] {
        [(self.code / 100) as u8, (self.code % 100) as u8]
    }
}

impl fmt::Display for ErrorCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}
