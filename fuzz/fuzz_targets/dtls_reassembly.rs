//! Fragments of handshake messages.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzzing::reassembly(data));
