//! Frames on their way from a connection to the thread that decodes them, with the time at which each came.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use peerage_peerconnection::MediaFrame;
use tokio::sync::{Notify, mpsc};

/// Frames that wait for the thread: more than that is more than any jitter buffer has use for.
const MAX_WAITING: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Arrivals {
    state: Mutex<State>,
    ready: Condvar,
    over: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Instant, MediaFrame)>,
    /// Nothing more comes.
    closed: bool,
    /// Nobody takes anything any more.
    over: bool,
    /// Frames were dropped because they were not taken in time.
    lost: bool,
}

/// What the thread gets.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A frame; `after_loss` where frames before it were dropped.
    Frame { at: Instant, frame: Box<MediaFrame>, after_loss: bool },
    /// Nothing came until then.
    Nothing,
    /// Nothing will.
    Closed,
}

/// Whoever takes the frames. Dropped, where the thread ends or could not be begun, it lets the connection have its frames again.
#[derive(Debug)]
pub(super) struct Taker(Arc<Arrivals>);

impl Deref for Taker {
    type Target = Arrivals;

    fn deref(&self) -> &Arrivals {
        &self.0
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Arrivals {
    /// Begins to take frames from a connection, in a task.
    pub(super) fn begin(
        runtime: &tokio::runtime::Handle,
        frames: Arc<tokio::sync::Mutex<mpsc::Receiver<MediaFrame>>>,
    ) -> Taker {
        let state = Mutex::new(State::default());
        let arrivals = Arc::new(Self { state, ready: Condvar::new(), over: Notify::new() });
        let task = arrivals.clone();
        runtime.spawn(async move {
            let mut frames = frames.lock().await;
            loop {
                let mut over = pin!(task.over.notified());
                let next = poll_fn(|context| match over.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => frames.poll_recv(context),
                });
                let Some(frame) = next.await else { break };
                task.put(frame);
            }
            task.lock().closed = true;
            task.ready.notify_all();
        });
        Taker(arrivals)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, frame: MediaFrame) {
        let mut state = self.lock();
        if state.waiting.len() == MAX_WAITING {
            state.waiting.pop_front();
            state.lost = true;
        }
        state.waiting.push_back((Instant::now(), frame));
        drop(state);
        self.ready.notify_one();
    }

    /// Takes the next frame; waits for it until then.
    pub(super) fn next(&self, until: Instant) -> Arrival {
        let mut state = self.lock();
        loop {
            if let Some((at, frame)) = state.waiting.pop_front() {
                let after_loss = std::mem::take(&mut state.lost);
                return Arrival::Frame { at, frame: Box::new(frame), after_loss };
            }
            if state.closed || state.over {
                return Arrival::Closed;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Arrival::Nothing;
            }
            let waited = self.ready.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nobody takes anything any more: the task ends.
    fn end(&self) {
        self.lock().over = true;
        self.over.notify_one();
    }
}
