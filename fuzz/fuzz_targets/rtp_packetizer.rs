//! A frame of any format, into packets and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::payload::fuzzing::packetizer(data));
