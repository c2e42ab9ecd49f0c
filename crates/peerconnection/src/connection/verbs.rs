//! The five verbs: datagrams in, datagrams out, time, and events.
//!
//! ```text
//! handle_input -> demultiplex -> ICE
//!                            \-> DTLS (opened in place) -> SCTP -> poll_event
//! send -> SCTP -> (the packet written behind DTLS's headroom) -> DTLS (sealed in place) -> poll_transmit
//! ```

use std::net::SocketAddr;
use std::time::Instant;

use peerage_ice::relay::Unwrapped;
use peerage_ice::{Ecn, Handled, Protocol, Transmit};
use peerage_stun::demux::{PacketKind, classify};

use super::PeerConnection;
use crate::error::{Error, ErrorDetail};
use crate::event::Event;
use crate::net::Input;
use crate::state::DtlsState;
use crate::transport::dtls::DtlsEvent;
use crate::transport::sctp;
use crate::transport::set::Transport;

/// Payload bytes that are taken out of SCTP before the application asks for them: enough for states to move on
/// without it, little enough that the receive window still holds a fast peer back.
const MAX_EAGER_BYTES: usize = 256 * 1024;
/// Events that are made before the application asks for them.
pub(super) const MAX_EAGER_EVENTS: usize = 512;
/// The most bytes one batch for UDP segmentation offload may have.
const MAX_BATCH_BYTES: usize = 65_507;

