//! Descriptions of a hostile peer for a PeerConnection.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::remote_description(data));
