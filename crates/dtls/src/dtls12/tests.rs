//! Hostile and unusual peers of DTLS 1.2: what they say is changed on its way, or made with their own keys.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};

use super::{Connection, records::PROTECTED_EPOCH};
use crate::{
    alert::{Alert, AlertDescription, AlertLevel},
    codec::{Reader, put_vec16},
    config::Config,
    error::Error,
    event::{ApplicationData, Event, State},
    handshake::{FragmentHeader, HandshakeType, Message},
    negotiation::{ClientNegotiation, ClientOutcome, ServerNegotiation, ServerOutcome},
    record::{ContentType, PlaintextHeader},
    version::ProtocolVersion,
};

fn config() -> Config {
    static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let params = CertificateParams::default();
        let certificate =
            Certificate::generate(&default_provider(), params, now, &mut Rng::from_seed(1));
        Arc::new(certificate.unwrap())
    });
    let mut config = Config::new(default_provider(), Arc::clone(certificate));
    config.max_version = ProtocolVersion::Dtls12;
    // Every message in one fragment, so that it is easy to change.
    config.mtu = 16_000;
    config
}

/// What happens to a message on its way: `None` lets it vanish.
type Tamper<'a> = &'a mut dyn FnMut(HandshakeType, Vec<u8>) -> Option<Vec<u8>>;

/// Changes the plaintext handshake messages of a datagram.
fn tamper_with(datagram: &[u8], tamper: Tamper<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = datagram;
    while let Some(header) = PlaintextHeader::parse(rest) {
        let (record, tail) = rest.split_at(PlaintextHeader::LEN + usize::from(header.length));
        rest = tail;
        if header.content_type != ContentType::Handshake || header.epoch != 0 {
            out.extend_from_slice(record);
            continue;
        }
        let mut reader = Reader::new(&record[PlaintextHeader::LEN..]);
        let mut contents = Vec::new();
        while let Some((fragment, body)) = FragmentHeader::read(&mut reader) {
            let Some(body) = tamper(fragment.handshake_type, body.to_vec()) else { continue };
            let length = body.len() as u32;
            let fragment = FragmentHeader { length, fragment_length: length, ..fragment };
            contents.extend_from_slice(&fragment.to_wire());
            contents.extend_from_slice(&body);
        }
        out.extend_from_slice(
            &PlaintextHeader { length: contents.len() as u16, ..header }.to_wire(),
        );
        out.extend_from_slice(&contents);
    }
    out
}

struct Pair {
    client: Connection,
    server: Connection,
    now: Instant,
}

impl Pair {
    /// Carries the hellos and what came with the ServerHello.
    fn new(client: Config, server: Config, tamper: Tamper<'_>) -> Self {
        let now = Instant::now();
        let mut client = ClientNegotiation::new(Arc::new(client), Rng::from_seed(1), now).unwrap();
        let server = ServerNegotiation::new(Arc::new(server), Rng::from_seed(2), now);
        let mut datagram = Vec::new();
        client.poll_transmit(now, &mut datagram).unwrap();
        let datagram = tamper_with(&datagram, tamper);
        let (_, ServerOutcome::Dtls12 { connection: mut server, .. }) =
            server.handle_datagram(now, &datagram)
        else {
            panic!("the server did not choose DTLS 1.2");
        };
        let mut datagram = Vec::new();
        server.poll_transmit(now, &mut datagram).unwrap();
        let mut datagram = tamper_with(&datagram, tamper);
        let (_, ClientOutcome::Dtls12 { connection: mut client, from }) =
            client.handle_datagram(now, &datagram)
        else {
            panic!("the client did not choose DTLS 1.2");
        };
        let _ = client.handle_datagram(now, &mut datagram, from, &mut ApplicationData::default());
        Self { client: *client, server: *server, now }
    }

