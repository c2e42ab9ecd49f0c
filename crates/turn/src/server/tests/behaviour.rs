//! What RFC 8656, RFC 8489 and RFC 5780 ask of the server.

use super::*;

#[test]
fn data_goes_both_ways_by_channel_and_by_indication() {
    for sha256 in [false, true] {
        let mut net = Net::new(config());
        let mut client = Client::new("198.51.100.7:5000");
        client.sha256 = sha256;
        let answer = client.allocate(&mut net, &[]);
        assert_eq!(code(&answer), 0);
        assert_eq!(lifetime(&answer), 600);
        let (relay, at) = net.bound[0];
        assert_eq!(relayed(&answer), [at]);
        assert_eq!(Message::parse(&answer).unwrap().mapped_address(), Some(client.tuple.client));

        assert_eq!(net.data(client.tuple, &send_indication(PEER, b"early")), None);
        assert_eq!(net.peer_sends(relay, PEER, b"early"), None);
        assert_eq!(client.permit(&mut net, PEER), 0);
        let message = send_indication(PEER, b"hello");
        let forward = net.data(client.tuple, &message).unwrap();
        assert_eq!(&message[forward.payload], b"hello");
        let peer = address(PEER);
        assert_eq!(forward.path, Path::Peer { relay, peer, dont_fragment: false });

        // Any port of the address is permitted, no other address.
        for source in [PEER, "8.8.8.8:1"] {
            let data = net.peer_sends(relay, source, b"hello").unwrap();
            let message = Message::parse(&data).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
            assert_eq!(
                message.decode(T::XOR_PEER_ADDRESS),
                Some(Ok(Attribute::XorPeerAddress(address(source))))
            );
            assert_eq!(message.get(T::DATA).unwrap().value, b"hello");
        }
        assert_eq!(net.peer_sends(relay, "8.8.8.9:9000", b"x"), None);

        assert_eq!(client.bind(&mut net, 0x4000, PEER), 0);
        let message = channel_data(0x4000, b"hey");
        let forward = net.data(client.tuple, &message).unwrap();
        assert_eq!(&message[forward.payload], b"hey");
        assert_eq!(net.peer_sends(relay, PEER, b"hey").unwrap(), message);
        assert_eq!(net.data(client.tuple, &channel_data(0x4001, b"hey")), None);
        // Another client cannot speak in its name.
        let other = FiveTuple { client: address("198.51.100.8:5000"), ..client.tuple };
        assert_eq!(net.data(other, &message), None);
    }
}

#[test]
fn an_ipv6_peer_is_reached_from_an_ipv6_address() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    let both = Attribute::AdditionalAddressFamily(AddressFamily::Ipv6);
    let answer = client.allocate(&mut net, &[both]);
    let addresses = relayed(&answer);
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6(), "{addresses:?}");
    let peer = "[2606:4700::1]:9000";
    assert_eq!(client.permit(&mut net, peer), 0);
    let relay = net.bound[1].0;
    let data = net.peer_sends(relay, peer, b"hello").unwrap();
    let message = Message::parse(&data).unwrap();
    assert_eq!(
        message.decode(T::XOR_PEER_ADDRESS),
        Some(Ok(Attribute::XorPeerAddress(address(peer))))
    );
    assert_eq!(message.get(T::DATA).unwrap().value, b"hello");
    // The IPv4 half ends alone.
    let answer = client.ask(
        &mut net,
        Method::REFRESH,
        &[Attribute::Lifetime(0), Attribute::RequestedAddressFamily(AddressFamily::Ipv4)],
    );
    assert_eq!((code(&answer), net.bound.len()), (0, 1));
    assert_eq!(client.permit(&mut net, PEER), 443);
    assert_eq!(client.permit(&mut net, peer), 0);
}

