//! What an attacker tries, and what bounds hold.

use super::*;

#[test]
fn peers_that_are_not_public_are_refused_everywhere() {
    let mut net = Net::new(config());
    let mut client = Client::new("198.51.100.7:5000");
    let both = Attribute::AdditionalAddressFamily(AddressFamily::Ipv6);
    client.allocate(&mut net, &[both]);
    for peer in [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "192.168.0.1:80",
        "169.254.169.254:80",
        "168.63.129.16:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "0.0.0.0:80",
        "[::1]:80",
        "[::]:80",
        "[fe80::1]:80",
        "[fd00:ec2::254]:80",
        "[ff02::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[64:ff9b::a00:1]:80",
        "[2002:7f00:1::]:80",
    ] {
        assert_eq!(client.permit(&mut net, peer), 403, "{peer}");
        assert_eq!(client.bind(&mut net, 0x4000, peer), 403, "{peer}");
        assert_eq!(net.data(client.tuple, &send_indication(peer, b"x")), None, "{peer}");
    }
    // One bad address among good ones: none of them is permitted.
    let peers = [PEER, "10.0.0.1:1"].map(|peer| Attribute::XorPeerAddress(address(peer)));
    assert_eq!(code(&client.ask(&mut net, Method::CREATE_PERMISSION, &peers)), 403);
    assert_eq!(net.data(client.tuple, &send_indication(PEER, b"x")), None);
}

#[test]
fn of_the_servers_own_addresses_only_relayed_ports_are_open() {
    let own = address("192.0.2.200:1").ip();
    let mut net = Net::new(Config { own_addresses: vec![own], ..config() });
    let mut client = Client::new("198.51.100.7:5000");
    let relayed = relayed(&client.allocate(&mut net, &[]))[0];
    assert_eq!(client.permit(&mut net, &relayed.to_string()), 0);
    assert!(net.data(client.tuple, &send_indication(&relayed.to_string(), b"x")).is_some());
    for peer in ["192.0.2.1:3478", "192.0.2.1:53", "192.0.2.200:53", "192.0.2.200:50000"] {
        assert_eq!(net.data(client.tuple, &send_indication(peer, b"x")), None, "{peer}");
        assert_eq!(client.bind(&mut net, 0x4000, peer), 403, "{peer}");
    }
}

#[test]
fn strangers_leave_nothing_behind_and_a_forged_source_gets_little() {
    let mut net = Net::new(Config { unauthenticated_rate: 50, ..config() });
    let requests: Vec<Vec<u8>> = [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION]
        .iter()
        .map(|method| {
            let mut out = Vec::new();
            MessageBuilder::new(&mut out, Class::Request, *method, TransactionId([1; 12]))
                .attribute(&Attribute::RequestedTransport(17))
                .finish();
            out
        })
        .collect();
    let mut wrong = Client::new("203.0.113.9:1");
    wrong.password = "guess".into();
    wrong.nonce = "obMatJos2wAAAxxxxxxxxxxxxxxxxxxxx".into();
    let guess = wrong.request(Method::ALLOCATE, &[Attribute::RequestedTransport(17)]);
    let (mut answers, mut bytes) = (0, 0);
    for n in 0..20_000u32 {
        let mut tuple = wrong.tuple;
        tuple.client = SocketAddr::from(([203, 0, 113, n as u8], (n >> 3) as u16));
        for message in requests.iter().chain([&guess]) {
            for answer in net.ask(tuple, message) {
                answers += 1;
                bytes += answer.len();
                assert!(answer.len() <= 140, "{} bytes", answer.len());
            }
        }
    }
    assert_eq!(answers, 50, "in one second, to one /24");
    assert!(bytes <= 50 * 140);
    assert_eq!(net.server.allocations(), 0);
    assert_eq!(net.server.poll_timeout(), None);
    assert!(net.server.tuples.is_empty() && net.server.waiting.is_empty());
    assert_eq!(net.shared.tables().sizes(), (0, 0, 0));
    assert!(net.events.is_empty() && net.bound.is_empty());
    // Answers and indications are not answered at all.
    for class in [Class::Indication, Class::SuccessResponse, Class::ErrorResponse] {
        let mut out = Vec::new();
        MessageBuilder::new(&mut out, class, Method::ALLOCATE, TransactionId([1; 12])).finish();
        let tuple = FiveTuple { client: address("198.51.100.99:1"), ..wrong.tuple };
        assert!(net.ask(tuple, &out).is_empty());
    }
    // Others are served all the while.
    assert_eq!(code(&Client::new("198.51.100.7:5000").allocate(&mut net, &[])), 0);
}

