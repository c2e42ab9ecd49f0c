//! A bounded queue between a source and whoever takes from it, in threads or in tasks: what is not taken in time is dropped.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::SinkError;

/// See the module.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Memory to be used again.
    spare: Vec<T>,
    capacity: usize,
    dropped: u64,
    closed: bool,
    waker: Option<Waker>,
}

/// Items for which memory is there from the beginning.
const RESERVED: usize = 64;

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        // A large bound is there for the worst case: memory is taken once it is needed.
        let reserved = capacity.min(RESERVED);
        let state = State {
            items: VecDeque::with_capacity(reserved),
            spare: Vec::with_capacity(reserved),
            capacity,
            dropped: 0,
            closed: false,
            waker: None,
        };
        Self { state: Mutex::new(state), ready: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what `make` makes of memory that is not needed any more; drops the oldest where there is no room. Who waits is to be
    /// woken once no lock is held: what a waker does is its maker's.
    #[must_use]
    pub(super) fn push_with(&self, make: impl FnOnce(Option<T>) -> T) -> Option<Waker> {
        let waker = {
            let mut state = self.lock();
            if state.closed {
                return None;
            }
            let mut spare = state.spare.pop();
            if state.items.len() == state.capacity {
                let oldest = state.items.pop_front();
                spare = spare.or(oldest);
                state.dropped += 1;
            }
            state.items.push_back(make(spare));
            state.waker.take()
        };
        self.ready.notify_one();
        waker
    }

    /// Nothing more comes; what is there can still be taken. As [`push_with`](Self::push_with).
    #[must_use]
    pub(super) fn close(&self) -> Option<Waker> {
        let waker = {
            let mut state = self.lock();
            state.closed = true;
            state.waker.take()
        };
        self.ready.notify_all();
        waker
    }

    pub(super) fn try_pop(&self) -> Result<T, SinkError> {
        self.lock().pop()
    }

    pub(super) fn poll_pop(&self, context: &mut Context<'_>) -> Poll<Result<T, SinkError>> {
        // Neither made nor dropped under the lock.
        let mut waker = Some(context.waker().clone());
        let mut state = self.lock();
        match state.pop() {
            Err(SinkError::Empty) => {
                std::mem::swap(&mut state.waker, &mut waker);
                Poll::Pending
            }
            taken => Poll::Ready(taken),
        }
    }

    pub(super) fn pop_timeout(&self, timeout: Duration) -> Result<T, SinkError> {
        // Without an end where there is none that a clock could tell.
        let end = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            match state.pop() {
                Err(SinkError::Empty) => {}
                taken => return taken,
            }
            let Some(end) = end else {
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SinkError::Empty);
            }
            let waited = self.ready.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes memory back, to be used again.
    pub(super) fn recycle(&self, item: T) {
        let mut state = self.lock();
        if state.spare.len() < state.capacity {
            state.spare.push(item);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }
}

impl<T> State<T> {
    fn pop(&mut self) -> Result<T, SinkError> {
        let ended = if self.closed { SinkError::Ended } else { SinkError::Empty };
        self.items.pop_front().ok_or(ended)
    }
}
