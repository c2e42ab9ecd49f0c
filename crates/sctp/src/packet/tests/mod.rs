//! Round trips of every chunk, and packets that others made.

mod corpora;
mod round_trips;
mod summary;
