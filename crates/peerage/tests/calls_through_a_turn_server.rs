//! Two ends that may use nothing but relayed candidates, and a TURN server between them, ours or coturn, over real sockets.

mod common;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use common::{accept, negotiate, within};
use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, IceServer, IceTransportPolicy,
    PeerConnection,
};
use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};
use peerage_turn::driver::{Identity, Options, TurnServer};
use peerage_turn::{Config, RelayAddress};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A certificate of `localhost` and its key, in a file.
fn certificate() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("turns.pem");
        let params =
            CertificateParams { common_name: "localhost".into(), ..CertificateParams::default() };
        let (provider, mut rng) = (default_provider(), Rng::from_os());
        let made = Certificate::generate(&provider, params, SystemTime::now(), &mut rng).unwrap();
        std::fs::write(&path, &*made.to_pem().unwrap()).unwrap();
        path
    };
    PATH.get_or_init(make).clone()
}

fn server() -> TurnServer {
    let mut config = Config::default();
    config.relays.push(RelayAddress { bind: HOME, advertised: HOME });
    config.users.push(("alice".into(), "secret".into()));
    config.peers.allow.push("127.0.0.0/8".parse().unwrap());
    let mut options = Options::new(config);
    for listeners in [&mut options.udp, &mut options.tcp, &mut options.tls] {
        listeners.push((HOME, 0).into());
    }
    options.identity = Some(Identity { chain: certificate(), key: certificate() });
    options.workers = std::num::NonZeroUsize::new(1);
    TurnServer::start(options).expect("loopback can be bound")
}

fn relay_only(url: &str, password: &str) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.ice_servers.push(IceServer {
        urls: vec![url.to_owned()],
        username: Some("alice".into()),
        credential: Some(password.into()),
    });
    configuration.ice_transport_policy = IceTransportPolicy::Relay;
    configuration
}

async fn end(configuration: Configuration, roots: Option<&[u8]>) -> PeerConnection {
    let mut config = EndpointConfig::loopback();
    config.tls_roots = roots.map(<[u8]>::to_vec);
    let endpoint = Endpoint::bind(config).await.expect("loopback can be bound");
    endpoint.connect(configuration).await.unwrap()
}

/// A call whose data goes by way of this server; both ends.
async fn call(url: &str, roots: Option<&[u8]>) -> (PeerConnection, PeerConnection) {
    let one = end(relay_only(url, "secret"), roots).await;
    let other = end(relay_only(url, "secret"), roots).await;
    let channel = one.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
    negotiate(&one, &other).await;
    let sdp = one.local_description().unwrap().sdp;
    let candidates: Vec<&str> = sdp.lines().filter(|l| l.starts_with("a=candidate")).collect();
    assert!(!candidates.is_empty(), "{sdp}");
    assert!(candidates.iter().all(|l| l.contains("typ relay raddr 0.0.0.0 rport 9")), "{sdp}");
    let far = accept(&other).await;
    within("the channel", channel.opened()).await.unwrap();
    for number in 0..200u32 {
        channel.send(vec![number as u8; 8_000]).await.unwrap();
    }
    for number in 0..200u32 {
        let message = within("a message", far.recv()).await.expect("the channel is open");
        assert_eq!(message.into_data(), [number as u8; 8_000][..]);
    }
    (one, other)
}

/// What is told of the server first.
async fn error(one: &PeerConnection) -> (u16, String) {
    within("the error", async {
        loop {
            match one.next_event().await {
                Some(Event::IceCandidateError { code, url, text, .. }) => {
                    assert!(url.starts_with("turn"), "{url}");
                    return (code, text);
                }
                Some(Event::IceCandidate(None)) | None => panic!("gathering ended without a word"),
                Some(_) => {}
            }
        }
    })
    .await
}

/// Closes both ends, and waits until the server has nothing of theirs.
async fn hang_up((one, other): (PeerConnection, PeerConnection), server: TurnServer) {
    assert!(server.allocations() >= 2, "one for each socket of each end");
    one.close().await;
    other.close().await;
    within("the allocations to be given back", async {
        while server.allocations() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    server.shut_down(Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_through_the_relay_alone() {
    let server = server();
    let call = call(&format!("turn:{}", server.udp_addresses()[0]), None).await;
    hang_up(call, server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_reached_over_tcp() {
    let server = server();
    let url = format!("turn:{}?transport=tcp", server.tcp_addresses()[0]);
    let call = call(&url, None).await;
    let relayed = call.0.get_stats().await.unwrap();
    assert!(format!("{relayed:?}").contains("relay_protocol: Some(\"tcp\")"), "{relayed:?}");
    hang_up(call, server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_reached_over_tls() {
    let server = server();
    let url = format!("turns:localhost:{}", server.tls_addresses()[0].port());
    let certificate = std::fs::read(certificate()).unwrap();
    let call = call(&url, Some(&certificate)).await;
    hang_up(call, server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_knows_is_refused() {
    let server = server();
    let url = format!("turns:localhost:{}", server.tls_addresses()[0].port());
    let one = end(relay_only(&url, "secret"), None).await;
    one.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
    one.set_local_description(None).await.unwrap();
    let (code, text) = error(&one).await;
    assert_eq!(code, 701);
    assert!(text.contains("TLS failed"), "{text}");
    assert_eq!(server.allocations(), 0);
    server.shut_down(Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told() {
    let server = server();
    let url = format!("turn:{}", server.udp_addresses()[0]);
    let one = end(relay_only(&url, "wrong"), None).await;
    one.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
    one.set_local_description(None).await.unwrap();
    let (code, text) = error(&one).await;
    assert_eq!(code, 401);
    assert!(text.contains("user name and password"), "{text}");
    within("the end of gathering", one.gathering_complete()).await.unwrap();
    server.shut_down(Duration::ZERO);
}

/// Killed at the end.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_relays_as_well() {
    let port = UdpSocket::bind((HOME, 0)).and_then(|socket| socket.local_addr()).unwrap().port();
    let options = "-n --no-tls --no-dtls --no-cli --log-file stdout --allow-loopback-peers --listening-ip 127.0.0.1 \
                   --relay-ip 127.0.0.1 --lt-cred-mech --realm example.org --user alice:secret";
    let pid_file = std::env::temp_dir().join(format!("peerage-coturn-{}.pid", std::process::id()));
    let started = Command::new("turnserver")
        .args(options.split_whitespace())
        .args(["--listening-port", &port.to_string(), "--pidfile"])
        .arg(&pid_file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(coturn) = started.map(Process) else {
        eprintln!("skipped: apt-get install coturn");
        return;
    };
    // It listens for TCP at the same port, once it is ready.
    within("coturn to listen", async {
        while tokio::net::TcpStream::connect((HOME, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for url in [format!("turn:127.0.0.1:{port}"), format!("turn:127.0.0.1:{port}?transport=tcp")] {
        let (one, other) = call(&url, None).await;
        one.close().await;
        other.close().await;
    }
    drop(coturn);
    let _ = std::fs::remove_file(pid_file);
}
