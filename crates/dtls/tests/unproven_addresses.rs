//! What a server of DTLS sends to an address that has not shown that anyone receives there (RFC 9147 §5.1, §11), and that
//! neither the limit nor those who forge datagrams keep an honest client from connecting.

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Pair, client_config, server_config};
use peerage_crypto::Rng;
use peerage_dtls::{Endpoint, ProtocolVersion};

/// A plaintext record that anyone can make.
fn plaintext_record(content_type: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0];
    record.extend_from_slice(&sequence.to_be_bytes());
    record.extend_from_slice(&(body.len() as u16).to_be_bytes());
    record.extend_from_slice(body);
    record
}

fn transmit(endpoint: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let (mut out, mut buf) = (Vec::new(), Vec::new());
    while endpoint.poll_transmit(now, &mut buf).is_some() {
        out.push(std::mem::take(&mut buf));
    }
    out
}

fn bytes(datagrams: &[Vec<u8>]) -> usize {
    datagrams.iter().map(Vec::len).sum()
}

/// The path fails for twelve seconds when the client has a part of the server's flight, so that it has nothing to repeat.
#[test]
fn a_proven_address_is_sent_to_for_as_long_as_a_handshake_may_take() {
    let mut server = server_config();
    server.peer_address_is_proven = true;
    let mut pair = Pair::new(client_config(), server, 1);
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.server.sent_datagrams.len() >= 2));
    pair.drop_all_in_flight();
    let mut first = pair.server.sent_datagrams[0].clone();
    pair.deliver(false, &mut first);
    pair.faults.loss = 100;
    pair.faults.until = pair.now - pair.start + Duration::from_secs(12);
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
}

/// Tiny datagrams that look like repetitions bring about three times their own size, beside what a hello does anyway.
#[test]
fn tiny_forged_datagrams_are_not_amplified() {
    // An ACK of nothing, and an empty fragment of the first message.
    let empty_ack = plaintext_record(26, 900, &[0, 0]);
    let fragment = plaintext_record(22, 900, &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for max_version in [ProtocolVersion::Dtls12, ProtocolVersion::Dtls13] {
        for trigger in [&empty_ack, &fragment] {
            let mut config = client_config();
            config.max_version = max_version;
            let mut now = Instant::now();
            let mut client = Endpoint::client(Arc::new(config), Rng::from_seed(1), now).unwrap();
            let hello = transmit(&mut client, now);
            let server = Arc::new(server_config());
            let mut server = Endpoint::server(server, Rng::from_seed(2), now).unwrap();
            for datagram in &hello {
                server.handle_input(now, &mut datagram.clone()).unwrap();
            }
            let flight = bytes(&transmit(&mut server, now));
            let (mut received, mut sent) = (0, flight);
            for _ in 0..2_000 {
                now += Duration::from_millis(13);
                server.handle_input(now, &mut trigger.clone()).unwrap();
                received += trigger.len();
                if server.poll_timeout().is_some_and(|at| at <= now) {
                    server.handle_timeout(now);
                }
                sent += bytes(&transmit(&mut server, now));
            }
            let most = 9 * flight + 3 * received;
            assert!(sent <= most, "{sent} of at most {most}, {max_version}");
            assert!(sent >= 7 * flight, "{sent} of {flight}, {max_version}");
        }
    }
}

/// Someone acknowledges the ServerHello in the client's name, who never got it.
#[test]
fn forged_acks_do_not_keep_the_server_hello_from_the_client() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    assert!(pair.run_until(Duration::from_secs(1), |pair| !pair.server.sent_datagrams.is_empty()));
    pair.drop_all_in_flight();
    for sequence in 0..4_u8 {
        let mut body = vec![0, 16];
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, sequence]);
        pair.inject(true, plaintext_record(26, 900 + u16::from(sequence), &body));
    }
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    assert!(pair.now - pair.start < Duration::from_secs(2));
}
