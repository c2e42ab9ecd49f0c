//! The connection's side of the event log: what it reports to the application is recorded as it is taken, and what a log
//! that begins late has missed is told again.

use std::borrow::Cow;
use std::time::Instant;

use peerage_log::{Direction, End, EventSink, Frame, LogEvent, PacketTap, StateOf};

use super::PeerConnection;
use crate::description::{SdpType, SessionDescription};
use crate::event::Event;

impl PeerConnection {
    /// Has everything of note recorded from now on: states, descriptions, candidates, packets, reports, frames,
    /// messages; `None` ends it. A log that begins late is told the present states and descriptions first.
    ///
    /// Without a sink each place that records costs a branch. Descriptions hold addresses and ICE passwords; neither
    /// keys nor media are recorded.
    pub fn set_event_log(&mut self, now: Instant, sink: Option<Box<dyn EventSink + Send>>) {
        self.log = self.log.with_sink(sink);
        self.transports.set_log(&self.log);
        let states = [
            (StateOf::Signaling, self.signaling_state().name()),
            (StateOf::Gathering, self.ice_gathering_state().name()),
            (StateOf::Ice, self.ice_connection_state().name()),
            (StateOf::Dtls, self.transports.first().dtls.state().name()),
            (StateOf::Connection, self.connection_state().name()),
        ];
        for (of, state) in states {
            self.log.record(now, || LogEvent::State { of, state: state.into() });
        }
        if self.log.is_on() {
            for (end, description) in [
                (End::Local, self.current_local_description()),
                (End::Remote, self.current_remote_description()),
                (End::Local, self.pending_local_description()),
                (End::Remote, self.pending_remote_description()),
            ] {
                self.log_description(now, end, description);
            }
        }
        for transport in self.transports.iter() {
            if let Some(pair) = transport.ice.agent.selected_pair() {
                let (local, remote) = (pair.local, pair.remote);
                self.log.record(now, || LogEvent::SelectedPair { local, remote });
            }
            if let Some(handshake) = transport.dtls.handshake() {
                self.log.record(now, || handshake_event(handshake));
            }
        }
    }

    /// Has RTP and RTCP handed out in the clear from now on, before SRTP protects them and after it has opened them;
    /// `None` ends it. They give away what is said: for debugging alone.
    pub fn set_packet_tap(&mut self, tap: Option<Box<dyn PacketTap + Send>>) {
        self.log = self.log.with_tap(tap);
        self.transports.set_log(&self.log);
    }

    /// Records a remark of the application.
    pub fn log_note(&mut self, now: Instant, text: &str) {
        self.log.record(now, || LogEvent::Note { text: text.into() });
    }

    /// Records a description of this kind that was just set.
    pub(super) fn log_description_set(&self, now: Instant, end: End, kind: SdpType) {
        if self.log.is_on() {
            let description = match (kind, end) {
                (SdpType::Rollback, _) => Some(SessionDescription::rollback()),
                (_, End::Local) => self.local_description(),
                (_, End::Remote) => self.remote_description(),
            };
            self.log_description(now, end, description);
        }
    }

    fn log_description(&self, now: Instant, end: End, description: Option<SessionDescription>) {
        let Some(description) = description else { return };
        self.log.record(now, || LogEvent::Description {
            end,
            kind: description.kind.name().into(),
            sdp: description.sdp.as_str().into(),
        });
    }

    /// Records what the application is about to be told.
    pub(super) fn log_event(&self, event: &Event) {
        let state = |of, name: &'static str| LogEvent::State { of, state: name.into() };
        self.log.with(|observers| {
            let channel = |handle| self.channels.get(handle).and_then(|channel| channel.id);
            observers.record(
                self.now,
                &match event {
                    Event::SignalingStateChange(to) => state(StateOf::Signaling, to.name()),
                    Event::IceGatheringStateChange(to) => state(StateOf::Gathering, to.name()),
                    Event::IceConnectionStateChange(to) => state(StateOf::Ice, to.name()),
                    Event::DtlsStateChange(to) => state(StateOf::Dtls, to.name()),
                    Event::SctpStateChange(to) => state(StateOf::Sctp, to.name()),
                    Event::ConnectionStateChange(to) => state(StateOf::Connection, to.name()),
                    Event::IceCandidate(Some(candidate)) => LogEvent::Candidate {
                        end: End::Local,
                        candidate: candidate.candidate.as_str().into(),
                    },
                    Event::SelectedCandidatePairChange { local, remote } => {
                        LogEvent::SelectedPair { local: *local, remote: *remote }
                    }
                    Event::HandshakeComplete(handshake) => handshake_event(handshake),
                    Event::DataChannelOpen(handle) => {
                        let Some(entry) = self.channels.get(*handle) else { return };
                        let Some(channel) = entry.id else { return };
                        LogEvent::ChannelOpened { channel, label: Cow::Borrowed(&entry.label) }
                    }
                    Event::DataChannelError { message, .. } | Event::DtlsError { message, .. } => {
                        LogEvent::Failure { message: message.as_str().into() }
                    }
                    Event::Message(handle, message) => {
                        let Some(channel) = channel(*handle) else { return };
                        let size = message.len() as u32;
                        LogEvent::Message { direction: Direction::Received, channel, size }
                    }
                    Event::Frame(frame) => LogEvent::FrameReceived(Frame {
                        ssrc: frame.ssrc,
                        timestamp: frame.frame.timestamp,
                        size: frame.frame.data.len() as u32,
                        keyframe: frame.frame.keyframe,
                        dimensions: frame.frame.dimensions,
                    }),
                    _ => return,
                },
            );
        });
    }
}

fn handshake_event(handshake: &crate::event::Handshake) -> LogEvent<'_> {
    LogEvent::Handshake {
        version: handshake.version.into(),
        cipher_suite: handshake.cipher_suite.into(),
        group: handshake.group.into(),
        client: handshake.is_client,
    }
}