    /// Carries datagrams until nobody has anything to say.
    fn run(&mut self, tamper: Tamper<'_>) {
        loop {
            let mut quiet = true;
            for to_server in [true, false] {
                let Self { client, server, now } = self;
                let (from, to) = if to_server { (client, server) } else { (server, client) };
                let mut datagram = Vec::new();
                while from.poll_transmit(*now, &mut datagram).is_some() {
                    quiet = false;
                    let mut changed = tamper_with(&std::mem::take(&mut datagram), tamper);
                    let _ =
                        to.handle_datagram(*now, &mut changed, 0, &mut ApplicationData::default());
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn connected() -> Self {
        let mut keep = |_, body| Some(body);
        let mut pair = Self::new(config(), config(), &mut keep);
        pair.run(&mut keep);
        for end in [&mut pair.client, &mut pair.server] {
            assert_eq!(end.state(), State::Connected);
            assert!(matches!(end.poll_event(), Some(Event::Connected(_))));
        }
        pair
    }
}

/// A record that `from` has protected.
fn protected(from: &mut Connection, content_type: ContentType, contents: &[u8]) -> Vec<u8> {
    let mut record = vec![0; from.header_len()];
    record.extend_from_slice(contents);
    from.core.records.seal(PROTECTED_EPOCH, content_type, &mut record, 0).unwrap();
    record
}

/// A handshake message in one fragment.
fn whole(sequence: u16, handshake_type: HandshakeType) -> Vec<u8> {
    let message = Message::build(sequence, handshake_type, |_| {});
    message.unfragmented_header().to_vec()
}

/// Runs a handshake with one kind of message changed, and gives how the client and the server failed.
fn failures(
    kind: HandshakeType,
    mut change: impl FnMut(&mut Vec<u8>),
) -> [Option<AlertDescription>; 2] {
    let mut tamper = |handshake_type, mut body: Vec<u8>| {
        if handshake_type == kind {
            change(&mut body);
        }
        Some(body)
    };
    let mut pair = Pair::new(config(), config(), &mut tamper);
    pair.run(&mut tamper);
    [pair.client, pair.server].map(|mut end| match end.poll_event() {
        Some(Event::Failed(Error::Protocol { alert, .. })) => Some(alert),
        _ => None,
    })
}

/// Appends an extension to a hello that has some.
fn add_extension(hello: &mut Vec<u8>, fixed: usize, extension_type: u16, data: &[u8]) {
    let mut extension = extension_type.to_be_bytes().to_vec();
    put_vec16(&mut extension, |out| out.extend_from_slice(data));
    let length = u16::from_be_bytes([hello[fixed], hello[fixed + 1]]) + extension.len() as u16;
    hello[fixed..fixed + 2].copy_from_slice(&length.to_be_bytes());
    hello.extend_from_slice(&extension);
}

/// Version, random, empty session ID, cipher suite, compression method.
const SERVER_HELLO_FIXED: usize = 2 + 32 + 1 + 2 + 1;

#[test]
fn the_client_refuses_what_the_server_must_not_say() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(HandshakeType, Change, AlertDescription); 14] = [
        // A cipher suite that nobody offered, and one of DTLS 1.3.
        (
            HandshakeType::SERVER_HELLO,
            |body| body[35..37].copy_from_slice(&[0xc0, 0x09]),
            AlertDescription::IllegalParameter,
        ),
        (
            HandshakeType::SERVER_HELLO,
            |body| body[35..37].copy_from_slice(&[0x13, 0x01]),
            AlertDescription::IllegalParameter,
        ),
        // Compression.
        (HandshakeType::SERVER_HELLO, |body| body[37] = 1, AlertDescription::IllegalParameter),
        // Extensions that were not offered: session_ticket, and those of DTLS 1.3.
        (
            HandshakeType::SERVER_HELLO,
            |body| add_extension(body, SERVER_HELLO_FIXED, 35, &[]),
            AlertDescription::UnsupportedExtension,
        ),
        (
            HandshakeType::SERVER_HELLO,
            |body| add_extension(body, SERVER_HELLO_FIXED, 44, &[0, 1, 7]),
            AlertDescription::UnsupportedExtension,
        ),
        // No certificate, and half of one.
        (HandshakeType::CERTIFICATE, |body| *body = vec![0, 0, 0], AlertDescription::DecodeError),
        (HandshakeType::CERTIFICATE, |body| body.truncate(20), AlertDescription::DecodeError),
        // Something that is no certificate.
        (
            HandshakeType::CERTIFICATE,
            |body| *body = vec![0, 0, 5, 0, 0, 2, 1, 1],
            AlertDescription::BadCertificate,
        ),
        // A curve without a name, a curve that was not offered (secp521r1), and the KEM.
        (
            HandshakeType::SERVER_KEY_EXCHANGE,
            |body| body[0] = 1,
            AlertDescription::IllegalParameter,
        ),
        (
            HandshakeType::SERVER_KEY_EXCHANGE,
            |body| body[1..3].copy_from_slice(&[0, 25]),
            AlertDescription::IllegalParameter,
        ),
        (
            HandshakeType::SERVER_KEY_EXCHANGE,
            |body| body[1..3].copy_from_slice(&[0x11, 0xec]),
            AlertDescription::IllegalParameter,
        ),
        // Another key than was signed.
        (HandshakeType::SERVER_KEY_EXCHANGE, |body| body[10] ^= 1, AlertDescription::DecryptError),
        // A request that accepts nothing.
        (
            HandshakeType::CERTIFICATE_REQUEST,
            |body| *body = vec![1, 64, 0, 0, 0, 0],
            AlertDescription::DecodeError,
        ),
        (HandshakeType::SERVER_HELLO_DONE, |body| body.push(0), AlertDescription::DecodeError),
    ];
    for (index, (kind, change, alert)) in cases.into_iter().enumerate() {
        assert_eq!(failures(kind, change)[0], Some(alert), "case {index}");
    }
}

#[test]
fn the_client_refuses_a_signature_with_a_scheme_that_was_not_offered() {
    // Curve type, group, share of X25519, then the scheme: ecdsa_sha1.
    let change = |body: &mut Vec<u8>| body[36..38].copy_from_slice(&[2, 3]);
    let failed = failures(HandshakeType::SERVER_KEY_EXCHANGE, change);
    assert_eq!(failed[0], Some(AlertDescription::IllegalParameter));
}

#[test]
fn the_client_refuses_renegotiation_info_that_is_not_empty() {
    let change = |body: &mut Vec<u8>| {
        let empty = [0xff, 0x01, 0, 1, 0];
        let at = body.windows(5).position(|window| window == empty).unwrap();
        body[at + 3] = 2;
        body[at + 4] = 1;
        body.insert(at + 5, 9);
        let length = u16::from_be_bytes([body[38], body[39]]) + 1;
        body[38..40].copy_from_slice(&length.to_be_bytes());
    };
    let failed = failures(HandshakeType::SERVER_HELLO, change);
    assert_eq!(failed[0], Some(AlertDescription::HandshakeFailure));
}

#[test]
fn the_server_refuses_what_the_client_must_not_say() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(HandshakeType, Change, AlertDescription); 5] = [
        (
            HandshakeType::CERTIFICATE,
            |body| *body = vec![0, 0, 0],
            AlertDescription::HandshakeFailure,
        ),
        // A point of small order.
        (
            HandshakeType::CLIENT_KEY_EXCHANGE,
            |body| body[1..].fill(0),
            AlertDescription::IllegalParameter,
        ),
        (HandshakeType::CLIENT_KEY_EXCHANGE, |body| *body = vec![0], AlertDescription::DecodeError),
        (
            HandshakeType::CERTIFICATE_VERIFY,
            |body| *body.last_mut().unwrap() ^= 1,
            AlertDescription::DecryptError,
        ),
        (
            HandshakeType::CERTIFICATE_VERIFY,
            |body| body[..2].copy_from_slice(&[2, 3]),
            AlertDescription::IllegalParameter,
        ),
    ];
    for (index, (kind, change, alert)) in cases.into_iter().enumerate() {
        let mut from_client = 0;
        let change = |body: &mut Vec<u8>| {
            // The server's Certificate goes by first.
            from_client += 1;
            if kind != HandshakeType::CERTIFICATE || from_client == 2 {
                change(body);
            }
        };
        assert_eq!(failures(kind, change)[1], Some(alert), "case {index}");
    }
}

