//! The trait that every typed header extension has, and errors that they share.

use super::kind::ExtensionKind;
use crate::error::Error;

/// A header extension that is read and written without other state.
pub trait HeaderExtension<'a>: Sized {
    /// Which extension it is.
    const KIND: ExtensionKind;

    /// Reads the value of an element.
    ///
    /// # Errors
    ///
    /// Where the length or a field is not what the extension's specification says.
    fn parse(data: &'a [u8]) -> Result<Self, Error>;

    /// Appends the value of an element.
    fn write(&self, out: &mut Vec<u8>);
}

/// The error of a value with a wrong length.
pub(super) fn wrong_length(kind: ExtensionKind) -> Error {
    Error::Invalid { what: kind.name(), reason: "its length is wrong", section: kind.section() }
}
