//! The five verbs: datagrams in, datagrams out, time, and events.
//!
//! ```text
//! handle_input -> demultiplex -> ICE
//!                            \-> DTLS (opened in place) -> SCTP -> poll_event
//! send -> SCTP -> (the packet written behind DTLS's headroom) -> DTLS (sealed in place) -> poll_transmit
//! ```

use std::net::SocketAddr;
use std::time::Instant;

use peerage_ice::{Ecn, Handled, Protocol, Transmit};
use peerage_stun::demux::{PacketKind, classify};

use super::PeerConnection;
use crate::error::{Error, ErrorDetail};
use crate::event::Event;
use crate::net::Input;
use crate::state::DtlsState;
use crate::transport::dtls::DtlsEvent;
use crate::transport::sctp;

/// Payload bytes that are taken out of SCTP before the application asks for them: enough for states to move on
/// without it, little enough that the receive window still holds a fast peer back.
const MAX_EAGER_BYTES: usize = 256 * 1024;
/// Events that are made before the application asks for them.
const MAX_EAGER_EVENTS: usize = 512;
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
        let kind = classify(input.data);
        let is_known = kind != PacketKind::Stun && self.is_known_path(&input);
        if is_known {
            let path = (input.destination, input.source);
            self.paths.received(now, path, input.data.len() as u64);
        }
        match kind {
            PacketKind::Stun => self.handle_stun(now, &input),
            PacketKind::Dtls => {
                self.handle_record(now, input.source, input.destination, input.data);
            }
            PacketKind::Rtp if is_known => {
                self.rtp.handle_rtp(now, input.ecn, input.data);
                self.pump_rtp();
            }
            PacketKind::Rtcp if is_known => {
                self.rtp.handle_rtcp(now, input.data);
                self.pump_rtp();
            }
            _ => self.counters.packets_dropped += 1,
        }
        Ok(())
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.now = now;
        self.ice.handle_timeout(now);
        self.pump_ice(now);
        self.dtls.handle_timeout(now);
        self.pump_dtls(now);
        self.check_dtmf();
        self.rtp.handle_timeout(now);
        self.pump_rtp();
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
        let rtp = self.rtp.poll_timeout();
        // Without a path nothing is asked for, so that what is due stays due.
        let send = self.path.and_then(|_| self.rtp.poll_send_timeout());
        let timers = [self.ice.poll_timeout(), self.dtls.poll_timeout(), rtp, send, sctp];
        timers.into_iter().flatten().min()
    }

    /// Appends datagrams for one destination to `buf`. With [`Settings::max_gso_segments`](crate::Settings) above 1
    /// several of equal size may come at once.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.now = now;
        let start = buf.len();
        if !self.closed {
            if let Some(transmit) = self.ice.agent.poll_transmit(now, buf) {
                return Some(self.count_sent(transmit));
            }
            self.path = self.ice.agent.selected_pair().map(|pair| (pair.local, pair.remote));
        }
        let (source, destination) = self.path?;
        let (segment_size, ecn) = self.poll_secured(now, buf)?;
        let size = buf.len() - start;
        let segments = size.div_ceil(segment_size) as u64;
        self.paths.sent(now, (source, destination), segments, size as u64);
        Some(self.count_sent(Transmit {
            source,
            destination,
            protocol: Protocol::Udp,
            ecn,
            size,
            segment_size: (segment_size < size).then_some(segment_size),
        }))
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
            if let Some((transceiver, encoding)) = self.rtp.poll_keyframe_request(self.now) {
                return Some(Event::KeyframeRequested { transceiver, encoding });
            }
            if let Some((transceiver, encoding)) = self.rtp.poll_encoding_change() {
                return Some(Event::EncodingChanged { transceiver, encoding });
            }
            let (transceiver, encoding, bitrate) = self.rtp.poll_target(self.now)?;
            return Some(Event::TargetBitrate { transceiver, encoding, bitrate });
        };
        if let Event::Message(_, message) = &event {
            self.queued_bytes -= message.len();
        }
        if let Event::Frame(_) = &event {
            self.rtp.frame_taken();
        }
        self.log_event(&event);
        Some(event)
    }

    // --- sending ---

    /// Appends what DTLS and SCTP want to send; the size of the first datagram, and how all are marked.
    fn poll_secured(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<(usize, Option<Ecn>)> {
        let start = buf.len();
        if self.held_back.is_empty() {
            if let Some(size) = self.dtls.poll_transmit(now, buf) {
                return Some((size, None));
            }
            // Media before data: it is the one that is late.
            if let Some(first) = self.rtp.poll_packet(now, buf) {
                self.add_media(now, buf, start, first);
                return Some(first);
            }
        } else {
            buf.append(&mut self.held_back);
            let first = (buf.len() - start, self.held_back_ecn.take());
            self.add_media(now, buf, start, first);
            // Data is not marked, and may follow what is not either.
            if first.1.is_some() || buf.len() - start > first.0 || !self.held_back.is_empty() {
                return Some(first);
            }
        }
        let mut segment_size = buf.len() - start;
        let (Some(sctp), Some(endpoint)) = (self.sctp.as_deref_mut(), self.dtls.connected()) else {
            // The association's goodbye goes out without it.
            return (segment_size > 0).then_some((segment_size, None));
        };
        let header_len = endpoint.header_len();
        let mut segments = usize::from(segment_size > 0);
        while segments < self.max_segments && buf.len() - start + segment_size <= MAX_BATCH_BYTES {
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
                self.held_back.extend_from_slice(&buf[record..]);
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

    /// Appends what else is due of media behind the first packet, whose size and mark this is, as far as one batch may have
    /// it.
    fn add_media(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        start: usize,
        (segment_size, ecn): (usize, Option<Ecn>),
    ) {
        let mut segments = 1;
        while segments < self.max_segments && buf.len() - start + segment_size <= MAX_BATCH_BYTES {
            let at = buf.len();
            let Some((size, mark)) = self.rtp.poll_packet(now, buf) else { return };
            if size > segment_size || mark != ecn {
                // This one opens the next batch.
                self.held_back.extend_from_slice(&buf[at..]);
                self.held_back_ecn = mark;
                buf.truncate(at);
                return;
            }
            segments += 1;
            if size < segment_size {
                return;
            }
        }
    }

    fn count_sent(&mut self, transmit: Transmit) -> Transmit {
        let segments = transmit.segment_size.map_or(1, |segment| transmit.size.div_ceil(segment));
        self.counters.packets_sent += segments as u64;
        self.counters.bytes_sent += transmit.size as u64;
        transmit
    }

    // --- receiving ---

    fn handle_stun(&mut self, now: Instant, input: &Input<'_>) {
        let input = peerage_ice::Input {
            source: input.source,
            destination: input.destination,
            protocol: input.protocol,
            ecn: input.ecn,
            data: input.data,
        };
        match self.ice.agent.handle_input(now, input) {
            Ok(Handled::Stun) => self.pump_ice(now),
            Ok(Handled::Data | Handled::Unknown) | Err(_) => self.counters.packets_dropped += 1,
        }
    }

    /// Whether a packet came by a path that ICE has checked.
    fn is_known_path(&self, input: &Input<'_>) -> bool {
        self.path == Some((input.destination, input.source))
            || self.ice.agent.is_known_source(input.source, input.destination)
    }

    fn handle_record(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        data: &mut [u8],
    ) {
        let known = self.path == Some((destination, source))
            || self.ice.agent.is_known_source(source, destination);
        if !known || !self.dtls.has_begun() {
            let waits = matches!(self.dtls.state(), DtlsState::New | DtlsState::Connecting);
            if !waits || !self.early.push(source, destination, data) {
                self.counters.packets_dropped += 1;
            }
            return;
        }
        self.open_record(now, data);
    }

    /// Opens a datagram of DTLS and hands what is in it to SCTP.
    fn open_record(&mut self, now: Instant, data: &mut [u8]) {
        let was_connected = self.dtls.state() == DtlsState::Connected;
        let ranges = self.dtls.handle_input(now, data);
        if !was_connected {
            // The peer's certificate is checked here, before anything it sends is believed.
            self.pump_dtls(now);
        }
        if let Some(sctp) = self.sctp.as_deref_mut().filter(|_| !ranges.is_empty()) {
            for range in ranges.iter() {
                // An error says that the association is over; it has said so in an event as well.
                let _ = sctp.handle_input(now, &data[range]);
            }
            self.pump_sctp(now, false);
        } else if let Some(mut ended) = self.ended_sctp.take_if(|_| !ranges.is_empty()) {
            for range in ranges.iter() {
                let _ = ended.handle_input(now, &data[range]);
            }
            if self.held_back.is_empty() {
                self.hold_last_packet(now, &mut ended);
            }
            self.ended_sctp = Some(ended);
        }
        if was_connected {
            // A close_notify in this datagram comes after its data.
            self.pump_dtls(now);
        }
    }

    /// Datagrams that waited, once DTLS has begun. Those by paths still unknown go on waiting.
    pub(super) fn replay_early(&mut self, now: Instant) {
        if self.early.is_empty() || !self.dtls.has_begun() {
            return;
        }
        for mut packet in self.early.take() {
            self.handle_record(now, packet.source, packet.destination, &mut packet.data);
        }
    }

    // --- layer to layer ---

    /// Begins the DTLS handshake if descriptions and a path are there.
    pub(super) fn start_dtls(&mut self, now: Instant) {
        if self.path.is_none() {
            return;
        }
        match self.dtls.start(now, &mut self.rng) {
            Ok(true) => {
                self.update_states();
                self.replay_early(now);
            }
            Ok(false) => {}
            Err(error) => {
                self.events.push_back(Event::DtlsError {
                    detail: ErrorDetail::DtlsFailure,
                    message: error.to_string(),
                });
            }
        }
    }

    fn pump_dtls(&mut self, now: Instant) {
        while let Some(event) = self.dtls.poll_event(now) {
            match event {
                DtlsEvent::Connected(handshake) => {
                    self.events.push_back(Event::HandshakeComplete(handshake));
                    self.update_states();
                    self.start_srtp(now);
                    self.associate(now);
                }
                DtlsEvent::Closed => {
                    self.rtp.disconnected();
                    self.update_states();
                    self.end_association(now, None);
                }
                DtlsEvent::Failed { detail, message } => {
                    self.events.push_back(Event::DtlsError { detail, message: message.clone() });
                    self.rtp.disconnected();
                    self.update_states();
                    self.end_association(now, Some((detail, message)));
                }
            }
        }
    }

    /// Keys SRTP once DTLS is up. Without a common profile there is no media.
    fn start_srtp(&mut self, now: Instant) {
        match self.dtls.srtp() {
            None => {}
            Some(Ok(srtp)) => self.rtp.connected(now, srtp, &self.transceivers),
            Some(Err(error)) => self.events.push_back(Event::DtlsError {
                detail: ErrorDetail::DtlsFailure,
                message: error.to_string(),
            }),
        }
    }

    /// Opens the SCTP association once DTLS is up and both ends want data.
    pub(super) fn associate(&mut self, now: Instant) {
        let Some(remote) = self.negotiation.agreed_data() else { return };
        let up = self.dtls.state() == DtlsState::Connected;
        if up && self.sctp.is_none() && !self.data_ended {
            let overhead = self.dtls.overhead();
            let association =
                sctp::associate(now, &self.config.settings, remote, overhead, &mut self.rng);
            self.sctp = Some(Box::new(association));
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
