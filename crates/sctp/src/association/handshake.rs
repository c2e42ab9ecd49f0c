//! INIT, INIT ACK, COOKIE ECHO, COOKIE ACK: the four-way handshake, its collisions and the peer's restart
//! (RFC 9260 §5), and the handshake that SDP replaces (draft-hancke-tsvwg-snap).
//!
//! In WebRTC both ends send INIT at once. Each answers the other's with its own tag and TSN (§5.2.1), so that whichever
//! cookie arrives first completes the association on both sides.

use super::Association;
use super::cookie::Cookie;
use super::state::{Endpoint, State};
use super::stream_reset::StreamReset;
use crate::config::Config;
use crate::error::Error;
use crate::event::{Event, Negotiated};
use crate::inbound::Inbound;
use crate::packet::cause::{CauseCode, write_cause};
use crate::packet::error::OperationError;
use crate::packet::init::{Capabilities, INIT, Init};
use crate::packet::tlv::{Chunks, RawChunk};
use crate::random::Random;
use crate::serial::Tsn;
use std::time::Instant;

/// Fresh tag and TSN, and what the configuration lets us offer.
pub(super) fn local_endpoint(config: &Config, random: &mut Random) -> Endpoint {
    Endpoint {
        tag: random.tag(),
        initial_tsn: Tsn(random.next_u32()),
        a_rwnd: config.receive_window.min(u32::MAX as usize) as u32,
        outbound_streams: config.outgoing_streams,
        inbound_streams: config.incoming_streams,
        capabilities: Capabilities {
            partial_reliability: config.partial_reliability,
            reconfig: config.stream_reset,
            interleaving: config.interleaving,
            zero_checksum: config.zero_checksum,
        },
    }
}

