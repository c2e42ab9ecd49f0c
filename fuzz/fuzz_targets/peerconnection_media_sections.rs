//! M-sections of audio and video: read, matched, answered.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::media_sections(data));
