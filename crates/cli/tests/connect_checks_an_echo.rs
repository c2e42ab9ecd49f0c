//! `peerage connect` against `peerage echo` and `peerage serve`.

mod common;

use common::{Running, http, post};

#[test]
fn all_kinds_of_messages_come_back() {
    let (echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let (status, events) = Running::start(&["connect", &url]).finish();
    assert!(status.success(), "{events:?}");
    let checked = events.iter().find(|event| event["event"] == "checked").expect("a result");
    assert_eq!(checked["messages"], 8);
    assert!(events.iter().any(|event| event["event"] == "handshake"), "{events:?}");
    // The server saw the same.
    assert_eq!(echo.event("channel")["label"], "echo");
    let closed = echo.event("channel-closed");
    assert_eq!((&closed["messages"], &closed["bytes"]), (&checked["messages"], &checked["bytes"]));
}

#[test]
fn many_connections_share_the_endpoint() {
    let (_echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let peers: Vec<Running> = (0..4)
        .map(|_| Running::start(&["connect", &url, "--size", "100000", "--count", "20"]))
        .collect();
    for peer in peers {
        let (status, events) = peer.finish();
        assert!(status.success(), "{events:?}");
        let checked = events.iter().find(|event| event["event"] == "checked").expect("a result");
        assert_eq!((&checked["messages"], &checked["bytes"]), (&20.into(), &2_000_000.into()));
    }
}

#[test]
fn a_message_larger_than_the_peer_takes_is_refused() {
    let (_echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let (status, events) = Running::start(&["connect", &url, "--size", "300000"]).finish();
    assert_eq!(status.code(), Some(1), "{events:?}");
    let error = events.last().expect("an event")["message"].as_str().expect("a reason");
    assert!(error.contains("max-message-size"), "{error}");
}

#[test]
fn serve_has_a_page_beside_the_endpoint() {
    let (_serve, url) = Running::server(&["serve", "--http", "127.0.0.1:0"]);
    let (status, page) = http(&url, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>") && page.contains("RTCPeerConnection"), "{page}");
    let (status, events) = Running::start(&["connect", &url, "--message", "hi"]).finish();
    assert!(status.success(), "{events:?}");
}

#[test]
fn bad_requests_are_told_why() {
    let (_echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let offer = |sdp: &str| serde_json::json!({ "type": "offer", "sdp": sdp }).to_string();
    for (body, reason) in [
        ("", "expected JSON of the form"),
        ("{}", "missing field"),
        (r#"{"type":"answer","sdp":"v=0"}"#, "expected an offer, not an answer"),
        (r#"{"type":"invite","sdp":"v=0"}"#, "is no type of description"),
        (&offer("hello"), "line 1"),
        (
            &offer(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 99999 x y\r\n",
            ),
            "line 5",
        ),
    ] {
        let (status, reply) = post(&url, "application/json", body);
        assert_eq!(status, 400, "{body}: {reply}");
        assert!(reply.contains(reason), "{body}: {reply}");
    }
    let get = |path: &str| {
        http(&url, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).0
    };
    assert_eq!((get("/"), get("/offer"), get("/x")), (200, 405, 404));
    let (status, _) = post(&url, "application/json", &"x".repeat((1 << 20) + 1));
    assert_eq!(status, 413);
    // And it still works.
    let (status, events) = Running::start(&["connect", &url, "--message", "hi"]).finish();
    assert!(status.success(), "{events:?}");
}
