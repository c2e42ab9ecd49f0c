//! Resetting and adding streams (RFC 6525 §5): our requests, one at a time, and the peer's. Data channels close by this
//! (RFC 8831 §6.7).

use super::Association;
use super::state::State;
use crate::error::Error;
use crate::event::Event;
use crate::outbound::ResetState;
use crate::packet::reconfig::{
    ReconfigParameter, ReconfigResult, StreamList, parameters, write_outgoing_reset, write_response,
};
use crate::packet::tlv::RawChunk;
use crate::serial::{ReconfigSeq, StreamId, Tsn};
use std::time::Instant;

/// Streams named in one request: it must fit into half a packet of the smallest path.
const MAX_STREAMS_A_REQUEST: usize = 100;

/// Our request under way.
#[derive(Clone, Debug)]
struct Request {
    sequence: ReconfigSeq,
    /// The peer's incoming request that this one answers, or its last (RFC 6525 §4.1).
    response: ReconfigSeq,
    last_tsn: Tsn,
    streams: Vec<StreamId>,
    /// To be written into the next packet.
    due: bool,
}

/// A reset of the peer's that waits until all it sent before has arrived (RFC 6525 §5.2.2 E2).
#[derive(Clone, Debug)]
struct Deferred {
    sequence: ReconfigSeq,
    last_tsn: Tsn,
    /// None named: all.
    streams: Vec<StreamId>,
}

#[derive(Debug)]
pub(super) struct StreamReset {
    next_request: ReconfigSeq,
    request: Option<Request>,
    /// The request number we expect of the peer next, and how we answered the last.
    expected: ReconfigSeq,
    last_result: ReconfigResult,
    deferred: Option<Deferred>,
    /// The last one, once carried out, until the next request.
    performed: Option<Deferred>,
    /// The incoming request that our next outgoing one answers.
    answering: Option<ReconfigSeq>,
}

impl StreamReset {
    /// RFC 6525 §4.1: both counters start with the initial TSNs.
    pub(super) fn new(local: Tsn, peer: Tsn) -> Self {
        Self {
            next_request: ReconfigSeq(local.0),
            request: None,
            expected: ReconfigSeq(peer.0),
            last_result: ReconfigResult::NOTHING_TO_DO,
            deferred: None,
            performed: None,
            answering: None,
        }
    }

    /// Whether data of this stream and TSN must wait for a reset that is deferred.
    pub(super) fn holds_back(&self, stream: StreamId, tsn: Tsn) -> bool {
        self.deferred.as_ref().is_some_and(|deferred| {
            tsn.is_after(deferred.last_tsn)
                && (deferred.streams.is_empty() || deferred.streams.contains(&stream))
        })
    }

    pub(super) fn request_due(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.due)
    }
}

impl Association {
    /// Resets the sequence numbers of outgoing streams once all their messages are sent, so that their numbers can be used
    /// again (how a data channel closes, RFC 8831 §6.7). [`Event::OutgoingStreamsReset`] tells when, or
    /// [`Event::StreamResetFailed`]; until then `send` refuses them. Streams being reset already are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::ResetUnsupported`] if the handshake is complete and the peer does not know RE-CONFIG;
    /// [`Error::InvalidState`] if the association is closing or closed.
    pub fn reset_outgoing_streams(
        &mut self,
        _now: Instant,
        streams: &[StreamId],
    ) -> Result<(), Error> {
        match self.state {
            State::Closed | State::CookieWait | State::CookieEchoed { .. } | State::Established => {
            }
            _ => {
                return Err(Error::InvalidState {
                    call: "reset_outgoing_streams",
                    state: self.state.name(),
                });
            }
        }
        if self.negotiated.is_some_and(|negotiated| !negotiated.stream_reset) {
            return Err(Error::ResetUnsupported);
        }
        for stream in streams {
            self.outbound.streams.want_reset(*stream);
        }
        Ok(())
    }

