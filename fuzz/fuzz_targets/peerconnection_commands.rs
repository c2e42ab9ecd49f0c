//! Commands of the application for a PeerConnection, in any order.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::commands(data));
