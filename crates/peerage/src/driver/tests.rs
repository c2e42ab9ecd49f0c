//! The driver seen from inside: its tables stay small, a socket that refuses holds nobody up, and what was cancelled is gone.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use common::{accept, negotiate, within};
use peerage_peerconnection::{Input, Protocol};
use peerage_stun::{
    Attribute, AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder,
    Method, TransactionId,
};
use tokio::net::UdpSocket;

use super::port::{PATIENCE, RETRY};
use super::routes::{MAX_ROUTES_PER_CONNECTION, Path};
use super::{ConnectionId, Counters, Driver};
use crate::lifeline::COMMAND_QUEUE;
use crate::socket::Socket;
use crate::socket::gate::{Gate, Refusal};
use crate::{
    Configuration, DataChannel, DataChannelInit, Endpoint, EndpointConfig, PeerConnection,
    SendError,
};

/// An endpoint whose driver the test can look into, hold, and keep from sending.
struct Rig {
    endpoint: Endpoint,
    driver: Arc<Mutex<Driver>>,
    gates: Vec<Arc<Gate>>,
    /// How often the driver ran.
    polls: Arc<AtomicU64>,
    held: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Rig {
    /// With so many sockets; the driver runs.
    fn new(sockets: u8) -> Self {
        // Addresses of their own, so that ICE does not have to see one fail before it tries the other.
        let address = |last| SocketAddr::from(([127, 0, 0, last], 0));
        let sockets: Vec<_> =
            (1..=sockets).map(|last| Socket::bind(address(last), &[]).unwrap()).collect();
        let gates = sockets.iter().map(|socket| Arc::clone(&socket.gate)).collect();
        let (endpoint, driver) = Endpoint::over(sockets, Vec::new(), EndpointConfig::loopback());
        let rig = Self {
            endpoint,
            driver: Arc::new(Mutex::new(driver)),
            gates,
            polls: Arc::default(),
            held: Arc::default(),
            waker: Arc::default(),
        };
        let (driver, polls) = (Arc::clone(&rig.driver), Arc::clone(&rig.polls));
        let (held, waker) = (Arc::clone(&rig.held), Arc::clone(&rig.waker));
        let run = std::future::poll_fn(move |cx: &mut Context<'_>| {
            *waker.lock().unwrap() = Some(cx.waker().clone());
            if held.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut *driver.lock().unwrap()).poll(cx)
        });
        // Tokio's budget would end a turn early, and hide what the driver does in one.
        tokio::spawn(tokio::task::unconstrained(run));
        rig
    }

    /// The driver does nothing until [`Rig::release`].
    fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    fn release(&self) {
        self.held.store(false, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }

    fn look<T>(&self, look: impl FnOnce(&mut Driver) -> T) -> T {
        look(&mut self.driver.lock().unwrap())
    }

    fn statistics(&self) -> Counters {
        self.look(|driver| driver.statistics)
    }

    fn newest(&self) -> ConnectionId {
        self.look(|driver| *driver.connections.keys().max().unwrap())
    }

    async fn until(&self, what: &str, mut done: impl FnMut(&mut Driver) -> bool) {
        within(what, async {
            while !self.look(&mut done) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// A connection between a client and the rig, and its channel.
struct Call {
    id: ConnectionId,
    client: PeerConnection,
    server: PeerConnection,
    channel: DataChannel,
    echo: DataChannel,
}

impl Call {
    async fn new(rig: &Rig, client: &Endpoint) -> Self {
        Self::with(rig, client, Configuration::default()).await
    }

    async fn with(rig: &Rig, client: &Endpoint, server: Configuration) -> Self {
        let client = client.connect(Configuration::default()).await.unwrap();
        let server = rig.endpoint.connect(server).await.unwrap();
        let id = rig.newest();
        let channel = client.create_data_channel("x", DataChannelInit::default()).await.unwrap();
        negotiate(&client, &server).await;
        let echo = accept(&server).await;
        Self { id, client, server, channel, echo }
    }

    /// A message goes each way.
    async fn works(&self) {
        within("room to send", self.channel.send("ping")).await.unwrap();
        assert_eq!(within("a ping", self.echo.recv()).await.unwrap(), "ping".into());
        within("room to send", self.echo.send("pong")).await.unwrap();
        assert_eq!(within("a pong", self.channel.recv()).await.unwrap(), "pong".into());
    }

    /// As the driver of the rig knows it.
    fn path(&self, rig: &Rig) -> Path {
        rig.look(|driver| driver.connections[&self.id].selected_path().unwrap())
    }
}

async fn client() -> Endpoint {
    common::endpoint().await
}

/// A check as the peer of `server` would send it, but for what `key` is.
fn check(server: &PeerConnection, key: Option<&str>, number: u8) -> Vec<u8> {
    check_with(server, key, number, &[])
}

fn check_with(
    server: &PeerConnection,
    key: Option<&str>,
    number: u8,
    extra: &[(AttributeType, &[u8])],
) -> Vec<u8> {
    let attribute = |sdp: &str, name: &str| {
        sdp.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
    };
    let ours = server.local_description().unwrap().sdp;
    let theirs = server.remote_description().unwrap().sdp;
    let [to, from] = [&ours, &theirs].map(|sdp| attribute(sdp, "a=ice-ufrag:"));
    let password = attribute(&ours, "a=ice-pwd:");
    let key = IntegrityKey::short_term(
        &*peerage_crypto::default_provider(),
        IntegrityAlgorithm::HmacSha1,
        key.unwrap_or(&password),
    );
    let mut id = [number; 12];
    id[..4].copy_from_slice(b"test");
    let mut buf = Vec::new();
    let mut message =
        MessageBuilder::new(&mut buf, Class::Request, Method::BINDING, TransactionId(id))
            .parts(AttributeType::USERNAME, &[to.as_bytes(), b":", from.as_bytes()])
            .attribute(&Attribute::Priority(1 << 24))
            .attribute(&Attribute::IceControlling(u64::MAX));
    for (kind, value) in extra {
        message = message.parts(*kind, &[*value]);
    }
    message.integrity(&key).fingerprint();
    buf
}

/// Sends a datagram from an address of its own and waits for the answer. Returns the path as the rig sees it.
async fn ask(rig: &Rig, datagram: &[u8]) -> (Path, UdpSocket) {
    let server = rig.endpoint.local_addresses()[0];
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(datagram, server).await.unwrap();
    let mut answer = vec![0; 2_000];
    let len = within("an answer", socket.recv(&mut answer)).await.unwrap();
    let class = Message::parse(&answer[..len]).unwrap().class();
    assert_eq!(class, Class::SuccessResponse);
    ((server, socket.local_addr().unwrap()), socket)
}

// --- routes ---

#[tokio::test]
async fn routes_vanish_with_their_connection() {
    let rig = Rig::new(1);
    let clients = [client().await, client().await, client().await];
    let closed = Call::new(&rig, &clients[0]).await;
    let dropped = Call::new(&rig, &clients[1]).await;
    let stays = Call::new(&rig, &clients[2]).await;
    for call in [&closed, &dropped, &stays] {
        call.works().await;
    }
    let path = stays.path(&rig);
    closed.server.close().await;
    drop((closed, dropped));
    rig.until("the routes of two connections to go", |driver| driver.connections.len() == 1).await;
    stays.works().await;
    rig.look(|driver| assert_eq!(driver.routes.by_path(&path), Some(stays.id)));
    drop(stays);
    rig.until("the last connection to go", |driver| driver.connections.is_empty()).await;
    assert_eq!(rig.look(|driver| driver.routes.len()), 0);
}

#[tokio::test]
async fn a_peer_that_sprays_addresses_holds_few_routes_and_keeps_its_path() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    call.works().await;
    let path = call.path(&rig);
    // The sockets stay, or the system would give their ports out again.
    let (first, socket) = ask(&rig, &check(&call.server, None, 0)).await;
    let mut sockets = vec![socket];
    assert_eq!(rig.look(|driver| driver.routes.by_path(&first)), Some(call.id));
    for number in 0..=MAX_ROUTES_PER_CONNECTION {
        sockets.push(ask(&rig, &check(&call.server, None, number as u8)).await.1);
    }
    rig.look(|driver| {
        assert!(driver.routes.len() <= MAX_ROUTES_PER_CONNECTION + 1, "{}", driver.routes.len());
        assert_eq!(driver.routes.by_path(&first), None, "the oldest went first");
        assert_eq!(driver.routes.by_path(&path), Some(call.id), "but not the one in use");
    });
    call.works().await;
}

#[tokio::test]
async fn a_ufrag_alone_wins_no_route() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    let routes = rig.look(|driver| driver.routes.len());
    let server = rig.endpoint.local_addresses()[0];
    let thief = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let wrong = check(&call.server, Some("another password altogether"), 1);
    thief.send_to(&wrong, server).await.unwrap();
    // So is one that is refused for an attribute that nobody knows: the refusal proves nothing.
    let unknown = check_with(&call.server, None, 3, &[(AttributeType(0x7f00), &[0; 4])]);
    thief.send_to(&unknown, server).await.unwrap();
    let (honest, _socket) = ask(&rig, &check(&call.server, None, 2)).await;
    assert_eq!(rig.look(|driver| driver.routes.by_path(&honest)), Some(call.id));
    // The socket is read in order: once the last is answered, the first have been looked at.
    let path = (server, thief.local_addr().unwrap());
    assert_eq!(rig.look(|driver| driver.routes.by_path(&path)), None);
    assert_eq!(rig.look(|driver| driver.routes.len()), routes + 1);
    call.works().await;
}

/// The peer of one connection sends a valid check with the address of another's peer as its source, as it can where
/// networks do not check that. The answer goes there; the other connection's data must not come from there.
#[tokio::test]
async fn a_check_in_anothers_name_takes_no_route_that_is_in_use() {
    let rig = Rig::new(1);
    let (first, second) = (client().await, client().await);
    let victim = Call::new(&rig, &first).await;
    let thief = Call::new(&rig, &second).await;
    victim.works().await;
    let path = victim.path(&rig);
    let spoof = |number| {
        let mut data = check(&thief.server, None, number);
        rig.look(|driver| {
            let connection = driver.connections.get_mut(&thief.id).unwrap();
            let (destination, source) = path;
            let input =
                Input { source, destination, protocol: Protocol::Udp, ecn: None, data: &mut data };
            connection.pc.handle_input(Instant::now(), input).unwrap();
            driver.mark(thief.id);
        });
        rig.wake();
    };
    let sent = async |call: &Call| call.server.statistics().await.unwrap().transport.packets_sent;
    let before = sent(&thief).await;
    spoof(1);
    within("the answer to leave", async {
        while sent(&thief).await == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(rig.look(|driver| driver.routes.by_path(&path)), Some(victim.id));
    victim.works().await;
    thief.works().await;

    // Once the other is gone the address may be anybody's.
    victim.server.close().await;
    drop(victim);
    let gone = |driver: &mut Driver| driver.routes.by_path(&path).is_none();
    rig.until("the route to go with its connection", gone).await;
    spoof(2);
    let taken = |driver: &mut Driver| driver.routes.by_path(&path) == Some(thief.id);
    rig.until("the route to be claimed", taken).await;
}

// --- sockets that refuse ---

/// Lets everything run for a while without waiting for a clock.
async fn idle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_socket_that_blocks_for_a_while_loses_nothing_and_does_not_spin() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    call.works().await;
    let shut = Instant::now();
    rig.gates[0].shut(Refusal::WouldBlock);
    for number in 0..8_u8 {
        call.echo.send(vec![number; 20_000]).await.unwrap();
    }
    rig.until("the connection to wait", |driver| {
        let connection = &driver.connections[&call.id];
        // What is due would stay due, for nothing can be sent: the driver would turn in circles.
        assert!(!connection.stalled || connection.deadline.is_none());
        connection.stalled
    })
    .await;
    let polls = rig.polls.load(Ordering::Relaxed);
    idle().await;
    // One for each datagram of the client's, and for its timers.
    let polls = rig.polls.load(Ordering::Relaxed) - polls;
    assert!(polls < 100, "the driver ran {polls} times with nothing to do");
    let retries = shut.elapsed().as_millis() / RETRY.as_millis();
    let attempts = u128::from(rig.gates[0].refused());
    assert!(attempts < 10 + retries, "{attempts} attempts");
    rig.gates[0].open();
    for number in 0..8 {
        assert_eq!(within("a message", call.channel.recv()).await.unwrap().data()[0], number);
    }
    call.works().await;
}

#[tokio::test]
async fn a_blocked_socket_holds_up_no_connection_of_another() {
    let rig = Rig::new(2);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    call.works().await;
    let used = call.path(&rig).0;
    let sockets = rig.endpoint.local_addresses();
    let (first, other) = if sockets[0] == used { (0, 1) } else { (1, 0) };
    // While the first socket refuses, the second connection has to come up by the other.
    rig.gates[first].shut(Refusal::Os(1));
    let second = Call::new(&rig, &self::client().await).await;
    second.works().await;
    assert_eq!(second.path(&rig).0, sockets[other]);
    rig.gates[first].open();
    rig.gates[other].shut(Refusal::WouldBlock);
    second.echo.send("held").await.unwrap();
    rig.until("the other socket to block", |_| rig.gates[other].refused() > 0).await;
    call.works().await;
    rig.gates[other].open();
    assert_eq!(within("what was held", second.channel.recv()).await.unwrap(), "held".into());
    call.works().await;
}

#[tokio::test]
async fn a_socket_that_stays_blocked_drops_and_lets_connections_end() {
    let rig = Rig::new(1);
    let (first, second) = (client().await, client().await);
    let (ends, goes_on) = (Call::new(&rig, &first).await, Call::new(&rig, &second).await);
    for call in [&ends, &goes_on] {
        call.works().await;
    }
    rig.gates[0].shut(Refusal::WouldBlock);
    for call in [&ends, &goes_on] {
        call.echo.send("into the void").await.unwrap();
    }
    rig.until("datagrams to be dropped", |driver| driver.statistics.blocked > 0).await;
    let polls = rig.polls.load(Ordering::Relaxed);
    idle().await;
    let polls = rig.polls.load(Ordering::Relaxed) - polls;
    assert!(polls < 100, "the driver ran {polls} times with nothing to do");
    within("a close", ends.server.close()).await;
    within("the end of its channel", ends.echo.closed()).await;
    let id = ends.id;
    drop(ends);
    rig.until("the connection to go", |driver| !driver.connections.contains_key(&id)).await;
    rig.gates[0].open();
    assert_eq!(
        within("the retransmission", goes_on.channel.recv()).await.unwrap(),
        "into the void".into()
    );
    goes_on.works().await;
}

/// Linux calls a UDP socket writable when half of its buffer is free: on a slow link there is room long before.
#[tokio::test]
async fn a_slow_socket_that_is_not_called_writable_carries_data() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    rig.gates[0].shut(Refusal::NotReported);
    call.works().await;
    assert_eq!(rig.statistics().blocked, 0);
    // Also when it was taken for dead meanwhile.
    rig.gates[0].shut(Refusal::WouldBlock);
    call.echo.send("late").await.unwrap();
    rig.until("datagrams to be dropped", |driver| driver.statistics.blocked > 0).await;
    rig.gates[0].shut(Refusal::NotReported);
    assert_eq!(within("the retransmission", call.channel.recv()).await.unwrap(), "late".into());
    call.works().await;
}

/// A connection that always has more to send stalls again as soon as it is free: its timers have to run in between.
#[tokio::test]
async fn timers_run_however_often_a_connection_stalls() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    call.works().await;
    rig.hold();
    rig.gates[0].shut(Refusal::WouldBlock);
    let mut now = Instant::now();
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        call.echo.send(vec![0; 20_000]).await.unwrap();
    }
    rig.look(|driver| {
        driver.poll_commands(&mut context, now);
        for _ in 0..10 {
            driver.drain(now);
            let connection = &driver.connections[&call.id];
            assert!(connection.stalled && connection.deadline.is_none());
            now += PATIENCE - RETRY;
            rig.gates[0].let_pass(1);
            assert!(driver.poll_blocked_ports(&mut context, now), "it is set free");
            let due = driver.connections[&call.id].pc.poll_timeout();
            assert!(due.is_none_or(|due| due > now), "due {:?} ago", now - due.unwrap());
        }
        assert_eq!(driver.statistics.blocked, 0);
    });
}

