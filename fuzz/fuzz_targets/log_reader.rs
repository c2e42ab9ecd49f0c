//! An event log as anybody may have written it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_log::fuzzing::log(data));
