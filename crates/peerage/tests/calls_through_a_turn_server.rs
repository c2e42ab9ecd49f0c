//! Two ends that may use nothing but relayed candidates, and a TURN server between them, ours or coturn, over real sockets.

mod common;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{accept, negotiate, within};
use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, IceServer, IceTransportPolicy,
    PeerConnection,
};
use peerage_turn::driver::{Options, TurnServer};
use peerage_turn::{Config, RelayAddress};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn server() -> TurnServer {
    let mut config = Config::default();
    config.relays.push(RelayAddress { bind: HOME, advertised: HOME });
    config.users.push(("alice".into(), "secret".into()));
    config.peers.allow.push("127.0.0.0/8".parse().unwrap());
    let mut options = Options::new(config);
    options.udp.push((HOME, 0).into());
    options.workers = std::num::NonZeroUsize::new(1);
    TurnServer::start(options).expect("loopback can be bound")
}

fn relay_only(port: u16, password: &str) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.ice_servers.push(IceServer {
        urls: vec![format!("turn:127.0.0.1:{port}")],
        username: Some("alice".into()),
        credential: Some(password.into()),
    });
    configuration.ice_transport_policy = IceTransportPolicy::Relay;
    configuration
}

async fn end(configuration: Configuration) -> PeerConnection {
    let endpoint = Endpoint::bind(EndpointConfig::loopback()).await.expect("loopback can be bound");
    endpoint.connect(configuration).await.unwrap()
}

/// A call whose data goes by way of the server on this port; both ends.
async fn call(port: u16) -> (PeerConnection, PeerConnection) {
    let one = end(relay_only(port, "secret")).await;
    let other = end(relay_only(port, "secret")).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_through_the_relay_alone() {
    let server = server();
    let (one, other) = call(server.udp_addresses()[0].port()).await;
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
async fn a_wrong_password_is_told() {
    let server = server();
    let port = server.udp_addresses()[0].port();
    let one = end(relay_only(port, "wrong")).await;
    one.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
    one.set_local_description(None).await.unwrap();
    let (code, url, text) = within("the error", async {
        loop {
            if let Some(Event::IceCandidateError { code, url, text, .. }) = one.next_event().await {
                return (code, url, text);
            }
        }
    })
    .await;
    assert_eq!(code, 401);
    assert!(url.starts_with("turn:127.0.0.1:"), "{url}");
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
    let (one, other) = call(port).await;
    one.close().await;
    other.close().await;
    drop(coturn);
    let _ = std::fs::remove_file(pid_file);
}
