//! A media file of any kind, played without its clock.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::player::fuzzing::player(data));
