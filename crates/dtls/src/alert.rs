//! The alert protocol (RFC 8446 §6, RFC 5246 §7.2): two bytes that end a connection or warn of something.

use std::fmt;

/// How grave an alert is. DTLS 1.3 ignores the field: only `close_notify` and `user_canceled` are not fatal there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlertLevel {
    /// warning(1).
    Warning,
    /// fatal(2).
    Fatal,
}

macro_rules! alerts {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// What an alert says (RFC 8446 §6, and the older codes a DTLS 1.2 peer may send).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum AlertDescription {
            $($(#[$doc])* $name,)*
            /// A code this crate has no name for.
            Unknown(u8),
        }

        impl AlertDescription {
            /// The byte on the wire.
            pub const fn to_wire(self) -> u8 {
                match self {
                    $(Self::$name => $value,)*
                    Self::Unknown(value) => value,
                }
            }

            /// Reads the byte of the wire.
            pub const fn from_wire(value: u8) -> Self {
                match value {
                    $($value => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl fmt::Display for AlertDescription {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    Self::Unknown(value) => write!(f, "alert {value}"),
                }
            }
        }
    };
}

alerts! {
    /// The sender will send no more.
    CloseNotify = 0, "close_notify";
    /// A message that has no place here.
    UnexpectedMessage = 10, "unexpected_message";
    /// A record that could not be deprotected.
    BadRecordMac = 20, "bad_record_mac";
    /// A record that was too long.
    RecordOverflow = 22, "record_overflow";
    /// No common parameters.
    HandshakeFailure = 40, "handshake_failure";
    /// A certificate that is corrupt or whose signature does not verify.
    BadCertificate = 42, "bad_certificate";
    /// A certificate of a kind that is not supported.
    UnsupportedCertificate = 43, "unsupported_certificate";
    /// A certificate that its signer revoked.
    CertificateRevoked = 44, "certificate_revoked";
    /// A certificate that has expired.
    CertificateExpired = 45, "certificate_expired";
    /// A certificate that is not acceptable for another reason, such as a fingerprint that does not match.
    CertificateUnknown = 46, "certificate_unknown";
    /// A field that is out of range or contradicts another.
    IllegalParameter = 47, "illegal_parameter";
    /// No trust anchor for the certificate.
    UnknownCa = 48, "unknown_ca";
    /// The peer is known but may not do this.
    AccessDenied = 49, "access_denied";
    /// A message that could not be parsed.
    DecodeError = 50, "decode_error";
    /// A signature or Finished that does not verify.
    DecryptError = 51, "decrypt_error";
    /// A version that is known but not wanted.
    ProtocolVersion = 70, "protocol_version";
    /// Parameters that are not secure enough.
    InsufficientSecurity = 71, "insufficient_security";
    /// A failure that has nothing to do with the peer.
    InternalError = 80, "internal_error";
    /// A retry at a lower version than need be (RFC 7507).
    InappropriateFallback = 86, "inappropriate_fallback";
    /// The handshake is given up for a reason that is no failure of the protocol.
    UserCanceled = 90, "user_canceled";
    /// Renegotiation is refused (DTLS 1.2).
    NoRenegotiation = 100, "no_renegotiation";
    /// An extension that must be there is not.
    MissingExtension = 109, "missing_extension";
    /// An extension that was not offered, or has no place in its message.
    UnsupportedExtension = 110, "unsupported_extension";
    /// No such name.
    UnrecognizedName = 112, "unrecognized_name";
    /// A bad OCSP response.
    BadCertificateStatusResponse = 113, "bad_certificate_status_response";
    /// No such pre-shared key.
    UnknownPskIdentity = 115, "unknown_psk_identity";
    /// A certificate was asked for and none came.
    CertificateRequired = 116, "certificate_required";
    /// No common application protocol.
    NoApplicationProtocol = 120, "no_application_protocol";
}

/// An alert as it stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    /// The level the sender gave it.
    pub(crate) level: AlertLevel,
    /// What it says.
    pub(crate) description: AlertDescription,
}

impl Alert {
    /// A fatal alert.
    pub(crate) const fn fatal(description: AlertDescription) -> Self {
        Self { level: AlertLevel::Fatal, description }
    }

    /// `close_notify`, which goes out as a warning (RFC 8446 §6.1).
    pub(crate) const fn close_notify() -> Self {
        Self { level: AlertLevel::Warning, description: AlertDescription::CloseNotify }
    }

    /// The two bytes on the wire.
    pub(crate) const fn to_wire(self) -> [u8; 2] {
        let level = match self.level {
            AlertLevel::Warning => 1,
            AlertLevel::Fatal => 2,
        };
        [level, self.description.to_wire()]
    }

    /// Reads an alert; `None` unless there are exactly two bytes and the level is known.
    /// Alerts are never split or joined in a record (RFC 8446 §5.1).
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[level, description] = bytes else { return None };
        let level = match level {
            1 => AlertLevel::Warning,
            2 => AlertLevel::Fatal,
            _ => return None,
        };
        Some(Self { level, description: AlertDescription::from_wire(description) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for code in 0..=255 {
            assert_eq!(AlertDescription::from_wire(code).to_wire(), code);
            for level in [AlertLevel::Warning, AlertLevel::Fatal] {
                let alert = Alert { level, description: AlertDescription::from_wire(code) };
                assert_eq!(Alert::parse(&alert.to_wire()), Some(alert));
            }
        }
        assert_eq!(Alert::parse(&[3, 0]), None);
        assert_eq!(Alert::parse(&[1]), None);
        assert_eq!(Alert::parse(&[1, 0, 0]), None);
    }
}
