//! Messages of the data channel establishment protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::dcep(data));
