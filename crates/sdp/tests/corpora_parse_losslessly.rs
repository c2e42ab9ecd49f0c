//! Every description that others recorded or wrote parses and is written back as it was, or is
//! refused for the reason named here.

use peerage_sdp::{Error, SessionDescription};
use std::path::{Path, PathBuf};

/// Descriptions that are refused, and what the message must say.
const REFUSED: &[(&str, &str)] = &[
    // Its passwords are shorter than any ICE agent may accept.
    ("libwebrtc/corpora/sdp-corpus/unittest-1.sdp", "a=ice-pwd: expected a password of 22"),
    ("libwebrtc/corpora/sdp-corpus/unittest-2.sdp", "a=ice-pwd: expected a password of 22"),
    ("libwebrtc/corpora/sdp-corpus/unittest-8.sdp", "a=ice-pwd: expected a password of 22"),
    ("libwebrtc/corpora/sdp-corpus/unittest-9.sdp", "a=ice-pwd: expected a password of 22"),
    // AirPlay's codec has no clock rate.
    ("sdp-transform/alac.sdp", "line 7, column 26: a=rtpmap: expected \"/\" and a clock rate"),
    (
        "sdp-transform/invalid.sdp",
        "line 10: expected a line type of RFC 8866, found \"f=invalid:yes\"",
    ),
    // Fragments that begin with v= and o= and then go on with m=.
    ("sdp-transform/mediaclk-avbtp.sdp", "line 3: expected a s= line"),
    ("sdp-transform/mediaclk-ptp-v2-w-rate.sdp", "line 3: expected a s= line"),
    ("sdp-transform/mediaclk-ptp-v2.sdp", "line 3: expected a s= line"),
    ("sdp-transform/mediaclk-rtp.sdp", "line 3: expected a s= line"),
    // An early draft of the attribute, `send rid=1,4;2;3 paused=4 recv rid=c`.
    ("sdp-transform/simulcast.sdp", "line 28, column 19: a=simulcast: expected stream identifiers"),
];

/// Descriptions whose lines are not in the order of RFC 8866 §5; they are written in that order.
const REORDERED: &[&str] = &["sdp-transform/extmap-encrypt.sdp", "sdp-transform/normal.sdp"];

fn corpora() -> Option<PathBuf> {
    let root = match std::env::var_os("PEERAGE_CORPORA") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
    };
    if !root.is_dir() {
        println!("skipped: no corpora at {}; set PEERAGE_CORPORA", root.display());
        return None;
    }
    Some(root)
}

fn descriptions() -> Vec<(String, String)> {
    let Some(root) = corpora() else { return Vec::new() };
    let mut found = Vec::new();
    for folder in
        ["browser-sdp", "sdp-transform", "ex_webrtc/sdp", "libwebrtc/corpora/sdp-corpus", "str0m"]
    {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name =
                format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => {
                    if let Ok(value) = serde_json::from_str(&text) {
                        collect(&value, &name, &mut found);
                    }
                }
                Some("sdp" | "txt") if text.starts_with("v=") => found.push((name, text)),
                _ => {}
            }
        }
    }
    for capture in SIP_CAPTURES {
        let Ok(bytes) = std::fs::read(root.join(capture)) else { continue };
        for (i, packet) in packets(&bytes).enumerate() {
            let at = packet.windows(7).position(|window| window == b"v=0\r\no=");
            if let Some(body) = at.map(|at| String::from_utf8_lossy(&packet[at..])) {
                found.push((format!("{capture}#{i}"), body.into_owned()));
            }
        }
    }
    found.sort();
    found
}

/// Captures of SIP, whose bodies are descriptions that telephones made.
const SIP_CAPTURES: &[&str] = &[
    "suricata-verify/sip-compact-form/sip_compact_form.pcap",
    "suricata-verify/sip-method/sip.pcap",
    "suricata-verify/sip-header-multi-value/sip_header_multi_val.pcap",
    "suricata-verify/sip-sdp/sdp.pcap",
    "suricata-verify/sip-body-frames/public-cloudshark-sip-s0.pcap",
    "suricata-verify/sip-body-large/sip-body-large.pcap",
    "zeek/sip/wireshark.pcap",
];

/// The packets of a capture in the classic little-endian format.
fn packets(capture: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = capture.get(24..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = rest.get(8..12)?.try_into().map(u32::from_le_bytes).ok()? as usize;
        let packet = rest.get(16..16 + length)?;
        rest = &rest[16 + length..];
        Some(packet)
    })
}

/// Descriptions within JSON: strings, or lists of lines.
fn collect(value: &serde_json::Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::String(text) if text.starts_with("v=0") => {
            found.push((format!("{name}#{}", found.len()), text.clone()));
        }
        serde_json::Value::Array(values) => {
            let lines: Option<Vec<&str>> = values.iter().map(|value| value.as_str()).collect();
            match lines {
                Some(lines) if lines.first() == Some(&"v=0") => {
                    found.push((format!("{name}#{}", found.len()), lines.join("\r\n")));
                }
                _ => values.iter().for_each(|value| collect(value, name, found)),
            }
        }
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|value| collect(value, name, found));
        }
        _ => {}
    }
}

/// The lines without their ends and without blank ones behind the last.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end_matches(['\r', '\n'])
        .split('\n')
        .map(|l| l.strip_suffix('\r').unwrap_or(l))
        .collect()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines = lines(text);
    lines.sort_unstable();
    lines
}

#[test]
fn each_is_written_back_as_it_was_or_refused_for_a_named_reason() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, text) in descriptions() {
        checked += 1;
        let reason =
            REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason);
        match (SessionDescription::parse(&text), reason) {
            (Ok(_), Some(reason)) => wrong.push(format!("{name}: should be refused: {reason}")),
            (Err(error), Some(reason)) if error.to_string().contains(reason) => {}
            (Err(error), _) => wrong.push(format!("{name}: {error}")),
            (Ok(session), None) => {
                let written = session.to_string();
                let same = match REORDERED.contains(&name.as_str()) {
                    true => lines(&written) != lines(&text) && sorted(&written) == sorted(&text),
                    false => lines(&written) == lines(&text),
                };
                if !same {
                    wrong.push(format!("{name}: written as\n{written}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{checked} descriptions");
}

#[test]
fn a_browser_offer_cut_anywhere_is_parsed_or_refused_without_a_panic() {
    for (_, text) in descriptions().into_iter().filter(|(name, _)| name.contains("chromium-dc")) {
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let result: Result<_, Error> = SessionDescription::parse(&text[..end]);
            if let Ok(session) = result {
                assert_eq!(lines(&session.to_string()), lines(&text[..end]));
            }
        }
    }
}