impl Association {
    /// Opens the association. Both ends may do so at the same time. With the peer's out-of-band INIT at hand
    /// ([`set_remote_init`](Self::set_remote_init)) it is established at once.
    ///
    /// Calling it again, or after the peer opened it, does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidState`] when the association has ended.
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        match self.state {
            State::Closed => {}
            State::Ended => {
                return Err(Error::InvalidState { call: "connect", state: self.state.name() });
            }
            _ => return Ok(()),
        }
        if let Some(remote) = self.remote_init.take() {
            self.establish(now, remote);
            return Ok(());
        }
        self.state = State::CookieWait;
        self.due.init = true;
        self.errors = 0;
        self.timers.init = Some(now + self.rtt.rto());
        Ok(())
    }

    /// The INIT chunk that `connect` sends, for the `sctp-init` attribute of SDP (draft-hancke-tsvwg-snap).
    #[must_use]
    pub fn local_init(&self) -> Vec<u8> {
        let mut chunk = Vec::new();
        self.init(false, self.local, None, Vec::new()).write(&mut chunk);
        chunk
    }

    /// Takes the peer's INIT chunk from its SDP; `connect` then establishes without a handshake. The state does not change
    /// (draft-hancke-tsvwg-snap, "SCTP considerations"). Only right if the peer got our [`local_init`](Self::local_init).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRemoteInit`] if the bytes are not one INIT chunk, [`Error::InvalidState`] after `connect`.
    pub fn set_remote_init(&mut self, chunk: &[u8]) -> Result<(), Error> {
        if self.state != State::Closed {
            return Err(Error::InvalidState { call: "set_remote_init", state: self.state.name() });
        }
        let mut chunks = Chunks::new(chunk);
        let raw = match chunks.next() {
            Some(Ok(raw)) if raw.kind == INIT => raw,
            Some(Ok(_)) => return Err(Error::InvalidRemoteInit { reason: "not an INIT chunk" }),
            Some(Err(malformed)) => return Err(Error::InvalidRemoteInit { reason: malformed.0 }),
            None => return Err(Error::InvalidRemoteInit { reason: "no bytes" }),
        };
        if chunks.next().is_some() {
            return Err(Error::InvalidRemoteInit { reason: "bytes after the INIT chunk" });
        }
        let init = Init::parse(false, raw.value)
            .map_err(|malformed| Error::InvalidRemoteInit { reason: malformed.0 })?;
        self.remote_init = Some(Endpoint::from(&init));
        Ok(())
    }

    fn init<'a>(
        &self,
        ack: bool,
        endpoint: Endpoint,
        cookie: Option<&'a [u8]>,
        unrecognized: Vec<&'a [u8]>,
    ) -> Init<'a> {
        Init {
            ack,
            initiate_tag: endpoint.tag,
            a_rwnd: endpoint.a_rwnd,
            outbound_streams: endpoint.outbound_streams,
            inbound_streams: endpoint.inbound_streams,
            initial_tsn: endpoint.initial_tsn,
            capabilities: endpoint.capabilities,
            cookie,
            unrecognized,
        }
    }

    pub(super) fn on_init(&mut self, raw: RawChunk<'_>) {
        let Ok(init) = Init::parse(false, raw.value) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        let mut local = self.local;
        let (mut local_tie_tag, mut peer_tie_tag) = (0, 0);
        match self.state {
            // RFC 9260 §9.2: the peer missed our SHUTDOWN ACK.
            State::ShutdownAckSent => {
                self.due.shutdown_ack = true;
                return;
            }
            State::Ended => return,
            // §5.2.1: the same tag and TSN as in our INIT (the one we would send, when closed).
            State::Closed | State::CookieWait | State::CookieEchoed { .. } => {
                if let (State::CookieEchoed { .. }, Some(peer)) = (&self.state, self.peer) {
                    (local_tie_tag, peer_tie_tag) = (self.local.tag, peer.tag);
                }
            }
            // §5.2.2: perhaps a restart. New tag, and the old ones in the cookie.
            _ => {
                local.tag = self.random.tag();
                local.initial_tsn = Tsn(self.random.next_u32());
                if let Some(peer) = self.peer {
                    (local_tie_tag, peer_tie_tag) = (self.local.tag, peer.tag);
                }
            }
        }
        let cookie = Cookie {
            nonce: self.cookie_nonce,
            local_tag: local.tag,
            local_tsn: local.initial_tsn,
            peer: Endpoint::from(&init),
            local_tie_tag,
            peer_tie_tag,
        }
        .write();
        let mut chunk = Vec::new();
        self.init(true, local, Some(&cookie), init.unrecognized.clone()).write(&mut chunk);
        self.push_standalone(init.initiate_tag, chunk);
    }

    pub(super) fn on_init_ack(&mut self, now: Instant, raw: RawChunk<'_>) {
        // RFC 9260 §5.2.3: in any other state it is late.
        if self.state != State::CookieWait {
            self.statistics.chunks_discarded += 1;
            return;
        }
        let Ok(init) = Init::parse(true, raw.value) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        let Some(cookie) = init.cookie else { return };
        // A cookie that fills the packet could not be echoed.
        if cookie.len() + 64 > self.mtu {
            self.statistics.chunks_discarded += 1;
            return;
        }
        if !init.unrecognized.is_empty() {
            // RFC 9260 §3.2.2: reported in an ERROR, together with the COOKIE ECHO or soon after it.
            let list = init.unrecognized.concat();
            self.push_control(|buf| {
                let mut causes = Vec::new();
                write_cause(&mut causes, CauseCode::UNRECOGNIZED_PARAMETERS, &list);
                OperationError { causes: &causes }.write(buf);
            });
        }
        let peer = Endpoint::from(&init);
        self.agree(peer);
        self.state = State::CookieEchoed { cookie: cookie.to_vec() };
        self.due.init = false;
        self.due.cookie_echo = true;
        self.errors = 0;
        self.timers.init = Some(now + self.rtt.rto());
    }

    /// Returns whether the chunks bundled after it may be processed.
    pub(super) fn on_cookie_echo(&mut self, now: Instant, tag: u32, raw: RawChunk<'_>) -> bool {
        let Some(cookie) =
            Cookie::parse(raw.value, self.cookie_nonce).filter(|cookie| cookie.local_tag == tag)
        else {
            self.statistics.chunks_discarded += 1;
            return false;
        };
        // RFC 9260 §5.2.4, Table 12.
        let local_matches = cookie.local_tag == self.local.tag;
        let peer_matches = self.peer.is_some_and(|peer| peer.tag == cookie.peer.tag);
        let tied = self.peer.is_some_and(|peer| {
            cookie.local_tie_tag == self.local.tag && cookie.peer_tie_tag == peer.tag
        });
        match (&self.state, local_matches, peer_matches) {
            (State::Ended, _, _) => return false,
            (State::Closed | State::CookieWait, true, _) => self.establish(now, cookie.peer),
            // Actions B and D: both opened at once.
            (State::CookieEchoed { .. }, true, _) => self.establish(now, cookie.peer),
            // Action D: our COOKIE ACK was lost.
            (_, true, true) => {}
            // Action B, late: the peer changed its tag before it knew of ours.
            (_, true, false) => {
                if let Some(peer) = &mut self.peer {
                    peer.tag = cookie.peer.tag;
                }
            }
            // Action A.
            (State::ShutdownAckSent, false, false) if tied => {
                self.due.shutdown_ack = true;
                self.push_control(|buf| {
                    let mut causes = Vec::new();
                    write_cause(&mut causes, CauseCode::COOKIE_WHILE_SHUTTING_DOWN, &[]);
                    OperationError { causes: &causes }.write(buf);
                });
                return false;
            }
            (_, false, false) if tied => {
                // A peer that restarts over and over waits until its owner took note; COOKIE ECHO is sent again.
                if !self.events.has_room() {
                    self.statistics.chunks_discarded += 1;
                    return false;
                }
                self.restart(now, &cookie);
            }
            // Action C and all others.
            _ => {
                self.statistics.chunks_discarded += 1;
                return false;
            }
        }
        self.due.cookie_ack = true;
        true
    }

    pub(super) fn on_cookie_ack(&mut self, now: Instant) {
        if let (State::CookieEchoed { .. }, Some(peer)) = (&self.state, self.peer) {
            self.establish(now, peer);
        }
    }

    /// A cookie older than its lifespan (RFC 9260 §5.2.6): begin again.
    pub(super) fn on_stale_cookie(&mut self, now: Instant) {
        if let State::CookieEchoed { .. } = self.state {
            self.state = State::CookieWait;
            self.due.cookie_echo = false;
            self.due.init = true;
            self.timers.init = Some(now + self.rtt.rto());
        }
    }

    /// Works out what both ends can do, and prepares both directions.
    fn agree(&mut self, peer: Endpoint) {
        let (ours, theirs) = (self.local.capabilities, peer.capabilities);
        let negotiated = Negotiated {
            interleaving: ours.interleaving && theirs.interleaving,
            partial_reliability: ours.partial_reliability && theirs.partial_reliability,
            stream_reset: ours.reconfig && theirs.reconfig,
            // RFC 9653 §5.2: the peer's announcement allows us to leave the checksum out; ours allows the peer.
            zero_checksum_send: ours.zero_checksum && theirs.zero_checksum,
            zero_checksum_receive: ours.zero_checksum,
            outgoing_streams: self.config.outgoing_streams.min(peer.inbound_streams),
            incoming_streams: self.config.incoming_streams.min(peer.outbound_streams),
            peer_receive_window: peer.a_rwnd,
        };
        self.peer = Some(peer);
        self.negotiated = Some(negotiated);
        self.outbound.establish(
            self.mtu,
            negotiated.interleaving,
            negotiated.partial_reliability,
            peer.a_rwnd as usize,
        );
        self.inbound = Some(Inbound::new(
            peer.initial_tsn,
            negotiated.interleaving,
            self.config.receive_window,
            self.config.max_message_size,
            // Messages from before a restart that nobody fetched still fill the window.
            self.events.held(),
        ));
        self.ack.announced = self.inbound.as_ref().map_or(0, Inbound::a_rwnd);
        self.reset = StreamReset::new(self.local.initial_tsn, peer.initial_tsn);
    }

    fn establish(&mut self, now: Instant, peer: Endpoint) {
        // Data may be under way beside our COOKIE ECHO: what was agreed on with it stays as it is if it is the same.
        if self.peer != Some(peer) || self.inbound.is_none() {
            self.agree(peer);
        }
        self.state = State::Established;
        self.due.init = false;
        self.due.cookie_echo = false;
        self.timers.init = None;
        self.clear_errors();
        self.arm_heartbeat(now);
        self.events.push(Event::Connected);
    }

    /// RFC 9260 §5.2.4 action A: the peer lost everything and starts again.
    fn restart(&mut self, now: Instant, cookie: &Cookie) {
        self.local.tag = cookie.local_tag;
        self.local.initial_tsn = cookie.local_tsn;
        let congestion = self.config.congestion.build(now, self.mtu);
        self.outbound.restart(now, self.mtu, cookie.local_tsn, congestion);
        self.rtt.reset();
        self.timers = super::state::Timers::default();
        self.control.clear();
        self.heartbeat_outstanding = None;
        self.agree(cookie.peer);
        self.due = super::Due::default();
        self.clear_errors();
        self.arm_heartbeat(now);
        self.events.push(Event::PeerRestarted);
        // What was begun with the peer's former incarnation is begun again with this one.
        if self.shutdown_wanted {
            self.state = State::ShutdownPending;
            self.advance_shutdown(now);
        } else {
            self.state = State::Established;
        }
    }
}
