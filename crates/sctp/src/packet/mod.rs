//! The wire: one chunk per file, each parsed by borrowing and written straight into the caller's buffer. The association
//! dispatches on [`RawChunk::kind`](tlv::RawChunk); nothing here keeps state.

pub(crate) mod abort;
pub(crate) mod cause;
pub(crate) mod cookie;
pub(crate) mod data;
pub(crate) mod error;
pub(crate) mod forward_tsn;
pub(crate) mod header;
pub(crate) mod heartbeat;
pub(crate) mod idata;
pub(crate) mod iforward_tsn;
pub(crate) mod init;
pub(crate) mod reconfig;
pub(crate) mod sack;
pub(crate) mod shutdown;
pub(crate) mod tlv;

#[cfg(test)]
mod tests;
