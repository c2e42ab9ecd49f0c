//! The loop: two connections, a STUN server, signaling that never fails, and the simulated network between them.

use std::hash::Hasher;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use peerage_netsim::{Ecn, NodeId, Packet, TwoHosts};
use peerage_peerconnection::{
    Configuration, ConnectionState, DtlsState, ErrorDetail, Event, IceCandidateInit, Input,
    PeerConnection, Protocol, Rng, SdpType, SessionDescription, SignalingState,
};
use peerage_stun::{Attribute, Class, Message, MessageBuilder, Method};
use rustc_hash::FxHasher;

use super::application::Application;
use super::media::Media;
use super::plan::{FAULTS_END, Plan};
use super::queues::{self, Peak};

/// How long a message takes by the way of signaling.
const SIGNALING_DELAY: Duration = Duration::from_millis(60);
/// A call that is neither done nor failed by then is stuck.
const LIMIT: Duration = Duration::from_secs(240);
/// How long a connection is silent before the application restarts ICE.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it does so at most.
const MAX_RESTARTS: u32 = 4;
/// By when an end that was left has to know: consent expires in 30 s (RFC 7675 §5.1).
const FAREWELL_LIMIT: Duration = Duration::from_secs(60);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All reliable data arrived; after so much virtual time.
    Complete(Duration),
    /// At least one end said that the connection failed, and the other knows as well.
    Failed(Duration),
}

/// A call's outcome and the fingerprint of all that was said and done in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub outcome: Result<Outcome, String>,
    /// Hash of every datagram sent and delivered, with its time, and of every event.
    pub trace: u64,
    pub packets: u64,
    /// The most that waited at either end: before the application took what came, and after.
    pub peaks: [Peak; 2],
    /// The longest time that sound and pictures took to go on after an interruption.
    pub resumed: [Duration; 2],
}

enum Signal {
    Description(SessionDescription),
    Candidate(IceCandidateInit),
}

struct End {
    pc: PeerConnection,
    node: NodeId,
    application: Application,
    media: Option<Media>,
    /// Signals on their way to this end, in order.
    inbox: Vec<(Instant, Signal)>,
    /// Candidates that came before the description they belong to.
    early: Vec<IceCandidateInit>,
    state: ConnectionState,
    /// Since when the connection is not well, once it was.
    unwell_since: Option<Instant>,
}

impl End {
    fn is_done(&self) -> bool {
        self.application.is_done() && self.media.as_ref().is_none_or(Media::is_done)
    }

    fn progress(&self) -> String {
        let media = self.media.as_ref().map(Media::progress).unwrap_or_default();
        format!("{} {media}", self.application.progress())
    }
}

/// A call under way.
struct Call {
    plan: Plan,
    now: Instant,
    start: Instant,
    hosts: TwoHosts,
    ends: [End; 2],
    restarts: u32,
    trace: Arc<Mutex<(FxHasher, u64)>>,
    peaks: [Peak; 2],
    /// Print what happens.
    verbose: bool,
}

/// Runs the call of a plan.
pub(crate) fn run(plan: Plan, start: Instant, verbose: bool) -> Report {
    let mut call = Call::new(plan, start, verbose);
    let outcome = call.run();
    let trace = call.trace.lock().expect("nobody panicked in the observer");
    let resumed = |kind: usize| {
        let media = call.ends.iter().filter_map(|end| end.media.as_ref());
        media.map(|media| media.longest()[kind]).max().unwrap_or_default()
    };
    Report {
        outcome,
        trace: trace.0.finish(),
        packets: trace.1,
        peaks: call.peaks,
        resumed: [0, 1].map(resumed),
    }
}

