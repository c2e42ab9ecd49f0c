//! DTLS beside `dimpl`; see `benches/dtls.rs`.
