//! Certificates and signatures of a hostile peer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_crypto::fuzzing::signature(data));