impl Call {
    fn new(plan: Plan, start: Instant, verbose: bool) -> Self {
        let mut hosts = plan.hosts(start);
        let trace = Arc::new(Mutex::new((FxHasher::default(), 0)));
        let sink = Arc::clone(&trace);
        let first = hosts.a.node;
        hosts.network.observe_with(move |seen| {
            if verbose {
                let data = &seen.packet.data;
                println!(
                    "{:>12.6} {} {:?} {} bytes, {} to {}: {:02x?}",
                    seen.time.as_secs_f64(),
                    if seen.node == first { "a" } else { "b" },
                    seen.point,
                    data.len(),
                    seen.packet.source,
                    seen.packet.destination,
                    &data[..data.len().min(32)]
                );
            }
            let mut sink = sink.lock().expect("nobody panicked in the observer");
            sink.0.write_u128(seen.time.as_nanos());
            sink.0.write(seen.packet.source.to_string().as_bytes());
            sink.0.write(seen.packet.destination.to_string().as_bytes());
            sink.0.write(&seen.packet.data);
            sink.1 += 1;
        });
        let ends = [0, 1].map(|index| {
            let host = [&hosts.a, &hosts.b][index];
            let server = SocketAddr::new(hosts.server_address, 3_478);
            let config = configuration(&plan, index, server);
            let rng = Rng::from_seed(plan.seed * 2 + index as u64);
            let mut pc = PeerConnection::new(start, config, rng).expect("a valid configuration");
            pc.add_local_address(start, SocketAddr::new(host.address, 5_000));
            if let Some(v6) = host.address_v6.filter(|_| plan.ipv6) {
                pc.add_local_address(start, SocketAddr::new(v6, 5_000));
            }
            pc.local_addresses_complete(start);
            let application =
                Application::new(&mut pc, start, &plan.channels[index], &plan.channels[1 - index]);
            // A while after the last fault: estimates and queues have settled.
            let counts_from = start + FAULTS_END + Duration::from_secs(5);
            let media = plan.media.then(|| Media::new(&mut pc, start, counts_from, &plan));
            End {
                pc,
                node: host.node,
                application,
                media,
                inbox: Vec::new(),
                early: Vec::new(),
                state: ConnectionState::New,
                unwell_since: None,
            }
        });
        Self {
            plan,
            now: start,
            start,
            hosts,
            ends,
            restarts: 0,
            trace,
            peaks: Default::default(),
            verbose,
        }
    }

    fn run(&mut self) -> Result<Outcome, String> {
        self.offer()?;
        loop {
            self.drain()?;
            self.judge()?;
            if self.ends.iter().all(End::is_done) {
                let time = self.now - self.start;
                self.farewell()?;
                return Ok(Outcome::Complete(time));
            }
            if self.gave_up() {
                return Ok(Outcome::Failed(self.now - self.start));
            }
            self.restart_where_unwell()?;
            let next = self.next_event().filter(|next| *next - self.start < LIMIT);
            let Some(next) = next else { return Err(self.stuck()) };
            self.advance(next)?;
        }
    }

    /// What holds at each step, once all that can be done is done.
    fn judge(&mut self) -> Result<(), String> {
        for (index, end) in self.ends.iter_mut().enumerate() {
            let queues = end.pc.queues();
            self.peaks[1].take(&queues);
            queues::check_at_rest(&queues).map_err(|error| format!("end {index}: {error}"))?;
            if let Some(media) = &mut end.media {
                media.advance(self.now).map_err(|error| format!("end {index}: {error}"))?;
            }
        }
        Ok(())
    }

    /// Whether the call is lost and both ends know it.
    fn gave_up(&self) -> bool {
        let over = |end: &End| {
            matches!(
                end.state,
                ConnectionState::Failed | ConnectionState::Closed | ConnectionState::Disconnected
            )
        };
        let dtls_failed = |end: &End| end.pc.statistics().transport.dtls_state == DtlsState::Failed;
        let failed = self.ends.iter().any(|end| end.state == ConnectionState::Failed);
        // ICE comes back by a restart; DTLS does not come back.
        failed
            && self.ends.iter().all(over)
            && (self.restarts >= MAX_RESTARTS || self.ends.iter().any(dtls_failed))
    }