#[test]
fn a_binding_answer_is_hardly_longer_than_its_request() {
    let mut net = Net::new(Config { users: Vec::new(), relays: Vec::new(), ..config() });
    let tuple = Client::new("198.51.100.7:5000").tuple;
    let mut request = Vec::new();
    MessageBuilder::new(&mut request, Class::Request, Method::BINDING, TransactionId([1; 12]))
        .fingerprint();
    let answers = net.ask(tuple, &request);
    assert_eq!(Message::parse(&answers[0]).unwrap().mapped_address(), Some(tuple.client));
    assert_eq!(answers[0].len(), request.len() + 12);
    let mut client = Client::new("198.51.100.7:5000");
    assert_eq!(code(&client.allocate(&mut net, &[])), 401, "nobody may allocate");
}

#[test]
fn quotas_hold_and_come_back() {
    let mut net = Net::new(Config { user_quota: 2, total_quota: 3, ..config() });
    let mut clients: Vec<Client> =
        (0..4).map(|n| Client::new(&format!("198.51.100.7:{}", 5000 + n))).collect();
    assert_eq!(code(&clients[0].allocate(&mut net, &[])), 0);
    assert_eq!(code(&clients[1].allocate(&mut net, &[])), 0);
    assert_eq!(code(&clients[2].allocate(&mut net, &[])), 486, "alice has two");
    for client in &mut clients[2..] {
        client.username = "bob".into();
        client.password = "other".into();
    }
    assert_eq!(code(&clients[2].allocate(&mut net, &[])), 0);
    assert_eq!(code(&clients[3].allocate(&mut net, &[])), 486, "three in all");
    assert_eq!(code(&clients[0].ask(&mut net, Method::REFRESH, &[Attribute::Lifetime(0)])), 0);
    assert_eq!(code(&clients[3].allocate(&mut net, &[])), 0);
}

#[test]
fn permissions_and_channels_are_bounded() {
    let mut net = Net::new(Config { max_permissions: 8, max_channels: 4, ..config() });
    let mut client = Client::new("198.51.100.7:5000");
    client.allocate(&mut net, &[]);
    for n in 0..8 {
        assert_eq!(client.permit(&mut net, &format!("8.8.8.{n}:1")), 0);
    }
    assert_eq!(client.permit(&mut net, "8.8.8.8:1"), 508);
    assert_eq!(client.permit(&mut net, "8.8.8.0:1"), 0, "known");
    assert_eq!(client.bind(&mut net, 0x4000, "8.8.8.8:1"), 508);
    for n in 0..4 {
        assert_eq!(client.bind(&mut net, 0x4000 + n, &format!("8.8.8.{n}:1")), 0);
    }
    assert_eq!(client.bind(&mut net, 0x4004, "8.8.8.5:1"), 508);
    net.pass(PERMISSION_LIFETIME);
    assert_eq!(client.permit(&mut net, "8.8.8.8:1"), 0, "the old ones ended");
}

#[test]
fn bandwidth_is_bounded_each_way() {
    let mut net = Net::new(Config { bandwidth: Some(100_000), ..config() });
    let mut client = Client::new("198.51.100.7:5000");
    client.allocate(&mut net, &[]);
    client.bind(&mut net, 0x4000, PEER);
    let relay = net.bound[0].0;
    let message = channel_data(0x4000, &[0; 1000]);
    let (mut sent, mut received) = (0, 0);
    for _ in 0..10_000 {
        net.pass(Duration::from_millis(1));
        sent += usize::from(net.data(client.tuple, &message).is_some());
        received += usize::from(net.peer_sends(relay, PEER, &[0; 1000]).is_some());
    }
    for count in [sent, received] {
        assert!((1000..=1110).contains(&count), "{count} KB in 10 s");
    }
    assert_eq!(net.server.counters().limited, 20_000 - sent as u64 - received as u64);
}

#[test]
fn ten_thousand_allocations_end_and_leave_their_memory() {
    let config = Config {
        user_quota: 10_000,
        unauthenticated_rate: 0,
        relays: vec![address(SERVER).ip().into()],
        ..config()
    };
    let mut net = Net::new(config);
    let mut client = Client::new("198.51.100.7:5000");
    for n in 0..10_000u32 {
        client.tuple.client = SocketAddr::from(([198, 51, (n >> 12) as u8, 1], n as u16 & 0xFFF));
        client.nonce.clear();
        assert_eq!(code(&client.allocate(&mut net, &[])), 0, "{n}");
        assert_eq!(client.bind(&mut net, 0x4000, PEER), 0);
        // So that one identifier does not come around to an allocation's own.
        client.next = 0;
    }
    client.tuple.client = address("198.51.100.7:60000");
    client.nonce.clear();
    assert_eq!(code(&client.allocate(&mut net, &[])), 486);
    assert_eq!((net.server.allocations(), net.bound.len()), (10_000, 10_000));
    net.pass(Duration::from_secs(601));
    let server = &net.server;
    assert_eq!((server.allocations(), net.bound.len()), (0, 0));
    assert_eq!(server.allocations.capacity() + server.relays.capacity(), 0);
    assert!(server.tuples.capacity() <= 64 && server.timers.is_empty());
    assert_eq!(net.shared.tables().sizes(), (0, 0, 0));
    assert_eq!(server.counters().freed, 10_000);
}
