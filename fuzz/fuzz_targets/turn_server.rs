//! A TURN server: requests, signed and not, data, time and failing sockets.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_turn::fuzzing::server(data));
