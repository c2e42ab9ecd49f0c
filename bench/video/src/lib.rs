//! Nothing: the bench programs are in `benches/`.
