//! What goes wrong before anything is connected: exit codes and messages.

mod common;

use std::net::TcpListener;

use common::{Folder, Running, run};

#[test]
fn wrong_command_lines_exit_with_2() {
    for (arguments, reason) in [
        (&["connect"][..], "required"),
        (&["connect", "https://example.org"], "https is not supported"),
        (&["connect", "127.0.0.1:80"], "expected a URL such as http://"),
        (&["connect", "http://x", "--size", "1", "--message", "x"], "cannot be used with"),
        (&["echo", "--http", "localhost"], "invalid socket address"),
        (&["receive", "--http", "nowhere"], "expected ADDRESS:PORT to listen on, or http://"),
        (&["--timeout", "0", "echo"], "expected a number of seconds above 0"),
        (&["dance"], "unrecognized subcommand"),
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}

#[test]
fn help_is_there_for_every_command() {
    for command in ["echo", "serve", "call", "connect", "send", "receive", "inspect"] {
        let (code, stdout, _) = run(&[command, "--help"]);
        assert_eq!(code, Some(0));
        assert!(stdout.contains("Usage: peerage") && stdout.contains("--json"), "{stdout}");
    }
}

#[test]
fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, _, stderr) = run(&["echo", "--http", &address]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("error: cannot listen on {address}")), "{stderr}");
    assert!(stderr.contains("choose another"), "{stderr}");
}

#[test]
fn a_busy_udp_port_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, _, stderr) = run(&["--udp", &address, "echo", "--http", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("error: cannot bind UDP"), "{stderr}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let (code, stdout, stderr) =
        run(&["--loopback", "connect", &format!("http://127.0.0.1:{port}")]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains(&format!("error: cannot reach http://127.0.0.1:{port}/offer")),
        "{stderr}"
    );
}

#[test]
fn a_server_that_says_nothing_is_waited_for_only_so_long() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let (code, _, stderr) = run(&["--loopback", "--timeout", "0.5", "connect", &url]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("timed out after 0.5 s waiting for the answer of"), "{stderr}");
}

#[test]
fn a_server_that_is_no_peerage_is_told_apart() {
    let (_sender, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let (code, _, stderr) = run(&["--loopback", "connect", &format!("{url}/elsewhere")]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("answered 404 Not Found: there is only / and /offer here"), "{stderr}");
}

#[test]
fn files_that_cannot_be_sent_are_named() {
    let folder = Folder::new("no-file");
    let missing = folder.path("missing");
    let (code, _, stderr) = run(&["send", &missing]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("error: cannot read {missing}: ")), "{stderr}");
    let (code, _, stderr) = run(&["send", &folder.path("")]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is no file"), "{stderr}");
}

#[test]
fn pasted_text_that_is_no_offer_is_refused() {
    let (code, _, stderr) = run(&["receive"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("standard input ended before the offer was complete"), "{stderr}");

    let mut receiver = Running::start(&["receive"]);
    receiver.write("{\"type\":\"offer\",\"sdp\":\"v=1\"}\n");
    let (status, events) = receiver.finish();
    assert_eq!(status.code(), Some(1));
    let message = events.last().expect("an event")["message"].as_str().expect("text");
    assert!(
        message.contains("the offer cannot be used") && message.contains("line 1"),
        "{message}"
    );
}

#[test]
fn nobody_coming_is_waited_for_only_so_long() {
    let (code, _, stderr) =
        run(&["--loopback", "receive", "--http", "127.0.0.1:0", "--wait", "0.3"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("timed out after 0.3 s waiting for the other side's offer"),
        "{stderr}"
    );
}
