//! Packets of several sources joined into one stream, and the choice of a layer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_rtp::fuzzing::forwarding(data));
