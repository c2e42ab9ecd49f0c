//! Replays STUN messages that other projects collected; skipped where the corpora are not at hand.

use std::path::{Path, PathBuf};

use peerage_stun::Message;

fn corpora() -> PathBuf {
    std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    )
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
    out.sort();
}

/// Gives how many files there were, how many parsed, and how many of those have a right fingerprint.
fn replay(folder: &str) -> Option<(usize, usize, usize)> {
    let mut paths = Vec::new();
    files(&corpora().join(folder), &mut paths);
    if paths.is_empty() {
        println!("skipped: no corpus {folder}");
        return None;
    }
    let (mut parsed, mut fingerprints) = (0, 0);
    for path in &paths {
        let mut bytes = std::fs::read(path).expect("a readable corpus");
        if let Some(literal) = go_literal(&bytes) {
            bytes = literal;
        }
        let Ok(message) = Message::parse(&bytes) else { continue };
        parsed += 1;
        fingerprints += usize::from(message.verify_fingerprint().is_ok());
        for attribute in message.attributes() {
            let _ = attribute.decode(message.transaction_id());
        }
    }
    println!("{folder}: {} files, {parsed} parse, {fingerprints} fingerprints match", paths.len());
    Some((paths.len(), parsed, fingerprints))
}

/// Seeds of Go's fuzzer are text: `go test fuzz v1`, then `[]byte("...")`.
fn go_literal(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?.strip_prefix("go test fuzz v1")?;
    let (_, text) = text.split_once("[]byte(\"")?;
    let (text, _) = text.rsplit_once("\")")?;
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next()? {
            'x' => {
                out.push(u8::from_str_radix(&chars.by_ref().take(2).collect::<String>(), 16).ok()?);
            }
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'v' => out.push(11),
            other => out.push(other as u8),
        }
    }
    Some(out)
}

#[test]
fn libwebrtc_fuzz_seeds() {
    if let Some(counts) = replay("libwebrtc/corpora/stun-corpus") {
        assert_eq!(counts, (19, 17, 3));
    }
}

#[test]
fn pion_fuzz_seeds() {
    if let Some(counts) = replay("pion/stun/fuzz") {
        assert_eq!(counts, (35, 0, 0));
    }
}
