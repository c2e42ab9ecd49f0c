//! Routing packets to media sections.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::demultiplexer(data));
