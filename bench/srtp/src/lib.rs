//! SRTP beside `rtc-srtp` and libsrtp; see `benches/srtp.rs`.
