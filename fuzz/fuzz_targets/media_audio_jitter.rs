//! Packets of sound in any order, at any time.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::audio::jitter::fuzzing::jitter_buffer(data));
