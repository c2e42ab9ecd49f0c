//! A peer that holds the keys and breaks the rules: what must end a connection, and what must not.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};

use super::{Connection, ack, ack::RecordNumber, records::Records};
use crate::{
    AlertDescription, Config, Endpoint, Error, Event, State,
    codec::put_vec16,
    handshake::{FragmentHeader, HandshakeType},
    record::ContentType,
};

fn config() -> Config {
    static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let params = CertificateParams::default();
        let certificate =
            Certificate::generate(&default_provider(), params, now, &mut Rng::from_seed(1));
        Arc::new(certificate.expect("a certificate"))
    });
    Config::new(default_provider(), Arc::clone(certificate))
}

struct Pair {
    client: Endpoint,
    server: Endpoint,
    now: Instant,
}

fn drain(endpoint: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut buf = Vec::new();
    while endpoint.poll_transmit(now, &mut buf).is_some() {
        out.push(std::mem::take(&mut buf));
    }
    out
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let client = Endpoint::client(Arc::new(config()), Rng::from_seed(1), now).unwrap();
        let server = Endpoint::server(Arc::new(config()), Rng::from_seed(2), now).unwrap();
        Self { client, server, now }
    }

    fn connected() -> Self {
        let mut pair = Self::new();
        pair.settle();
        for endpoint in [&mut pair.client, &mut pair.server] {
            assert!(matches!(endpoint.poll_event(), Some(Event::Connected(_))));
        }
        pair
    }

    /// Carries datagrams until there are none. No time passes.
    fn settle(&mut self) {
        loop {
            let to_server = drain(&mut self.client, self.now);
            let to_client = drain(&mut self.server, self.now);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            for mut datagram in to_server {
                let _ = self.server.handle_input(self.now, &mut datagram);
            }
            for mut datagram in to_client {
                let _ = self.client.handle_input(self.now, &mut datagram);
            }
        }
    }

    fn server(&mut self) -> &mut Connection {
        self.server.dtls13()
    }

    /// The server sends a record of any content, under its newest keys, to the client.
    fn server_sends(&mut self, content_type: ContentType, content: &[u8]) -> Result<(), Error> {
        let epoch = self.server().core.records.write_epoch();
        let mut buf = vec![0; Records::header_len(epoch)];
        buf.extend_from_slice(content);
        self.server().core.records.seal(epoch, content_type, &mut buf, 0).unwrap();
        self.client.handle_input(self.now, &mut buf).map(drop)
    }

    /// The server sends a handshake message with a number of its choice.
    fn server_says(
        &mut self,
        sequence: u16,
        handshake_type: HandshakeType,
        body: &[u8],
    ) -> Result<(), Error> {
        let length = body.len() as u32;
        let header =
            FragmentHeader { handshake_type, length, sequence, offset: 0, fragment_length: length };
        let mut content = header.to_wire().to_vec();
        content.extend_from_slice(body);
        self.server_sends(ContentType::Handshake, &content)
    }
}

/// The number of the server's first message after the handshake: ServerHello, EncryptedExtensions,
/// CertificateRequest, Certificate, CertificateVerify, Finished came before.
const NEXT: u16 = 6;

fn assert_fails(pair: &mut Pair, outcome: Result<(), Error>, alert: AlertDescription) {
    let error = outcome.expect_err("the client must refuse");
    assert!(matches!(error, Error::Protocol { alert: sent, .. } if sent == alert), "{error}");
    assert_eq!(pair.client.state(), State::Failed);
    assert_eq!(pair.client.poll_event(), Some(Event::Failed(error)));
    pair.settle();
    // The alert goes out under keys, so that the peer believes it.
    assert_eq!(pair.server.poll_event(), Some(Event::Failed(Error::PeerAlert(alert))));
    assert_eq!(pair.client.poll_timeout(), None);
}

