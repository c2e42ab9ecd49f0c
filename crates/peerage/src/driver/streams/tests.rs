//! Peers that mean harm, and peers that are slow: everything ends, and everything is bounded.

use std::future::poll_fn;
use std::time::Duration;

use peerage_peerconnection::Transmit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const ANY: &str = "127.0.0.1:0";

fn rig() -> (Streams, SocketAddr) {
    let listener = Listener::bind(ANY.parse().unwrap()).unwrap();
    let local = listener.local();
    (Streams::new(vec![listener], None), local)
}

async fn next(streams: &mut Streams) -> StreamEvent {
    poll_fn(|cx| streams.poll(cx)).await
}

fn transmit(protocol: Protocol, remote: SocketAddr, size: usize) -> Transmit {
    let source = "127.0.0.1:9".parse().unwrap();
    Transmit { source, destination: remote, protocol, ecn: None, size, segment_size: None }
}

fn send(streams: &mut Streams, remote: SocketAddr, bytes: &[u8]) -> (Sent, u64) {
    let (now, mut statistics) = (Instant::now(), Counters::default());
    let transmit = transmit(Protocol::Tcp, remote, bytes.len());
    let sent = streams.send(now, 1, bytes, &transmit, None, &mut statistics);
    (sent, statistics.blocked)
}

#[tokio::test]
async fn packets_go_both_ways_in_frames() {
    let (mut streams, local) = rig();
    assert_eq!(send(&mut streams, local, b"first").0, Sent::Gone);
    let (mut opened, mut claimed) = (None, None);
    loop {
        match next(&mut streams).await {
            StreamEvent::Packets(id, ends, mut packets) if ends.owner.is_none() => {
                assert_eq!(packets.next().unwrap(), b"first");
                assert!(packets.next().is_none());
                assert!(streams.claim(id, 2));
                claimed = Some(ends.remote);
                let back = Transmit { source: local, ..transmit(Protocol::Tcp, ends.remote, 8) };
                let (now, mut counters) = (Instant::now(), Counters::default());
                let back = Transmit { segment_size: Some(4), ..back };
                streams.send(now, 2, b"onestwos", &back, None, &mut counters);
            }
            StreamEvent::Packets(_, ends, mut packets) => {
                assert_eq!((ends.owner, ends.remote), (Some(1), local));
                let mut all = Vec::new();
                while let Some(packet) = packets.next() {
                    all.push(packet.to_vec());
                }
                assert_eq!(all, [b"ones", b"twos"]);
                break;
            }
            StreamEvent::Connected(ends) => opened = opened.or(Some(ends)),
            other => panic!("{other:?}"),
        }
    }
    assert!(opened.is_some() && claimed.is_some());
    assert_eq!(streams.len(), (2, 0));
    streams.forget(2);
    // The other end notices.
    loop {
        if let StreamEvent::Closed(ends, end) = next(&mut streams).await {
            assert_eq!((ends.owner, end), (Some(1), StreamEnd::Closed));
            break;
        }
    }
    assert_eq!(streams.len(), (0, 0));
}

#[tokio::test]
async fn strangers_are_few_whatever_they_try() {
    let (mut streams, local) = rig();
    let mut peers = Vec::new();
    for _ in 0..10 * MAX_UNCLAIMED_PER_ADDRESS {
        peers.push(TcpStream::connect(local).await.unwrap());
        let _ = poll_fn(|cx| Poll::Ready(streams.poll(cx))).await;
    }
    assert_eq!(streams.len(), (MAX_UNCLAIMED_PER_ADDRESS, MAX_UNCLAIMED_PER_ADDRESS));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_ends_is_not_waited_for() {
    for beginning in [&[][..], &[0xff], &[0xff, 0xff, 1, 2, 3]] {
        let (mut streams, local) = rig();
        let mut peer = TcpStream::connect(local).await.unwrap();
        peer.write_all(beginning).await.unwrap();
        let closed = loop {
            match next(&mut streams).await {
                StreamEvent::Closed(ends, end) => break (ends.owner, end),
                StreamEvent::Connected(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((closed, streams.len()), ((None, StreamEnd::TimedOut), (0, 0)));
    }
}

#[tokio::test]
async fn who_does_not_listen_is_told_of() {
    let (mut streams, _) = rig();
    let gone = TcpListener::bind(ANY).await.unwrap().local_addr().unwrap();
    assert_eq!(send(&mut streams, gone, b"hello").0, Sent::Gone);
    let StreamEvent::Closed(ends, end) = next(&mut streams).await else { panic!("no end") };
    assert_eq!((ends.owner, ends.remote, end), (Some(1), gone, StreamEnd::Refused));
    // An accepted stream that is gone is not opened from our side.
    let local = streams.listening().next().unwrap();
    let back = Transmit { source: local, ..transmit(Protocol::Tcp, gone, 1) };
    streams.send(Instant::now(), 1, b"x", &back, None, &mut Counters::default());
    assert!(matches!(next(&mut streams).await, StreamEvent::Closed(_, StreamEnd::Closed)));
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_its_connection_back() {
    let peer = TcpListener::bind(ANY).await.unwrap();
    let remote = peer.local_addr().unwrap();
    let mut streams = Streams::new(Vec::new(), None);
    let packet = vec![0x80; 1200];
    assert_eq!(send(&mut streams, remote, &packet).0, Sent::Gone);
    let (mut far, _) = peer.accept().await.unwrap();
    assert!(matches!(next(&mut streams).await, StreamEvent::Connected(_)));
    let mut sent = 1;
    while send(&mut streams, remote, &packet).0 == Sent::Gone {
        sent += 1;
        assert!(sent < 100_000, "the queue is bounded");
        tokio::task::yield_now().await;
    }
    let waits = streams.poll_timeout().expect("a connection that waits");
    // The far end reads: the connection goes on.
    let mut bytes = vec![0; 1 << 16];
    let room = loop {
        tokio::select! {
            event = next(&mut streams) => break event,
            read = far.read(&mut bytes) => assert!(read.unwrap() > 0),
        }
    };
    assert!(matches!(room, StreamEvent::Room(1)));
    assert_eq!(streams.poll_timeout(), None);
    // It stops for good: the connection goes on without it, and what it sends is dropped.
    while send(&mut streams, remote, &packet).0 == Sent::Gone {
        tokio::task::yield_now().await;
    }
    let mut freed = Vec::new();
    streams.give_up(waits + Duration::from_secs(3600), &mut freed);
    assert_eq!(freed, [1]);
    assert_eq!(send(&mut streams, remote, &packet), (Sent::Gone, 1));
}
