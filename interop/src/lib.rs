//! What the interop runner, the peers written in Rust and the tests of recordings share: the payloads and digests of
//! the interop protocol, which is described in this crate's README, and the decryption of recorded sessions.

pub mod payload;
pub mod recording;
