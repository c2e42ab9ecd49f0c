//! Roaming: the interface that carries a connection goes down, loses its address, or comes back elsewhere, and data go on
//! without signalling. The test runs itself again in a network namespace of its own; where the system does not allow one it
//! says so. The gaps it prints are measured, not asserted.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{accept, negotiate, within};
use peerage::{
    Configuration, DataChannel, DataChannelInit, Endpoint, EndpointConfig, InterfaceFilter,
    Message, PeerConnection,
};

const INSIDE: &str = "PEERAGE_ROAMS_INSIDE";

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip is installed");
    assert!(status.success(), "ip {arguments}");
}

/// True in the namespace; outside it runs `test` there.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    let allowed = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no network namespace can be made here");
        return false;
    }
    let status = Command::new("unshare")
        .arg("-rn")
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success());
    false
}

async fn connection(interfaces: &'static [&'static str]) -> PeerConnection {
    let mut config = EndpointConfig::default();
    config.mdns = false;
    config.interface_filter =
        Some(InterfaceFilter::new(move |name: &str, _| interfaces.contains(&name)));
    let endpoint = Endpoint::bind(config).await.unwrap();
    endpoint.connect(Configuration::default()).await.unwrap()
}

/// Sends until `wanted` messages sent after now have come; the longest time in which none came.
async fn gap(from: &DataChannel, to: &DataChannel, next: &mut u32, wanted: u32) -> Duration {
    let first = *next;
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let mut last_seen = 0;
    within("messages after the change", async {
        while last_seen < first + wanted {
            tokio::select! {
                _ = tick.tick() => {
                    let bytes = next.to_be_bytes().to_vec();
                    if from.send(bytes).await.is_ok() {
                        *next += 1;
                    }
                }
                message = to.recv() => {
                    let Some(Message::Binary(bytes)) = message else { panic!("the channel closed") };
                    last_seen = u32::from_be_bytes(bytes[..4].try_into().unwrap());
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
            }
        }
    })
    .await;
    longest
}

#[tokio::test]
async fn data_go_on_whatever_becomes_of_the_interface() {
    if !inside("data_go_on_whatever_becomes_of_the_interface") {
        return;
    }
    ip("link set lo up");
    for (name, address) in
        [("wifi", "10.1.0.1/24"), ("cell", "10.2.0.1/24"), ("far", "10.9.0.1/24")]
    {
        // Its other end only gives it a carrier: all addresses are of this machine.
        ip(&format!("link add {name} type veth peer name {name}-end"));
        ip(&format!("link set {name}-end up"));
        ip(&format!("addr add {address} dev {name}"));
        ip(&format!("link set {name} up"));
    }
    for controlling in [true, false] {
        let (here, there) = (connection(&["wifi", "cell"]).await, connection(&["far"]).await);
        let (offerer, answerer) = if controlling { (&here, &there) } else { (&there, &here) };
        let channel = offerer.create_data_channel("x", DataChannelInit::default()).await.unwrap();
        negotiate(offerer, answerer).await;
        let peer = accept(answerer).await;
        let (ours, theirs) = if controlling { (channel, peer) } else { (peer, channel) };
        // Numbers go on from case to case, so that what waited from before is not taken for what comes after.
        let (mut next, mut back) = (0, 0);
        gap(&ours, &theirs, &mut next, 20).await;
        let role = if controlling { "controlling" } else { "controlled" };
        for (what, before, change, after) in [
            ("wifi loses its address, cell is up", None, "addr del 10.1.0.1/24 dev wifi", None),
            (
                "the only address changes",
                Some("addr add 10.3.0.1/24 dev wifi"),
                "addr del 10.2.0.1/24 dev cell",
                None,
            ),
            (
                "the only interface goes down and up",
                None,
                "link set wifi down",
                Some("link set wifi up"),
            ),
            (
                "none is left for half a second, another comes",
                None,
                "addr del 10.3.0.1/24 dev wifi",
                Some("addr add 10.2.0.1/24 dev cell"),
            ),
            (
                "wifi is back, cell goes down",
                Some("addr add 10.1.0.1/24 dev wifi"),
                "link set cell down",
                Some("link set cell up"),
            ),
        ] {
            if let Some(before) = before {
                ip(before);
                gap(&ours, &theirs, &mut next, 20).await;
            }
            ip(change);
            if let Some(after) = after {
                tokio::time::sleep(Duration::from_millis(500)).await;
                ip(after);
            }
            let there_gap = gap(&ours, &theirs, &mut next, 50).await;
            let back_gap = gap(&theirs, &ours, &mut back, 50).await;
            println!("| {role} | {what} | {there_gap:.0?} | {back_gap:.0?} |");
        }
    }
}
