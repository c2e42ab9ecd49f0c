//! What the server of `peerage-turn` never does; with that one the client is tested in `crates/turn/tests`.

use std::net::SocketAddr;
use std::time::Instant;

use peerage_crypto::Rng;

use super::{AllocationError, Client, ClientConfig, Event, Link};
use crate::{Attribute, Class, ErrorCode, Message, MessageBuilder, Method};

fn client(server: &str) -> (Client, Instant) {
    let config = ClientConfig::new(server.parse().unwrap(), Link::Datagrams, "alice", "secret");
    let now = Instant::now();
    let provider = peerage_crypto::default_provider();
    (Client::new(now, config, Rng::from_seed(1), provider).unwrap(), now)
}

/// Answers the request that is to be sent with a redirection.
fn redirect(client: &mut Client, now: Instant, to: &[&str]) -> Vec<Event> {
    let mut request = Vec::new();
    client.poll_transmit(now, &mut request).expect("a request");
    let id = Message::parse(&request).unwrap().transaction_id();
    let mut answer = Vec::new();
    let mut builder = MessageBuilder::new(&mut answer, Class::ErrorResponse, Method::ALLOCATE, id)
        .attribute(&Attribute::ErrorCode(ErrorCode::TRY_ALTERNATE));
    for to in to {
        let server: SocketAddr = to.parse().unwrap();
        builder = builder.attribute(&Attribute::AlternateServer(server));
    }
    builder.finish();
    client.handle_input(now, &answer);
    std::iter::from_fn(|| client.poll_event()).collect()
}

#[test]
fn redirections_are_followed_but_not_in_a_circle() {
    let (mut client, now) = client("192.0.2.1:3478");
    let second: SocketAddr = "192.0.2.2:3478".parse().unwrap();
    let events = redirect(&mut client, now, &["[2001:db8::2]:3478", "192.0.2.2:3478"]);
    assert_eq!(events, [Event::Redirected(second)]);
    assert_eq!(client.server(), second);
    let events = redirect(&mut client, now, &["192.0.2.1:3478"]);
    assert_eq!(events, [Event::Failed(AllocationError::Redirected)]);
}

#[test]
fn a_server_out_there_does_not_send_us_to_this_machine() {
    for to in ["127.0.0.1:22", "0.0.0.0:3478", "224.0.0.1:3478", "192.0.2.9:0"] {
        let (mut client, now) = client("192.0.2.1:3478");
        let events = redirect(&mut client, now, &[to]);
        assert!(matches!(events[..], [Event::Failed(AllocationError::Unusable(_))]), "{events:?}");
        assert!(client.is_over());
    }
    let (mut client, now) = client("127.0.0.1:3478");
    let events = redirect(&mut client, now, &["127.0.0.1:3479"]);
    assert!(matches!(events[..], [Event::Redirected(_)]), "{events:?}");
}
