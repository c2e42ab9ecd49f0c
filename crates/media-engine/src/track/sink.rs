//! Where what a track carries is taken.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::SinkError;
use super::queue::Queue;

/// The end of a track at which its frames are taken, in a thread or a task. It ends with the track.
#[derive(Debug)]
pub struct Sink<T> {
    queue: Arc<Queue<T>>,
}

impl<T> Sink<T> {
    pub(super) fn new(queue: Arc<Queue<T>>) -> Self {
        Self { queue }
    }

    /// Takes the oldest that is there.
    ///
    /// # Errors
    ///
    /// [`SinkError::Empty`] where there is none, [`SinkError::Ended`] where none will come.
    pub fn try_recv(&mut self) -> Result<T, SinkError> {
        self.queue.try_pop()
    }

    /// The same, and waits for it; the thread rests meanwhile.
    ///
    /// # Errors
    ///
    /// [`SinkError::Empty`] where none came in time, [`SinkError::Ended`] where none will come.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, SinkError> {
        self.queue.pop_timeout(timeout)
    }

    /// The same in a task, of any runtime. `None` where none will come. Nothing is lost if it is not awaited to the end.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The same for those who poll by hand.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.queue.poll_pop(context).map(Result::ok)
    }

    /// Hands back what was taken and is not needed any more, so that nothing needs to be allocated for the next. Of use for
    /// sound.
    pub fn recycle(&mut self, item: T) {
        self.queue.recycle(item);
    }

    /// How many were dropped because they were not taken in time.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl<T> Drop for Sink<T> {
    fn drop(&mut self) {
        // Nobody waits who does not have it.
        drop(self.queue.close());
    }
}
