//! A STUN and TURN server on loopback, with time-limited credentials as a web service would hand them out.
//!
//! ```console
//! $ cargo run -p peerage-turn --example turn_server
//! ```
//!
//! It prints what a page passes to `new RTCPeerConnection`, and serves for ten seconds, or as many as the second argument
//! says: `-- 127.0.0.1:3478 3600`. On a machine that others reach, put its public address in the place of
//! loopback, and take the rule for loopback peers away.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use peerage_turn::driver::{Options, TurnServer};
use peerage_turn::{Config, PeerRules, time_limited_password};

const SECRET: &str = "known to the web service and to this server";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr =
        std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:3478").parse()?;
    let mut options = Options::new(Config {
        realm: "example.org".into(),
        secrets: vec![SECRET.into()],
        relays: vec![address.ip().into()],
        peers: PeerRules { allow: vec!["127.0.0.0/8".parse()?], deny: Vec::new() },
        ..Config::default()
    });
    options.udp.push(address);
    options.tcp.push(address);
    let server = TurnServer::start(options)?;

    let ends = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 24 * 3600;
    let username = format!("{ends}:alice");
    let credential = time_limited_password(SECRET, &username);
    let udp = server.udp_addresses()[0];
    println!(
        "{{ urls: ['turn:{udp}', 'turn:{udp}?transport=tcp'], username: '{username}', credential: '{credential}' }}"
    );
    let seconds: u64 = std::env::args().nth(2).as_deref().unwrap_or("10").parse()?;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::sleep(
            Duration::from_secs(5).min(end.saturating_duration_since(Instant::now())),
        );
        let counters = server.counters();
        println!(
            "{} allocations; {} packets relayed to peers, {} to clients",
            server.allocations(),
            counters.sent_packets,
            counters.received_packets
        );
    }
    // Allocations that are in use may end first.
    server.shut_down(Duration::from_secs(1));
    Ok(())
}
