//! Key shares of a hostile peer, for every group.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_crypto::fuzzing::key_share(data));
