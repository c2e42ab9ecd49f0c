//! Congestion control beside `goog_cc`; see `benches/congestion/main.rs`.