    fn stuck(&self) -> String {
        let describe = |end: &End| {
            format!("{:?}, signaling {:?}, {}", end.state, end.pc.signaling_state(), end.progress())
        };
        format!(
            "stuck after {:?}:\n  a: {}\n  b: {}",
            self.now - self.start,
            describe(&self.ends[0]),
            describe(&self.ends[1])
        )
    }

    /// One end closes; the other has to notice, whatever the network loses.
    fn farewell(&mut self) -> Result<(), String> {
        let left = (self.plan.seed % 2) as usize;
        self.ends[left].pc.close(self.now);
        let limit = self.now + FAREWELL_LIMIT;
        loop {
            self.drain()?;
            if self.ends[1 - left].state != ConnectionState::Connected {
                return Ok(());
            }
            let next = self.next_event().filter(|next| *next < limit);
            let Some(next) = next else { return Err("an end that was left did not notice".into()) };
            self.advance(next)?;
        }
    }

    fn offer(&mut self) -> Result<(), String> {
        let now = self.now;
        let offerer = &mut self.ends[0];
        offerer.pc.set_local_description(now, None).map_err(|error| format!("offer: {error}"))?;
        self.signal_description(0);
        Ok(())
    }

    /// Sends the local description of an end to the other. Without trickle it waits for the candidates.
    fn signal_description(&mut self, from: usize) {
        let Some(description) = self.ends[from].pc.local_description() else { return };
        self.say(from, || format!("signals {:?}", description.kind));
        let at = self.now + SIGNALING_DELAY;
        self.ends[1 - from].inbox.push((at, Signal::Description(description)));
    }

    /// Restarts ICE as an application would that sees its connection go silent.
    fn restart_where_unwell(&mut self) -> Result<(), String> {
        let now = self.now;
        let overdue = |end: &End| end.unwell_since.is_some_and(|since| since + PATIENCE <= now);
        let stable =
            |end: &End| end.pc.signaling_state() == SignalingState::Stable && end.inbox.is_empty();
        if self.restarts < MAX_RESTARTS
            && self.ends.iter().any(overdue)
            && self.ends.iter().all(stable)
        {
            self.restarts += 1;
            self.say(0, || "restarts ICE".into());
            for end in &mut self.ends {
                end.unwell_since = end.unwell_since.map(|_| now + 4 * PATIENCE);
            }
            self.ends[0].pc.restart_ice(now);
            self.offer()?;
            self.drain()?;
        }
        Ok(())
    }

    fn next_event(&self) -> Option<Instant> {
        let patience = self.ends.iter().filter_map(|end| {
            end.unwell_since
                .filter(|_| self.restarts < MAX_RESTARTS)
                .map(|since| (since + PATIENCE).max(self.now + Duration::from_millis(1)))
        });
        let timers = self.ends.iter().filter_map(|end| end.pc.poll_timeout());
        let signals = self.ends.iter().filter_map(|end| Some(end.inbox.first()?.0));
        let frames = self.ends.iter().filter_map(|end| end.media.as_ref()?.next_frame());
        self.hosts
            .network
            .next_timeout()
            .into_iter()
            .chain(timers)
            .chain(signals)
            .chain(frames)
            .chain(patience)
            .min()
    }

