//! A payload of any format.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::payload::fuzzing::payload(data));
