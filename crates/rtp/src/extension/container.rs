//! The blocks that hold extension elements (RFC 8285 §4): reading elements with one- and two-byte headers, and writing
//! them. A block is written with one-byte headers until an element needs two, where that is allowed.

use super::map::ExtensionMap;
use super::value::HeaderExtension;
use crate::error::Error;

/// Marks a block of elements with one-byte headers (RFC 8285 §4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xBEDE;

/// Marks a block of elements with two-byte headers; the low four bits are the application's (RFC 8285 §4.3).
pub const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Iterates over the elements of a block: identifier and value.
///
/// Padding is skipped. An element that reaches beyond the block, or that RFC 8285 §4.2 reserves, ends the iteration.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Elements<'a> {
    /// The elements of a block with this profile; none where the profile is not RFC 8285's.
    #[must_use]
    pub fn new(profile: u16, block: &'a [u8]) -> Self {
        match profile {
            ONE_BYTE_PROFILE => Self { rest: block, two_byte: false },
            _ if profile & 0xFFF0 == TWO_BYTE_PROFILE => Self { rest: block, two_byte: true },
            _ => Self { rest: &[], two_byte: false },
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // `rest` is taken and only put back with what follows a good element, so that a bad one ends the iteration.
        let mut rest = std::mem::take(&mut self.rest);
        loop {
            let (&first, after) = rest.split_first()?;
            if first == 0 {
                rest = after; // padding
                continue;
            }
            let (id, len, body) = if self.two_byte {
                let (&len, body) = after.split_first()?;
                (first, usize::from(len), body)
            } else {
                let id = first >> 4;
                // RFC 8285 §4.2: 15 is reserved, and so is padding with a length; both end the processing.
                if id == 15 || id == 0 {
                    return None;
                }
                (id, usize::from(first & 0x0F) + 1, after)
            };
            let (value, after) = body.split_at_checked(len)?;
            self.rest = after;
            return Some((id, value));
        }
    }
}

/// Writes a block of elements at the end of a header; [`RtpHeader::write`](crate::RtpHeader::write) hands it out.
#[derive(Debug)]
pub struct ExtensionWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Where the block's four bytes of profile and length are.
    start: usize,
    two_byte: bool,
    two_byte_allowed: bool,
}

