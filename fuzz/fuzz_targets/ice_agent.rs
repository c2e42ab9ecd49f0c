//! Datagrams and commands for an ICE agent.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_ice::fuzzing::agent(data));