#[test]
fn a_gap_is_waited_for() {
    let mut tamper = |handshake_type, body| {
        (handshake_type != HandshakeType::SERVER_KEY_EXCHANGE).then_some(body)
    };
    let mut pair = Pair::new(config(), config(), &mut tamper);
    pair.run(&mut tamper);
    // ServerKeyExchange never comes. Nothing behind it is taken before.
    assert_eq!(pair.client.state(), State::Handshaking);
    assert!(pair.client.poll_timeout().is_some());
}

/// Whatever is changed about a hello without breaking its form shows in Finished.
#[test]
fn a_changed_hello_shows_in_finished() {
    // The client's random.
    for at in [2, 33] {
        let failed = failures(HandshakeType::CLIENT_HELLO, |body| body[at] ^= 1);
        // The server signs another random than the client sent.
        assert_eq!(failed[0], Some(AlertDescription::DecryptError));
    }
    // The order of its cipher suites.
    let failed = failures(HandshakeType::CLIENT_HELLO, |body| body[38..42].rotate_left(2));
    assert!(failed.contains(&Some(AlertDescription::DecryptError)), "{failed:?}");
}

#[test]
fn renegotiation_is_refused_with_a_warning() {
    for client_asks in [true, false] {
        let mut pair = Pair::connected();
        let (asking, asked, kind) = if client_asks {
            (&mut pair.client, &mut pair.server, HandshakeType::CLIENT_HELLO)
        } else {
            (&mut pair.server, &mut pair.client, HandshakeType::HELLO_REQUEST)
        };
        // The numbers of a new handshake start from zero.
        let mut record = protected(asking, ContentType::Handshake, &whole(0, kind));
        let mut data = ApplicationData::default();
        asked.handle_datagram(pair.now, &mut record, 0, &mut data).unwrap();
        assert_eq!(asked.state(), State::Connected);
        let mut answer = Vec::new();
        asked.poll_transmit(pair.now, &mut answer).unwrap();
        let header = PlaintextHeader::parse(&answer).unwrap();
        assert_eq!((header.content_type, header.epoch), (ContentType::Alert, 1));
        let range = asking.core.records.open(&header, &mut answer).unwrap();
        let warning =
            Alert { level: AlertLevel::Warning, description: AlertDescription::NoRenegotiation };
        assert_eq!(Alert::parse(&answer[range]), Some(warning));
    }
}