impl<'a> ExtensionWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, two_byte: false, two_byte_allowed: false }
    }

    /// Lets elements have two-byte headers where one needs them: identifiers beyond 14, empty values, values over 16
    /// bytes. Without it such elements are refused.
    pub fn allow_two_byte(&mut self) -> &mut Self {
        self.two_byte_allowed = true;
        self
    }

    /// Appends an element.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the identifier is reserved, or the element needs a two-byte header and those are not
    /// allowed; [`Error::TooMany`] for values over 255 bytes. The block is then as it was.
    pub fn put(&mut self, id: u8, value: &[u8]) -> Result<(), Error> {
        self.put_with(id, |out| out.extend_from_slice(value))
    }

    /// Appends a typed element if `map` has its kind; `Ok(false)` if it has not.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn set<'v, T: HeaderExtension<'v>>(
        &mut self,
        map: &ExtensionMap,
        value: &T,
    ) -> Result<bool, Error> {
        let Some(id) = map.id(T::KIND) else { return Ok(false) };
        self.two_byte_allowed |= map.two_byte_allowed();
        self.put_with(id, |out| value.write(out))?;
        Ok(true)
    }

    /// Appends an element whose value `write` appends; nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_with(&mut self, id: u8, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        const WHAT: &str = "a header extension";
        let begin = self.out.len();
        if begin == self.start {
            self.out.extend_from_slice(&[0; 4]);
        }
        let at = self.out.len();
        let header = if self.two_byte { 2 } else { 1 };
        self.out.extend_from_slice(&[0; 2][..header]);
        write(self.out);
        let len = self.out.len() - at - header;
        let refusal = if id == 0 || (id == 15 && !self.two_byte) {
            Some(Error::Invalid {
                what: WHAT,
                reason: "its identifier is reserved",
                section: "RFC 8285 §4.2",
            })
        } else if len > 255 {
            Some(Error::TooMany {
                what: "bytes of a header extension",
                have: len,
                limit: 255,
                section: "RFC 8285 §4.3",
            })
        } else if !self.two_byte && !self.two_byte_allowed && (id > 14 || len == 0 || len > 16) {
            Some(Error::Invalid {
                what: WHAT,
                reason: "it does not fit a one-byte header",
                section: "RFC 8285 §4.2",
            })
        } else {
            None
        };
        if let Some(error) = refusal {
            self.out.truncate(begin);
            return Err(error);
        }
        if self.two_byte {
            self.out[at] = id;
            self.out[at + 1] = len as u8;
        } else if id > 14 || len == 0 || len > 16 {
            self.widen(at);
            // `widen` left two bytes of header for this element at the block's end.
            let at = self.out.len() - len - 2;
            self.out[at] = id;
            self.out[at + 1] = len as u8;
        } else {
            self.out[at] = id << 4 | (len - 1) as u8;
        }
        Ok(())
    }

    /// Gives every element before `last`, and the unfinished one there, a two-byte header (RFC 8285 §4.3).
    fn widen(&mut self, last: usize) {
        self.two_byte = true;
        let mut at = self.start + 4;
        let mut last = last;
        while at < last {
            let header = self.out[at];
            let len = (header & 0x0F) + 1;
            self.out[at] = header >> 4;
            self.out.insert(at + 1, len);
            at += 2 + usize::from(len);
            last += 1;
        }
        self.out.insert(last, 0);
    }

    /// Pads the block and fills in its header; false if nothing was put, and nothing is there then.
    pub(crate) fn finish(self) -> bool {
        if self.out.len() == self.start {
            return false;
        }
        let body = self.out.len() - self.start - 4;
        self.out.resize(self.start + 4 + body.next_multiple_of(4), 0);
        let words = (body.div_ceil(4)) as u16;
        let profile = if self.two_byte { TWO_BYTE_PROFILE } else { ONE_BYTE_PROFILE };
        self.out[self.start..self.start + 2].copy_from_slice(&profile.to_be_bytes());
        self.out[self.start + 2..self.start + 4].copy_from_slice(&words.to_be_bytes());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fill: impl FnOnce(&mut ExtensionWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ExtensionWriter::new(&mut out);
        fill(&mut writer);
        writer.finish();
        out
    }

    fn elements(block: &[u8]) -> Vec<(u8, &[u8])> {
        Elements::new(u16::from_be_bytes([block[0], block[1]]), &block[4..]).collect()
    }

    #[test]
    fn one_byte_headers_until_two_are_needed() {
        let short = block(|w| {
            w.put(1, &[9]).unwrap();
            w.put(14, &[7; 16]).unwrap();
        });
        assert_eq!(&short[..6], &[0xBE, 0xDE, 0, 5, 0x10, 9]);
        assert_eq!(elements(&short), [(1, &[9][..]), (14, &[7; 16][..])]);
        let long = block(|w| {
            w.allow_two_byte();
            w.put(1, &[9]).unwrap();
            w.put(2, &[1, 2, 3]).unwrap();
            w.put(3, &[5; 17]).unwrap();
            w.put(4, &[]).unwrap();
            w.put(250, &[6]).unwrap();
        });
        assert_eq!(&long[..2], &[0x10, 0]);
        assert_eq!(
            elements(&long),
            [(1, &[9][..]), (2, &[1, 2, 3]), (3, &[5; 17]), (4, &[]), (250, &[6])]
        );
        assert_eq!(long.len() % 4, 0);
    }

    #[test]
    fn refusals_leave_the_block_alone() {
        assert_eq!(block(|w| assert!(w.put(1, &[0; 17]).is_err())), []);
        let kept = block(|w| {
            w.put(1, &[2]).unwrap();
            assert!(w.put(0, &[2]).is_err());
            assert!(w.put(15, &[2]).is_err());
            assert!(w.put(16, &[2]).is_err());
            assert!(w.put(2, &[]).is_err());
            w.allow_two_byte();
            assert!(w.put(2, &[0; 256]).is_err());
        });
        assert_eq!(kept, [0xBE, 0xDE, 0, 1, 0x10, 2, 0, 0]);
    }

    #[test]
    fn reserved_and_overlong_elements_end_the_block() {
        let read =
            |block: &'static [u8]| Elements::new(ONE_BYTE_PROFILE, block).collect::<Vec<_>>();
        assert_eq!(read(&[0, 0x10, 1, 0, 0xF0, 1, 0x20, 2]), [(1, &[1][..])]);
        assert_eq!(read(&[0x10, 1, 0x01, 0x20, 2]), [(1, &[1][..])], "padding with a length");
        assert_eq!(read(&[0x10, 1, 0x23, 1, 2, 3]), [(1, &[1][..])], "beyond the block");
        let two = Elements::new(0x1007, &[0, 15, 0, 1, 2, 8, 9, 3]).collect::<Vec<_>>();
        assert_eq!(two, [(15, &[][..]), (1, &[8, 9])]);
        assert_eq!(Elements::new(0x1234, &[0x10, 1]).count(), 0);
    }
}
