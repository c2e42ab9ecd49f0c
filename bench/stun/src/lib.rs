//! STUN beside `rtc-stun`; see `benches/stun.rs`.
