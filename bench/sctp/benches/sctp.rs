//! One association, both ends in one thread, no network: messages from one end to the other on one reliable ordered stream,
//! packets handed over in batches of 16. Prints megabytes of user data per second of CPU time, both ends together, so that
//! a busy machine changes little. Peerage runs as WebRTC runs it (zero checksum, I-DATA) and with each of them off, since
//! the others know neither by default.
//!
//! `cargo bench -p bench-sctp` runs all; `cargo bench -p bench-sctp -- 65536` one message size.

use bench_measure::{cpu_time, figure, median};
use bytes::Bytes;
use std::time::Instant;

/// User bytes a measurement moves.
const VOLUME: usize = 256 << 20;
/// Bytes queued ahead.
const AHEAD: usize = 1 << 20;
const BATCH: usize = 16;

fn main() {
    let sizes: Vec<usize> =
        std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_100, 16_384, 65_536] } else { sizes };
    println!("{:<44} {:>8} {:>12}", "", "message", "MB per CPU-s");
    for size in sizes {
        for (name, interleaving, zero_checksum) in [
            ("peerage-sctp, I-DATA, zero checksum", true, true),
            ("peerage-sctp, DATA, zero checksum", false, true),
            ("peerage-sctp, DATA, CRC32c", false, false),
        ] {
            report(name, size, || peerage(size, interleaving, zero_checksum));
        }
        report("rtc-sctp, DATA", size, || rtc(size));
        report("dcsctp, I-DATA, zero checksum", size, || dcsctp(size));
    }
}

fn report(name: &str, size: usize, run: impl Fn() -> usize) {
    let rate = median(|_| {
        let (moved, spent) = cpu_time(&run);
        moved as f64 / 1e6 / spent.as_secs_f64()
    });
    println!("{name:<44} {size:>8} {rate:>12.0}");
    figure(&format!("sctp/{size}/{name}"), rate);
}

fn peerage(size: usize, interleaving: bool, zero_checksum: bool) -> usize {
    use peerage_sctp::{Association, Config, Event, PayloadProtocolId, SendOptions, StreamId};

    struct End {
        association: Association,
        outgoing: Vec<u8>,
        sizes: Vec<usize>,
    }

    impl End {
        /// Fills a batch of packets into one buffer, as a driver with GSO does.
        fn transmit(&mut self, now: Instant) -> bool {
            self.outgoing.clear();
            self.sizes.clear();
            while self.sizes.len() < BATCH {
                match self.association.poll_transmit(now, &mut self.outgoing) {
                    Some(transmit) => self.sizes.push(transmit.size),
                    None => break,
                }
            }
            !self.sizes.is_empty()
        }
    }

    let now = Instant::now();
    let config = Config { interleaving, zero_checksum, ..Config::default() };
    let mut ends = [1, 2].map(|seed| End {
        association: Association::new(now, config.clone(), [seed; 32]),
        outgoing: Vec::new(),
        sizes: Vec::new(),
    });
    for end in &mut ends {
        end.association.connect(now).expect("a new association connects");
    }
    let message = Bytes::from(vec![0x5a; size]);
    let options = SendOptions::reliable(PayloadProtocolId(53));
    let count = VOLUME / size;
    let (mut sent, mut received) = (0, 0);
    let start = now;
    while received < count {
        // Real time, as the congestion controller expects.
        let now = start.max(Instant::now());
        while sent < count && ends[0].association.total_buffered() < AHEAD {
            ends[0]
                .association
                .send(now, StreamId(1), options, message.clone())
                .expect("room to send");
            sent += 1;
        }
        for from in 0..2 {
            let [first, second] = &mut ends;
            let (from, to) = if from == 0 { (first, second) } else { (second, first) };
            if from.transmit(now) {
                let mut at = 0;
                for size in &from.sizes {
                    to.association
                        .handle_input(now, &from.outgoing[at..at + size])
                        .expect("input is never an error");
                    at += size;
                }
            }
        }
        for end in &mut ends {
            while let Some(event) = end.association.poll_event() {
                if let Event::Message { data, .. } = event {
                    assert_eq!(std::hint::black_box(data).len(), size);
                    received += 1;
                }
            }
            if end.association.poll_timeout().is_some_and(|at| at <= now) {
                end.association.handle_timeout(now);
            }
        }
    }
    count * size
}

