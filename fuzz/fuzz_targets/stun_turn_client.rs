//! A TURN client under a hostile server.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_stun::fuzzing::turn_client(data));
