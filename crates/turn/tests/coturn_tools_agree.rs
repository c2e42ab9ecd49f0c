//! coturn's test clients against the server, each transport at once: what they send comes back, whole and unchanged.
#![cfg(all(feature = "driver", target_os = "linux"))]

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};
use peerage_turn::driver::{Identity, Options, TurnServer};
use peerage_turn::{BehaviourDiscovery, Config, PeerRules};

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program)
        .arg("-h")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        eprintln!("skipped: apt-get install coturn");
    }
    found
}

fn free_port() -> u16 {
    UdpSocket::bind(any()).and_then(|socket| socket.local_addr()).unwrap().port()
}

/// Removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Killed at the end.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn identity(folder: &Folder) -> Identity {
    let (provider, mut rng) = (default_provider(), Rng::from_os());
    let params = CertificateParams::default();
    let certificate =
        Certificate::generate(&provider, params, SystemTime::now(), &mut rng).unwrap();
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("identity.pem");
    std::fs::write(&path, &*certificate.to_pem().unwrap()).unwrap();
    Identity { chain: path.clone(), key: path }
}

#[test]
fn uclient_gets_back_what_it_sends_over_every_transport() {
    if !is_there("turnutils_uclient") || !is_there("turnutils_peer") {
        return;
    }
    let folder = Folder(std::env::temp_dir().join(format!("peerage-turn-{}", std::process::id())));
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let mut options = Options::new(Config {
        realm: "example.org".into(),
        users: vec![("alice".into(), "secret".into())],
        relays: vec![any().ip().into()],
        peers: PeerRules { allow, deny: Vec::new() },
        ..Config::default()
    });
    options.udp.push(any());
    options.tcp.push(any());
    options.tls.push(any());
    options.dtls.push(any());
    options.identity = Some(identity(&folder));
    options.workers = std::num::NonZeroUsize::new(2);
    let server = TurnServer::start(options).unwrap();
    let (udp, tcp) = (server.udp_addresses()[0].port(), server.tcp_addresses()[0].port());
    let (tls, dtls) = (server.tls_addresses()[0].port(), server.dtls_addresses()[0].port());
    let peer = free_port().to_string();
    let _peer = Process(
        Command::new("turnutils_peer")
            .args(["-L", "127.0.0.1", "-p", &peer])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let runs: [(&str, u16, &[&str]); 8] = [
        ("UDP, channels", udp, &["-e", "127.0.0.1", "-r", &peer]),
        ("UDP, indications", udp, &["-s", "-e", "127.0.0.1", "-r", &peer]),
        ("UDP, client to client", udp, &["-y"]),
        ("TCP", tcp, &["-t", "-e", "127.0.0.1", "-r", &peer]),
        ("TLS", tls, &["-t", "-S", "-e", "127.0.0.1", "-r", &peer]),
        ("DTLS", dtls, &["-S", "-e", "127.0.0.1", "-r", &peer]),
        ("DTLS, indications, client to client", dtls, &["-S", "-s", "-y"]),
        ("TCP relayed (RFC 6062), client to client", tcp, &["-T", "-t", "-y"]),
    ];
    let children: Vec<_> = runs
        .iter()
        .map(|(what, port, args)| {
            let child = Command::new("turnutils_uclient")
                .args(["-u", "alice", "-w", "secret", "-L", "127.0.0.1", "-n", "10", "-m", "2"])
                .args(["-l", "301", "-p", &port.to_string()])
                .args(*args)
                .arg("127.0.0.1")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            (what, child)
        })
        .collect();
    for (what, child) in children {
        let output = child.wait_with_output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let number = |key: &str| -> u64 {
            let (_, rest) = text.rsplit_once(key).unwrap_or_else(|| panic!("{what}:\n{text}"));
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().unwrap()
        };
        let (sent, received) = (number("tot_send_msgs="), number("tot_recv_msgs="));
        assert!(sent >= 20 && received == sent, "{what}: {received} of {sent}\n{text}");
        println!("ok: {what}");
    }
    let counters = server.counters();
    assert!(counters.sent_packets >= 140 && counters.lost == 0, "{counters:?}");
}

#[test]
fn natdiscovery_sees_no_nat_on_loopback() {
    if !is_there("turnutils_natdiscovery") {
        return;
    }
    // Every address of 127.0.0.0/8 is this machine's on Linux.
    let primary = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let alternate = SocketAddr::from(([127, 0, 0, 2], free_port()));
    let mut options = Options::new(Config {
        behaviour: vec![BehaviourDiscovery { primary, alternate }],
        ..Config::default()
    });
    for ip in [primary.ip(), alternate.ip()] {
        for port in [primary.port(), alternate.port()] {
            options.udp.push(SocketAddr::new(ip, port));
        }
    }
    let _server = TurnServer::start(options).unwrap();
    let output = Command::new("turnutils_natdiscovery")
        .args(["-m", "-f", "-L", "127.0.0.1", "-p", &primary.port().to_string(), "127.0.0.1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    for part in [
        "NAT with Endpoint Independent Mapping!",
        "NAT with Endpoint Independent Filtering!",
        &format!("Other addr: : {alternate}"),
        &format!("Response origin: : {alternate}"),
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
