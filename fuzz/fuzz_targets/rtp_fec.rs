//! A FEC decoder with losses and forged parity.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::fec(data));