    /// Goes to a time and hands over what is due.
    fn advance(&mut self, to: Instant) -> Result<(), String> {
        self.now = self.now.max(to);
        let now = self.now;
        while let Some(delivery) = self.hosts.network.poll(now) {
            let mut packet = delivery.packet;
            if delivery.node == self.hosts.server {
                self.answer_stun(&packet);
            } else {
                let index = usize::from(delivery.node == self.ends[1].node);
                let input = Input {
                    source: packet.source,
                    destination: packet.destination,
                    protocol: Protocol::Udp,
                    ecn: peerage_peerconnection::Ecn::from_bits(packet.ecn.bits()),
                    data: &mut packet.data,
                };
                match self.ends[index].pc.handle_input(now, input) {
                    Ok(()) | Err(peerage_peerconnection::Error::Closed) => {}
                    Err(error) => return Err(format!("noise surfaced: {error}")),
                }
            }
            self.hosts.network.recycle(packet.data);
            self.check_queues()?;
            self.drain()?;
        }
        for index in 0..2 {
            while self.ends[index].inbox.first().is_some_and(|(at, _)| *at <= now) {
                let (_, signal) = self.ends[index].inbox.remove(0);
                self.handle_signal(index, signal)?;
            }
            let end = &mut self.ends[index];
            if end.pc.poll_timeout().is_some_and(|at| at <= now) {
                end.pc.handle_timeout(now);
                self.check_queues()?;
                self.drain()?;
                if self.ends[index].pc.poll_timeout().is_some_and(|at| at <= now) {
                    self.ends[index].pc.handle_timeout(now);
                    self.drain()?;
                }
                if self.ends[index].pc.poll_timeout().is_some_and(|at| at <= now) {
                    return Err("a timer stays due after it was handled twice".into());
                }
            }
        }
        Ok(())
    }

    /// What waits before the application takes it.
    fn check_queues(&mut self) -> Result<(), String> {
        for (index, end) in self.ends.iter().enumerate() {
            let queues = end.pc.queues();
            self.peaks[0].take(&queues);
            queues::check(&queues).map_err(|error| format!("end {index}: {error}"))?;
        }
        Ok(())
    }

    fn handle_signal(&mut self, index: usize, signal: Signal) -> Result<(), String> {
        let now = self.now;
        let end = &mut self.ends[index];
        match signal {
            Signal::Description(description) => {
                let kind = description.kind;
                end.pc
                    .set_remote_description(now, description)
                    .map_err(|error| format!("set_remote_description({kind:?}): {error}"))?;
                for candidate in std::mem::take(&mut end.early) {
                    // Of a generation that is no more, perhaps.
                    let _ = end.pc.add_ice_candidate(now, Some(candidate));
                }
                if kind == SdpType::Offer {
                    end.pc
                        .set_local_description(now, None)
                        .map_err(|error| format!("answer: {error}"))?;
                    self.signal_description(index);
                }
            }
            Signal::Candidate(candidate) => {
                if end.pc.remote_description().is_none() {
                    end.early.push(candidate);
                } else {
                    let _ = end.pc.add_ice_candidate(now, Some(candidate));
                }
            }
        }
        self.drain()
    }

    /// Takes all events and all datagrams of both ends.
    fn drain(&mut self) -> Result<(), String> {
        for index in 0..2 {
            loop {
                let mut busy = false;
                while let Some(event) = self.ends[index].pc.poll_event() {
                    busy = true;
                    self.handle_event(index, event)?;
                }
                let end = &mut self.ends[index];
                end.application.send(&mut end.pc, self.now)?;
                if let Some(media) = &mut end.media {
                    media.send(&mut end.pc, self.now);
                }
                busy |= self.transmit(index);
                if !busy {
                    break;
                }
            }
        }
        Ok(())
    }

    fn transmit(&mut self, index: usize) -> bool {
        let mut sent = false;
        let mut buf = self.hosts.network.buffer();
        loop {
            buf.clear();
            let end = &mut self.ends[index];
            let Some(transmit) = end.pc.poll_transmit(self.now, &mut buf) else { break };
            sent = true;
            for datagram in buf.chunks(transmit.segment_size.unwrap_or(transmit.size).max(1)) {
                let mut data = self.hosts.network.buffer();
                data.extend_from_slice(datagram);
                let packet = Packet {
                    source: transmit.source,
                    destination: transmit.destination,
                    ecn: transmit.ecn.map_or(Ecn::NotEct, |ecn| Ecn::from_bits(ecn as u8)),
                    data,
                };
                self.hosts.network.send_from(self.now, self.ends[index].node, packet);
            }
        }
        self.hosts.network.recycle(buf);
        sent
    }

