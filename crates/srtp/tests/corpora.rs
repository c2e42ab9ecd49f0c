//! Feeds the inputs that fuzzing libsrtp collected to every profile; skipped where the corpora are not at hand.

mod support;

use std::path::{Path, PathBuf};

use peerage_srtp::{Config, Cryptex, ProtectionProfile, Receiver, Sender};
use support::{key, provider};

fn corpora() -> PathBuf {
    std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    )
}

#[test]
fn nothing_that_libsrtp_was_fuzzed_with_does_harm() {
    let folder = corpora().join("libsrtp/corpus");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no corpus at {}", folder.display());
        return;
    };
    let config = Config {
        cryptex: Cryptex::Enabled,
        encrypted_header_extensions: (1..=255).collect(),
        ..Config::default()
    };
    let mut contexts: Vec<_> = ProtectionProfile::ALL
        .into_iter()
        .flat_map(|profile| [key(profile, 1), key(profile, 1).with_mki(b"mki!").expect("short")])
        .map(|key| {
            (
                Sender::new(&provider(), &key, config.clone()).expect("a sender"),
                Receiver::new(&provider(), &key, config.clone()).expect("a receiver"),
            )
        })
        .collect();
    let (mut files, mut protected) = (0, 0);
    // In the order of their names: what one file leaves behind in a context meets the next.
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let data = std::fs::read(path).expect("a readable file");
        files += 1;
        // The inputs are scripts, with keys and lengths before the packets: so any part of one may be a packet.
        for start in (0..data.len()).step_by(31) {
            for (sender, receiver) in &mut contexts {
                let part = &data[start..];
                assert!(receiver.unprotect_rtp(&mut part.to_vec()).is_err());
                assert!(receiver.unprotect_rtcp(&mut part.to_vec()).is_err());
                let mut packet = part.to_vec();
                if sender.protect_rtp(&mut packet, 0).is_ok() {
                    protected += 1;
                    // Far apart, sequence numbers may be taken for those of another round; the tag tells.
                    let _ = receiver.unprotect_rtp(&mut packet);
                }
                let mut packet = part.to_vec();
                if sender.protect_rtcp(&mut packet, 0).is_ok() {
                    let opened = receiver.unprotect_rtcp(&mut packet).map(|opened| opened.to_vec());
                    assert!(opened.is_err() || opened.as_deref() == Ok(part));
                }
            }
        }
    }
    assert!(files > 2000 && protected > 1000, "{files} files, {protected} packets");
}
