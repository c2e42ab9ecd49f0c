//! A pacer with any packets, rates and bursts.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_congestion::fuzzing::pacer(data));
