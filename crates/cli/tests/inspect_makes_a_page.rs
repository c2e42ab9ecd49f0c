//! One flag makes a log, one command a page of it; what is not a log is told from one.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Folder, PATIENCE, Running, run};

#[test]
fn a_connection_is_logged_and_its_page_made() {
    let folder = Folder::new("inspect");
    let (log, pcap) = (folder.path("call.log"), folder.path("call.pcap"));
    let (server, url) =
        Running::server(&["echo", "--http", "127.0.0.1:0", "--log", &folder.path("echo.log")]);
    for _ in 0..2 {
        let arguments = ["--loopback", "connect", &url, "--log", &log, "--pcap", &pcap];
        let (code, _, stderr) = run(&arguments);
        assert_eq!(code, Some(0), "{stderr}");
    }
    let text = fs::read_to_string(&log).expect("a log");
    assert!(text.starts_with("{\"format\":\"peerage-log\",\"version\":1,"), "{text}");
    for event in
        ["description", "candidate", "selected-pair", "handshake", "channel-opened", "message"]
    {
        assert!(text.contains(&format!("\"event\":\"{event}\"")), "no {event} in {text}");
    }
    assert!(text.ends_with("\"state\":\"closed\"}\n"), "to the end: {text}");
    assert!(fs::read(&pcap).expect("a capture").starts_with(&[0xA1, 0xB2, 0xC3, 0xD4]));
    // The server's are soon on the disk, while it runs.
    for name in ["echo.log", "echo-2.log"] {
        let end = Instant::now() + PATIENCE;
        while fs::metadata(folder.path(name)).is_ok_and(|metadata| metadata.len() == 0) {
            assert!(Instant::now() < end, "{name} stays empty");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    server.kill();

    let (code, stdout, stderr) = run(&["inspect", &log]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert!(stderr.contains("connected at ") && stderr.contains("handshake: DTLS 1.3"), "{stderr}");
    let page = folder.path("call.html");
    assert!(stderr.contains(&format!("page: {page}")), "{stderr}");
    let html = fs::read_to_string(&page).expect("the page");
    assert!(html.contains("m=application") && html.trim_end().ends_with("</html>"));
    // Again, over the old page, and with JSON.
    let (code, stdout, stderr) = run(&["--json", "inspect", &log]);
    assert_eq!(code, Some(0), "{stderr}");
    let event: serde_json::Value = serde_json::from_str(&stdout).expect("one event");
    assert_eq!((&event["event"], &event["page"]), (&"page".into(), &page.as_str().into()));
    // Of what was written until a program was ended by force there is a page too.
    fs::write(&log, &text[..text.len() - 9]).expect("it can be cut");
    let (code, _, stderr) = run(&["inspect", &log]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("the log's last line is cut off"), "{stderr}");
}

#[test]
fn what_is_no_log_is_told_with_what_to_do() {
    let folder = Folder::new("no-log");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path(name);
        fs::write(&path, content).expect("a file can be written");
        path
    };
    let log = "{\"format\":\"peerage-log\",\"version\":1}\n";
    let how = "`peerage connect URL --log call.log` writes one";
    for (path, reasons) in [
        (folder.path("missing.log"), vec!["there is no ", how]),
        (folder.path(""), vec!["is a folder: name the log in it"]),
        (file("empty.log", b""), vec!["is empty: nothing was logged yet"]),
        (file("text.log", b"hello\n"), vec!["is no event log: ", how]),
        (file("binary.log", &[0xFF; 100]), vec!["is no event log: ", how]),
        (file("call.pcap", &[0xD4, 0xC3, 0xB2, 0xA1, 2, 0]), vec!["but a capture, for Wireshark"]),
        (
            file("tomorrow.log", b"{\"format\":\"peerage-log\",\"version\":9}\n"),
            vec!["version 9", "use the peerage that wrote it"],
        ),
        (file("log.html", log.as_bytes()), vec!["the page would replace the log", "--output"]),
    ] {
        let (code, _, stderr) = run(&["inspect", &path]);
        assert_eq!(code, Some(1), "{path}: {stderr}");
        for reason in reasons {
            assert!(stderr.contains(reason), "{path}: {stderr}");
        }
    }
    // A log without events has a page; a file that is no page is not replaced by one.
    let begun = file("begun.log", log.as_bytes());
    let (code, _, stderr) = run(&["inspect", &begun]);
    assert_eq!(code, Some(0), "{stderr}");
    let letter = file(
        "letter.html",
        b"<html>my only copy</html> and more of it, and more, and more, and more",
    );
    let (code, _, stderr) = run(&["inspect", &begun, "-o", &letter]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("is there already and is no page of this command"), "{stderr}");
    assert!(fs::read_to_string(&letter).expect("it is there").contains("my only copy"));
}

#[test]
fn a_log_that_cannot_be_written_is_told_at_once() {
    let folder = Folder::new("no-place");
    for option in ["--log", "--pcap"] {
        let (code, _, stderr) =
            run(&["echo", "--http", "127.0.0.1:0", option, &folder.path("a/b.log")]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("there is no folder"), "{stderr}");
        let (code, _, stderr) = run(&["echo", "--http", "127.0.0.1:0", option, &folder.path("")]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("is a folder: name a file in it"), "{stderr}");
    }
}
