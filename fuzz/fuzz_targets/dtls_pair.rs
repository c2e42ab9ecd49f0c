//! Two DTLS endpoints, and a network that does what the input says to their datagrams.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_dtls::fuzzing::pair(data));
