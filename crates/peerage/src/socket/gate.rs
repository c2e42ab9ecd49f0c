//! A gate before a socket that tests can shut: the kernel refuses datagrams too seldom to wait for it.

use std::io;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
struct State {
    /// What senders are told instead of being let through.
    refusal: Option<Refusal>,
    refused: u64,
    /// So many pass although the gate is shut.
    passes: u64,
    waker: Option<Waker>,
}

/// What a shut gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The buffer is full; the socket is not writable.
    WouldBlock,
    /// The buffer has room, but not so much that the system calls the socket writable.
    NotReported,
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

    /// Lets so many pass although the gate is shut.
    pub(crate) fn let_pass(&self, count: u64) {
        self.0.lock().unwrap().passes = count;
    }

    /// What a sender is told that asks for readiness first.
    pub(super) fn try_pass_reported(&self) -> io::Result<()> {
        let refusal = self.0.lock().unwrap().refusal;
        match refusal {
            Some(Refusal::WouldBlock | Refusal::NotReported) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Refusal::Os(_)) => self.try_pass(),
            None => Ok(()),
        }
    }

    /// What a sender is told that asks the system.
    pub(super) fn try_pass(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let error = match state.refusal {
            None | Some(Refusal::NotReported) => return Ok(()),
            Some(Refusal::WouldBlock) => io::ErrorKind::WouldBlock.into(),
            Some(Refusal::Os(number)) => io::Error::from_raw_os_error(number),
        };
        if state.passes > 0 {
            state.passes -= 1;
            return Ok(());
        }
        state.refused += 1;
        Err(error)
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if matches!(state.refusal, Some(Refusal::WouldBlock | Refusal::NotReported)) {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
