//! What the interop runner and the peers written in Rust share: the payloads and digests of the interop protocol,
//! which is described in this crate's README.

pub mod payload;
