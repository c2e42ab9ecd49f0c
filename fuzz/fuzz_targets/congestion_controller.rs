//! A congestion controller with any packets, reports and times.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_congestion::fuzzing::controller(data));