#[test]
fn requests_that_rfc_8656_refuses_are_refused() {
    let v6 = AddressFamily::Ipv6;
    let v4 = AddressFamily::Ipv4;
    let token = Attribute::ReservationToken(&[1; 8]);
    let cases: [(u16, &[Attribute<'_>]); 12] = [
        (400, &[]),
        (442, &[Attribute::RequestedTransport(132)]),
        (400, &[Attribute::RequestedTransport(6)]),
        (508, &[Attribute::RequestedTransport(17), token]),
        (400, &[Attribute::RequestedTransport(17), token, Attribute::EvenPort(false)]),
        (400, &[Attribute::RequestedTransport(17), token, Attribute::RequestedAddressFamily(v4)]),
        (
            400,
            &[
                Attribute::RequestedTransport(17),
                Attribute::RequestedAddressFamily(v4),
                Attribute::AdditionalAddressFamily(v6),
            ],
        ),
        (400, &[Attribute::RequestedTransport(17), Attribute::AdditionalAddressFamily(v4)]),
        (
            400,
            &[
                Attribute::RequestedTransport(17),
                Attribute::AdditionalAddressFamily(v6),
                Attribute::EvenPort(true),
            ],
        ),
        (
            440,
            &[
                Attribute::RequestedTransport(17),
                Attribute::Raw(T::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0]),
            ],
        ),
        (420, &[Attribute::RequestedTransport(17), Attribute::Raw(T(0x7777), &[0; 4])]),
        (0, &[Attribute::RequestedTransport(17), Attribute::DontFragment]),
    ];
    for (expected, attributes) in cases {
        let mut net = Net::new(config());
        let mut client = Client::new("198.51.100.7:5000");
        let answer = client.ask(&mut net, Method::ALLOCATE, attributes);
        assert_eq!(code(&answer), expected, "{attributes:?}");
        assert_eq!(net.server.allocations(), usize::from(expected == 0));
        let (_, _, ports) = net.shared.tables().sizes();
        assert_eq!(ports, usize::from(expected == 0), "{attributes:?}");
    }
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    assert_eq!(client.permit(&mut net, PEER), 437);
    client.allocate(&mut net, &[]);
    assert_eq!(code(&client.allocate(&mut net, &[])), 437, "another transaction");
    assert_eq!(code(&client.ask(&mut net, Method::CREATE_PERMISSION, &[])), 400);
    assert_eq!(client.permit(&mut net, "[2606:4700::1]:1"), 443);
    assert_eq!(client.bind(&mut net, 0x3FFF, PEER), 400);
    assert_eq!(client.bind(&mut net, 0x4000, PEER), 0);
    assert_eq!(client.bind(&mut net, 0x4000, "8.8.4.4:1"), 400);
    assert_eq!(client.bind(&mut net, 0x4001, PEER), 400);
    client.username = "bob".into();
    client.password = "other".into();
    assert_eq!(client.permit(&mut net, PEER), 441);
}

#[test]
fn a_request_sent_again_gets_its_answer_again() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    let first = client.allocate(&mut net, &[]);
    client.next -= 1;
    let again = client.request(Method::ALLOCATE, &[Attribute::RequestedTransport(17)]);
    assert_eq!(net.ask(client.tuple, &again), [first]);
    assert_eq!(net.server.allocations(), 1);
}

#[test]
fn a_port_that_the_system_refuses_is_not_given() {
    let mut net = Net::new(Config { ports: 50_000..=50_003, ..config() });
    net.taken = vec![50_000, 50_001, 50_002];
    for n in 0..4 {
        // With four ports, sixteen tries may end without the free one.
        let mut client = Client::new(&format!("198.51.100.7:{}", 5000 + n));
        let answer = client.allocate(&mut net, &[]);
        match code(&answer) {
            0 => assert_eq!(relayed(&answer), [address("192.0.2.1:50003")]),
            code => assert_eq!(code, 508),
        }
    }
    net.taken = vec![50_000, 50_001, 50_002, 50_003];
    net.server.close();
    net.drain();
    let answer = Client::new("198.51.100.9:1").allocate(&mut net, &[]);
    assert_eq!(code(&answer), 508);
    assert_eq!(net.shared.tables().sizes(), (0, 0, 0), "nothing stays behind");
}