fn dcsctp(size: usize) -> usize {
    use dcsctp::api::{
        Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
        ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
    };
    let options = Options {
        enable_message_interleaving: true,
        zero_checksum_alternate_error_detection_method:
            ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
        ..Options::default()
    };
    // It is slow enough that a sixteenth of the volume measures it.
    let count = VOLUME / 16 / size;
    let mut ends = [dcsctp::new_socket("a", &options), dcsctp::new_socket("b", &options)];
    ends[0].connect();
    let start = Instant::now();
    let (mut sent, mut received) = (0, 0);
    while received < count {
        let now = SocketTime::zero() + start.elapsed();
        for end in &mut ends {
            end.advance_time(now);
        }
        while sent < count && ends[0].buffered_amount(StreamId(1)) < AHEAD {
            let message = Message::new(StreamId(1), PpId(53), vec![0x5a; size]);
            ends[0].send(message, &SendOptions::default()).expect("room to send");
            sent += 1;
        }
        for from in [0, 1] {
            let mut batch = 0;
            while batch < BATCH {
                match ends[from].poll_event() {
                    Some(SocketEvent::SendPacket(packet)) => {
                        ends[1 - from].handle_input(&packet);
                        batch += 1;
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
        while let Some(message) = ends[1].get_next_message() {
            assert_eq!(std::hint::black_box(message.payload).len(), size);
            received += 1;
        }
    }
    count * size
}

fn rtc(size: usize) -> usize {
    use rtc_sctp::{
        Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig,
        Event, Payload, PayloadProtocolIdentifier, ServerConfig, TransportConfig,
    };
    use rtc_shared::TransportProtocol;
    use std::collections::VecDeque;
    use std::net::SocketAddr;
    use std::sync::Arc;

    struct End {
        endpoint: Endpoint,
        peer: SocketAddr,
        handle: Option<AssociationHandle>,
        association: Option<Association>,
        connected: bool,
    }

    impl End {
        fn drive(
            &mut self,
            now: Instant,
            incoming: &mut VecDeque<Bytes>,
            outgoing: &mut VecDeque<Bytes>,
        ) {
            while let Some(packet) = incoming.pop_front() {
                match self.endpoint.handle(now, self.peer, None, packet) {
                    Some((handle, DatagramEvent::NewAssociation(association))) => {
                        self.handle = Some(handle);
                        self.association = Some(association);
                    }
                    Some((_, DatagramEvent::AssociationEvent(event))) => {
                        if let Some(association) = &mut self.association {
                            association.handle_event(event);
                        }
                    }
                    _ => {}
                }
            }
            let Some(association) = &mut self.association else { return };
            if association.poll_timeout().is_some_and(|at| at <= now) {
                association.handle_timeout(now);
            }
            while let Some(event) = association.poll() {
                self.connected |= matches!(event, Event::Connected);
            }
            while let Some(event) = association.poll_endpoint_event() {
                if let Some(handle) = self.handle {
                    self.endpoint.handle_event(handle, event);
                }
            }
            while outgoing.len() < BATCH {
                match association.poll_transmit(now) {
                    Some(transmit) => {
                        if let Payload::RawEncode(packets) = transmit.message {
                            outgoing.extend(packets);
                        }
                    }
                    None => break,
                }
            }
        }
    }

    let addresses: [SocketAddr; 2] = [([127, 0, 0, 1], 5000).into(), ([127, 0, 0, 1], 5001).into()];
    let endpoint_config = Arc::new(EndpointConfig::default());
    let mut ends = [0, 1].map(|at| {
        let server = (at == 1).then(|| Arc::new(ServerConfig::new(TransportConfig::default())));
        End {
            endpoint: Endpoint::new(
                addresses[at],
                TransportProtocol::UDP,
                endpoint_config.clone(),
                server,
            ),
            peer: addresses[1 - at],
            handle: None,
            association: None,
            connected: false,
        }
    });
    let (handle, association) = ends[0]
        .endpoint
        .connect(Instant::now(), ClientConfig::new(TransportConfig::default()), addresses[1])
        .expect("connect");
    ends[0].handle = Some(handle);
    ends[0].association = Some(association);
    let mut wires: [VecDeque<Bytes>; 2] = Default::default();
    let message = Bytes::from(vec![0x5a; size]);
    let count = VOLUME / size;
    let (mut sent, mut received, mut opened, mut accepted) = (0, 0, false, false);
    let mut read = vec![0; size];
    while received < count {
        let now = Instant::now();
        for from in [0, 1] {
            let [first, second] = &mut wires;
            let (incoming, outgoing) = if from == 0 { (second, first) } else { (first, second) };
            ends[from].drive(now, incoming, outgoing);
        }
        if !ends.iter().all(|end| end.connected) {
            continue;
        }
        if let Some(association) = &mut ends[0].association {
            if !opened {
                association.open_stream(1, PayloadProtocolIdentifier::Binary).expect("open");
                opened = true;
            }
            let mut stream = association.stream(1).expect("stream");
            while sent < count && stream.buffered_amount().expect("buffered") < AHEAD {
                stream.write_sctp(now, &message, PayloadProtocolIdentifier::Binary).expect("write");
                sent += 1;
            }
        }
        if let Some(association) = &mut ends[1].association {
            accepted = accepted || association.accept_stream().is_some();
            if accepted {
                let mut stream = association.stream(1).expect("stream");
                while let Ok(Some(chunks)) = stream.read_sctp() {
                    assert_eq!(chunks.read(&mut read).expect("read"), size);
                    std::hint::black_box(&read);
                    received += 1;
                }
            }
        }
    }
    count * size
}
