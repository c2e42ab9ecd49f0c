//! `peerage call` with another `peerage call`: test pictures and a tone one way, and a recording of them at the other.
#![cfg(feature = "call")]

mod common;

use common::{Folder, Running, run};

#[test]
fn a_call_is_recorded_where_it_arrives() {
    let folder = Folder::new("call");
    let file = folder.path("call.webm");
    let synthetic = ["--video", "pattern", "--audio", "tone"];
    let mut arguments = vec!["call", "--http", "127.0.0.1:0", "--duration", "4"];
    arguments.extend(synthetic);
    let (callee, url) = Running::server(&arguments);
    let mut arguments = vec!["call", "--http", &url, "--duration", "4", "--record", &file];
    arguments.extend(synthetic);
    let caller = Running::start(&arguments);
    let recorded = caller.event("recorded");
    assert!(recorded["pictures"].as_u64().unwrap() > 10, "{recorded}");
    assert!(recorded["seconds"].as_f64().unwrap() > 1.0, "{recorded}");
    for end in [caller, callee] {
        let called = end.event("called");
        assert!(called["pictures"].as_u64().unwrap() > 10, "{called}");
        assert!(called["sound"].as_f64().unwrap() > 1.0, "{called}");
        let (status, events) = end.finish();
        assert!(status.success(), "{events:?}");
    }
    assert!(std::fs::metadata(&file).unwrap().len() > 10_000);
}

#[test]
fn what_cannot_be_sent_or_recorded_is_named() {
    for (arguments, reason) in [
        (&["call", "--video", "nowhere.webm", "--audio", "none"][..], "nowhere.webm"),
        (&["call", "--record", "call.mp4"], ".webm"),
        (&["call", "--record", "no-such-folder/call.webm"], "there is no folder no-such-folder"),
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) =
        run(&["call", "--http", &address, "--video", "pattern", "--audio", "tone"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("choose another with --http"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_call_hangs_up_and_completes_its_recording() {
    let folder = Folder::new("interrupted");
    let files = ["callee", "caller"].map(|name| folder.path(&format!("{name}.webm")));
    let synthetic = ["--video", "pattern", "--audio", "tone"];
    let mut arguments = vec!["call", "--http", "127.0.0.1:0", "--record", &files[0]];
    arguments.extend(synthetic);
    let (callee, url) = Running::server(&arguments);
    let mut arguments = vec!["call", "--http", &url, "--record", &files[1]];
    arguments.extend(synthetic);
    let caller = Running::start(&arguments);
    // Both tracks have come, so that recordings have begun.
    for end in [&caller, &callee] {
        end.event("receiving");
        end.event("receiving");
    }
    std::thread::sleep(std::time::Duration::from_secs(2));
    caller.interrupt();
    // The callee serves on; its recording is complete because the caller has hung up, and it is not interrupted itself before.
    for end in [&caller, &callee] {
        let (recorded, before) = end.event_after("recorded");
        assert!(recorded["seconds"].as_f64().unwrap() > 0.5, "{recorded}");
        // It was told, and did not have to miss the other.
        assert!(before.iter().all(|event| event["state"] != "disconnected"), "{before:?}");
        end.event("called");
    }
    let (status, events) = caller.finish();
    assert!(status.success(), "{events:?}");
    callee.interrupt();
    let (status, events) = callee.finish();
    assert!(status.success(), "{events:?}");
    for file in files {
        assert!(std::fs::metadata(file).unwrap().len() > 5_000);
    }
}

#[test]
fn who_calls_while_there_is_a_call_is_told() {
    let synthetic = ["--video", "pattern", "--audio", "tone"];
    let mut arguments = vec!["call", "--http", "127.0.0.1:0"];
    arguments.extend(synthetic);
    let (_callee, url) = Running::server(&arguments);
    let mut arguments = vec!["call", "--http", &url];
    arguments.extend(synthetic);
    let caller = Running::start(&arguments);
    caller.event("receiving");
    let second = Running::start(&arguments);
    let error = second.event("error");
    assert!(error["message"].as_str().unwrap().contains("there is a call already"), "{error}");
    assert!(!second.finish().0.success());
}
