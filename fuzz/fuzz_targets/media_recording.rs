//! Sound and pictures of any clocks, sizes and rates, recorded and played.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::player::fuzzing::recording(data));