#[test]
fn the_port_after_an_even_one_waits_for_its_token() {
    let mut net = Net::new(config());
    let mut first = Client::new("198.51.100.7:5000");
    let answer = first.allocate(&mut net, &[Attribute::EvenPort(true)]);
    let even = relayed(&answer)[0];
    assert_eq!(even.port() % 2, 0);
    let token = match Message::parse(&answer).unwrap().decode(T::RESERVATION_TOKEN) {
        Some(Ok(Attribute::ReservationToken(token))) => *token,
        other => panic!("{other:?}"),
    };
    let mut thief = Client::new("198.51.100.9:5000");
    thief.username = "bob".into();
    thief.password = "other".into();
    assert_eq!(code(&thief.allocate(&mut net, &[Attribute::ReservationToken(&token)])), 508);
    let mut second = Client::new("198.51.100.7:5001");
    let answer = second.allocate(&mut net, &[Attribute::ReservationToken(&token)]);
    assert_eq!(relayed(&answer), [SocketAddr::new(even.ip(), even.port() + 1)]);
    // Of a token that nobody brings, the address is free again after 30 s.
    let mut third = Client::new("198.51.100.7:5002");
    third.allocate(&mut net, &[Attribute::EvenPort(true)]);
    assert_eq!(net.shared.tables().sizes().2, 4);
    net.pass(Duration::from_secs(31));
    assert_eq!(net.shared.tables().sizes(), (1, 0, 3));
    assert!(matches!(net.events.last(), Some(Event::Unreserve { .. })));
}

#[test]
fn everything_ends_in_its_time() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    let answer = client.allocate(&mut net, &[Attribute::Lifetime(100_000)]);
    assert_eq!(lifetime(&answer), 3600, "the longest");
    let relay = net.bound[0].0;
    client.bind(&mut net, 0x4000, PEER);
    let second = Duration::from_secs(1);
    net.pass(PERMISSION_LIFETIME - second);
    assert!(net.peer_sends(relay, PEER, b"x").is_some());
    // Data does not keep a permission.
    net.pass(second);
    assert_eq!(net.peer_sends(relay, PEER, b"x"), None);
    assert!(net.data(client.tuple, &channel_data(0x4000, b"x")).is_some());
    assert_eq!(client.permit(&mut net, PEER), 0);
    assert_eq!(net.peer_sends(relay, PEER, b"x").unwrap()[0], 0x40, "by the channel");
    net.pass(CHANNEL_LIFETIME - PERMISSION_LIFETIME);
    assert_eq!(net.data(client.tuple, &channel_data(0x4000, b"x")), None);
    assert_eq!(client.permit(&mut net, PEER), 0);
    assert_eq!(net.peer_sends(relay, PEER, b"x").unwrap()[0], 0, "by an indication");
    net.pass(Duration::from_secs(3600 - 601));
    assert_eq!(net.server.allocations(), 1);
    net.pass(second);
    assert_eq!(net.server.allocations(), 0);
    assert_eq!(net.server.poll_timeout(), None);
    assert!(net.bound.is_empty());
    assert_eq!(client.permit(&mut net, PEER), 437);
}

#[test]
fn credentials_with_a_time_end_and_allocations_outlive_them() {
    let secrets = vec!["new secret".into(), "old secret".into()];
    let mut net = Net::new(Config { users: Vec::new(), secrets, ..config() });
    let mut client = Client::new("198.51.100.7:5000");
    for secret in ["old secret", "new secret"] {
        client.username = format!("{}:{secret}", UNIX + 60);
        client.password = time_limited_password(secret, &client.username);
        client.tuple.client.set_port(client.tuple.client.port() + 1);
        assert_eq!(code(&client.allocate(&mut net, &[])), 0, "{secret}");
    }
    net.pass(Duration::from_secs(61));
    assert_eq!(code(&client.ask(&mut net, Method::REFRESH, &[])), 0, "of an allocation there is");
    client.tuple.client.set_port(6000);
    assert_eq!(code(&client.allocate(&mut net, &[])), 401, "too late");
    client.username = format!("{}:mallory", UNIX + 1000);
    assert_eq!(code(&client.allocate(&mut net, &[])), 401, "another name's password");
}

#[test]
fn a_stale_or_foreign_nonce_is_answered_with_a_fresh_one() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    client.allocate(&mut net, &[]);
    net.pass(Duration::from_secs(500));
    assert_eq!(code(&client.ask(&mut net, Method::REFRESH, &[Attribute::Lifetime(3600)])), 0);
    net.pass(Duration::from_secs(3200));
    let request = client.request(Method::REFRESH, &[]);
    assert_eq!(code(&net.ask(client.tuple, &request)[0]), 438);
    assert_eq!(code(&client.ask(&mut net, Method::REFRESH, &[])), 0);
    let mut other = Client::new("198.51.100.8:5000");
    other.nonce = client.nonce.clone();
    let request = other.request(Method::ALLOCATE, &[Attribute::RequestedTransport(17)]);
    assert_eq!(code(&net.ask(other.tuple, &request)[0]), 438);
}

