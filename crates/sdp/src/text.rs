//! The three kinds of free text in a description, each unable to hold what would break a line.
//!
//! Short strings (up to 23 bytes, which is most of them) are stored inline, longer ones shared, so
//! that cloning never allocates. Every value type of the crate is built on these.

use crate::error::Error;
use smol_str::SmolStr;
use std::fmt;
use std::ops::Deref;

macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Wraps text that the parser has checked already.
            #[inline]
            pub(crate) fn checked(text: &str) -> $name {
                debug_assert!($name::check(text).is_ok(), "{text:?}");
                $name(SmolStr::new(text))
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                self.0.as_str()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;
            fn try_from(text: &str) -> Result<$name, Error> {
                $name::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<$name, Error> {
                $name::new(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<$name, Error> {
                $name::new(text)
            }
        }
    };
}

text_type! {
    /// Any text that fits one line: no NUL, CR or LF (`byte-string` of RFC 8866 §9, UTF-8). May be empty.
    Text
}

text_type! {
    /// One word: visible characters without spaces, at least one (`non-ws-string` of RFC 8866 §9).
    Word
}

text_type! {
    /// Words separated by spaces, possibly none: payload types, mids, ICE options.
    ///
    /// Kept as one string; [`iter`](Words::iter) splits it on the fly.
    Words
}

impl Text {
    /// Takes `text` if it fits one line.
    ///
    /// # Errors
    /// [`Error::InvalidText`] if it contains NUL, CR or LF.
    pub fn new(text: &str) -> Result<Text, Error> {
        Text::check(text)?;
        Ok(Text(SmolStr::new(text)))
    }

    fn check(text: &str) -> Result<(), Error> {
        match text.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            true => Err(Error::invalid_text(text, "it contains a NUL or a line end")),
            false => Ok(()),
        }
    }
}

impl Word {
    /// Takes `text` if it is one word.
    ///
    /// # Errors
    /// [`Error::InvalidText`] if it is empty or contains a space or a control character.
    pub fn new(text: &str) -> Result<Word, Error> {
        Word::check(text)?;
        Ok(Word(SmolStr::new(text)))
    }

    /// A word known when the program is written.
    ///
    /// # Panics
    /// If `text` is no word.
    pub fn from_static(text: &'static str) -> Word {
        assert!(Word::check(text).is_ok(), "{text:?} is no word");
        Word(SmolStr::new_static(text))
    }

    fn check(text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Err(Error::invalid_text(text, "it is empty"));
        }
        match text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            true => Err(Error::invalid_text(text, "it contains a space or a control character")),
            false => Ok(()),
        }
    }
}

macro_rules! word_from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for Word {
            fn from(number: $number) -> Word {
                Word(SmolStr::from(number.to_string()))
            }
        }
    )*};
}

word_from_number!(u8, u16, u32, u64, usize);

impl Words {
    /// Takes `text`, words separated by spaces.
    ///
    /// # Errors
    /// [`Error::InvalidText`] if it contains a control character.
    pub fn new(text: &str) -> Result<Words, Error> {
        Words::check(text)?;
        Ok(Words(SmolStr::new(text)))
    }

    /// Joins words.
    pub fn join<'a>(words: impl IntoIterator<Item = &'a Word>) -> Words {
        let mut text = String::new();
        for word in words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        Words(SmolStr::from(text))
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.split([' ', '\t']).filter(|word| !word.is_empty())
    }

    /// Whether `word` is among them, compared byte by byte.
    pub fn has(&self, word: &str) -> bool {
        self.iter().any(|w| w == word)
    }

    fn check(text: &str) -> Result<(), Error> {
        match text.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            true => Err(Error::invalid_text(text, "it contains a NUL or a line end")),
            false => Ok(()),
        }
    }
}
