//! Text of an SDP fingerprint and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_crypto::fuzzing::fingerprint(data));
