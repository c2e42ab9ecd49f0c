//! A candidate line and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sdp::fuzzing::candidate(data));
