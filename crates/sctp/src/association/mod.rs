//! One end of an SCTP association: the state machine of RFC 9260 §4 behind five verbs. This file holds the state and the
//! public calls; the files beside it each treat one concern of the machine.

mod closing;
mod cookie;
mod events;
mod handshake;
mod input;
mod state;
mod stream_reset;
mod timers;
mod transmit;

use crate::config::{Config, SendOptions};
use crate::error::SendError;
use crate::event::{Event, Negotiated, Statistics};
use crate::inbound::{Inbound, OVERHEAD};
use crate::outbound::{Outbound, ResetState};
use crate::random::Random;
use crate::rtt::RttEstimator;
use crate::serial::{StreamId, Tsn};
use bytes::Bytes;
use events::EventQueue;
use state::{Endpoint, State, Timers};
use std::collections::VecDeque;
use std::time::Instant;
use stream_reset::StreamReset;

/// Packets waiting that belong to no established association (INIT ACK, ABORT, ...); more are dropped.
const MAX_STANDALONE: usize = 4;
/// The receive window is at least this much more than the largest message.
const WINDOW_SLACK: usize = 64 * 1024;
/// No path is smaller.
const MIN_MTU: usize = 512;

/// A chunk that travels alone, with a tag of its own.
#[derive(Clone, Debug)]
struct Standalone {
    tag: u32,
    chunk: Vec<u8>,
}

/// When the peer is owed an acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
struct AckState {
    /// Packets with data since the last SACK.
    packets: u32,
    /// Send it with the next packet, without delay.
    due: bool,
    /// The window the last SACK announced.
    announced: u32,
}

/// One-shot chunks that the next packet carries.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    init: bool,
    cookie_echo: bool,
    cookie_ack: bool,
    heartbeat: bool,
    shutdown: bool,
    shutdown_ack: bool,
}

/// One end of an association. See the crate's page for an example.
///
/// After every call drain [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) until they return
/// `None`, then wait until [`poll_timeout`](Self::poll_timeout) and call [`handle_timeout`](Self::handle_timeout).
pub struct Association {
    config: Config,
    mtu: usize,
    random: Random,
    cookie_nonce: u64,
    state: State,
    local: Endpoint,
    /// Known from INIT ACK, COOKIE ECHO or an out-of-band INIT on.
    peer: Option<Endpoint>,
    remote_init: Option<Endpoint>,
    negotiated: Option<Negotiated>,
    outbound: Outbound,
    inbound: Option<Inbound>,
    reset: StreamReset,
    rtt: RttEstimator,
    timers: Timers,
    ack: AckState,
    due: Due,
    /// `shutdown` was called; a restart of the peer does not change that.
    shutdown_wanted: bool,
    /// Replies that any packet to the peer may carry: ERROR, HEARTBEAT ACK, RE-CONFIG responses. At most a packet's worth.
    control: Vec<u8>,
    /// Our ABORT, once sent: it may have to be said again.
    last_abort: Vec<u8>,
    standalone: VecDeque<Standalone>,
    events: EventQueue,
    /// T1 runs so far, or consecutive timeouts since the peer was last heard (RFC 9260 §8.1).
    errors: u32,
    /// When the last HEARTBEAT was made, until it is answered.
    heartbeat_outstanding: Option<Instant>,
    /// HEARTBEATs carry the time since this.
    born: Instant,
    statistics: Statistics,
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association").field("state", &self.state.name()).finish_non_exhaustive()
    }
}

