//! A gate before a socket that tests can shut: the kernel refuses datagrams too seldom to wait for it.

use std::io;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
struct State {
    /// What senders are told instead of being let through.
    refusal: Option<Refusal>,
    refused: u64,
    waker: Option<Waker>,
}

/// What a shut gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The buffer is full; the socket is not writable.
    WouldBlock,
    /// Any other error, by its number.
    Os(i32),
}

/// Open at first.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

impl Gate {
    pub(crate) fn shut(&self, refusal: Refusal) {
        self.0.lock().unwrap().refusal = Some(refusal);
    }

    pub(crate) fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.refusal = None;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// How many sends were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.0.lock().unwrap().refused
    }

    pub(super) fn try_pass(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let Some(refusal) = state.refusal else { return Ok(()) };
        state.refused += 1;
        Err(match refusal {
            Refusal::WouldBlock => io::ErrorKind::WouldBlock.into(),
            Refusal::Os(number) => io::Error::from_raw_os_error(number),
        })
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.refusal == Some(Refusal::WouldBlock) {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