fn new_session_ticket() -> Vec<u8> {
    let mut body = vec![0; 8];
    body.push(0);
    put_vec16(&mut body, |out| out.extend_from_slice(b"ticket"));
    put_vec16(&mut body, |_| {});
    body
}

#[test]
fn a_session_ticket_is_acknowledged_and_ignored() {
    let mut pair = Pair::connected();
    pair.server_says(NEXT, HandshakeType::NEW_SESSION_TICKET, &new_session_ticket()).unwrap();
    let acks = pair.client.statistics().acks_sent;
    // Also when it is repeated.
    pair.server_says(NEXT, HandshakeType::NEW_SESSION_TICKET, &new_session_ticket()).unwrap();
    assert_eq!(drain(&mut pair.client, pair.now).len(), 1);
    assert_eq!(pair.client.statistics().acks_sent, acks + 1);
    assert_eq!(pair.client.state(), State::Connected);
}

#[test]
fn a_message_that_is_not_due_yet_is_kept_and_acknowledged() {
    let mut pair = Pair::connected();
    pair.server_says(NEXT + 1, HandshakeType::NEW_SESSION_TICKET, &new_session_ticket()).unwrap();
    pair.server_says(NEXT + 200, HandshakeType::KEY_UPDATE, &[0]).unwrap();
    assert_eq!(pair.client.statistics().dropped_handshake, 1, "too far ahead");
    pair.server_says(NEXT, HandshakeType::KEY_UPDATE, &[0]).unwrap();
    assert_eq!(pair.client.poll_event(), Some(Event::KeyUpdated));
    assert_eq!(pair.client.state(), State::Connected);
}