#[tokio::test]
async fn errors_of_a_socket_are_counted_and_end_nothing() {
    // ENOBUFS, EMSGSIZE, ECONNREFUSED, EPERM as Linux numbers them.
    for number in [105, 90, 111, 1] {
        let rig = Rig::new(1);
        let client = client().await;
        let call = Call::new(&rig, &client).await;
        call.works().await;
        let before = rig.statistics();
        rig.gates[0].shut(Refusal::Os(number));
        call.echo.send("refused at first").await.unwrap();
        rig.until("an error", |driver| driver.statistics.send_errors > before.send_errors).await;
        let polls = rig.polls.load(Ordering::Relaxed);
        idle().await;
        let polls = rig.polls.load(Ordering::Relaxed) - polls;
        assert!(polls < 100, "error {number}: the driver ran {polls} times with nothing to do");
        rig.gates[0].open();
        assert_eq!(
            within("the retransmission", call.channel.recv()).await.unwrap(),
            "refused at first".into()
        );
        call.works().await;
        assert_eq!(rig.statistics().blocked, 0);
    }
}

// --- what was cancelled ---

/// Polls a future once; it must have to wait.
fn begin<F: Future>(future: Pin<&mut F>) {
    let mut context = Context::from_waker(Waker::noop());
    // Tokio would make a task wait that does so much without a pause.
    let future = std::pin::pin!(tokio::task::unconstrained(future));
    assert!(future.poll(&mut context).is_pending());
}

