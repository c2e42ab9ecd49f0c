//! `peerage-turn` beside coturn; see `benches/turn.rs`.
