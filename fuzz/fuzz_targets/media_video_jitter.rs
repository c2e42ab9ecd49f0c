//! Frames of pictures and their times, in any order.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    peerage_media::video::jitter::fuzzing::video_jitter(data);
});
