//! Frames of any codec of pictures.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::codec::fuzzing::video_decoders(data));
