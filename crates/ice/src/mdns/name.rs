//! Domain names on the wire, decompressed within bounds (RFC 1035 §3.1, §4.1.4; RFC 6762 §18.14).

use std::fmt;

use crate::error::Error;

/// Longest name in wire form (RFC 1035 §2.3.4).
pub(crate) const MAX_NAME_LEN: usize = 255;

/// Longest label (RFC 1035 §2.3.4).
const MAX_LABEL_LEN: usize = 63;

/// A name as uncompressed labels with their lengths, in lower case, without the root.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name(Vec<u8>);

impl Name {
    /// From dotted text; `None` when a label is empty or too long.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 1);
        for label in text.split('.') {
            if label.is_empty() || label.len() > MAX_LABEL_LEN {
                return None;
            }
            wire.push(label.len() as u8);
            wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        (wire.len() < MAX_NAME_LEN).then_some(Self(wire))
    }

    /// Reads a name at `at`; gives it and the offset after it. Every pointer must lead backwards, so that reading ends.
    pub(crate) fn read(message: &[u8], mut at: usize) -> Result<(Self, usize), Error> {
        let start = at;
        let fail = |offset, reason| Err(Error::InvalidMdns { offset, reason });
        let mut wire = Vec::new();
        let mut end = None;
        let mut lowest = at;
        loop {
            let Some(&length) = message.get(at) else { return fail(at, "the name is truncated") };
            match length {
                0 => return Ok((Self(wire), end.unwrap_or(at + 1))),
                1..=63 => {
                    let label_end = at + 1 + usize::from(length);
                    let Some(label) = message.get(at + 1..label_end) else {
                        return fail(at, "the label is truncated");
                    };
                    wire.push(length);
                    wire.extend(label.iter().map(u8::to_ascii_lowercase));
                    if wire.len() >= MAX_NAME_LEN {
                        return fail(start, "the name is longer than 255 bytes");
                    }
                    at = label_end;
                }
                0xC0..=0xFF => {
                    let Some(&low) = message.get(at + 1) else {
                        return fail(at, "the pointer is truncated");
                    };
                    let target = usize::from(length & 0x3F) << 8 | usize::from(low);
                    end = end.or(Some(at + 2));
                    if target >= lowest {
                        return fail(at, "the pointer does not lead backwards");
                    }
                    lowest = target;
                    at = target;
                }
                _ => return fail(at, "the label type is unknown"),
            }
        }
    }

    /// Appends the name with its root.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.push(0);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.0[..];
        let mut dot = "";
        while let Some((&length, tail)) = rest.split_first() {
            let (label, tail) = tail.split_at(usize::from(length).min(tail.len()));
            write!(f, "{dot}{}", label.escape_ascii())?;
            (rest, dot) = (tail, ".");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case() {
        let name = Name::from_text("Ab.local").unwrap();
        assert_eq!(name, Name::from_text("aB.LOCAL.").unwrap());
        let mut wire = Vec::new();
        name.write(&mut wire);
        assert_eq!(wire, b"\x02ab\x05local\0");
        assert_eq!(Name::read(&wire, 0).unwrap(), (name, wire.len()));
        assert_eq!(Name::from_text("a..b"), None);
    }

    #[test]
    fn pointers_lead_backwards_or_not_at_all() {
        let message = b"\x05local\0\x01a\xC0\x00\xC0\x0B";
        let (name, end) = Name::read(message, 7).unwrap();
        assert_eq!((format!("{name:?}"), end), ("a.local".to_owned(), 11));
        assert!(Name::read(message, 11).is_err(), "a pointer to itself");
        assert!(Name::read(b"\xC0\x02\xC0\x00", 2).is_err(), "a loop of two");
        assert!(Name::read(&[63; 400], 0).is_err(), "longer than 255 bytes");
        assert!(Name::read(b"\x40", 0).is_err());
    }
}
