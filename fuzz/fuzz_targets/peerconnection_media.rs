//! A peer that has the keys: RTP and RTCP of its choice at one end of a call, with calls of that end's application between.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_peerconnection::fuzzing::media(data));