impl PeerConnection {
    /// Takes a datagram. Noise is counted and dropped.
    ///
    /// # Errors
    /// [`Error::Closed`] after [`PeerConnection::close`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        self.now = now;
        self.counters.packets_received += 1;
        self.counters.bytes_received += input.data.len() as u64;
        match self.transports.unwrap(now, &ice_input(&input)) {
            (_, Unwrapped::NotOurs) => self.handle_datagram(now, input),
            (place, Unwrapped::Handled) => self.pump_ice(now, place),
            (_, Unwrapped::Data { source, destination, range }) => {
                let data = &mut input.data[range];
                let (protocol, ecn) = (Protocol::Udp, None);
                // Once: what a server hands on is not taken for another server's.
                self.handle_datagram(now, Input { source, destination, protocol, ecn, data });
            }
        }
        Ok(())
    }

    /// Takes a datagram of a peer's, or of a STUN server's.
    fn handle_datagram(&mut self, now: Instant, input: Input<'_>) {
        let kind = classify(input.data);
        if kind == PacketKind::Stun {
            self.handle_stun(now, &input);
            return;
        }
        let path = (input.destination, input.source);
        let place = self.transports.route(path);
        if let Some(place) = place {
            let bytes = input.data.len() as u64;
            self.transports.unmarked(place).paths.received(now, path, bytes);
        }
        match (kind, place) {
            (PacketKind::Dtls, _) => self.handle_record(now, place, path, input.data),
            (PacketKind::Rtp, Some(place)) => {
                self.transports[place].rtp.handle_rtp(now, input.ecn, input.data);
                self.pump_rtp(place);
            }
            (PacketKind::Rtcp, Some(place)) => {
                self.transports[place].rtp.handle_rtcp(now, input.data);
                self.pump_rtp(place);
            }
            _ => self.counters.packets_dropped += 1,
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.now = now;
        let due = self.transports.due(now);
        let is_due = |place: &usize| due & (1 << place) != 0;
        for place in (0..self.transports.len()).filter(is_due) {
            self.transports[place].ice.handle_timeout(now);
            self.pump_ice(now, place);
            self.transports[place].dtls.handle_timeout(now);
            self.pump_dtls(now, place);
        }
        self.check_dtmf();
        for place in (0..self.transports.len()).filter(is_due) {
            self.transports[place].rtp.handle_timeout(now);
            self.pump_rtp(place);
        }
        if let Some(sctp) = &mut self.sctp {
            sctp.handle_timeout(now);
            self.pump_sctp(now, false);
        }
    }

    /// When [`PeerConnection::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let sctp = self.sctp.as_ref().and_then(|sctp| sctp.poll_timeout());
        [self.transports.poll_timeout(), sctp].into_iter().flatten().min()
    }

    /// Appends datagrams for one destination to `buf`. With [`Settings::max_gso_segments`](crate::Settings) above 1
    /// several of equal size may come at once.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.now = now;
        let mut senders = self.transports.senders();
        while let Some(place) = self.transports.next_sender(&mut senders) {
            if let Some(transmit) = self.poll_transport(now, place, buf) {
                self.transports.has_sent(place);
                return Some(transmit);
            }
            self.transports.is_drained(place);
        }
        None
    }

    /// The same of one transport.
    fn poll_transport(
        &mut self,
        now: Instant,
        place: usize,
        buf: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let start = buf.len();
        let transport = self.transports.unmarked(place);
        if let Some(transmit) = transport.ice.relays.poll_transmit(now, buf) {
            return Some(self.count_sent(transmit));
        }
        if !self.closed {
            while let Some(transmit) = transport.ice.agent.poll_transmit(now, buf) {
                if let Some(transmit) = transport.ice.wrap(now, transmit, buf, start) {
                    return Some(self.count_sent(transmit));
                }
                // It waits for a permission, which is asked for now.
                if let Some(transmit) = transport.ice.relays.poll_transmit(now, buf) {
                    return Some(self.count_sent(transmit));
                }
            }
            let pair = transport.ice.agent.selected_pair();
            transport.path = pair.map(|pair| (pair.local, pair.remote));
            transport.protocol = pair.map_or(transport.protocol, |pair| pair.protocol);
        }
        let (source, destination) = transport.path?;
        let protocol = transport.protocol;
        // Each datagram to a TURN server has a header of its own, so that they are not batched.
        let is_relayed = transport.ice.is_relayed(source);
        let max_segments = if is_relayed { 1 } else { self.max_segments };
        loop {
            let (segment_size, ecn) = self.poll_secured(now, place, buf, max_segments)?;
            let size = buf.len() - start;
            let segments = size.div_ceil(segment_size) as u64;
            let transport = self.transports.unmarked(place);
            transport.paths.sent(now, (source, destination), segments, size as u64);
            let transmit = Transmit {
                source,
                destination,
                protocol,
                ecn,
                size,
                segment_size: (segment_size < size).then_some(segment_size),
            };
            if !is_relayed {
                return Some(self.count_sent(transmit));
            }
            if let Some(transmit) = transport.ice.wrap(now, transmit, buf, start) {
                return Some(self.count_sent(transmit));
            }
            if let Some(transmit) = transport.ice.relays.poll_transmit(now, buf) {
                return Some(self.count_sent(transmit));
            }
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            if self.check_negotiation {
                self.check_negotiation = false;
                self.update_negotiation_needed();
            }
            if self.events.is_empty() {
                self.pump_sctp(self.now, true);
            }
        }
        let Some(event) = self.events.pop_front() else {
            return self.transports.poll_told(self.now);
        };
        if let Event::Message(_, message) = &event {
            self.queued_bytes -= message.len();
        }
        if let Event::Frame(_) = &event
            && let Some(origin) = self.frame_origins.pop_front()
            && let Some(place) = self.transports.position(origin)
        {
            self.transports.unmarked(place).rtp.frame_taken();
        }
        self.log_event(&event);
        Some(event)
    }

    // --- sending ---

    /// Appends what DTLS and SCTP want to send; the size of the first datagram, and how all are marked.
    fn poll_secured(
        &mut self,
        now: Instant,
        place: usize,
        buf: &mut Vec<u8>,
        max_segments: usize,
    ) -> Option<(usize, Option<Ecn>)> {
        let start = buf.len();
        let has_data = place == self.transports.data_place();
        let transport = self.transports.unmarked(place);
        // Before DTLS says goodbye, with which the peer lets go of the keys.
        if let Some(size) = transport.rtp.poll_farewell(buf) {
            return Some((size, None));
        }
        if transport.held_back.is_empty() {
            if let Some(size) = transport.dtls.poll_transmit(now, buf) {
                return Some((size, None));
            }
            // Media before data: it is the one that is late.
            if let Some(first) = transport.rtp.poll_packet(now, buf) {
                add_media(transport, max_segments, now, buf, (start, first));
                return Some(first);
            }
        } else {
            buf.append(&mut transport.held_back);
            let first = (buf.len() - start, transport.held_back_ecn.take());
            add_media(transport, max_segments, now, buf, (start, first));
            // Data is not marked, and may follow what is not either.
            if first.1.is_some() || buf.len() - start > first.0 || !transport.held_back.is_empty() {
                return Some(first);
            }
        }
        let mut segment_size = buf.len() - start;
        let sctp = self.sctp.as_deref_mut().filter(|_| has_data);
        let (Some(sctp), Some(endpoint)) = (sctp, transport.dtls.connected()) else {
            // The association's goodbye goes out without it.
            return (segment_size > 0).then_some((segment_size, None));
        };
        let header_len = endpoint.header_len();
        let mut segments = usize::from(segment_size > 0);
        while segments < max_segments && buf.len() - start + segment_size <= MAX_BATCH_BYTES {
            let record = buf.len();
            buf.resize(record + header_len, 0);
            if sctp.poll_transmit(now, buf).is_none() {
                buf.truncate(record);
                break;
            }
            // A record that cannot be sealed (the keys' limit is reached) is lost; DTLS reports its failure.
            if endpoint.seal_application_data(buf, record).is_err() {
                buf.truncate(record);
                break;
            }
            let size = buf.len() - record;
            if segments == 0 {
                segment_size = size;
            } else if size > segment_size {
                // All datagrams of a batch but the last have one size and none is larger: this one opens the next.
                transport.held_back.extend_from_slice(&buf[record..]);
                buf.truncate(record);
                break;
            }
            segments += 1;
            if size < segment_size {
                break;
            }
        }
        (segments > 0).then_some((segment_size, None))
    }

    fn count_sent(&mut self, transmit: Transmit) -> Transmit {
        let segments = transmit.segment_size.map_or(1, |segment| transmit.size.div_ceil(segment));
        self.counters.packets_sent += segments as u64;
        self.counters.bytes_sent += transmit.size as u64;
        transmit
    }

    // --- receiving ---

    fn handle_stun(&mut self, now: Instant, input: &Input<'_>) {
        let input = ice_input(input);
        let place = self.transports.route_stun(&input);
        match self.transports[place].ice.agent.handle_input(now, input) {
            Ok(Handled::Stun) => self.pump_ice(now, place),
            Ok(Handled::Data | Handled::Unknown) | Err(_) => self.counters.packets_dropped += 1,
        }
    }

    /// Takes a datagram of DTLS, that came by a path of the transport at `place` or by one that ICE has not checked.
    fn handle_record(
        &mut self,
        now: Instant,
        place: Option<usize>,
        path: (SocketAddr, SocketAddr),
        data: &mut [u8],
    ) {
        let waiting =
            |t: &Transport| matches!(t.dtls.state(), DtlsState::New | DtlsState::Connecting);
        let waits = match place {
            Some(place) if self.is_of_next_association(place, data) => true,
            Some(place) if self.transports[place].dtls.has_begun() => {
                self.open_record(now, place, data);
                return;
            }
            Some(place) => waiting(&self.transports[place]),
            None => self.transports.iter().any(waiting),
        };
        if !waits || !self.early.push(path.1, path.0, data, self.transports.len()) {
            self.counters.packets_dropped += 1;
        }
    }

    /// Opens a datagram of DTLS and hands what is in it to SCTP.
    fn open_record(&mut self, now: Instant, place: usize, data: &mut [u8]) {
        let transport = &mut self.transports[place];
        let was_connected = transport.dtls.state() == DtlsState::Connected;
        let ranges = transport.dtls.handle_input(now, data);
        if !was_connected {
            // The peer's certificate is checked here, before anything it sends is believed.
            self.pump_dtls(now, place);
        }
        // SCTP goes over one transport, and is not listened to on another.
        let has_data = place == self.transports.data_place() && !ranges.is_empty();
        if let Some(sctp) = self.sctp.as_deref_mut().filter(|_| has_data) {
            for range in ranges.iter() {
                // An error says that the association is over; it has said so in an event as well.
                let _ = sctp.handle_input(now, &data[range]);
            }
            self.pump_sctp(now, false);
        } else if let Some(mut ended) = self.ended_sctp.take_if(|_| has_data) {
            for range in ranges.iter() {
                let _ = ended.handle_input(now, &data[range]);
            }
            if self.transports[place].held_back.is_empty() {
                self.hold_last_packet(now, &mut ended);
            }
            self.ended_sctp = Some(ended);
        }
        if was_connected {
            // A close_notify in this datagram comes after its data.
            self.pump_dtls(now, place);
        }
    }

    /// Datagrams that waited, once DTLS has begun. Those by paths still unknown go on waiting.
    pub(super) fn replay_early(&mut self, now: Instant) {
        if self.early.is_empty() || !self.transports.iter().any(|t| t.dtls.has_begun()) {
            return;
        }
        for mut packet in self.early.take() {
            let path = (packet.destination, packet.source);
            let place = self.transports.route(path);
            self.handle_record(now, place, path, &mut packet.data);
        }
    }

    // --- layer to layer ---

    /// Begins the DTLS handshake if descriptions and a path are there.
    pub(super) fn start_dtls(&mut self, now: Instant, place: usize) {
        if self.transports[place].path.is_none() {
            return;
        }
        self.renew_association(now, place);
        match self.transports[place].dtls.start(now, &mut self.rng) {
            Ok(true) => {
                self.update_states();
                self.replay_early(now);
            }
            Ok(false) => {}
            Err(error) => self.dtls_error(error.to_string()),
        }
    }

    fn pump_dtls(&mut self, now: Instant, place: usize) {
        while let Some(event) = self.transports[place].dtls.poll_event(now) {
            let has_data = place == self.transports.data_place();
            match event {
                DtlsEvent::Connected(handshake) => {
                    self.events.push_back(Event::HandshakeComplete(handshake));
                    self.update_states();
                    self.start_srtp(now, place);
                    self.associate(now);
                    if let Some(sctp) = self.sctp.as_deref_mut().filter(|_| has_data) {
                        // One from before goes on at once.
                        sctp.path_restored(now);
                    }
                }
                DtlsEvent::Closed => {
                    self.transports[place].rtp.disconnected();
                    self.update_states();
                    if has_data {
                        self.end_association(now, None);
                    }
                }
                DtlsEvent::Failed { detail, message } => {
                    self.transports[place].dtls.failure = Some(message.clone());
                    self.events.push_back(Event::DtlsError { detail, message: message.clone() });
                    self.transports[place].rtp.disconnected();
                    self.update_states();
                    if has_data {
                        self.end_association(now, Some((detail, message)));
                    }
                }
            }
        }
    }

    /// Two transports whose packets take one path cannot be told apart: the later one is given up.
    pub(super) fn check_path(&mut self, place: usize) {
        if self.transports.shares_path(place)
            && matches!(self.transports[place].dtls.state(), DtlsState::New | DtlsState::Connecting)
        {
            self.transports[place].dtls.fail();
            self.dtls_error(
                "two transports take the same path, as both ends have one port for all: give one of them more ports".into(),
            );
            self.update_states();
        }
    }

    fn dtls_error(&mut self, message: String) {
        self.events.push_back(Event::DtlsError { detail: ErrorDetail::DtlsFailure, message });
    }

    /// Keys SRTP once DTLS is up. Without a common profile there is no media.
    fn start_srtp(&mut self, now: Instant, place: usize) {
        if std::mem::take(&mut self.transports[place].another_peer) {
            self.transports[place].rtp.disconnected();
            self.configure_rtp(now);
        }
        let transport = &mut self.transports[place];
        match transport.dtls.srtp() {
            None => transport.rtp.disconnected(),
            Some(Ok(srtp)) => transport.rtp.connected(now, srtp, &self.transceivers),
            Some(Err(error)) => self.dtls_error(error.to_string()),
        }
    }

    /// Opens the SCTP association once DTLS is up and both ends want data.
    pub(super) fn associate(&mut self, now: Instant) {
        let Some(remote) = self.negotiation.agreed_data() else { return };
        let dtls = &self.transports.data().dtls;
        let up = dtls.state() == DtlsState::Connected;
        if up && self.sctp.is_none() && !self.data_ended {
            let overhead = dtls.overhead();
            let association =
                sctp::associate(now, &self.config.settings, remote, overhead, &mut self.rng);
            self.sctp = Some(Box::new(association));
            self.sctp_port = Some(remote.port);
        }
    }

    /// Moves SCTP's events on: all that fit, or, when the application asks, at least one.
    pub(super) fn pump_sctp(&mut self, now: Instant, asked: bool) {
        loop {
            let room = self.events.len() < MAX_EAGER_EVENTS && self.queued_bytes < MAX_EAGER_BYTES;
            let wanted = room || (asked && self.events.is_empty());
            // Before a channel is open there is nothing to pause, and SCTP must come up.
            let paused =
                self.held_opens.is_full() || (self.receive_paused && self.channels.opened > 0);
            let Some(sctp) = self.sctp.as_deref_mut() else { return };
            let event = match (paused, wanted) {
                // Closings and the end must be seen though nobody reads. The messages stay in the window.
                (true, _) => sctp.poll_control_event(),
                (false, true) => sctp.poll_event(),
                (false, false) => None,
            };
            let Some(event) = event else { return };
            self.handle_sctp_event(now, event);
        }
    }
}

/// The same for ICE, which changes nothing in it.
fn ice_input<'a>(input: &'a Input<'_>) -> peerage_ice::Input<'a> {
    let Input { source, destination, protocol, ecn, ref data } = *input;
    peerage_ice::Input { source, destination, protocol, ecn, data }
}

/// Appends what else is due of media behind the first packet, whose size and mark this is, as far as one batch may have
/// it.
fn add_media(
    transport: &mut Transport,
    max_segments: usize,
    now: Instant,
    buf: &mut Vec<u8>,
    (start, (segment_size, ecn)): (usize, (usize, Option<Ecn>)),
) {
    let mut segments = 1;
    while segments < max_segments && buf.len() - start + segment_size <= MAX_BATCH_BYTES {
        let at = buf.len();
        let Some((size, mark)) = transport.rtp.poll_packet(now, buf) else { return };
        if size > segment_size || mark != ecn {
            // This one opens the next batch.
            transport.held_back.extend_from_slice(&buf[at..]);
            transport.held_back_ecn = mark;
            buf.truncate(at);
            return;
        }
        segments += 1;
        if size < segment_size {
            return;
        }
    }
}
