//! What `peerage inspect` makes of an event log: a digest of bounded size, and of that a page and a summary.

mod digest;
mod page;
mod series;
mod summary;

pub(crate) use digest::Digest;
pub(crate) use page::{MARK, page};
pub(crate) use summary::summary;

#[cfg(test)]
mod tests;
