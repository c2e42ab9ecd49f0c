//! Attributes: the raw form that iteration gives, and the typed form (RFC 8489 §14 and the RFCs that
//! [`AttributeType`] names). Everything borrows from the message.

use std::net::SocketAddr;

use crate::address::{self, AddressFamily};
use crate::attribute_type::AttributeType;
use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::header::TransactionId;
use crate::password_algorithm::{PasswordAlgorithm, PasswordAlgorithms};

/// An attribute as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// Its number.
    pub kind: AttributeType,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Offset of its header from the start of the message.
    pub offset: usize,
}

/// An attribute, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute<'a> {
    /// MAPPED-ADDRESS (RFC 8489 §14.1).
    MappedAddress(SocketAddr),
    /// XOR-MAPPED-ADDRESS (RFC 8489 §14.2), XORed back.
    XorMappedAddress(SocketAddr),
    /// USERNAME (RFC 8489 §14.3): at most 508 bytes.
    Username(&'a str),
    /// USERHASH (RFC 8489 §14.4).
    UserHash(&'a [u8; 32]),
    /// MESSAGE-INTEGRITY (RFC 8489 §14.5).
    MessageIntegrity(&'a [u8; 20]),
    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6): 16 to 32 bytes.
    MessageIntegritySha256(&'a [u8]),
    /// FINGERPRINT (RFC 8489 §14.7).
    Fingerprint(u32),
    /// ERROR-CODE (RFC 8489 §14.8).
    ErrorCode(ErrorCode<'a>),
    /// REALM (RFC 8489 §14.9): at most 763 bytes.
    Realm(&'a str),
    /// NONCE (RFC 8489 §14.10): at most 763 bytes.
    Nonce(&'a str),
    /// PASSWORD-ALGORITHMS (RFC 8489 §14.11).
    PasswordAlgorithms(PasswordAlgorithms<'a>),
    /// PASSWORD-ALGORITHM (RFC 8489 §14.12).
    PasswordAlgorithm(PasswordAlgorithm),
    /// UNKNOWN-ATTRIBUTES (RFC 8489 §14.13).
    UnknownAttributes(UnknownAttributes<'a>),
    /// SOFTWARE (RFC 8489 §14.14): at most 763 bytes.
    Software(&'a str),
    /// ALTERNATE-SERVER (RFC 8489 §14.15).
    AlternateServer(SocketAddr),
    /// ALTERNATE-DOMAIN (RFC 8489 §14.16): at most 255 bytes.
    AlternateDomain(&'a str),
    /// PRIORITY (RFC 8445 §16.1).
    Priority(u32),
    /// USE-CANDIDATE (RFC 8445 §16.1).
    UseCandidate,
    /// ICE-CONTROLLED with its tie-breaker (RFC 8445 §16.1).
    IceControlled(u64),
    /// ICE-CONTROLLING with its tie-breaker (RFC 8445 §16.1).
    IceControlling(u64),
    /// NOMINATION: a 24-bit count (draft-thatcher-ice-renomination §4).
    Nomination(u32),
    /// CHANNEL-NUMBER (RFC 8656 §18.1).
    ChannelNumber(u16),
    /// LIFETIME in seconds (RFC 8656 §18.2).
    Lifetime(u32),
    /// XOR-PEER-ADDRESS (RFC 8656 §18.3), XORed back.
    XorPeerAddress(SocketAddr),
    /// DATA (RFC 8656 §18.4).
    Data(&'a [u8]),
    /// XOR-RELAYED-ADDRESS (RFC 8656 §18.5), XORed back.
    XorRelayedAddress(SocketAddr),
    /// REQUESTED-ADDRESS-FAMILY (RFC 8656 §18.6).
    RequestedAddressFamily(AddressFamily),
    /// EVEN-PORT (RFC 8656 §18.7): whether the next port is to be reserved.
    EvenPort(bool),
    /// REQUESTED-TRANSPORT (RFC 8656 §18.8): an IP protocol number.
    RequestedTransport(u8),
    /// DONT-FRAGMENT (RFC 8656 §18.9).
    DontFragment,
    /// RESERVATION-TOKEN (RFC 8656 §18.10).
    ReservationToken(&'a [u8; 8]),
    /// ADDITIONAL-ADDRESS-FAMILY (RFC 8656 §18.11).
    AdditionalAddressFamily(AddressFamily),
    /// ADDRESS-ERROR-CODE (RFC 8656 §18.12).
    AddressErrorCode(AddressFamily, ErrorCode<'a>),
    /// ICMP (RFC 8656 §18.13).
    Icmp {
        /// ICMP type, 7 bits.
        kind: u8,
        /// ICMP code, 9 bits.
        code: u16,
        /// Error data, such as the next hop's MTU.
        data: u32,
    },
    /// CONNECTION-ID (RFC 6062 §6.2.1).
    ConnectionId(u32),
    /// CHANGE-REQUEST (RFC 5780 §7.2).
    ChangeRequest {
        /// Answer from the other address.
        ip: bool,
        /// Answer from the other port.
        port: bool,
    },
    /// PADDING (RFC 5780 §7.6).
    Padding(&'a [u8]),
    /// RESPONSE-PORT (RFC 5780 §7.5).
    ResponsePort(u16),
    /// RESPONSE-ORIGIN (RFC 5780 §7.3).
    ResponseOrigin(SocketAddr),
    /// OTHER-ADDRESS (RFC 5780 §7.4).
    OtherAddress(SocketAddr),
    /// libwebrtc's GOOG-NETWORK-INFO: network id and cost.
    GoogNetworkInfo {
        /// Which of the sender's networks.
        id: u16,
        /// What it costs to use; 0 is best.
        cost: u16,
    },
    /// Anything else, and what this crate keeps raw.
    Raw(AttributeType, &'a [u8]),
}

/// The value of UNKNOWN-ATTRIBUTES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAttributes<'a> {
    value: &'a [u8],
}

impl<'a> UnknownAttributes<'a> {
    /// Reads a list of 16-bit numbers; `None` when the length is odd.
    pub fn new(value: &'a [u8]) -> Option<Self> {
        value.len().is_multiple_of(2).then_some(Self { value })
    }

    /// The numbers.
    pub fn iter(&self) -> impl Iterator<Item = AttributeType> + 'a {
        self.value.chunks_exact(2).map(|b| AttributeType(u16::from_be_bytes([b[0], b[1]])))
    }

    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.value
    }
}

impl<'a> RawAttribute<'a> {
    /// Reads the value. `id` is the transaction id of the message, for XORed addresses.
    pub fn decode(&self, id: TransactionId) -> Result<Attribute<'a>, Error> {
        use AttributeType as T;
        let value = self.value;
        let invalid = |reason| Error::InvalidAttribute { attribute: self.kind, reason };
        let text = |max: usize| {
            if value.len() > max {
                return Err(invalid("the text is too long (RFC 8489 §14)"));
            }
            std::str::from_utf8(value).map_err(|_| invalid("the text is not UTF-8 (RFC 8489 §14)"))
        };
        let addr = || {
            address::read(value)
                .ok_or_else(|| invalid("not an address of a known family (RFC 8489 §14.1)"))
        };
        let xored = || addr().map(|a| address::xor(a, id));
        let int = || self.u32().ok_or_else(|| invalid("the length is not 4"));
        let long = || self.u64().ok_or_else(|| invalid("the length is not 8 (RFC 8445 §16.1)"));
        let family = || {
            let v = int()?.to_be_bytes();
            AddressFamily::from_number(v[0])
                .ok_or_else(|| invalid("the address family is unknown (RFC 8656 §18.6)"))
        };
        let empty = |attribute| {
            if value.is_empty() { Ok(attribute) } else { Err(invalid("the length is not 0")) }
        };

        Ok(match self.kind {
            T::MAPPED_ADDRESS => Attribute::MappedAddress(addr()?),
            T::XOR_MAPPED_ADDRESS => Attribute::XorMappedAddress(xored()?),
            // RFC 8489 §14.3: fewer than 509 bytes.
            T::USERNAME => Attribute::Username(text(508)?),
            T::USERHASH => Attribute::UserHash(
                value.try_into().map_err(|_| invalid("the length is not 32 (RFC 8489 §14.4)"))?,
            ),
            T::MESSAGE_INTEGRITY => Attribute::MessageIntegrity(
                value.try_into().map_err(|_| invalid("the length is not 20 (RFC 8489 §14.5)"))?,
            ),
            T::MESSAGE_INTEGRITY_SHA256 => {
                check_sha256_len(value.len())?;
                Attribute::MessageIntegritySha256(value)
            }
            T::FINGERPRINT => Attribute::Fingerprint(int()?),
            T::ERROR_CODE => {
                let (head, reason) = value
                    .split_at_checked(4)
                    .ok_or_else(|| invalid("shorter than 4 bytes (RFC 8489 §14.8)"))?;
                Attribute::ErrorCode(ErrorCode::read(head[2], head[3], reason).ok_or_else(
                    || invalid("the code or the reason phrase is invalid (RFC 8489 §14.8)"),
                )?)
            }
            T::REALM => Attribute::Realm(text(763)?),
            T::NONCE => Attribute::Nonce(text(763)?),
            T::SOFTWARE => Attribute::Software(text(763)?),
            T::ALTERNATE_DOMAIN => Attribute::AlternateDomain(text(255)?),
            T::PASSWORD_ALGORITHMS => Attribute::PasswordAlgorithms(
                PasswordAlgorithms::new(value)
                    .ok_or_else(|| invalid("truncated list (RFC 8489 §14.11)"))?,
            ),
            T::PASSWORD_ALGORITHM => Attribute::PasswordAlgorithm(
                PasswordAlgorithms::new(value)
                    .and_then(|list| list.iter().next())
                    .ok_or_else(|| invalid("truncated (RFC 8489 §14.12)"))?,
            ),
            T::UNKNOWN_ATTRIBUTES => Attribute::UnknownAttributes(
                UnknownAttributes::new(value)
                    .ok_or_else(|| invalid("the length is odd (RFC 8489 §14.13)"))?,
            ),
            T::ALTERNATE_SERVER => Attribute::AlternateServer(addr()?),
            T::PRIORITY => Attribute::Priority(int()?),
            T::USE_CANDIDATE => empty(Attribute::UseCandidate)?,
            T::ICE_CONTROLLED => Attribute::IceControlled(long()?),
            T::ICE_CONTROLLING => Attribute::IceControlling(long()?),
            T::NOMINATION => Attribute::Nomination(int()? & 0x00FF_FFFF),
            T::CHANNEL_NUMBER => Attribute::ChannelNumber((int()? >> 16) as u16),
            T::LIFETIME => Attribute::Lifetime(int()?),
            T::XOR_PEER_ADDRESS => Attribute::XorPeerAddress(xored()?),
            T::DATA => Attribute::Data(value),
            T::XOR_RELAYED_ADDRESS => Attribute::XorRelayedAddress(xored()?),
            T::REQUESTED_ADDRESS_FAMILY => Attribute::RequestedAddressFamily(family()?),
            T::EVEN_PORT => match value {
                [flags] => Attribute::EvenPort(flags & 0x80 != 0),
                _ => return Err(invalid("the length is not 1 (RFC 8656 §18.7)")),
            },
            T::REQUESTED_TRANSPORT => Attribute::RequestedTransport((int()? >> 24) as u8),
            T::DONT_FRAGMENT => empty(Attribute::DontFragment)?,
            T::RESERVATION_TOKEN => Attribute::ReservationToken(
                value.try_into().map_err(|_| invalid("the length is not 8 (RFC 8656 §18.10)"))?,
            ),
            T::ADDITIONAL_ADDRESS_FAMILY => Attribute::AdditionalAddressFamily(family()?),
            T::ADDRESS_ERROR_CODE => {
                let (head, reason) = value
                    .split_at_checked(4)
                    .ok_or_else(|| invalid("shorter than 4 bytes (RFC 8656 §18.12)"))?;
                let family = AddressFamily::from_number(head[0])
                    .ok_or_else(|| invalid("the address family is unknown (RFC 8656 §18.12)"))?;
                let code = ErrorCode::read(head[2], head[3], reason).ok_or_else(|| {
                    invalid("the code or the reason phrase is invalid (RFC 8656 §18.12)")
                })?;
                Attribute::AddressErrorCode(family, code)
            }
            T::ICMP => {
                let v = long()?;
                // RFC 8656 §18.13, figure 11: 16 reserved bits, 7 of type, 9 of code, 32 of data.
                Attribute::Icmp {
                    kind: (v >> 41 & 0x7F) as u8,
                    code: (v >> 32 & 0x1FF) as u16,
                    data: v as u32,
                }
            }
            T::CONNECTION_ID => Attribute::ConnectionId(int()?),
            T::CHANGE_REQUEST => {
                let v = int()?;
                Attribute::ChangeRequest { ip: v & 4 != 0, port: v & 2 != 0 }
            }
            T::PADDING => Attribute::Padding(value),
            T::RESPONSE_PORT => match value {
                // RFC 5780 §7.5: two bytes, but some send the padding as part of the value.
                [a, b] | [a, b, _, _] => Attribute::ResponsePort(u16::from_be_bytes([*a, *b])),
                _ => return Err(invalid("the length is not 2 (RFC 5780 §7.5)")),
            },
            T::RESPONSE_ORIGIN => Attribute::ResponseOrigin(addr()?),
            T::OTHER_ADDRESS => Attribute::OtherAddress(addr()?),
            T::GOOG_NETWORK_INFO => {
                let v = int()?;
                Attribute::GoogNetworkInfo { id: (v >> 16) as u16, cost: v as u16 }
            }
            kind => Attribute::Raw(kind, value),
        })
    }

    /// The value as a 32-bit number, when it has four bytes.
    pub fn u32(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.value.try_into().ok()?))
    }

    /// The value as a 64-bit number, when it has eight bytes.
    pub fn u64(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.value.try_into().ok()?))
    }
}

/// RFC 8489 §14.6: at least 16, at most 32 bytes, a multiple of 4.
pub(crate) fn check_sha256_len(len: usize) -> Result<(), Error> {
    if (16..=32).contains(&len) && len.is_multiple_of(4) {
        return Ok(());
    }
    Err(Error::InvalidAttribute {
        attribute: AttributeType::MESSAGE_INTEGRITY_SHA256,
        reason: "the length is not 16 to 32 and a multiple of 4 (RFC 8489 §14.6)",
    })
}

/// Encodes a typed attribute and hands kind and value to `put`.
pub(crate) fn encode<R>(
    attribute: &Attribute<'_>,
    id: TransactionId,
    put: impl FnOnce(AttributeType, &[&[u8]]) -> R,
) -> R {
    use AttributeType as T;
    let mut buf = [0u8; address::MAX_ADDRESS_LEN];
    match *attribute {
        Attribute::MappedAddress(a) => {
            let n = address::write(a, &mut buf);
            put(T::MAPPED_ADDRESS, &[&buf[..n]])
        }
        Attribute::XorMappedAddress(a) => {
            let n = address::write(address::xor(a, id), &mut buf);
            put(T::XOR_MAPPED_ADDRESS, &[&buf[..n]])
        }
        Attribute::XorPeerAddress(a) => {
            let n = address::write(address::xor(a, id), &mut buf);
            put(T::XOR_PEER_ADDRESS, &[&buf[..n]])
        }
        Attribute::XorRelayedAddress(a) => {
            let n = address::write(address::xor(a, id), &mut buf);
            put(T::XOR_RELAYED_ADDRESS, &[&buf[..n]])
        }
        Attribute::AlternateServer(a) => {
            let n = address::write(a, &mut buf);
            put(T::ALTERNATE_SERVER, &[&buf[..n]])
        }
        Attribute::ResponseOrigin(a) => {
            let n = address::write(a, &mut buf);
            put(T::RESPONSE_ORIGIN, &[&buf[..n]])
        }
        Attribute::OtherAddress(a) => {
            let n = address::write(a, &mut buf);
            put(T::OTHER_ADDRESS, &[&buf[..n]])
        }
        Attribute::Username(s) => put(T::USERNAME, &[s.as_bytes()]),
        Attribute::UserHash(v) => put(T::USERHASH, &[v]),
        Attribute::MessageIntegrity(v) => put(T::MESSAGE_INTEGRITY, &[v]),
        Attribute::MessageIntegritySha256(v) => put(T::MESSAGE_INTEGRITY_SHA256, &[v]),
        Attribute::Fingerprint(v) => put(T::FINGERPRINT, &[&v.to_be_bytes()]),
        Attribute::ErrorCode(e) => {
            let [class, number] = e.class_and_number();
            put(T::ERROR_CODE, &[&[0, 0, class, number], e.reason().as_bytes()])
        }
        Attribute::Realm(s) => put(T::REALM, &[s.as_bytes()]),
        Attribute::Nonce(s) => put(T::NONCE, &[s.as_bytes()]),
        Attribute::Software(s) => put(T::SOFTWARE, &[s.as_bytes()]),
        Attribute::AlternateDomain(s) => put(T::ALTERNATE_DOMAIN, &[s.as_bytes()]),
        Attribute::PasswordAlgorithms(list) => put(T::PASSWORD_ALGORITHMS, &[list.as_bytes()]),
        Attribute::PasswordAlgorithm(a) => {
            put(T::PASSWORD_ALGORITHM, &[&a.number().to_be_bytes(), &[0, 0]])
        }
        Attribute::UnknownAttributes(list) => put(T::UNKNOWN_ATTRIBUTES, &[list.as_bytes()]),
        Attribute::Priority(v) => put(T::PRIORITY, &[&v.to_be_bytes()]),
        Attribute::UseCandidate => put(T::USE_CANDIDATE, &[]),
        Attribute::IceControlled(v) => put(T::ICE_CONTROLLED, &[&v.to_be_bytes()]),
        Attribute::IceControlling(v) => put(T::ICE_CONTROLLING, &[&v.to_be_bytes()]),
        Attribute::Nomination(v) => put(T::NOMINATION, &[&(v & 0x00FF_FFFF).to_be_bytes()]),
        Attribute::ChannelNumber(v) => put(T::CHANNEL_NUMBER, &[&v.to_be_bytes(), &[0, 0]]),
        Attribute::Lifetime(v) => put(T::LIFETIME, &[&v.to_be_bytes()]),
        Attribute::Data(v) => put(T::DATA, &[v]),
        Attribute::RequestedAddressFamily(f) => {
            put(T::REQUESTED_ADDRESS_FAMILY, &[&[f.number(), 0, 0, 0]])
        }
        Attribute::EvenPort(reserve) => put(T::EVEN_PORT, &[&[u8::from(reserve) << 7]]),
        Attribute::RequestedTransport(p) => put(T::REQUESTED_TRANSPORT, &[&[p, 0, 0, 0]]),
        Attribute::DontFragment => put(T::DONT_FRAGMENT, &[]),
        Attribute::ReservationToken(v) => put(T::RESERVATION_TOKEN, &[v]),
        Attribute::AdditionalAddressFamily(f) => {
            put(T::ADDITIONAL_ADDRESS_FAMILY, &[&[f.number(), 0, 0, 0]])
        }
        Attribute::AddressErrorCode(f, e) => {
            let [class, number] = e.class_and_number();
            put(T::ADDRESS_ERROR_CODE, &[&[f.number(), 0, class, number], e.reason().as_bytes()])
        }
        Attribute::Icmp { kind, code, data } => {
            let head = u32::from(kind & 0x7F) << 9 | u32::from(code & 0x1FF);
            put(T::ICMP, &[&head.to_be_bytes(), &data.to_be_bytes()])
        }
        Attribute::ConnectionId(v) => put(T::CONNECTION_ID, &[&v.to_be_bytes()]),
        Attribute::ChangeRequest { ip, port } => {
            put(T::CHANGE_REQUEST, &[&[0, 0, 0, u8::from(ip) << 2 | u8::from(port) << 1]])
        }
        Attribute::Padding(v) => put(T::PADDING, &[v]),
        Attribute::ResponsePort(v) => put(T::RESPONSE_PORT, &[&v.to_be_bytes()]),
        Attribute::GoogNetworkInfo { id, cost } => {
            put(T::GOOG_NETWORK_INFO, &[&id.to_be_bytes(), &cost.to_be_bytes()])
        }
        Attribute::Raw(kind, v) => put(kind, &[v]),
    }
}
