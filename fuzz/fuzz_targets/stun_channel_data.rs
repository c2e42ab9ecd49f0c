//! ChannelData, framed for datagrams and streams.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_stun::fuzzing::channel_data(data));
