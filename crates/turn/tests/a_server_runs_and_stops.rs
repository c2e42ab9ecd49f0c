//! The driver: listeners of every kind answer, metrics are served, a draining server ends.
#![cfg(feature = "driver")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use peerage_stun::{Class, Message, MessageBuilder, Method, TransactionId};
use peerage_turn::driver::{Options, StartError, TurnServer};
use peerage_turn::{Config, ConfigError};

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn binding() -> Vec<u8> {
    let mut request = Vec::new();
    let id = TransactionId([3; 12]);
    MessageBuilder::new(&mut request, Class::Request, Method::BINDING, id).finish();
    request
}

#[test]
fn udp_tcp_and_metrics_are_served() {
    let mut options = Options::new(Config::default());
    options.udp.push(any());
    options.tcp.push(any());
    options.metrics = Some(any());
    options.workers = std::num::NonZeroUsize::new(2);
    let server = TurnServer::start(options).unwrap();

    let socket = UdpSocket::bind(any()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.send_to(&binding(), server.udp_addresses()[0]).unwrap();
    let mut answer = [0; 200];
    let (size, from) = socket.recv_from(&mut answer).unwrap();
    assert_eq!(from, server.udp_addresses()[0]);
    let message = Message::parse(&answer[..size]).unwrap();
    assert_eq!(message.mapped_address(), Some(socket.local_addr().unwrap()));

    // Two requests in pieces that are not theirs.
    let mut stream = TcpStream::connect(server.tcp_addresses()[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let both = [binding(), binding()].concat();
    for piece in [&both[..7], &both[7..33], &both[33..]] {
        stream.write_all(piece).unwrap();
        stream.flush().unwrap();
    }
    for _ in 0..2 {
        stream.read_exact(&mut answer[..32]).unwrap();
        let message = Message::parse(&answer[..32]).unwrap();
        assert_eq!(message.mapped_address(), Some(stream.local_addr().unwrap()));
    }
    // What is neither STUN nor ChannelData ends the stream.
    stream.write_all(b"\xFF\xFF\xFF\xFF").unwrap();
    assert_eq!(stream.read(&mut answer).unwrap_or(0), 0);

    let mut page = String::new();
    let mut stream = TcpStream::connect(server.metrics_address().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\npeerage_turn_workers 2\n"), "{page}");
    assert!(page.contains("# TYPE peerage_turn_bindings_total counter\n"), "{page}");
    server.shut_down(Duration::from_secs(20));
}

#[test]
fn what_cannot_start_says_why() {
    let error = TurnServer::start(Options::new(Config::default())).unwrap_err();
    assert!(matches!(error, StartError::NoListener), "{error}");

    let taken = UdpSocket::bind(any()).unwrap();
    let mut options = Options::new(Config::default());
    options.udp.push(taken.local_addr().unwrap());
    options.workers = std::num::NonZeroUsize::new(1);
    let error = TurnServer::start(options).unwrap_err();
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");

    let mut options = Options::new(Config::default());
    options.tls.push(any());
    let error = TurnServer::start(options).unwrap_err();
    assert!(matches!(error, StartError::NoIdentity), "{error}");

    let mut options =
        Options::new(Config { users: vec![("a".into(), "b".into())], ..Config::default() });
    options.udp.push(any());
    let error = TurnServer::start(options).unwrap_err();
    assert!(matches!(error, StartError::Config(ConfigError::Incomplete(_))), "{error}");
}