#[test]
fn authentication_after_the_handshake_is_refused() {
    let mut pair = Pair::connected();
    let body = [1, 7, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    let outcome = pair.server_says(NEXT, HandshakeType::CERTIFICATE_REQUEST, &body);
    assert_fails(&mut pair, outcome, AlertDescription::UnexpectedMessage);
}

#[test]
fn messages_of_the_handshake_have_no_place_after_it() {
    for handshake_type in [HandshakeType::SERVER_HELLO, HandshakeType::FINISHED, HandshakeType(99)]
    {
        let mut pair = Pair::connected();
        let outcome = pair.server_says(NEXT, handshake_type, &[0; 32]);
        assert_fails(&mut pair, outcome, AlertDescription::UnexpectedMessage);
    }
}

#[test]
fn malformed_key_updates_are_refused() {
    for (body, alert) in [
        (&[2][..], AlertDescription::IllegalParameter),
        (&[][..], AlertDescription::DecodeError),
        (&[0, 0][..], AlertDescription::DecodeError),
    ] {
        let mut pair = Pair::connected();
        let outcome = pair.server_says(NEXT, HandshakeType::KEY_UPDATE, body);
        assert_fails(&mut pair, outcome, alert);
    }
}

#[test]
fn a_second_key_update_before_the_first_took_effect_is_refused() {
    let mut pair = Pair::connected();
    pair.server_says(NEXT, HandshakeType::KEY_UPDATE, &[0]).unwrap();
    assert_eq!(pair.client.poll_event(), Some(Event::KeyUpdated));
    let outcome = pair.server_says(NEXT + 1, HandshakeType::KEY_UPDATE, &[0]);
    assert_fails(&mut pair, outcome, AlertDescription::UnexpectedMessage);
}

#[test]
fn contradicting_fragments_are_refused_when_they_are_authentic() {
    let mut pair = Pair::connected();
    let fragment = |length| FragmentHeader {
        handshake_type: HandshakeType::NEW_SESSION_TICKET,
        length,
        sequence: NEXT,
        offset: 0,
        fragment_length: 1,
    };
    let content = |length| [&fragment(length).to_wire()[..], &[0]].concat();
    pair.server_sends(ContentType::Handshake, &content(20)).unwrap();
    let outcome = pair.server_sends(ContentType::Handshake, &content(21));
    assert_fails(&mut pair, outcome, AlertDescription::IllegalParameter);
}

#[test]
fn records_of_no_sense_are_refused_when_they_are_authentic() {
    for (content_type, content, alert) in [
        (ContentType::Handshake, &[][..], AlertDescription::UnexpectedMessage),
        (ContentType::ChangeCipherSpec, &[1][..], AlertDescription::UnexpectedMessage),
        (ContentType::Alert, &[2][..], AlertDescription::DecodeError),
        (ContentType::Handshake, &[1, 2, 3][..], AlertDescription::DecodeError),
        (ContentType::Ack, &[0, 3, 1][..], AlertDescription::DecodeError),
    ] {
        let mut pair = Pair::connected();
        let outcome = pair.server_sends(content_type, content);
        // An ACK is read only by one who waits for it.
        assert_fails(&mut pair, outcome, alert);
    }
}

#[test]
fn acks_for_records_that_were_never_sent_do_no_harm() {
    let mut pair = Pair::connected();
    pair.client.update_keys(pair.now, false).unwrap();
    let sent = drain(&mut pair.client, pair.now);
    assert_eq!(sent.len(), 1);
    let mut content = Vec::new();
    let numbers = [
        RecordNumber { epoch: 0, sequence: 0 },
        RecordNumber { epoch: 3, sequence: 1000 },
        RecordNumber { epoch: u64::MAX, sequence: u64::MAX },
    ];
    ack::write(&numbers, &mut content);
    pair.server_sends(ContentType::Ack, &content).unwrap();
    assert_eq!(pair.client.poll_event(), None, "the keys must not change yet");
    for mut datagram in sent {
        pair.server.handle_input(pair.now, &mut datagram).unwrap();
    }
    pair.settle();
    assert_eq!(pair.client.poll_event(), Some(Event::KeyUpdated));
}

#[test]
fn warnings_do_not_exist_but_for_a_farewell() {
    let mut pair = Pair::connected();
    pair.server_sends(ContentType::Alert, &[1, 90]).unwrap();
    assert_eq!(pair.client.state(), State::Connected, "user_canceled alone ends nothing");
    let alert = AlertDescription::InternalError;
    let outcome = pair.server_sends(ContentType::Alert, &[1, alert.to_wire()]);
    assert_eq!(outcome, Err(Error::PeerAlert(alert)));
}

#[test]
fn keys_change_before_their_limit_and_data_keeps_flowing() {
    let mut limited = config();
    limited.rekey_after_records = 10;
    let now = Instant::now();
    let client = Endpoint::client(Arc::new(limited), Rng::from_seed(1), now).unwrap();
    let server = Endpoint::server(Arc::new(config()), Rng::from_seed(2), now).unwrap();
    let mut pair = Pair { client, server, now };
    pair.settle();
    let mut received = 0;
    for _ in 0..100 {
        let mut buf = vec![0; pair.client.header_len()];
        buf.extend_from_slice(b"data");
        pair.client.seal_application_data(&mut buf, 0).unwrap();
        received += pair.server.handle_input(pair.now, &mut buf).unwrap().len();
        pair.settle();
    }
    assert_eq!(received, 100);
    let updates = std::iter::from_fn(|| pair.server.poll_event())
        .filter(|event| *event == Event::KeyUpdated)
        .count();
    assert!((8..=12).contains(&updates), "{updates}");
}

#[test]
fn a_forged_record_costs_nothing_but_a_counter() {
    let mut pair = Pair::connected();
    for _ in 0..1000 {
        let mut buf = vec![0; pair.server.header_len()];
        buf.extend_from_slice(b"data");
        pair.server.seal_application_data(&mut buf, 0).unwrap();
        let last = buf.len() - 1;
        buf[last] ^= 1;
        assert!(pair.client.handle_input(pair.now, &mut buf).unwrap().is_empty());
    }
    assert_eq!(pair.client.statistics().dropped_bad_mac, 1000);
    assert_eq!(pair.client.state(), State::Connected);
}
