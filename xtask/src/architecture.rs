//! The rules of `docs/architecture.md` that a machine can check.
//!
//! Protocol crates are told the time and never ask for it, open no socket, spawn no thread, forbid unsafe code, and
//! import each other only along the arrows of the page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, root};

/// Crates (by folder) that must be sans-IO.
const PROTOCOL_CRATES: [&str; 12] = [
    "crypto",
    "sdp",
    "stun",
    "ice",
    "dtls",
    "srtp",
    "sctp",
    "rtp",
    "congestion",
    "log",
    "peerconnection",
    "turn",
];

/// What a protocol crate must not write outside its tests, and why.
const FORBIDDEN: [(&str, &str); 8] = [
    ("Instant::now(", "it is told the time, it does not ask"),
    ("SystemTime::now(", "it is told the time, it does not ask"),
    (".elapsed()", "it is told the time, it does not ask"),
    ("UdpSocket", "it opens no socket"),
    ("TcpStream", "it opens no socket"),
    ("thread::spawn", "it spawns no thread"),
    ("thread::sleep", "it never blocks"),
    ("tokio::", "it knows no runtime"),
];

/// Which workspace crates each crate may import (normal and build dependencies; tests may import anything).
const ARROWS: [(&str, &[&str]); 24] = [
    ("peerage-sha1-lanes", &[]),
    ("peerage-crypto", &["peerage-sha1-lanes"]),
    ("peerage-sdp", &[]),
    ("peerage-sctp", &[]),
    ("peerage-rtp", &[]),
    ("peerage-congestion", &[]),
    ("peerage-log", &[]),
    ("peerage-srtp", &["peerage-crypto"]),
    (
        "peerage-media",
        &[
            "peerage-aom",
            "peerage-dav1d",
            "peerage-openh264",
            "peerage-opus",
            "peerage-rtp",
            "peerage-vpx",
        ],
    ),
    ("peerage-aom", &[]),
    ("peerage-dav1d", &[]),
    ("peerage-netsim", &[]),
    ("peerage-openh264", &[]),
    ("peerage-opus", &[]),
    ("peerage-vpx", &[]),
    ("peerage-stun", &["peerage-crypto"]),
    ("peerage-ice", &["peerage-stun", "peerage-crypto"]),
    ("peerage-dtls", &["peerage-crypto"]),
    (
        "peerage-peerconnection",
        &[
            "peerage-ice",
            "peerage-stun",
            "peerage-dtls",
            "peerage-srtp",
            "peerage-sctp",
            "peerage-rtp",
            "peerage-congestion",
            "peerage-log",
            "peerage-sdp",
            "peerage-crypto",
        ],
    ),
    (
        "peerage",
        &[
            "peerage-peerconnection",
            "peerage-media",
            "peerage-ice",
            "peerage-stun",
            "peerage-dtls",
            "peerage-srtp",
            "peerage-sctp",
            "peerage-rtp",
            "peerage-congestion",
            "peerage-log",
            "peerage-sdp",
            "peerage-crypto",
        ],
    ),
    ("peerage-turn", &["peerage-dtls", "peerage-stun", "peerage-crypto"]),
    // The diagnosis of a NAT speaks STUN by itself.
    ("peerage-cli", &["peerage", "peerage-crypto", "peerage-stun", "peerage-turn"]),
    // Recordings are opened and checked without the stack that made them.
    (
        "peerage-interop",
        &[
            "peerage",
            "peerage-media",
            "peerage-netsim",
            "peerage-crypto",
            "peerage-rtp",
            "peerage-sdp",
            "peerage-srtp",
            "peerage-stun",
        ],
    ),
    ("xtask", &[]),
];

/// Runs every check and reports all that is wrong at once.
pub(crate) fn check() -> Result<()> {
    let mut wrong = Vec::new();
    for name in PROTOCOL_CRATES {
        check_sources(&root().join("crates").join(name), &mut wrong)?;
    }
    check_arrows(&mut wrong)?;
    if wrong.is_empty() {
        eprintln!("ok   architecture");
        return Ok(());
    }
    for line in &wrong {
        eprintln!("     {line}");
    }
    eprintln!("FAIL architecture");
    bail!("architecture: {} rule(s) of docs/architecture.md broken, listed above", wrong.len());
}

fn check_sources(folder: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let lib = folder.join("src/lib.rs");
    let text =
        std::fs::read_to_string(&lib).with_context(|| format!("cannot read {}", lib.display()))?;
    if !text.contains("#![forbid(unsafe_code)]") {
        wrong.push(format!(
            "{}: a protocol crate starts with #![forbid(unsafe_code)]",
            relative(&lib)
        ));
    }
    let mut files = Vec::new();
    collect(&folder.join("src"), &mut files)?;
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        for (number, what, why) in offences(&text) {
            wrong
                .push(format!("{}:{number}: `{what}` in a protocol crate: {why}", relative(&file)));
        }
    }
    Ok(())
}

/// Rust files under `dir`, without those that only tests compile.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let for_tests = stem == "tests"
            || stem == "test"
            || stem.ends_with("_tests")
            || stem.ends_with("_test")
            || stem.starts_with("test_");
        // `peerage-turn` has its driver beside its state machine, behind a feature.
        if for_tests || stem == "fuzzing" || stem == "driver" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Line numbers, offending words and reasons in the part of a file that is not tests and not comments.
fn offences(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let code = line.trim_start();
        // A test module stands last in its file; what follows its attribute is tests.
        if code.starts_with("#[cfg(test)]")
            && lines.peek().is_some_and(|(_, next)| {
                next.trim_start().starts_with("mod ") && next.contains('{')
            })
        {
            break;
        }
        if code.starts_with("//") {
            continue;
        }
        let code = code.split(" // ").next().unwrap_or(code);
        found.extend(
            FORBIDDEN
                .iter()
                .filter(|(what, _)| code.contains(what))
                .map(|&(what, why)| (index + 1, what, why)),
        );
    }
    found
}

fn check_arrows(wrong: &mut Vec<String>) -> Result<()> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot run `cargo metadata`")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            wrong.push(format!("{name}: a new crate needs a line in xtask/src/architecture.rs and in docs/architecture.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"].as_str() != Some("dev")
                && names.contains(&to)
                && !allowed.contains(&to)
            {
                wrong.push(format!("{name} -> {to}: no such arrow in docs/architecture.md"));
            }
        }
    }
    Ok(())
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_found_outside_tests_and_comments_only() {
        let text = "// Instant::now() in a comment\nlet t = Instant::now();\n#[cfg(test)]\nmod tests {\n    fn f() { Instant::now(); }\n}\n";
        assert_eq!(
            offences(text),
            vec![(2, "Instant::now(", "it is told the time, it does not ask")]
        );
    }

    #[test]
    fn a_test_only_file_does_not_hide_the_rest() {
        assert_eq!(offences("#[cfg(test)]\nmod tests;\nfn f() { SystemTime::now(); }\n").len(), 1);
    }
}
