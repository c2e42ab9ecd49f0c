//! Why a sink has nothing to give.

/// Why nothing came of a [`Sink`](super::Sink).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Nothing is there, or nothing came in the time that was given. It may later.
    #[error("nothing has come from the track yet")]
    Empty,
    /// The track has ended, and all that it gave was taken.
    #[error("the track has ended")]
    Ended,
}
