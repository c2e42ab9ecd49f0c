//! An SCTP packet, every chunk of it, and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sctp::fuzzing::packet(data));
