//! Offers and answers with media between two ends, by commands of their applications in any order.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::negotiations(data));
