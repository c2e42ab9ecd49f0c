//! What a relayed packet costs: `peerage-turn` and coturn, each in a process of its own with one relay thread, under one load
//! in one run, on loopback.
//!
//! A client sends ChannelData through a channel to a peer, which counts. What is in flight is bounded, so that nothing is lost and
//! the server is the one that is waited for. The server's CPU time is the kernel's account of its process, so it has in it
//! the delivery to the peer's socket, which on loopback is the sender's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench_measure::figure;
use peerage_stun::{
    Attribute, AttributeType, Class, IntegrityAlgorithm, IntegrityKey, LongTermCredentials,
    Message, MessageBuilder, Method, PasswordAlgorithm, TransactionId,
};
use peerage_turn::driver::{Options, TurnServer};
use peerage_turn::{Config, PeerRules};

const SERVE: &str = "PEERAGE_BENCH_TURN_SERVE";
const REALM: &str = "bench";
const CHANNEL: u16 = 0x4000;
const DURATION: Duration = Duration::from_secs(3);
/// ChannelData messages between client and peer at once.
const IN_FLIGHT: u64 = 256;

fn main() {
    if let Ok(address) = std::env::var(SERVE) {
        return serve(address.parse().expect("an address"));
    }
    let mut servers = vec![("peerage-turn", Server::peerage())];
    match Server::coturn() {
        Some(coturn) => servers.push(("coturn", coturn)),
        None => println!("coturn: skipped: apt-get install coturn"),
    }
    println!("{:<34} {:>14} {:>12} {:>14}", "", "server", "packets/s", "CPU s/million");
    for size in [120, 1200] {
        for (load, batch) in
            [("UDP, one datagram a call", 1), ("UDP, 16 datagrams a call", 16), ("TCP", 0)]
        {
            for (name, server) in &servers {
                let (rate, cpu) = relay(server, size, batch);
                println!(
                    "{:<34} {name:>14} {rate:>12.0} {cpu:>14.2}",
                    format!("{size} bytes, {load}")
                );
                let key = match batch {
                    0 => "tcp",
                    1 => "udp",
                    _ => "udp_gso",
                };
                figure(&format!("turn_{key}_{size}_rate/{name}"), rate);
                figure(&format!("turn_{key}_{size}_cpu/{name}"), cpu);
            }
        }
    }
    for (name, server) in &servers {
        let (rate, cpu) = allocations(server);
        println!("{:<34} {name:>14} {rate:>12.0} {cpu:>14.2}", "allocations, made and ended");
        figure(&format!("turn_allocations/{name}"), rate);
    }
}

