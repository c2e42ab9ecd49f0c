//! Packets of any codec of sound.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::codec::fuzzing::audio_decoders(data));
