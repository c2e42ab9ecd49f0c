//! A STUN message, every attribute of it, and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_stun::fuzzing::message(data));
