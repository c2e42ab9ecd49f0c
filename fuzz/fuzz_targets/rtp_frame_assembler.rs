//! Packets in any order for the frame assembler.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::payload::fuzzing::assembler(data));
