//! Receive statistics, arrivals and the RTCP schedule.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::receiver(data));
