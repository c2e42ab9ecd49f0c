//! ICE credentials and the other attributes of RFC 8839 (candidates are in `candidate`).

use crate::address::Host;
use crate::error::Error;
use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::Word;
use crate::value::Value;
use std::fmt;
use std::ops::Deref;

macro_rules! credential {
    ($(#[$meta:meta])* $name:ident, $minimum:literal, $expected:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Word);

        impl $name {
            /// Takes `text`, if its length and characters are right.
            ///
            /// # Errors
            /// [`Error::InvalidText`] if they are not.
            pub fn new(text: &str) -> Result<$name, Error> {
                match $name::is_valid(text) {
                    true => Ok($name(Word::checked(text))),
                    false => Err(Error::invalid_text(text, $expected)),
                }
            }

            fn is_valid(text: &str) -> bool {
                ($minimum..=256).contains(&text.len()) && text.bytes().all(is_ice_char)
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0.as_str() == other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Value for $name {
            fn parse(scanner: &mut Scanner<'_>) -> Scan<$name> {
                let word = scanner.word($expected)?;
                match $name::is_valid(word) {
                    true => Ok($name(Word::checked(word))),
                    false => scanner.fault_at(word, $expected),
                }
            }

            fn write(&self, out: &mut impl Sink) {
                out.put(&self.0);
            }
        }
    };
}

credential! {
    /// An ICE username fragment: 4 to 256 ICE characters (RFC 8839 §5.4).
    IceUfrag, 4, "expected a username fragment of 4 to 256 ICE characters"
}

credential! {
    /// An ICE password: 22 to 256 ICE characters (RFC 8839 §5.4).
    IcePwd, 22, "expected a password of 22 to 256 ICE characters"
}

impl fmt::Debug for IceUfrag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for IcePwd {
    /// Does not show the password, which authenticates connectivity checks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// `ice-char` of RFC 8839 §5.1, and the four characters that browsers accept beside it because
/// deployed servers send them.
fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'#')
}

/// The candidates that a controlling agent chose, per component (RFC 8839 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteCandidates(pub Vec<RemoteCandidate>);

/// One chosen candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteCandidate {
    /// The component, 1 to 256.
    pub component: u16,
    /// The address.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Value for RemoteCandidates {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<RemoteCandidates> {
        let mut candidates = Vec::new();
        loop {
            candidates.push(RemoteCandidate {
                component: scanner.number(256, "expected a component from 1 to 256")? as u16,
                host: Host::parse(scanner)?,
                port: scanner.number_u16("expected a port from 0 to 65535")?,
            });
            if scanner.is_done() {
                return Ok(RemoteCandidates(candidates));
            }
        }
    }

    fn write(&self, out: &mut impl Sink) {
        for (i, candidate) in self.0.iter().enumerate() {
            if i > 0 {
                out.put(" ");
            }
            out.number(candidate.component.into());
            out.put(" ");
            candidate.host.write(out);
            out.put(" ");
            out.number(candidate.port.into());
        }
    }
}