#[test]
fn warnings_are_ignored_and_fatal_alerts_are_not() {
    let mut pair = Pair::connected();
    let deliver = |pair: &mut Pair, level| {
        let alert = Alert { level, description: AlertDescription::AccessDenied };
        let mut record = protected(&mut pair.client, ContentType::Alert, &alert.to_wire());
        pair.server.handle_datagram(pair.now, &mut record, 0, &mut ApplicationData::default())
    };
    assert_eq!(deliver(&mut pair, AlertLevel::Warning), Ok(()));
    assert_eq!(pair.server.state(), State::Connected);
    let expected = Error::PeerAlert(AlertDescription::AccessDenied);
    assert_eq!(deliver(&mut pair, AlertLevel::Fatal), Err(expected.clone()));
    assert_eq!(pair.server.poll_event(), Some(Event::Failed(expected)));
    // The peer knows already.
    assert_eq!(pair.server.poll_transmit(pair.now, &mut Vec::new()), None);
}

#[test]
fn what_anyone_could_have_sent_changes_nothing() {
    let mut pair = Pair::connected();
    let plaintext = |content_type, contents: &[u8]| {
        let header = PlaintextHeader {
            content_type,
            version: ProtocolVersion::Dtls12.to_wire(),
            epoch: 0,
            sequence: 99,
            length: contents.len() as u16,
        };
        [&header.to_wire()[..], contents].concat()
    };
    let close = Alert::close_notify().to_wire();
    let fatal = Alert::fatal(AlertDescription::BadRecordMac).to_wire();
    let records = [
        plaintext(ContentType::Alert, &close),
        plaintext(ContentType::Alert, &fatal),
        plaintext(ContentType::ApplicationData, b"forged"),
        plaintext(ContentType::ChangeCipherSpec, &[1]),
        plaintext(ContentType::Handshake, &whole(0, HandshakeType::CLIENT_HELLO)),
        plaintext(ContentType::Handshake, &whole(9, HandshakeType::FINISHED)),
        plaintext(ContentType::Handshake, &[1, 2, 3]),
        plaintext(ContentType::Ack, &[0, 0]),
        vec![22; 40],
        vec![0x2c; 40],
    ];
    for end in [&mut pair.client, &mut pair.server] {
        for record in &records {
            let mut data = ApplicationData::default();
            end.handle_datagram(pair.now, &mut record.clone(), 0, &mut data).unwrap();
            assert!(data.is_empty());
        }
        assert_eq!(end.state(), State::Connected);
        assert_eq!(end.poll_event(), None);
    }
}

/// RFC 5246 §7.4.9: Finished is protected. One in plaintext never ends a handshake.
#[test]
fn a_finished_in_plaintext_is_not_taken() {
    let mut keep = |_, body| Some(body);
    let mut pair = Pair::new(config(), config(), &mut keep);
    let next = pair.client.core.next_sequence_of_peer();
    let mut record = PlaintextHeader {
        content_type: ContentType::Handshake,
        version: ProtocolVersion::Dtls12.to_wire(),
        epoch: 0,
        sequence: 50,
        length: 24,
    }
    .to_wire()
    .to_vec();
    let finished = Message::build(next as u16, HandshakeType::FINISHED, |out| out.extend([0; 12]));
    record.extend_from_slice(&finished.unfragmented_header());
    record.extend_from_slice(finished.body());
    let mut data = ApplicationData::default();
    pair.client.handle_datagram(pair.now, &mut record, 0, &mut data).unwrap();
    assert_eq!(pair.client.state(), State::Handshaking);
    assert_eq!(pair.client.core.statistics.dropped_handshake, 1);
    pair.run(&mut keep);
    assert_eq!(pair.client.state(), State::Connected);
}

#[test]
fn early_records_are_bounded() {
    let mut keep = |_, body| Some(body);
    let mut pair = Pair::new(config(), config(), &mut keep);
    for sequence in 0..100 {
        let header = PlaintextHeader {
            content_type: ContentType::Handshake,
            version: ProtocolVersion::Dtls12.to_wire(),
            epoch: 1,
            sequence,
            length: 100,
        };
        let mut record = [&header.to_wire()[..], &[0; 100]].concat();
        let mut data = ApplicationData::default();
        pair.server.handle_datagram(pair.now, &mut record, 0, &mut data).unwrap();
    }
    assert!(pair.server.core.statistics.dropped_early >= 90);
    pair.run(&mut keep);
    assert_eq!(pair.server.state(), State::Connected, "the forged ones do not get in the way");
}
