//! The handle of a data channel: awaitable sends with real back-pressure, and messages as a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};

use peerage_peerconnection::{DataChannelHandle, DataChannelInit, DataChannelState, Message};
use tokio::sync::{Mutex, Notify, mpsc};

use crate::error::{SendError, TrySendError};
use crate::lifeline::{Command, Control, Lifeline};

/// Bookkeeping charged per message that waits, so that a flood of empty messages fills the buffer too.
pub(crate) const MESSAGE_OVERHEAD: usize = 64;

const NO_ID: u16 = u16::MAX;

/// In the count of messages: the application closed the channel.
const SEALED: u64 = 1 << 63;

/// What the driver and the handles of one channel both see. Every field is a single atomic: nothing blocks.
#[derive(Debug)]
pub(crate) struct ChannelShared {
    state: AtomicU8,
    id: AtomicU16,
    /// Application bytes accepted and not yet handed to the network.
    buffered: AtomicUsize,
    /// The same plus [`MESSAGE_OVERHEAD`] per message that has not reached the transport: what back-pressure counts.
    used: AtomicUsize,
    limit: usize,
    /// Messages that handles have queued: a close waits for them, because it takes a faster lane. One number with
    /// [`SEALED`], so that a message is either counted by the close or refused.
    sent: AtomicU64,
    low_threshold: AtomicUsize,
    max_message_size: AtomicUsize,
    /// Wakes whoever waits for room, for the channel to open, or for the buffer to run low.
    changed: Notify,
}

impl ChannelShared {
    pub(crate) fn new(state: DataChannelState, limit: usize) -> Self {
        Self {
            state: AtomicU8::new(encode(state)),
            id: AtomicU16::new(NO_ID),
            buffered: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            limit,
            sent: AtomicU64::new(0),
            low_threshold: AtomicUsize::new(0),
            max_message_size: AtomicUsize::new(usize::MAX),
            changed: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> DataChannelState {
        decode(self.state.load(Ordering::Acquire))
    }

    pub(crate) fn set_state(&self, state: DataChannelState) {
        self.state.store(encode(state), Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(crate) fn set_id(&self, id: Option<u16>) {
        self.id.store(id.unwrap_or(NO_ID), Ordering::Release);
    }

    pub(crate) fn set_max_message_size(&self, size: usize) {
        self.max_message_size.store(size, Ordering::Release);
    }

    /// The transport took `bytes` off the queue, and `messages` left the driver's hands.
    pub(crate) fn release(&self, bytes: usize, messages: usize) {
        if bytes > 0 {
            self.buffered.fetch_sub(bytes, Ordering::AcqRel);
        }
        let room = bytes + messages * MESSAGE_OVERHEAD;
        if room > 0 {
            self.used.fetch_sub(room, Ordering::AcqRel);
            self.changed.notify_waiters();
        }
    }

    /// Takes room for a message of `len` bytes, or none of it. A message larger than the limit passes when it is alone.
    fn reserve(&self, len: usize) -> Reserved {
        let cost = len + MESSAGE_OVERHEAD;
        let reserved = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            (used == 0 || used.saturating_add(cost) <= self.limit).then(|| used + cost)
        });
        if reserved.is_err() {
            return Reserved::Full;
        }
        let counted = self.sent.fetch_update(Ordering::AcqRel, Ordering::Acquire, |sent| {
            (sent & SEALED == 0).then_some(sent + 1)
        });
        if counted.is_err() {
            self.used.fetch_sub(cost, Ordering::AcqRel);
            return Reserved::Closed;
        }
        self.buffered.fetch_add(len, Ordering::AcqRel);
        Reserved::Room
    }

    /// From now on no message is taken. Returns how many were.
    fn seal(&self) -> u64 {
        self.sent.fetch_or(SEALED, Ordering::AcqRel) & !SEALED
    }
}

/// What became of the wish to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reserved {
    Room,
    Full,
    Closed,
}

/// How much of a connection's received data the application has not taken yet.
#[derive(Debug)]
pub(crate) struct ReceiveBudget {
    unread: AtomicUsize,
    limit: usize,
    paused: AtomicBool,
}

impl ReceiveBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { unread: AtomicUsize::new(0), limit, paused: AtomicBool::new(false) }
    }

    /// Charges a delivered message.
    pub(crate) fn charge(&self, len: usize) {
        self.unread.fetch_add(len + MESSAGE_OVERHEAD, Ordering::AcqRel);
    }

    /// Takes a charge back: nobody was there to read.
    pub(crate) fn uncharge(&self, len: usize) {
        self.unread.fetch_sub(len + MESSAGE_OVERHEAD, Ordering::AcqRel);
    }

    /// True if the driver should take no more data from the transport until [`Control::Resume`] comes.
    pub(crate) fn exhausted(&self) -> bool {
        if self.unread.load(Ordering::Acquire) < self.limit {
            return false;
        }
        self.paused.store(true, Ordering::Release);
        // The application may have read everything between the two lines above: then nobody would wake us.
        self.unread.load(Ordering::Acquire) >= self.limit / 2
            || !self.paused.swap(false, Ordering::AcqRel)
    }

    /// Gives back what was read; true if the driver waits and should be told to go on.
    fn refund(&self, len: usize) -> bool {
        let cost = len + MESSAGE_OVERHEAD;
        let left = self.unread.fetch_sub(cost, Ordering::AcqRel) - cost;
        left < self.limit / 2 && self.paused.swap(false, Ordering::AcqRel)
    }
}

