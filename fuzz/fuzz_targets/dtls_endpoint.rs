//! Datagrams of a hostile peer for a DTLS endpoint, either role.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzzing::endpoint(data));
