//! An RTP packet, written again, and through RTX and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::packet(data));