impl Association {
    /// A closed association. `seed` decides its tags and sequence numbers; two associations must not share one.
    #[must_use]
    pub fn new(now: Instant, mut config: Config, seed: [u8; 32]) -> Self {
        let mtu = config.mtu.max(MIN_MTU) & !3;
        config.receive_window =
            config.receive_window.max(config.max_message_size.saturating_add(WINDOW_SLACK));
        config.outgoing_streams = config.outgoing_streams.max(1);
        config.incoming_streams = config.incoming_streams.max(1);
        let mut random = Random::new(seed);
        let local = handshake::local_endpoint(&config, &mut random);
        let congestion = config.congestion.build(now, mtu);
        let rtt = RttEstimator::new(config.rto_initial, config.rto_min, config.rto_max);
        Self {
            mtu,
            cookie_nonce: random.next_u64(),
            random,
            state: State::Closed,
            peer: None,
            remote_init: None,
            negotiated: None,
            outbound: Outbound::new(now, mtu, local.initial_tsn, congestion),
            inbound: None,
            reset: StreamReset::new(local.initial_tsn, Tsn(0)),
            rtt,
            timers: Timers::default(),
            ack: AckState::default(),
            due: Due::default(),
            shutdown_wanted: false,
            control: Vec::new(),
            last_abort: Vec::new(),
            standalone: VecDeque::new(),
            events: EventQueue::new(),
            errors: 0,
            heartbeat_outstanding: None,
            born: now,
            statistics: Statistics::default(),
            local,
            config,
        }
    }