/// The end of a channel's queue of received messages that the application holds.
#[derive(Debug)]
pub(crate) struct Incoming {
    messages: mpsc::UnboundedReceiver<Message>,
    budget: Arc<ReceiveBudget>,
    lifeline: Arc<Lifeline>,
}

impl Incoming {
    fn refund(&self, len: usize) {
        if self.budget.refund(len) {
            self.lifeline.control(Control::Resume(self.lifeline.id()));
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Unread messages must not count against the connection's other channels.
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            self.refund(message.len());
        }
    }
}

#[derive(Debug)]
struct Inner {
    lifeline: Arc<Lifeline>,
    handle: DataChannelHandle,
    shared: Arc<ChannelShared>,
    incoming: Mutex<Incoming>,
    label: String,
    init: DataChannelInit,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.shared.state() != DataChannelState::Closed {
            self.lifeline.control(Control::DropChannel(
                self.lifeline.id(),
                self.handle,
                self.shared.seal(),
            ));
        }
    }
}

/// A bidirectional channel of messages (W3C `RTCDataChannel`, RFC 8831).
///
/// Handles are cheap to clone and may be used from several tasks at once: one may wait in [`recv`](Self::recv) while
/// others [`send`](Self::send). When the last clone is dropped the channel closes, after what was sent has gone out.
/// A channel keeps its connection alive.
#[derive(Clone, Debug)]
pub struct DataChannel(Arc<Inner>);

pub(crate) struct ChannelParts {
    pub(crate) handle: DataChannelHandle,
    pub(crate) shared: Arc<ChannelShared>,
    pub(crate) messages: mpsc::UnboundedReceiver<Message>,
    pub(crate) budget: Arc<ReceiveBudget>,
    pub(crate) info: peerage_peerconnection::DataChannelInfo,
}

impl DataChannel {
    pub(crate) fn new(lifeline: Arc<Lifeline>, parts: ChannelParts) -> Self {
        let ChannelParts { handle, shared, messages, budget, info } = parts;
        let incoming = Incoming { messages, budget, lifeline: Arc::clone(&lifeline) };
        Self(Arc::new(Inner {
            lifeline,
            handle,
            shared,
            incoming: Mutex::new(incoming),
            label: info.label,
            init: info.init,
        }))
    }

