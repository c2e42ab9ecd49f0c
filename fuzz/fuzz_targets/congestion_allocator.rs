//! An allocator with any streams and targets.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_congestion::fuzzing::allocator(data));
