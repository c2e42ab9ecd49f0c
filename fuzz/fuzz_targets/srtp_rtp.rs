//! SRTP between two ends: genuine packets, replays, changed packets and noise.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_srtp::fuzzing::rtp(data));
