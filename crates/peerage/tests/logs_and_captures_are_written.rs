//! A connection's event log and capture are on the disk soon, and whole when it is gone.

mod common;

use std::io::BufReader;
use std::path::PathBuf;
use std::time::Duration;

use common::{PATIENCE, negotiate, pair, within};
use peerage::log::{Direction, LogEvent, LogReader, Record, StateOf};
use peerage::media::MediaKind;
use peerage::{DataChannelInit, Error, Frame};
use peerage_media::files::PcapReader;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("peerage-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn records(&self, name: &str) -> Vec<Record> {
        let file = std::fs::File::open(self.0.join(name)).unwrap();
        let mut reader = LogReader::new(BufReader::new(file)).unwrap();
        let records = reader.by_ref().collect::<Result<_, _>>().unwrap();
        // It may be in the middle of being written.
        assert_eq!((reader.unknown(), reader.damaged()), (0, 0));
        records
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn reached(records: &[Record], wanted: &str) -> bool {
    records.iter().any(|record| {
        matches!(&record.event, LogEvent::State { of: StateOf::Connection, state } if state == wanted)
    })
}

#[tokio::test]
async fn a_call_leaves_a_log_and_a_capture() {
    let folder = Folder::new("observe");
    let (alice, bob) = pair().await;
    for (pc, name) in [(&alice, "alice"), (&bob, "bob")] {
        pc.log_to(folder.0.join(format!("{name}.log"))).await.unwrap();
        pc.capture_to(folder.0.join(format!("{name}.pcap"))).await.unwrap();
    }
    let audio = alice.add_track(MediaKind::Audio, "microphone", Vec::new()).await.unwrap();
    negotiate(&alice, &bob).await;
    within("the connection", alice.connected()).await.unwrap();
    within("the connection", bob.connected()).await.unwrap();
    for index in 0..30u32 {
        audio.send_frame(Frame::new(vec![0xA5; 60], index * 960)).await.unwrap();
    }
    // It is on the disk without anything further.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let received = |name: &str| {
        let records = folder.records(name);
        records.iter().filter(|r| matches!(r.event, LogEvent::PacketReceived(_))).count()
    };
    loop {
        let written = std::fs::metadata(folder.0.join("bob.log")).unwrap().len();
        if written > 0 && received("bob.log") >= 30 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "nothing comes to the disk");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(reached(&folder.records("bob.log"), "connected"));
    alice.close().await;
    drop((audio, alice));
    drop(bob);
    // The driver ends when no handle is left.
    loop {
        if reached(&folder.records("alice.log"), "closed") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the end is not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sent = folder.records("alice.log");
    let sent = sent.iter().filter(|r| matches!(r.event, LogEvent::PacketSent(_))).count();
    assert_eq!(sent, 30);
    for (name, direction) in [("alice.pcap", Direction::Sent), ("bob.pcap", Direction::Received)] {
        let file = std::fs::read(folder.0.join(name)).unwrap();
        let datagrams: Vec<_> = PcapReader::new(&file[..]).unwrap().map(Result::unwrap).collect();
        let media = datagrams.iter().filter(|datagram| datagram.data.ends_with(&[0xA5; 60]));
        let last = match direction {
            Direction::Sent => 1,
            Direction::Received => 2,
        };
        let ends: Vec<_> = media.map(|d| (d.source.to_string(), d.destination.port())).collect();
        assert_eq!(ends, vec![(format!("192.0.2.{last}:5004"), 5004); 30], "{name}");
    }
}

#[tokio::test]
async fn files_that_cannot_be_made_are_named() {
    let (alice, _bob) = pair().await;
    let nowhere = std::env::temp_dir().join("peerage-no-such-folder/call.log");
    for result in [alice.log_to(&nowhere).await, alice.capture_to(&nowhere).await] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Record { .. }));
        assert!(error.to_string().contains("peerage-no-such-folder"), "{error}");
    }
    // The connection is as it was.
    alice.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
}
