//! `peerage send` and `peerage receive`, by HTTP and by pasting, whole and resumed.

mod common;

use common::{Folder, Running, post};

const SIZE: usize = 3_000_001;

fn assert_same(a: &str, b: &str) {
    let (a, b) = (std::fs::read(a).expect("a file"), std::fs::read(b).expect("a file"));
    assert!(a == b, "{} and {} bytes differ", a.len(), b.len());
}

fn last_error(events: &[serde_json::Value]) -> &str {
    let error = events.iter().rfind(|event| event["event"] == "error").expect("an error");
    error["message"].as_str().expect("a reason")
}

#[test]
fn the_receiver_listens() {
    let folder = Folder::new("receiver-listens");
    let file = folder.file("data.bin", SIZE);
    let out = folder.path("out");
    std::fs::create_dir(&out).expect("a folder");
    let (receiver, url) = Running::server(&["receive", "--http", "127.0.0.1:0", "--output", &out]);
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert!(status.success(), "{events:?}");
    let (status, events) = receiver.finish();
    assert!(status.success(), "{events:?}");
    assert_same(&file, &format!("{out}/data.bin"));
    let left: Vec<_> = std::fs::read_dir(&out).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn the_sender_listens() {
    let folder = Folder::new("sender-listens");
    let file = folder.file("data.bin", SIZE);
    let copy = folder.path("copy.bin");
    let (sender, url) = Running::server(&["send", &file, "--http", "127.0.0.1:0"]);
    let (status, events) = Running::start(&["receive", "--http", &url, "--output", &copy]).finish();
    assert!(status.success(), "{events:?}");
    assert!(sender.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn offer_and_answer_are_pasted() {
    let folder = Folder::new("pasted");
    let file = folder.file("data.bin", 70_000);
    let copy = folder.path("copy.bin");
    let mut sender = Running::start(&["send", &file]);
    let mut receiver = Running::start(&["receive", "--output", &copy]);
    let offer = sender.event("description")["blob"].as_str().expect("text").to_owned();
    receiver.write(&format!("{offer}\n"));
    let answer = receiver.event("description");
    // The JSON form is understood as well.
    sender.write(&format!("{}\n", serde_json::json!({ "type": "answer", "sdp": answer["sdp"] })));
    let (status, events) = receiver.finish();
    assert!(status.success(), "{events:?}");
    assert!(sender.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn an_empty_file_arrives() {
    let folder = Folder::new("empty");
    let file = folder.file("empty", 0);
    let copy = folder.path("copy");
    let (receiver, url) = Running::server(&["receive", "--http", "127.0.0.1:0", "--output", &copy]);
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert!(status.success(), "{events:?}");
    assert!(receiver.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn what_broke_off_is_resumed() {
    let folder = Folder::new("resumed");
    let file = folder.file("data.bin", SIZE);
    let copy = folder.path("copy.bin");
    // As an interrupted receiver leaves it.
    let data = std::fs::read(&file).expect("a file");
    std::fs::write(format!("{copy}.part"), &data[..1_234_567]).expect("a file");
    let sha256 = sha256(&file, &folder);
    let note = serde_json::json!({ "size": SIZE, "sha256": sha256 });
    std::fs::write(format!("{copy}.part.json"), note.to_string()).expect("a file");

    let (receiver, url) = Running::server(&["receive", "--http", "127.0.0.1:0", "--output", &copy]);
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert!(status.success(), "{events:?}");
    let start = events.iter().find(|event| event["event"] == "file").expect("a start");
    assert_eq!(start["offset"], 1_234_567);
    assert!(receiver.finish().0.success());
    assert_same(&file, &copy);
}

/// Learns a file's digest from a transfer that is refused.
fn sha256(file: &str, folder: &Folder) -> String {
    let copy = folder.path("for-digest");
    let (receiver, url) = Running::server(&["receive", "--http", "127.0.0.1:0", "--output", &copy]);
    let (_, events) = Running::start(&["send", file, "--http", &url]).finish();
    let _ = receiver.finish();
    let complete = events.iter().find(|event| event["event"] == "complete").expect("an end");
    complete["sha256"].as_str().expect("a digest").to_owned()
}

#[test]
fn a_part_of_another_file_is_not_continued() {
    let folder = Folder::new("other-part");
    let file = folder.file("data.bin", 200_000);
    let copy = folder.path("copy.bin");
    std::fs::write(format!("{copy}.part"), [0; 1000]).expect("a file");
    let note = serde_json::json!({ "size": 200_000, "sha256": "0".repeat(64) });
    std::fs::write(format!("{copy}.part.json"), note.to_string()).expect("a file");
    let (receiver, url) = Running::server(&["receive", "--http", "127.0.0.1:0", "--output", &copy]);
    assert!(Running::start(&["send", &file, "--http", &url]).finish().0.success());
    assert!(receiver.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn a_damaged_part_is_noticed_and_given_up() {
    let folder = Folder::new("damaged");
    let file = folder.file("data.bin", 200_000);
    let copy = folder.path("copy.bin");
    let digest = sha256(&file, &folder);
    std::fs::write(format!("{copy}.part"), [0; 1000]).expect("a file");
    let note = serde_json::json!({ "size": 200_000, "sha256": digest });
    std::fs::write(format!("{copy}.part.json"), note.to_string()).expect("a file");
    let (receiver, url) = Running::server(&["receive", "--http", "127.0.0.1:0", "--output", &copy]);
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert_eq!(status.code(), Some(1));
    assert!(last_error(&events).contains("the file arrived damaged"), "{events:?}");
    // The next attempt begins anew and succeeds, with the receiver that still listens.
    assert!(Running::start(&["send", &file, "--http", &url]).finish().0.success());
    assert!(receiver.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn a_transfer_survives_a_sender_that_dies() {
    let folder = Folder::new("dies");
    let file = folder.file("data.bin", 40_000_000);
    let copy = folder.path("copy.bin");
    let receive = ["--timeout", "5", "receive", "--http", "127.0.0.1:0", "--output", &copy];
    let (receiver, url) = Running::server(&receive);
    let sender = Running::start(&["send", &file, "--http", &url]);
    while receiver.event("progress")["bytes"].as_u64().expect("a number") < 1_000_000 {}
    sender.kill();
    let warning = receiver.event("warning");
    assert!(warning["message"].as_str().expect("text").contains("waiting for another offer"));
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert!(status.success(), "{events:?}");
    let start = events.iter().find(|event| event["event"] == "file").expect("a start");
    assert!(start["offset"].as_u64().expect("a number") >= 1_000_000, "{start}");
    assert!(receiver.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn a_file_that_is_there_is_not_replaced_unless_asked() {
    let folder = Folder::new("exists");
    let file = folder.file("data.bin", 1000);
    let copy = folder.path("copy.bin");
    std::fs::write(&copy, "precious").expect("a file");
    let receive = ["receive", "--http", "127.0.0.1:0", "--output", &copy];
    let (receiver, url) = Running::server(&receive);
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert_eq!(status.code(), Some(1));
    assert!(last_error(&events).contains("the other side gave up"), "{events:?}");
    assert!(last_error(&events).contains("--overwrite"), "{events:?}");
    drop(receiver);
    assert_eq!(std::fs::read(&copy).expect("a file"), b"precious");

    let (receiver, url) = Running::server(&[&receive[..], &["--overwrite"]].concat());
    assert!(Running::start(&["send", &file, "--http", &url]).finish().0.success());
    assert!(receiver.finish().0.success());
    assert_same(&file, &copy);
}

#[test]
fn a_file_larger_than_wanted_is_refused() {
    let folder = Folder::new("too-large");
    let file = folder.file("data.bin", 1001);
    let copy = folder.path("copy.bin");
    let (_receiver, url) = Running::server(&[
        "receive",
        "--http",
        "127.0.0.1:0",
        "--output",
        &copy,
        "--max-size",
        "1000",
    ]);
    let (status, events) = Running::start(&["send", &file, "--http", &url]).finish();
    assert_eq!(status.code(), Some(1));
    assert!(last_error(&events).contains("1001 bytes, more than --max-size 1000"), "{events:?}");
}

#[test]
fn web_pages_cannot_start_a_transfer() {
    let folder = Folder::new("csrf");
    let file = folder.file("secret", 10);
    let (_sender, url) = Running::server(&["send", &file, "--http", "127.0.0.1:0"]);
    let offer = r#"{"type":"offer","sdp":"v=0"}"#;
    assert_eq!(post(&url, "text/plain", offer).0, 415);
}