#[tokio::test]
async fn a_connect_that_was_cancelled_leaves_no_connection() {
    let rig = Rig::new(1);
    rig.hold();
    // More than the driver takes in one turn, so that it hears of the cancelling before it sees the request.
    for _ in 0..2 * super::COMMANDS_PER_TURN {
        begin(std::pin::pin!(rig.endpoint.connect(Configuration::default())));
    }
    // The driver has made this one when it is cancelled.
    let mut late = Box::pin(rig.endpoint.connect(Configuration::default()));
    begin(late.as_mut());
    rig.release();
    rig.until("the driver to make a connection", |driver| !driver.connections.is_empty()).await;
    drop(late);
    let clean = |driver: &mut Driver| driver.connections.is_empty() && driver.routes.len() == 0;
    rig.until("the cancelled connections to go", clean).await;
    rig.endpoint.connect(Configuration::default()).await.unwrap();
}

#[tokio::test]
async fn a_channel_whose_creation_was_cancelled_closes() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    rig.hold();
    begin(std::pin::pin!(call.server.create_data_channel("never", DataChannelInit::default())));
    rig.release();
    let channels = |driver: &mut Driver| driver.connections[&call.id].channel_count() == 1;
    rig.until("the channel to go", channels).await;
    // The peer hears of it, at most, and of its end.
    call.works().await;
}