#[test]
fn who_strikes_sha_256_off_the_list_is_noticed() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    client.allocate(&mut net, &[]);
    let features = SecurityFeatures::from_nonce(&client.nonce).unwrap();
    assert!(features.password_algorithms && features.username_anonymity);
    // A nonce whose cookie says "no algorithms" is not ours any more.
    let weaker = SecurityFeatures::default().nonce_cookie() + &client.nonce[13..];
    client.nonce = weaker;
    let request = client.request(Method::REFRESH, &[]);
    assert_eq!(code(&net.ask(client.tuple, &request)[0]), 438);
    // A list that is not ours, or half of the two attributes.
    client.ask(&mut net, Method::REFRESH, &[]);
    let md5 = PasswordAlgorithms::new(&[0, 1, 0, 0]).unwrap();
    for attributes in [
        vec![
            Attribute::PasswordAlgorithms(md5),
            Attribute::PasswordAlgorithm(PasswordAlgorithm::Md5),
        ],
        vec![Attribute::PasswordAlgorithm(PasswordAlgorithm::Sha256)],
    ] {
        let request = client.request(Method::REFRESH, &attributes);
        assert_eq!(code(&net.ask(client.tuple, &request)[0]), 400);
    }
}

#[test]
fn a_name_can_be_told_by_its_hash() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    client.allocate(&mut net, &[]);
    let provider = peerage_crypto::default_provider();
    let credentials = LongTermCredentials::new("alice", "example.org", "secret").unwrap();
    let hash = credentials.userhash(&*provider);
    let mut request = Vec::new();
    MessageBuilder::new(&mut request, Class::Request, Method::REFRESH, TransactionId([77; 12]))
        .attribute(&Attribute::UserHash(&hash))
        .attribute(&Attribute::Realm("example.org"))
        .attribute(&Attribute::Nonce(&client.nonce))
        .integrity(&client.key())
        .finish();
    assert_eq!(code(&net.ask(client.tuple, &request)[0]), 0);
}

#[test]
fn a_draining_server_keeps_what_it_has() {
    let mut net = Net::new(config());
    let mut first = Client::new("198.51.100.7:5000");
    first.allocate(&mut net, &[]);
    net.server.drain();
    assert_eq!(code(&Client::new("198.51.100.7:5001").allocate(&mut net, &[])), 508);
    assert_eq!(code(&first.ask(&mut net, Method::REFRESH, &[])), 0);
    net.server.close();
    net.drain();
    assert!(net.bound.is_empty());
}

#[test]
fn behaviour_discovery_answers_from_where_it_is_asked_to() {
    let behaviour =
        BehaviourDiscovery { primary: address(SERVER), alternate: address("192.0.2.2:3479") };
    let mut net = Net::new(Config { behaviour: vec![behaviour], ..config() });
    let tuple = Client::new("198.51.100.7:5000").tuple;
    for (ip, port, source) in [
        (false, false, "192.0.2.1:3478"),
        (false, true, "192.0.2.1:3479"),
        (true, false, "192.0.2.2:3478"),
        (true, true, "192.0.2.2:3479"),
    ] {
        let mut request = Vec::new();
        MessageBuilder::new(&mut request, Class::Request, Method::BINDING, TransactionId([1; 12]))
            .attribute(&Attribute::ChangeRequest { ip, port })
            .attribute(&Attribute::ResponsePort(6000))
            .finish();
        net.server.handle_input(net.now, Input::Client { tuple, message: &request });
        let (answered, bytes) = net.drain().remove(0);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(answered.server, address(source));
        assert_eq!(answered.client, address("198.51.100.7:6000"));
        assert_eq!(
            message.decode(T::RESPONSE_ORIGIN),
            Some(Ok(Attribute::ResponseOrigin(address(source))))
        );
        assert_eq!(
            message.decode(T::OTHER_ADDRESS),
            Some(Ok(Attribute::OtherAddress(address("192.0.2.2:3479"))))
        );
        assert_eq!(message.mapped_address(), Some(tuple.client));
    }
    let mut plain = Net::new(config());
    let mut request = Vec::new();
    MessageBuilder::new(&mut request, Class::Request, Method::BINDING, TransactionId([1; 12]))
        .attribute(&Attribute::ChangeRequest { ip: true, port: true })
        .finish();
    assert_eq!(code(&plain.ask(tuple, &request)[0]), 420);
}
