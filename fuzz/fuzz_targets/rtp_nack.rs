//! A NACK generator and a send history.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::nack(data));
