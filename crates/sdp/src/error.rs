//! What can be wrong with a description, and where.
//!
//! [`Error`] is what users see; [`Fault`] is what the parsers of single values return, an offset
//! within the value, which becomes a line and a column only on the way out, so that parsing counts
//! no lines.

/// Why a description, a candidate line or a piece of text was refused.
///
/// Lines and columns count from 1; columns count bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line or an attribute does not follow its grammar.
    #[error("line {line}, column {column}: {field}: {reason} ({section})")]
    Malformed {
        /// Line of the fault.
        line: usize,
        /// Byte column of the fault within its line.
        column: usize,
        /// The line type or attribute, such as `m=` or `a=fingerprint`.
        field: &'static str,
        /// What was expected.
        reason: &'static str,
        /// The rule that was broken.
        section: &'static str,
    },
    /// A line or an attribute that may appear once per section appears again.
    #[error("line {line}: {field} appears a second time, the first is on line {first} ({section})")]
    Duplicate {
        /// Line of the second appearance.
        line: usize,
        /// Line of the first appearance.
        first: usize,
        /// The line type or attribute.
        field: &'static str,
        /// The rule that was broken.
        section: &'static str,
    },
    /// Two media descriptions carry the same identification tag.
    #[error(
        "line {line}: a=mid: {mid:?} already names the media description of line {first} (RFC 5888 §4)"
    )]
    DuplicateMid {
        /// Line of the second `m=`.
        line: usize,
        /// Line of the first `m=`.
        first: usize,
        /// The tag.
        mid: String,
    },
    /// A line that a description cannot do without is absent.
    #[error("line {line}: expected a {field} line before this point ({section})")]
    Missing {
        /// The line by which it should have come.
        line: usize,
        /// The line type.
        field: &'static str,
        /// The rule that was broken.
        section: &'static str,
    },
    /// A line of a type that is unknown, or that has no place where it stands.
    #[error("line {line}: {reason}, found {found:?} ({section})")]
    UnexpectedLine {
        /// The line.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
        /// Its first characters.
        found: String,
        /// The rule that was broken.
        section: &'static str,
    },
    /// The text is not UTF-8.
    #[error("line {line}, column {column}: the text is not UTF-8 (RFC 8866 §5)")]
    NotUtf8 {
        /// Line of the first bad byte.
        line: usize,
        /// Byte column of the first bad byte.
        column: usize,
    },
    /// The text contains a NUL, or a carriage return that ends no line.
    #[error("line {line}, column {column}: {reason} (RFC 8866 §9)")]
    ForbiddenByte {
        /// Line of the byte.
        line: usize,
        /// Byte column of the byte.
        column: usize,
        /// Which byte it is.
        reason: &'static str,
    },
    /// The description exceeds one of [`Limits`](crate::Limits).
    #[error("the description has {actual} {unit}, more than the limit of {limit}")]
    TooLarge {
        /// How much it has (at least).
        actual: usize,
        /// The limit in force.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// Text handed over for writing cannot stand in a description.
    #[error("{text:?} cannot be written: {reason} (RFC 8866 §9)")]
    InvalidText {
        /// The text, cut to 64 characters.
        text: String,
        /// What it must not contain.
        reason: &'static str,
    },
}

impl Error {
    /// The line the error is about, where there is one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Error::Malformed { line, .. }
            | Error::Duplicate { line, .. }
            | Error::DuplicateMid { line, .. }
            | Error::Missing { line, .. }
            | Error::UnexpectedLine { line, .. }
            | Error::NotUtf8 { line, .. }
            | Error::ForbiddenByte { line, .. } => Some(*line),
            Error::TooLarge { .. } | Error::InvalidText { .. } => None,
        }
    }

    pub(crate) fn invalid_text(text: &str, reason: &'static str) -> Error {
        Error::InvalidText { text: text.chars().take(64).collect(), reason }
    }
}

/// A grammar fault at a byte offset of the value being parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}
