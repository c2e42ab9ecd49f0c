//! `--turn`, `--relay-only` and `peerage diagnose`, with `peerage turn` as the server.

mod common;

use common::Running;
use serde_json::Value;

/// A TURN server by UDP and by TCP, and its URLs.
fn server() -> (Running, String, String) {
    let (server, udp) = Running::server(&[
        "turn",
        "--listen",
        "127.0.0.1:0",
        "--listen-tcp",
        "127.0.0.1:0",
        "--user",
        "alice:secret",
        "--allow-peer",
        "127.0.0.0/8",
    ]);
    let tcp = server.event("listening")["url"].as_str().expect("a URL").to_owned();
    (server, udp, tcp)
}

fn diagnose(arguments: &[&str]) -> (Value, String) {
    let (status, events) = Running::start(&[&["diagnose"], arguments].concat()).finish();
    assert!(status.success(), "{events:?}");
    let event = events.last().expect("an event");
    (event["diagnosis"].clone(), event["text"].as_str().expect("a text").to_owned())
}

/// The paths to peers of each kind.
fn paths(diagnosis: &Value) -> Vec<&str> {
    let peers = diagnosis["peers"].as_array().expect("peers");
    peers.iter().filter_map(|peer| peer["path"].as_str()).collect()
}

fn refused(arguments: &[&str]) -> String {
    let (status, events) = Running::start(arguments).finish();
    assert!(!status.success(), "{events:?}");
    events.last().expect("an event")["message"].as_str().expect("a reason").to_owned()
}

#[test]
fn only_the_relay_is_used() {
    let (turn, udp, tcp) = server();
    let (_echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    for relay in [udp, tcp] {
        let arguments =
            ["connect", &url, "--turn", &relay, "--turn-user", "alice:secret", "--relay-only"];
        let (status, events) = Running::start(&arguments).finish();
        assert!(status.success(), "{events:?}");
        let relayed = turn.event("allocated")["relayed"].as_str().expect("an address").to_owned();
        let path = events.iter().find(|event| event["event"] == "path").expect("a path");
        assert_eq!(path["local"], relayed, "{events:?}");
    }
}

#[test]
fn a_relay_that_refuses_is_told() {
    let (_turn, udp, _) = server();
    let (_echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let wrong = ["connect", &url, "--turn", &udp, "--turn-user", "alice:wrong"];
    let (status, events) = Running::start(&wrong).finish();
    // There is a direct path.
    assert!(status.success(), "{events:?}");
    let warning = events.iter().find(|event| event["event"] == "warning").expect("a warning");
    let message = warning["message"].as_str().expect("a text");
    assert!(message.contains("does not accept user name and password"), "{message}");
}

#[test]
fn what_gets_out_is_told() {
    let (_turn, udp, tcp) = server();
    let (diagnosis, text) =
        diagnose(&["--stun", &udp.replace("turn:", "stun:"), "--turn", &udp, "--turn", &tcp]);
    let answered = diagnosis["transports"].as_array().expect("transports");
    assert!(answered.iter().all(|transport| transport["answered"] == true), "{diagnosis}");
    assert!(text.contains("no NAT"), "{text}");
    assert_eq!(paths(&diagnosis), ["direct", "direct", "direct", "relay"], "{text}");
}

#[test]
fn a_user_is_tried() {
    let (_turn, udp, tcp) = server();
    let user = |user| ["--turn", &udp, "--turn", &tcp, "--turn-user", user];
    let (diagnosis, text) = diagnose(&user("alice:secret"));
    assert_eq!(text.matches("and relays from 127.0.0.1 port").count(), 2, "{text}");
    assert_eq!(paths(&diagnosis)[3], "relay");
    let (diagnosis, text) = diagnose(&user("alice:wrong"));
    assert_eq!(text.matches("does not accept user name and password").count(), 2, "{text}");
    assert_eq!(paths(&diagnosis)[3], "none");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let (diagnosis, text) = diagnose(&["--timeout", "1", "--stun", "stun:127.0.0.1:1"]);
    assert_eq!(diagnosis["networks"][0]["mapped"], Value::Null);
    assert!(text.contains("Nothing answered"), "{text}");
    assert_eq!(paths(&diagnosis), ["none"; 4]);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let reason = refused(&["diagnose"]);
    assert!(reason.contains("--stun stun:HOST"), "{reason}");
    let reason = refused(&["diagnose", "--stun", "turn:127.0.0.1"]);
    assert!(reason.contains("give it by --turn"), "{reason}");
    let reason = refused(&["diagnose", "--turn", "stun:127.0.0.1"]);
    assert!(reason.contains("give it by --stun"), "{reason}");
    let reason = refused(&["connect", "http://127.0.0.1:1", "--relay-only"]);
    assert!(reason.contains("--relay-only needs a TURN server"), "{reason}");
    let reason = refused(&["connect", "http://127.0.0.1:1", "--turn", "turn:127.0.0.1"]);
    assert!(reason.contains("--turn-user NAME:PASSWORD"), "{reason}");
}