    /// Starts the next request if none is under way and a stream is ready.
    pub(super) fn start_reset_request(&mut self, now: Instant) {
        // The peer can ask for resets of ours, too, and each ends in an event.
        if self.reset.request.is_some()
            || !self.outbound.streams.wants_reset()
            || !self.state.sends_data()
            || !self.events.has_room()
        {
            return;
        }
        if self.negotiated.is_some_and(|negotiated| !negotiated.stream_reset) {
            let (_, streams) = self.outbound.take_resettable(usize::MAX, false);
            if !streams.is_empty() {
                self.outbound.streams.reset_done(&streams, false);
                self.events.push(Event::StreamResetFailed { streams });
            }
            return;
        }
        // Sent at once, the request could overtake data, the peer would answer that it is in progress, and several releases
        // of Chromium then answer so for ever. It waits until the peer has all it waits for, and names the TSN it would have
        // named at once (RFC 6525 §4.1).
        let (last_tsn, streams) = self.outbound.take_resettable(MAX_STREAMS_A_REQUEST, true);
        if streams.is_empty() {
            return;
        }
        let sequence = self.reset.next_request;
        self.reset.next_request = sequence.next();
        self.reset.request = Some(Request {
            sequence,
            response: self.reset.answering.take().unwrap_or_else(|| self.reset.expected.previous()),
            last_tsn,
            streams,
            due: true,
        });
        self.timers.reconfig = Some(now + self.rtt.rto());
    }

    pub(super) fn write_reset_request(&mut self, buf: &mut Vec<u8>) {
        if let Some(request) = &mut self.reset.request {
            request.due = false;
            write_outgoing_reset(
                buf,
                request.sequence,
                request.response,
                request.last_tsn,
                &request.streams,
            );
        }
    }

    /// The re-configuration timer ran out (RFC 6525 §5.1.1).
    pub(super) fn on_reconfig_timeout(&mut self, now: Instant) {
        if self.reset.request.is_none() || self.count_error() {
            return;
        }
        self.rtt.back_off();
        self.request_reset_again();
        self.timers.reconfig = Some(now + self.rtt.rto());
    }

    pub(super) fn request_reset_again(&mut self) {
        if let Some(request) = &mut self.reset.request {
            request.due = true;
        }
    }

    pub(super) fn on_reconfig(&mut self, now: Instant, raw: RawChunk<'_>) {
        if !self.state.is_connected()
            || !self.negotiated.is_some_and(|negotiated| negotiated.stream_reset)
        {
            self.statistics.chunks_discarded += 1;
            return;
        }
        for parameter in parameters(raw.value) {
            let Ok(parameter) = parameter else {
                self.statistics.chunks_discarded += 1;
                return;
            };
            match parameter {
                ReconfigParameter::Response { response, result } => {
                    self.on_reset_response(now, response, result);
                }
                // E1 does not concern us: its response number answers incoming requests, which we never make.
                ReconfigParameter::OutgoingReset { request, response: _, last_tsn, streams } => {
                    self.answer(request, |this| this.on_outgoing_reset(request, last_tsn, streams));
                }
                ReconfigParameter::IncomingReset { request, streams } => {
                    self.answer(request, |this| this.on_incoming_reset(request, streams));
                }
                // Nothing in WebRTC asks for this, and it would end every channel.
                ReconfigParameter::TsnReset { request } => {
                    self.answer(request, |_| ReconfigResult::DENIED);
                }
                ReconfigParameter::AddOutgoing { request, count } => {
                    self.answer(request, |this| this.on_add_streams(count, true));
                }
                ReconfigParameter::AddIncoming { request, count } => {
                    self.answer(request, |this| this.on_add_streams(count, false));
                }
            }
        }
    }

    /// Answers a request by its number: a new one is carried out, the last one again gets the same answer, any other is wrong
    /// (RFC 6525 §5.2.1).
    fn answer(&mut self, request: ReconfigSeq, perform: impl FnOnce(&mut Self) -> ReconfigResult) {
        let result = if request == self.reset.expected {
            self.reset.expected = request.next();
            let result = perform(self);
            self.reset.last_result = result;
            result
        } else if request == self.reset.expected.previous() {
            self.reset.last_result
        } else {
            ReconfigResult::BAD_SEQUENCE_NUMBER
        };
        self.push_control(|buf| write_response(buf, request, result));
    }

    fn on_outgoing_reset(
        &mut self,
        sequence: ReconfigSeq,
        last_tsn: Tsn,
        streams: StreamList<'_>,
    ) -> ReconfigResult {
        let incoming = self.negotiated.map_or(0, |negotiated| negotiated.incoming_streams);
        let Some(inbound) = &mut self.inbound else { return ReconfigResult::DENIED };
        if streams.iter().any(|stream| stream.0 >= incoming) {
            return ReconfigResult::WRONG_SSN;
        }
        let ids: Vec<StreamId> = streams.iter().collect();
        let same = |earlier: &Deferred| earlier.last_tsn == last_tsn && earlier.streams == ids;
        if let Some(deferred) = &mut self.reset.deferred {
            if !same(deferred) {
                return ReconfigResult::ALREADY_IN_PROGRESS;
            }
            // dcsctp asks again with a new number.
            deferred.sequence = sequence;
            return ReconfigResult::IN_PROGRESS;
        }
        // So it does where our response crossed its question. The streams may be in use again by now.
        if self.reset.performed.take().is_some_and(|performed| same(&performed)) {
            return ReconfigResult::PERFORMED;
        }
        if last_tsn.is_after(inbound.cumulative()) || !self.events.has_room() {
            self.reset.deferred = Some(Deferred { sequence, last_tsn, streams: ids });
            return ReconfigResult::IN_PROGRESS;
        }
        let streams = inbound.reset_streams(&ids);
        self.events.push(Event::IncomingStreamReset { streams });
        ReconfigResult::PERFORMED
    }