    /// What happened since the last call, oldest first.
    ///
    /// A message counts against the receive window until it is fetched here, so a reader that stops stops the sender.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop()?;
        if let Event::Message { data, .. } = &event {
            self.release(data.len() + OVERHEAD);
        } else {
            self.perform_deferred_reset();
        }
        Some(event)
    }

    /// The oldest event that is not [`Event::Message`], past the messages that wait: for a reader that takes no messages
    /// now. What it returns, [`poll_event`](Self::poll_event) does not return again; the messages stay, even after the
    /// association ended.
    ///
    /// Where the order matters it is kept: [`Event::IncomingStreamReset`] comes when no earlier message of its streams
    /// waits any more, [`Event::PeerRestarted`] and what follows it when no earlier message at all does. Only the
    /// association's end ([`Event::Aborted`], [`Event::Failed`], [`Event::ShutdownComplete`]) passes everything.
    pub fn poll_control_event(&mut self) -> Option<Event> {
        let event = self.events.pop_control()?;
        self.perform_deferred_reset();
        Some(event)
    }

    /// Begins or ends the discarding of messages on a stream: those that wait to be fetched and those to come are dropped
    /// and take no room of the receive window. Ends by itself when the peer resets the stream or restarts. For a data
    /// channel that the application closed: what comes until the peer closes it too is wanted by nobody.
    pub fn set_discarded(&mut self, stream: StreamId, discarded: bool) {
        let bytes = self.events.set_discarded(stream, discarded);
        if bytes > 0 {
            self.release(bytes);
            self.perform_deferred_reset();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().into_iter().chain(self.outbound.overdue_at()).min()
    }

    /// Queues a message, cut into fragments when its turn comes. Before the handshake is complete it waits.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; [`SendError::BufferFull`] hands the message back.
    pub fn send(
        &mut self,
        now: Instant,
        stream: StreamId,
        options: SendOptions,
        data: Bytes,
    ) -> Result<(), SendError> {
        match self.state {
            State::Closed | State::CookieWait | State::CookieEchoed { .. } | State::Established => {
            }
            _ => return Err(SendError::Closed),
        }
        if data.is_empty() {
            return Err(SendError::Empty);
        }
        if data.len() > self.config.max_send_message_size {
            return Err(SendError::TooLarge {
                size: data.len(),
                limit: self.config.max_send_message_size,
            });
        }
        let count = self
            .negotiated
            .map_or(self.config.outgoing_streams, |negotiated| negotiated.outgoing_streams);
        if stream.0 >= count {
            return Err(SendError::InvalidStream { stream, count });
        }
        if self.outbound.streams.reset_state(stream) != ResetState::Open {
            return Err(SendError::StreamResetting(stream));
        }
        let buffered = self.outbound.streams.buffered();
        // One message is always taken, so that a limit below its size does not refuse it for ever.
        if buffered > 0 && buffered + data.len() > self.config.send_buffer_limit {
            return Err(SendError::BufferFull {
                buffered,
                limit: self.config.send_buffer_limit,
                data,
            });
        }
        self.statistics.messages_sent += 1;
        self.outbound.streams.push(now, stream, options, data);
        Ok(())
    }

    /// Bytes queued on a stream and not yet sent once.
    #[must_use]
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        self.outbound.streams.buffered_on(stream)
    }

    /// [`Event::BufferedAmountLow`] comes when the buffered amount falls from above this to this or below. 0 at first;
    /// forgotten when the stream is reset.
    pub fn set_buffered_amount_low_threshold(&mut self, stream: StreamId, bytes: usize) {
        self.outbound.streams.set_low_threshold(stream, bytes);
    }

    /// Bytes queued on all streams and not yet sent once.
    #[must_use]
    pub fn total_buffered(&self) -> usize {
        self.outbound.streams.buffered()
    }

    /// The share of a stream when several have messages waiting, relative to the others (RFC 8260 §3.6; RFC 8831 §6.4
    /// uses 128, 256, 512, 1024). 256 at first; used with I-DATA only; forgotten when the stream is reset.
    pub fn set_stream_priority(&mut self, stream: StreamId, priority: u16) {
        self.outbound.streams.set_priority(stream, priority);
    }

    /// The largest message that `send` takes from now on: the peer's `a=max-message-size`.
    pub fn set_max_send_message_size(&mut self, bytes: usize) {
        self.config.max_send_message_size = bytes;
    }

    /// What the handshake agreed on, once it has.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.negotiated
    }

    /// Counters and gauges.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            retransmissions: self.outbound.retransmissions,
            smoothed_round_trip: self.rtt.smoothed(),
            congestion_window: self.outbound.window(),
            bytes_in_flight: self.outbound.in_flight(),
            peer_window: self.outbound.peer_window(),
            receive_buffered: self.inbound.as_ref().map_or(0, Inbound::held),
            ..self.statistics
        }
    }

    /// The handshake is complete and nothing has ended the association since.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.state.is_connected()
    }

    /// The association is over: shut down, aborted or failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Ended
    }

    /// Bytes of the receive window, bookkeeping included, that messages no longer need.
    fn release(&mut self, bytes: usize) {
        let Some(inbound) = &mut self.inbound else { return };
        inbound.released(bytes);
        // Tell a sender that may have stopped that there is room again (RFC 9260 §6.2).
        let opened = inbound.a_rwnd().saturating_sub(self.ack.announced) as usize;
        if opened >= self.config.receive_window / 2
            && (self.ack.announced as usize) < self.config.receive_window / 4
        {
            self.ack.due = true;
        }
    }

    /// Another timeout without an answer. True if that was one too many and the association ended.
    fn count_error(&mut self) -> bool {
        self.errors += 1;
        if self.config.max_association_retransmits.is_some_and(|limit| self.errors > limit) {
            self.end(Event::Failed);
            return true;
        }
        false
    }

    /// The peer was heard.
    fn clear_errors(&mut self) {
        self.errors = 0;
        self.rtt.clear_backoff();
    }

    fn push_standalone(&mut self, tag: u32, chunk: Vec<u8>) {
        if self.standalone.len() < MAX_STANDALONE {
            self.standalone.push_back(Standalone { tag, chunk });
        }
    }

    /// Lets `write` add a reply to the next packet, if it still fits into one.
    fn push_control(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.control.len();
        write(&mut self.control);
        if self.control.len() > self.control_room() {
            self.control.truncate(before);
            self.statistics.chunks_discarded += 1;
        }
    }

    /// Half a packet, so that a SACK always fits beside it.
    fn control_room(&self) -> usize {
        self.mtu / 2
    }

    /// Turns what the send path noted into events.
    fn collect_send_events(&mut self) {
        let streams = &mut self.outbound.streams;
        for stream in streams.low.drain(..) {
            self.events.push(Event::BufferedAmountLow(stream));
        }
        for stream in streams.dropped.drain(..) {
            self.statistics.messages_abandoned += 1;
            self.events.push(Event::SendAbandoned { stream });
        }
    }
}
