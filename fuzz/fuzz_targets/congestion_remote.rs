//! A receive-side estimator with any send times.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_congestion::fuzzing::remote(data));
