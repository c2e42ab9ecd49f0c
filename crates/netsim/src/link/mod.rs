//! Links: what one does to packets ([`LinkConfig`]), and the machinery that does it, one [`Pipe`] for each direction.

mod codel;
mod config;
mod delay;
mod loss;
mod pipe;
mod queue;
mod stats;

pub use config::{Corruption, LinkConfig, Overhead, Rate};
pub use delay::{Distribution, Jitter, Reorder};
pub use loss::Loss;
pub(crate) use pipe::Pipe;
pub use queue::{Management, Queue};
pub use stats::LinkStats;