    /// Carries out a deferred reset when the cumulative TSN has reached it, and says so without being asked again.
    pub(super) fn perform_deferred_reset(&mut self) {
        if self.reset.deferred.is_none() || !self.events.has_room() {
            return;
        }
        let Some(inbound) = &mut self.inbound else { return };
        let cumulative = inbound.cumulative();
        let Some(deferred) =
            self.reset.deferred.take_if(|deferred| !deferred.last_tsn.is_after(cumulative))
        else {
            return;
        };
        let streams = inbound.reset_streams(&deferred.streams);
        self.events.push(Event::IncomingStreamReset { streams });
        if self.reset.expected == deferred.sequence.next() {
            self.reset.last_result = ReconfigResult::PERFORMED;
        }
        self.push_control(|buf| write_response(buf, deferred.sequence, ReconfigResult::PERFORMED));
        self.reset.performed = Some(deferred);
    }

    /// The peer asks us to reset streams of ours.
    fn on_incoming_reset(
        &mut self,
        request: ReconfigSeq,
        streams: StreamList<'_>,
    ) -> ReconfigResult {
        let outgoing = self.negotiated.map_or(0, |negotiated| negotiated.outgoing_streams);
        if streams.iter().any(|stream| stream.0 >= outgoing) {
            return ReconfigResult::WRONG_SSN;
        }
        let ids: Vec<StreamId> =
            if streams.is_all() { self.outbound.streams.known() } else { streams.iter().collect() };
        let open: Vec<StreamId> = ids
            .into_iter()
            .filter(|id| self.outbound.streams.reset_state(*id) == ResetState::Open)
            .collect();
        if open.is_empty() {
            return ReconfigResult::NOTHING_TO_DO;
        }
        for id in open {
            self.outbound.streams.want_reset(id);
        }
        self.reset.answering = Some(request);
        // F1: our outgoing request follows as soon as the streams have sent what they hold.
        ReconfigResult::IN_PROGRESS
    }

    fn on_add_streams(&mut self, count: u16, peers: bool) -> ReconfigResult {
        let accept = self.config.accept_added_streams;
        let Some(negotiated) = &mut self.negotiated else { return ReconfigResult::DENIED };
        let streams =
            if peers { &mut negotiated.incoming_streams } else { &mut negotiated.outgoing_streams };
        match streams.checked_add(count) {
            _ if count == 0 => ReconfigResult::NOTHING_TO_DO,
            Some(sum) if accept && peers => {
                *streams = sum;
                ReconfigResult::PERFORMED
            }
            // Ours could only grow by a request of our own (RFC 6525 §5.2.6), which we never need.
            _ => ReconfigResult::DENIED,
        }
    }

    fn on_reset_response(&mut self, now: Instant, response: ReconfigSeq, result: ReconfigResult) {
        let Some(request) = self.reset.request.take_if(|request| request.sequence == response)
        else {
            return;
        };
        self.clear_errors();
        match result {
            ReconfigResult::PERFORMED | ReconfigResult::NOTHING_TO_DO => {
                self.timers.reconfig = None;
                self.outbound.streams.reset_done(&request.streams, true);
                self.events.push(Event::OutgoingStreamsReset { streams: request.streams });
            }
            ReconfigResult::IN_PROGRESS => {
                // RFC 6525 §5.2.7: it will be done; ask again when the timer runs out.
                self.reset.request = Some(request);
                self.timers.reconfig = Some(now + self.rtt.rto());
            }
            ReconfigResult::ALREADY_IN_PROGRESS => {
                self.timers.reconfig = None;
                self.outbound.streams.reset_again(&request.streams);
            }
            _ => {
                self.timers.reconfig = None;
                self.outbound.streams.reset_done(&request.streams, false);
                self.events.push(Event::StreamResetFailed { streams: request.streams });
            }
        }
    }
}
