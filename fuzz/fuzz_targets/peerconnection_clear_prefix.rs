//! What of a frame stays in the clear under end-to-end encryption.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::clear_prefix(data));
