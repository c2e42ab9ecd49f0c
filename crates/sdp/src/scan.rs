//! A cursor over the value of one line, with the few moves that SDP grammars need.
//!
//! Words are separated by one space; runs of spaces and tabs are accepted, since the original text
//! is kept wherever it differs from what would be written. Every value's `parse` uses it.

use crate::error::Fault;

/// A cursor over one value.
#[derive(Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

pub(crate) type Scan<T> = Result<T, Fault>;

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// A fault where the cursor stands.
    #[cold]
    pub(crate) fn fault<T>(&self, reason: &'static str) -> Scan<T> {
        Err(Fault { offset: self.at, reason })
    }

    /// A fault at the beginning of `part`, a slice of the value.
    #[cold]
    pub(crate) fn fault_at<T>(&self, part: &str, reason: &'static str) -> Scan<T> {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        Err(Fault { offset: offset.min(self.text.len()), reason })
    }

    #[inline]
    pub(crate) fn skip_spaces(&mut self) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Everything not yet read, without moving.
    #[inline]
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads all that is left, leading spaces dropped.
    pub(crate) fn take_rest(&mut self) -> &'a str {
        self.skip_spaces();
        let rest = self.rest();
        self.at = self.text.len();
        rest
    }

    /// Whether only spaces are left.
    pub(crate) fn is_done(&mut self) -> bool {
        self.skip_spaces();
        self.at == self.text.len()
    }

    /// Refuses anything left but spaces.
    pub(crate) fn end(&mut self) -> Scan<()> {
        match self.is_done() {
            true => Ok(()),
            false => self.fault("expected the end of the line"),
        }
    }

    /// The next word, or a fault that says what was expected.
    #[inline]
    pub(crate) fn word(&mut self, expected: &'static str) -> Scan<&'a str> {
        self.skip_spaces();
        self.until(b' ', expected)
    }

    /// Text up to `delimiter`, a space, or the end, at least one byte; the delimiter stays.
    #[inline]
    pub(crate) fn until(&mut self, delimiter: u8, expected: &'static str) -> Scan<&'a str> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let stop = |&b: &u8| b <= b' ' || b == delimiter || b == 0x7f;
        let length = rest.iter().position(stop).unwrap_or(rest.len());
        // Words hold visible characters only; a control character inside would end up in a type
        // that promises there is none.
        if let Some(&byte) = rest.get(length)
            && byte != delimiter
            && byte != b' '
            && byte != b'\t'
        {
            self.at += length;
            return self.fault("control character");
        }
        if length == 0 {
            return self.fault(expected);
        }
        self.at = start + length;
        Ok(&self.text[start..self.at])
    }

    /// Moves past `byte` if it is next.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Moves past the word `expected` (any case) if it is next.
    #[inline]
    pub(crate) fn eat_word(&mut self, expected: &str) -> bool {
        let start = self.at;
        self.skip_spaces();
        let rest = &self.text.as_bytes()[self.at..];
        let found = rest.len() >= expected.len()
            && rest[..expected.len()].eq_ignore_ascii_case(expected.as_bytes())
            && matches!(rest.get(expected.len()), None | Some(b' ' | b'\t'));
        self.at = if found { self.at + expected.len() } else { start };
        found
    }

    /// The next word as a decimal number, at most `maximum`.
    #[inline]
    pub(crate) fn number(&mut self, maximum: u64, expected: &'static str) -> Scan<u64> {
        let word = self.word(expected)?;
        match parse_number(word) {
            Some(number) if number <= maximum => Ok(number),
            _ => self.fault_at(word, expected),
        }
    }

    pub(crate) fn number_u16(&mut self, expected: &'static str) -> Scan<u16> {
        Ok(self.number(u16::MAX.into(), expected)? as u16)
    }

    pub(crate) fn number_u32(&mut self, expected: &'static str) -> Scan<u32> {
        Ok(self.number(u32::MAX.into(), expected)? as u32)
    }
}

/// `1*DIGIT` as a number, if it is one and fits.
#[inline]
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 40 {
        return None;
    }
    let mut number = 0u64;
    for &byte in text.as_bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number)
}

/// `token` of RFC 8866 §9.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// `token-char` of RFC 8866 §9.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`{|}~";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = true;
        }
        byte += 1;
    }
    table
};
