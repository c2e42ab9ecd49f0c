//! Where written text goes: a string, a formatter, or a comparison with text already there.
//!
//! The comparison is how parsing finds out, without allocating, whether a typed value would be
//! written exactly as it was read; if not, the original text is kept beside the value. Used by
//! every value's `write`.

use std::fmt;

/// Takes the pieces of a line.
pub(crate) trait Sink {
    fn put(&mut self, text: &str);

    /// For text made byte by byte.
    fn ascii(&mut self, bytes: &[u8]);

    fn number(&mut self, number: u64) {
        let mut digits = [0; 20];
        self.ascii(decimal(number, &mut digits));
    }

    /// For types whose only writer is `Display` (IPv6 addresses).
    fn display(&mut self, value: &dyn fmt::Display);
}

impl Sink for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }

    fn ascii(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_ascii());
        self.push_str(std::str::from_utf8(bytes).unwrap_or_default());
    }

    fn display(&mut self, value: &dyn fmt::Display) {
        // Writing to a string does not fail.
        let _ = fmt::Write::write_fmt(self, format_args!("{value}"));
    }
}

/// Compares what is written with `rest`, the text expected.
pub(crate) struct Comparison<'a> {
    rest: &'a [u8],
    same: bool,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(expected: &'a str) -> Comparison<'a> {
        Comparison { rest: expected.as_bytes(), same: true }
    }

    /// Whether exactly the expected text was written.
    pub(crate) fn is_same(&self) -> bool {
        self.same && self.rest.is_empty()
    }
}

impl Sink for Comparison<'_> {
    #[inline]
    fn put(&mut self, text: &str) {
        self.ascii(text.as_bytes());
    }

    #[inline]
    fn ascii(&mut self, bytes: &[u8]) {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => self.same = false,
        }
    }

    /// Reads the digits that are there, which is quicker than writing those that should be.
    #[inline]
    fn number(&mut self, number: u64) {
        let mut found = 0u64;
        let mut length = 0;
        // Nineteen digits always fit.
        while length < 19
            && let Some(digit) = self.rest.get(length).map(|b| b.wrapping_sub(b'0'))
            && digit <= 9
        {
            found = found * 10 + u64::from(digit);
            length += 1;
        }
        if found == number && length > 0 && (length == 1 || self.rest[0] != b'0') {
            self.rest = &self.rest[length..];
        } else {
            let mut digits = [0; 20];
            self.ascii(decimal(number, &mut digits));
        }
    }

    fn display(&mut self, value: &dyn fmt::Display) {
        let _ = fmt::Write::write_fmt(self, format_args!("{value}"));
    }
}

impl fmt::Write for Comparison<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

#[inline]
fn decimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    let mut number = number;
    // Most numbers are small, and 32-bit division is several times as fast.
    while number > u32::MAX.into() {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let mut number = number as u32;
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 1, 9, 10, 255, 65_536, u64::MAX] {
            let mut out = String::new();
            out.number(number);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn a_comparison_notices_every_difference() {
        let same = |text: &str| {
            let mut comparison = Comparison::new(text);
            comparison.put("a ");
            comparison.number(17);
            comparison.is_same()
        };
        assert!(same("a 17"));
        for text in ["a 18", "a 1", "a 170", "a 017", "a  17", "A 17", "a ", ""] {
            assert!(!same(text), "{text}");
        }
    }

    #[test]
    fn a_comparison_takes_numbers_of_any_size() {
        for number in [0, 7, 10, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000, u64::MAX] {
            let text = number.to_string();
            let mut comparison = Comparison::new(&text);
            comparison.number(number);
            assert!(comparison.is_same(), "{text}");
            // Two to the sixty-fourth more, which is the same in 64 bits.
            let larger = (u128::from(number) + (1 << 64)).to_string();
            let mut comparison = Comparison::new(&larger);
            comparison.number(number);
            assert!(!comparison.is_same(), "{larger}");
        }
    }
}