    /// Sends a message: waits until the channel is open, and while its buffer is full.
    ///
    /// Returning means that the message is queued in order, not that the peer has it. Cancel safe: a message whose
    /// `send` was dropped before it returned was not sent.
    ///
    /// # Errors
    /// [`SendError::Closed`] gives the message back if the channel is or becomes closed; [`SendError::TooLarge`] if it
    /// exceeds what the peer accepts (`max-message-size`, RFC 8841 §6).
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        let shared = &self.0.shared;
        loop {
            // Registered before the check, so that a change in between is not missed.
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            match shared.state() {
                DataChannelState::Closing | DataChannelState::Closed => {
                    return Err(SendError::Closed(message));
                }
                DataChannelState::Open => {
                    self.check_size(&message)?;
                    // The permit first: once the room is reserved nothing may be awaited, or a cancelled send would keep it.
                    let Ok(permit) = self.0.lifeline.commands().reserve().await else {
                        return Err(SendError::Closed(message));
                    };
                    match shared.reserve(message.len()) {
                        Reserved::Room => {
                            let id = self.0.lifeline.id();
                            permit.send(Command::Send(id, self.0.handle, message));
                            return Ok(());
                        }
                        Reserved::Closed => return Err(SendError::Closed(message)),
                        Reserved::Full => {}
                    }
                }
                DataChannelState::Connecting => {}
            }
            changed.await;
        }
    }

    /// Sends a message if there is room for it now.
    ///
    /// # Errors
    /// [`TrySendError`] says why not, and gives the message back.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        match self.0.shared.state() {
            DataChannelState::Connecting => return Err(TrySendError::NotOpen(message)),
            DataChannelState::Closing | DataChannelState::Closed => {
                return Err(TrySendError::Closed(message));
            }
            DataChannelState::Open => {}
        }
        if let Err(SendError::TooLarge { message, limit }) = self.check_size(&message) {
            return Err(TrySendError::TooLarge { message, limit });
        }
        match self.0.lifeline.commands().try_reserve() {
            Ok(permit) => match self.0.shared.reserve(message.len()) {
                Reserved::Room => {
                    permit.send(Command::Send(self.0.lifeline.id(), self.0.handle, message));
                    Ok(())
                }
                Reserved::Full => Err(TrySendError::Full(message)),
                Reserved::Closed => Err(TrySendError::Closed(message)),
            },
            Err(mpsc::error::TrySendError::Full(())) => Err(TrySendError::Full(message)),
            Err(mpsc::error::TrySendError::Closed(())) => Err(TrySendError::Closed(message)),
        }
    }

    fn check_size(&self, message: &Message) -> Result<(), SendError> {
        let limit = self.0.shared.max_message_size.load(Ordering::Acquire);
        if message.len() > limit {
            return Err(SendError::TooLarge { message: message.clone(), limit });
        }
        Ok(())
    }

    /// The next message, or `None` once the channel is closed and everything received has been taken.
    ///
    /// Cancel safe. What is not taken counts against the connection's receive budget
    /// ([`EndpointConfig::receive_budget`](crate::EndpointConfig)); when that is used up, the peer is made to wait.
    pub async fn recv(&self) -> Option<Message> {
        let mut incoming = self.0.incoming.lock().await;
        let message = incoming.messages.recv().await?;
        incoming.refund(message.len());
        Some(message)
    }

    /// A message if one is there now.
    pub fn try_recv(&self) -> Option<Message> {
        let mut incoming = self.0.incoming.try_lock().ok()?;
        let message = incoming.messages.try_recv().ok()?;
        incoming.refund(message.len());
        Some(message)
    }

    /// Waits until the channel is open.
    ///
    /// # Errors
    /// [`crate::Error::ChannelClosed`] if it closes first.
    pub async fn opened(&self) -> Result<(), crate::Error> {
        self.wait(|shared| match shared.state() {
            DataChannelState::Connecting => None,
            DataChannelState::Open => Some(Ok(())),
            DataChannelState::Closing | DataChannelState::Closed => {
                Some(Err(crate::Error::ChannelClosed))
            }
        })
        .await
    }

    /// Waits until the channel is closed.
    pub async fn closed(&self) {
        self.wait(|shared| (shared.state() == DataChannelState::Closed).then_some(())).await;
    }

    /// Waits until [`buffered_amount`](Self::buffered_amount) is at most the threshold, or the channel is closed
    /// (W3C `bufferedamountlow`).
    pub async fn buffered_amount_low(&self) {
        self.wait(|shared| {
            let low = shared.buffered.load(Ordering::Acquire)
                <= shared.low_threshold.load(Ordering::Acquire);
            (low || shared.state() == DataChannelState::Closed).then_some(())
        })
        .await;
    }

    async fn wait<T>(&self, ready: impl Fn(&ChannelShared) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.0.shared.changed.notified());
            changed.as_mut().enable();
            if let Some(value) = ready(&self.0.shared) {
                return value;
            }
            changed.await;
        }
    }

    /// Application bytes accepted by `send` and not yet given to the network (W3C `bufferedAmount`).
    pub fn buffered_amount(&self) -> usize {
        self.0.shared.buffered.load(Ordering::Acquire)
    }

    /// Sets what [`buffered_amount_low`](Self::buffered_amount_low) waits for, in bytes; 0 at first.
    pub fn set_buffered_amount_low_threshold(&self, bytes: usize) {
        self.0.shared.low_threshold.store(bytes, Ordering::Release);
        self.0.shared.changed.notify_waiters();
    }

    /// Closes the channel: what was sent goes out first, then the streams of both directions are reset (RFC 8831 §6.7).
    /// Does not wait; see [`closed`](Self::closed).
    pub fn close(&self) {
        let Inner { lifeline, handle, shared, .. } = &*self.0;
        if matches!(shared.state(), DataChannelState::Connecting | DataChannelState::Open) {
            shared.set_state(DataChannelState::Closing);
            lifeline.control(Control::CloseChannel(lifeline.id(), *handle, shared.seal()));
        }
    }

    /// W3C `readyState`.
    pub fn state(&self) -> DataChannelState {
        self.0.shared.state()
    }

    /// The stream id, once the DTLS role has decided it.
    pub fn id(&self) -> Option<u16> {
        Some(self.0.shared.id.load(Ordering::Acquire)).filter(|id| *id != NO_ID)
    }

    /// The label both ends see.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// The subprotocol both ends see.
    pub fn protocol(&self) -> &str {
        &self.0.init.protocol
    }

    /// Whether messages arrive in order.
    pub fn ordered(&self) -> bool {
        self.0.init.ordered
    }

    /// How often a message is retransmitted at most, if limited.
    pub fn max_retransmits(&self) -> Option<u16> {
        self.0.init.max_retransmits
    }

    /// How long a message is worth sending, in milliseconds, if limited.
    pub fn max_packet_life_time(&self) -> Option<u16> {
        self.0.init.max_packet_life_time
    }

    /// Whether both applications agreed on the id themselves.
    pub fn negotiated(&self) -> bool {
        self.0.init.negotiated
    }
}

fn encode(state: DataChannelState) -> u8 {
    match state {
        DataChannelState::Connecting => 0,
        DataChannelState::Open => 1,
        DataChannelState::Closing => 2,
        DataChannelState::Closed => 3,
    }
}

fn decode(state: u8) -> DataChannelState {
    match state {
        0 => DataChannelState::Connecting,
        1 => DataChannelState::Open,
        2 => DataChannelState::Closing,
        _ => DataChannelState::Closed,
    }
}
