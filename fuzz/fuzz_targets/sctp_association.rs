//! Packets and commands for an SCTP association.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_sctp::fuzzing::association(data));