/// As many commands as the queue takes, each of no consequence.
fn fill_queue(rig: &Rig, of: &PeerConnection) {
    rig.hold();
    for _ in 0..COMMAND_QUEUE {
        begin(std::pin::pin!(of.statistics()));
    }
}

#[tokio::test]
async fn a_send_that_was_cancelled_keeps_no_room() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    fill_queue(&rig, &call.server);
    for _ in 0..64 {
        begin(std::pin::pin!(call.echo.send(vec![0; 200_000])));
    }
    assert_eq!(call.echo.buffered_amount(), 0);
    rig.release();
    // All of the buffer is there.
    for _ in 0..5 {
        within("room", call.echo.send(vec![1; 200_000])).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(within("a message", call.channel.recv()).await.unwrap().data()[0], 1);
    }
}

#[tokio::test]
async fn a_send_that_a_close_overtakes_is_refused_or_sent() {
    let rig = Rig::new(1);
    let client = client().await;
    let call = Call::new(&rig, &client).await;
    fill_queue(&rig, &call.server);
    let mut send = Box::pin(call.echo.send("on the way"));
    begin(send.as_mut());
    call.echo.close();
    rig.release();
    match within("the send", send).await {
        Ok(()) => assert_eq!(
            within("what was taken", call.channel.recv()).await,
            Some("on the way".into())
        ),
        Err(SendError::Closed(message)) => assert_eq!(message, "on the way".into()),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(within("the end of the channel", call.channel.recv()).await, None);
    assert_eq!(call.echo.buffered_amount(), 0);
}

#[tokio::test]
async fn a_send_that_waits_fails_when_its_channel_connection_or_endpoint_closes() {
    for what in ["channel", "connection", "endpoint", "peer"] {
        let rig = Rig::new(1);
        let client = client().await;
        let call = Call::new(&rig, &client).await;
        // Nothing gets out, so the buffers fill and stay full.
        rig.gates[0].shut(Refusal::WouldBlock);
        loop {
            while call.echo.try_send(vec![0; 100_000]).is_ok() {}
            idle().await;
            if call.echo.try_send(vec![0; 100_000]).is_err() {
                break;
            }
        }
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let channel = call.echo.clone();
            waiting.push(tokio::spawn(async move { channel.send(vec![7; 250_000]).await }));
        }
        idle().await;
        assert!(waiting.iter().all(|send| !send.is_finished()), "{what}: a full channel took more");
        match what {
            "channel" => call.echo.close(),
            "connection" => call.server.close().await,
            "endpoint" => rig.endpoint.close(),
            _ => call.client.close().await,
        }
        for send in waiting {
            let result = within(what, send).await.unwrap();
            assert!(
                matches!(&result, Err(SendError::Closed(message)) if message.len() == 250_000),
                "{what}: {result:?}"
            );
        }
    }
}

