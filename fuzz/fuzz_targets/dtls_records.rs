//! Records of both versions.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzzing::records(data));
