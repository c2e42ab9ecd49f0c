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
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}
