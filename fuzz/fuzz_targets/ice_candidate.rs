//! A candidate and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_ice::fuzzing::candidate(data));
