//! A media file of any kind.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_media::files::fuzzing::files(data));
