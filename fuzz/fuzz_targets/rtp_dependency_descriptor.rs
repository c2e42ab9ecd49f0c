//! Dependency descriptors with the structures they come with.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::dependency_descriptor(data));
