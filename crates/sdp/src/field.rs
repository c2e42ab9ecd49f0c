//! A typed line together with its original text, where writing the type would not give that text.

use crate::scan::{Scan, Scanner};
use crate::sink::{Comparison, Sink};
use crate::value::Value;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A typed line that is written back exactly as it was read.
///
/// Reads like its value. Changing it (through `DerefMut`) drops the original text, so that what is
/// written is the new value. Two fields are equal if their values are.
#[derive(Clone)]
pub struct Field<T> {
    value: T,
    /// The text as read, where it differs from what `value` writes.
    verbatim: Option<Box<str>>,
}

impl<T> Field<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The original text, where it differs from what the value writes.
    pub fn verbatim(&self) -> Option<&str> {
        self.verbatim.as_deref()
    }
}

impl<T> Field<T> {
    /// Reads a whole line value.
    pub(crate) fn parse(text: &str) -> Scan<Field<T>>
    where
        T: Value,
    {
        let mut scanner = Scanner::new(text);
        let value = T::parse(&mut scanner)?;
        scanner.end()?;
        let mut comparison = Comparison::new(text);
        value.write(&mut comparison);
        let verbatim = (!comparison.is_same()).then(|| text.into());
        Ok(Field { value, verbatim })
    }

    pub(crate) fn write(&self, out: &mut impl Sink)
    where
        T: Value,
    {
        match &self.verbatim {
            Some(text) => out.put(text),
            None => self.value.write(out),
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Field<T> {
        Field { value, verbatim: None }
    }
}

impl<T> Deref for Field<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Field<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.verbatim = None;
        &mut self.value
    }
}

impl<T: PartialEq> PartialEq for Field<T> {
    fn eq(&self, other: &Field<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Field<T> {}

impl<T: fmt::Debug> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
