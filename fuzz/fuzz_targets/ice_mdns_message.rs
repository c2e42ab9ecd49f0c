//! Multicast DNS messages.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_ice::fuzzing::mdns_message(data));