    fn handle_event(&mut self, index: usize, event: Event) -> Result<(), String> {
        self.say(index, || format!("{event:?}"));
        {
            let mut trace = self.trace.lock().expect("nobody panicked in the observer");
            match &event {
                Event::Frame(frame) => trace.0.write(&frame.frame.data),
                event => trace.0.write(format!("{event:?}").as_bytes()),
            }
        }
        let now = self.now;
        let end = &mut self.ends[index];
        if let Some(media) = &mut end.media {
            media.handle(now, &event).map_err(|error| format!("end {index}: {error}"))?;
        }
        match event {
            Event::IceCandidate(Some(candidate)) if self.plan.trickle => {
                let signal = Signal::Candidate(candidate);
                self.ends[1 - index].inbox.push((now + SIGNALING_DELAY, signal));
            }
            Event::IceCandidate(None) if !self.plan.trickle => self.signal_candidates(index),
            Event::ConnectionStateChange(state) => {
                end.state = state;
                if let (ConnectionState::Connected, Some(media)) = (state, &mut end.media) {
                    media.begin(now);
                }
                end.unwell_since = match state {
                    ConnectionState::Disconnected | ConnectionState::Failed => Some(now),
                    _ => None,
                };
            }
            Event::DataChannel(handle) => end.application.announced(&end.pc, handle)?,
            Event::DataChannelOpen(handle) => end.application.opened(handle),
            Event::Message(handle, message) => end.application.received(handle, &message)?,
            // The state says so too, and ends the call.
            Event::DataChannelError { detail: ErrorDetail::DtlsFailure, .. } => {}
            Event::DataChannelError { detail, message, .. } => {
                return Err(format!("end {index}: a channel failed: {detail:?} {message}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Without trickle the candidates go in one piece, once all are there.
    fn signal_candidates(&mut self, index: usize) {
        let Some(description) = self.ends[index].pc.local_description() else { return };
        for line in description.sdp.lines() {
            if let Some(candidate) = line.strip_prefix("a=candidate:") {
                let candidate = IceCandidateInit {
                    candidate: format!("candidate:{candidate}"),
                    sdp_m_line_index: Some(0),
                    ..Default::default()
                };
                let at = self.now + SIGNALING_DELAY;
                self.ends[1 - index].inbox.push((at, Signal::Candidate(candidate)));
            }
        }
    }

    /// The server: tells where a request came from.
    fn answer_stun(&mut self, packet: &Packet) {
        let Ok(request) = Message::parse(&packet.data) else { return };
        if request.class() != Class::Request || request.method() != Method::BINDING {
            return;
        }
        let mut data = self.hosts.network.buffer();
        MessageBuilder::new(
            &mut data,
            Class::SuccessResponse,
            Method::BINDING,
            request.transaction_id(),
        )
        .attribute(&Attribute::XorMappedAddress(packet.source))
        .fingerprint();
        let answer = Packet::new(packet.destination, packet.source, data);
        self.hosts.network.send_from(self.now, self.hosts.server, answer);
    }

    fn say(&self, index: usize, what: impl FnOnce() -> String) {
        if self.verbose {
            let mut what = what();
            what.truncate(200);
            println!(
                "{:>12.6} {} {what}",
                (self.now - self.start).as_secs_f64(),
                ["a", "b"][index]
            );
        }
    }
}

fn configuration(plan: &Plan, index: usize, server: SocketAddr) -> Configuration {
    let wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut config = Configuration::new(wall_clock);
    if plan.stun {
        config = config.ice_server(format!("stun:{server}"));
    }
    config.settings.dtls.versions.v1_3 = !plan.dtls_1_2[index];
    config.settings.sctp.interleaving = plan.interleaving;
    config.settings.sctp.zero_checksum = plan.zero_checksum;
    config
}