/// The child process.
fn serve(address: SocketAddr) {
    let mut options = Options::new(Config {
        realm: REALM.into(),
        users: vec![("user".into(), "password".into())],
        relays: vec![address.ip().into()],
        user_quota: 100_000,
        total_quota: 100_000,
        unauthenticated_rate: 0,
        peers: PeerRules { allow: vec!["127.0.0.0/8".parse().expect("a range")], deny: Vec::new() },
        ..Config::default()
    });
    options.udp.push(address);
    options.tcp.push(address);
    options.workers = std::num::NonZeroUsize::new(1);
    let _server = TurnServer::start(options).expect("a server");
    // Until the parent closes the pipe.
    let _ = std::io::stdin().read(&mut [0]);
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn peerage() -> Self {
        let address = free_port();
        let child = Command::new(std::env::current_exe().expect("this program"))
            .env(SERVE, address.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .expect("the server starts");
        Self::wait(child, address).expect("the server answers")
    }

    fn coturn() -> Option<Self> {
        let address = free_port();
        let child = Command::new("turnserver")
            .args(["-n", "-a", "-u", "user:password", "-r", REALM, "-L", "127.0.0.1"])
            .args(["-E", "127.0.0.1", "-m", "1", "--allow-loopback-peers", "--no-cli"])
            .args(["--no-tls", "--no-dtls", "--log-file", "/dev/null", "--no-stdout-log"])
            .args(["--simple-log", "--pidfile", "/dev/null", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Self::wait(child, address)
    }

    fn wait(child: Child, address: SocketAddr) -> Option<Self> {
        let server = Self { child, address };
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        for _ in 0..100 {
            let mut request = Vec::new();
            let id = TransactionId([1; 12]);
            MessageBuilder::new(&mut request, Class::Request, Method::BINDING, id).finish();
            let _ = socket.send_to(&request, address);
            if socket.recv(&mut [0; 200]).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// CPU time of the process so far, in seconds, by the kernel's account.
    fn cpu(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("Linux's account of the process");
        let fields: Vec<&str> =
            stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
        // utime and stime, in USER_HZ, which is 100 on Linux.
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("an address")
}

/// A client's way to the server.
enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Link {
    fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; 2048];
        match self {
            Self::Udp(socket) => {
                for _ in 0..50 {
                    socket.send(message).expect("sent");
                    if let Ok(size) = socket.recv(&mut answer) {
                        answer.truncate(size);
                        return answer;
                    }
                }
                panic!("the server does not answer");
            }
            Self::Tcp(stream) => {
                stream.write_all(message).expect("sent");
                stream.read_exact(&mut answer[..20]).expect("a header");
                let size = 20 + usize::from(u16::from_be_bytes([answer[2], answer[3]]));
                stream.read_exact(&mut answer[20..size]).expect("a body");
                answer.truncate(size);
                answer
            }
        }
    }
}

struct Client {
    link: Link,
    key: IntegrityKey,
    nonce: String,
    next: u64,
}

impl Client {
    fn new(server: SocketAddr, tcp: bool, key: IntegrityKey) -> Self {
        let link = if tcp {
            let stream = TcpStream::connect(server).expect("connected");
            stream.set_nodelay(true).expect("no delay");
            Link::Tcp(stream)
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.connect(server).expect("connected");
            socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
            Link::Udp(socket)
        };
        Self { link, key, nonce: String::new(), next: 0 }
    }

    fn ask(&mut self, method: Method, attributes: &[Attribute<'_>]) -> Option<Vec<u8>> {
        for _ in 0..3 {
            self.next += 1;
            let mut id = [0; 12];
            id[..8].copy_from_slice(&self.next.to_be_bytes());
            let mut request = Vec::new();
            let mut builder =
                MessageBuilder::new(&mut request, Class::Request, method, TransactionId(id));
            for attribute in attributes {
                builder = builder.attribute(attribute);
            }
            if !self.nonce.is_empty() {
                builder = builder
                    .attribute(&Attribute::Username("user"))
                    .attribute(&Attribute::Realm(REALM))
                    .attribute(&Attribute::Nonce(&self.nonce))
                    .integrity(&self.key);
            }
            builder.finish();
            let answer = self.link.ask(&request);
            let message = Message::parse(&answer).expect("an answer");
            if message.class() == Class::SuccessResponse {
                return Some(answer);
            }
            match message.decode(AttributeType::NONCE) {
                Some(Ok(Attribute::Nonce(nonce))) => self.nonce = nonce.into(),
                _ => return None,
            }
        }
        None
    }
}

fn key() -> IntegrityKey {
    let provider = peerage_crypto::default_provider();
    let credentials = LongTermCredentials::new("user", REALM, "password").expect("credentials");
    let key = credentials.key(&*provider, PasswordAlgorithm::Md5).expect("a key");
    IntegrityKey::from_bytes(&*provider, IntegrityAlgorithm::HmacSha1, key.as_ref())
}

/// Packets a second and CPU seconds of the server for a million. `batch` datagrams a call, or TCP for 0.
fn relay(server: &Server, size: usize, batch: usize) -> (f64, f64) {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let at = peer.local_addr().expect("an address");
    let mut client = Client::new(server.address, batch == 0, key());
    let transport = Attribute::RequestedTransport(17);
    client.ask(Method::ALLOCATE, &[transport]).expect("an allocation");
    let bind = [Attribute::ChannelNumber(CHANNEL), Attribute::XorPeerAddress(at)];
    client.ask(Method::CHANNEL_BIND, &bind).expect("a channel");

    let received = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let mut frame = CHANNEL.to_be_bytes().to_vec();
    frame.extend((size as u16).to_be_bytes());
    frame.resize(4 + size, 7);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 2048];
            while !over.load(Ordering::Relaxed) {
                if let Ok(length) = peer.recv(&mut buffer) {
                    assert_eq!(length, size);
                    received.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        scope.spawn(|| {
            let mut load = Load::new(&mut client.link, &frame, batch);
            let (mut sent, mut stuck) = (0, Instant::now());
            while !over.load(Ordering::Relaxed) {
                let arrived = received.load(Ordering::Relaxed);
                let room = IN_FLIGHT.saturating_sub(sent - arrived.min(sent));
                if room < batch.max(1) as u64 {
                    // Should any be lost after all, the load goes on.
                    if stuck.elapsed() > Duration::from_millis(50) {
                        sent = received.load(Ordering::Relaxed);
                    }
                    std::thread::yield_now();
                    continue;
                }
                sent += load.send(room as usize) as u64;
                stuck = Instant::now();
            }
        });
        std::thread::sleep(Duration::from_millis(500));
        let (start, packets, cpu) =
            (Instant::now(), received.load(Ordering::Relaxed), server.cpu());
        std::thread::sleep(DURATION);
        let seconds = start.elapsed().as_secs_f64();
        let packets = (received.load(Ordering::Relaxed) - packets) as f64;
        let cpu = server.cpu() - cpu;
        over.store(true, Ordering::Relaxed);
        (packets / seconds, cpu / packets * 1e6)
    });
    if let Link::Udp(socket) = &client.link {
        // `quinn-udp` has made it otherwise.
        socket.set_nonblocking(false).expect("a socket that waits");
    }
    client.ask(Method::REFRESH, &[Attribute::Lifetime(0)]);
    result
}

/// What a client sends in one call.
struct Load<'a> {
    link: &'a mut Link,
    frames: Vec<u8>,
    frame: usize,
    batch: usize,
    state: Option<quinn_udp::UdpSocketState>,
}

impl<'a> Load<'a> {
    fn new(link: &'a mut Link, frame: &[u8], batch: usize) -> Self {
        let count = if batch == 0 { 32 } else { batch };
        let state = match link {
            Link::Udp(socket) if batch > 1 => {
                Some(quinn_udp::UdpSocketState::new((&*socket).into()).expect("a socket"))
            }
            _ => None,
        };
        Self { frames: frame.repeat(count), frame: frame.len(), batch, link, state }
    }

    /// Sends at most `room` messages; how many.
    fn send(&mut self, room: usize) -> usize {
        match (&mut *self.link, &self.state) {
            (Link::Udp(socket), Some(state)) => {
                let transmit = quinn_udp::Transmit {
                    destination: socket.peer_addr().expect("connected"),
                    ecn: None,
                    contents: &self.frames,
                    segment_size: Some(self.frame),
                    src_ip: None,
                };
                match state.try_send((&*socket).into(), &transmit) {
                    Ok(()) => self.batch,
                    Err(_) => 0,
                }
            }
            (Link::Udp(socket), None) => usize::from(socket.send(&self.frames).is_ok()),
            (Link::Tcp(stream), _) => {
                let count = room.min(self.frames.len() / self.frame);
                stream.write_all(&self.frames[..count * self.frame]).expect("sent");
                count
            }
        }
    }
}

/// Allocations a second, each made after a challenge and ended by a Refresh, and CPU seconds of the server for a million.
fn allocations(server: &Server) -> (f64, f64) {
    let over = AtomicBool::new(false);
    let made = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let mut client = Client::new(server.address, false, key());
                    let transport = Attribute::RequestedTransport(17);
                    if client.ask(Method::ALLOCATE, &[transport]).is_some() {
                        made.fetch_add(1, Ordering::Relaxed);
                        client.ask(Method::REFRESH, &[Attribute::Lifetime(0)]);
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let (start, count, cpu) = (Instant::now(), made.load(Ordering::Relaxed), server.cpu());
        std::thread::sleep(DURATION);
        let count = (made.load(Ordering::Relaxed) - count) as f64;
        let rate = count / start.elapsed().as_secs_f64();
        let cpu = server.cpu() - cpu;
        over.store(true, Ordering::Relaxed);
        (rate, cpu / count * 1e6)
    })
}
