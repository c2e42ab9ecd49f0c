//! The layers of one stream, read and chosen for a receiver.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::layers(data));
