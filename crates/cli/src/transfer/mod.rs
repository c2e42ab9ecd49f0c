//! The transfer of one file over one data channel.
//!
//! The channel is ordered and reliable, with the subprotocol [`PROTOCOL`]. Text messages are JSON ([`Control`]), binary
//! messages are the file's bytes in order:
//!
//!     sender                             receiver
//!       | file { name, size, sha256 }       |
//!       |---------------------------------->|   has a part of the same file, or none
//!       |                 accept { offset } |
//!       |<----------------------------------|
//!       | bytes from offset on              |
//!       |---------------------------------->|   compares the SHA-256 of the whole
//!       |                  received {}      |
//!       |<----------------------------------|   or, at any time, refuse { reason }
//!
//! The digest in the first message is what makes resuming safe: a part is continued only if it is a part of this very
//! file.

mod control;
mod digest;
mod part;
mod progress;
pub(crate) mod receiver;
pub(crate) mod sender;

/// Label of the channel.
pub(crate) const LABEL: &str = "file";
/// Subprotocol of the channel.
pub(crate) const PROTOCOL: &str = "peerage-file/1";