// --- limits ---

#[tokio::test]
async fn a_lowered_limit_holds_for_new_messages_and_not_for_those_accepted() {
    let rig = Rig::new(1);
    let client = client().await;
    let mut small = Configuration::default();
    small.settings.sctp.send_buffer = 100_000;
    let call = Call::with(&rig, &client, small).await;
    call.works().await;
    // More than the transport takes while the peer hears nothing: the others wait in the driver.
    rig.gates[0].shut(Refusal::WouldBlock);
    for number in 0..5_u8 {
        within("room", call.echo.send(vec![number; 200_000])).await.unwrap();
    }
    call.client.set_local_description(None).await.unwrap();
    let offer = call.client.local_description().unwrap();
    let lowered = offer.sdp.replace("a=max-message-size:262144", "a=max-message-size:1000");
    assert_ne!(lowered, offer.sdp);
    let offer = crate::SessionDescription::offer(lowered);
    call.server.set_remote_description(offer).await.unwrap();
    call.server.set_local_description(None).await.unwrap();
    call.client.set_remote_description(call.server.local_description().unwrap()).await.unwrap();
    let error = within("the refusal", call.echo.send(vec![9; 1_001])).await.unwrap_err();
    assert!(matches!(&error, SendError::TooLarge { limit: 1_000, .. }), "{error}");
    assert!(error.to_string().contains("max-message-size of 1000"), "{error}");
    rig.gates[0].open();
    for number in 0..5 {
        let message = within("a message accepted before", call.channel.recv()).await.unwrap();
        assert_eq!((message.data()[0], message.len()), (number, 200_000));
    }
    within("room", call.echo.send(vec![5; 1_000])).await.unwrap();
    assert_eq!(within("a small message", call.channel.recv()).await.unwrap().len(), 1_000);
}
