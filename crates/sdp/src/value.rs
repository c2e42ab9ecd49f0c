//! What every value type can do: be read from a [`Scanner`] and be written to a [`Sink`].

use crate::scan::{Scan, Scanner, is_token};
use crate::sink::Sink;
use crate::text::{Text, Word, Words};

/// A typed value of a line or an attribute.
///
/// `write` after `parse` gives the same text for canonical input (single spaces, no leading
/// zeros, ...); the caller keeps the original text of any other.
pub(crate) trait Value: Sized {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Self>;
    fn write(&self, out: &mut impl Sink);
}

impl Value for Text {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Text> {
        Ok(Text::checked(scanner.take_rest()))
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self);
    }
}

impl Value for Word {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Word> {
        Ok(Word::checked(scanner.word("expected a value")?))
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self);
    }
}

impl Value for Words {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Words> {
        Ok(Words::checked(scanner.take_rest()))
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self);
    }
}

macro_rules! number_value {
    ($($number:ty: $expected:literal),*) => {$(
        impl Value for $number {
            fn parse(scanner: &mut Scanner<'_>) -> Scan<$number> {
                Ok(scanner.number(<$number>::MAX.into(), $expected)? as $number)
            }

            fn write(&self, out: &mut impl Sink) {
                out.number((*self).into());
            }
        }
    )*};
}

number_value!(
    u16: "expected a number from 0 to 65535",
    u32: "expected a number from 0 to 4294967295",
    u64: "expected a number below 2^64"
);

/// A keyword with a meaning of its own, or another token of the same registry.
macro_rules! keyword_type {
    (
        $(#[$meta:meta])* $name:ident, $expected:literal;
        $( $(#[$vmeta:meta])* $variant:ident = $text:literal, )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant, )*
            /// Another token, kept as it came.
            Other($crate::text::Word),
        }

        impl $name {
            /// The token as written.
            pub fn as_str(&self) -> &str {
                match self {
                    $( $name::$variant => $text, )*
                    $name::Other(word) => word,
                }
            }

            /// The value for a token; known tokens in any case.
            #[inline]
            #[allow(dead_code, reason = "every token set has both directions, used or not")]
            pub(crate) fn from_word(word: &str) -> $name {
                $( if word.eq_ignore_ascii_case($text) { return $name::$variant; } )*
                $name::Other($crate::text::Word::checked(word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::value::Value for $name {
            fn parse(scanner: &mut $crate::scan::Scanner<'_>) -> $crate::scan::Scan<$name> {
                Ok($name::from_word(scanner.word($expected)?))
            }

            fn write(&self, out: &mut impl $crate::sink::Sink) {
                out.put(self.as_str());
            }
        }
    };
}

/// A keyword out of a closed set.
macro_rules! choice_type {
    (
        $(#[$meta:meta])* $name:ident, $expected:literal;
        $( $(#[$vmeta:meta])* $variant:ident = $text:literal, )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$vmeta])* $variant, )*
        }

        impl $name {
            /// The token as written.
            pub fn as_str(&self) -> &'static str {
                match self {
                    $( $name::$variant => $text, )*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::value::Value for $name {
            fn parse(scanner: &mut $crate::scan::Scanner<'_>) -> $crate::scan::Scan<$name> {
                let word = scanner.word($expected)?;
                $( if word.eq_ignore_ascii_case($text) { return Ok($name::$variant); } )*
                scanner.fault_at(word, $expected)
            }

            fn write(&self, out: &mut impl $crate::sink::Sink) {
                out.put(self.as_str());
            }
        }
    };
}

pub(crate) use {choice_type, keyword_type};

/// A positive decimal number, possibly with a fraction, such as a packet time in milliseconds.
///
/// Kept as text, so that `29.97` is written back as `29.97`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Word);

impl Decimal {
    /// The nearest floating-point number.
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or(0.0)
    }

    /// The text as it stands in the line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<u32> for Decimal {
    fn from(number: u32) -> Decimal {
        Decimal(Word::from(number))
    }
}

impl Value for Decimal {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Decimal> {
        const EXPECTED: &str = "expected a decimal number";
        let word = scanner.word(EXPECTED)?;
        let (whole, fraction) = word.split_once('.').unwrap_or((word, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match word.len() <= 32 && digits(whole) && digits(fraction) {
            true => Ok(Decimal(Word::checked(word))),
            false => scanner.fault_at(word, EXPECTED),
        }
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.0);
    }
}

/// Reads a word and insists on `token` (RFC 8866 §9).
pub(crate) fn parse_token<'a>(scanner: &mut Scanner<'a>, expected: &'static str) -> Scan<&'a str> {
    let word = scanner.word(expected)?;
    match is_token(word) {
        true => Ok(word),
        false => scanner.fault_at(word, expected),
    }
}
