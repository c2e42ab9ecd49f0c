//! `--record`: one folder a cell with what travelled, what was exchanged, and who spoke.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use peerage_interop::recording::capture::{Datagram, udp_datagrams, write_sctp, write_udp};
use peerage_interop::recording::{KeyLog, dtls};
use serde_json::json;

use crate::checks;
use crate::grid::Cell;
use crate::pair::Pair;

/// Writes the recording of a cell that passed.
///
/// # Errors
/// When the capture or the key log is not there, or does not open the session.
pub(crate) fn write(
    folder: &Path,
    cell: &Cell,
    pair: &Pair,
    capture: &Path,
    key_log: &Path,
) -> Result<()> {
    let folder = folder.join(cell.name());
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let save = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut datagrams = of_session(udp_datagrams(&read(capture)?)?, pair.descriptions());
    shorten(&mut datagrams);
    let keys = String::from_utf8(read(key_log)?).context("the key log is no text")?;
    let session = dtls::decrypt(&datagrams, &KeyLog::parse(&keys))?;
    make_room(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    save("wire.pcap", &write_udp(&datagrams)?)?;
    if !session.application_data.is_empty() {
        save("sctp.pcap", &write_sctp(&session.application_data)?)?;
    }
    save("keys.log", KeyLog::lines_of(&keys, &[session.client_random]).as_bytes())?;
    let descriptions = pair.descriptions();
    for (index, (kind, sdp)) in descriptions.iter().enumerate() {
        // Of many rounds the last tells enough: numbers keep their meaning (RFC 9143 §9.1).
        if index >= 2 && index + 2 < descriptions.len() {
            continue;
        }
        let round = if index < 2 { String::new() } else { format!("-{}", index / 2 + 1) };
        save(&format!("{kind}{round}.sdp"), sdp.as_bytes())?;
    }
    let candidates = |end: &crate::pair::End| -> Vec<_> {
        let events = end.process.events().into_iter();
        events
            .filter(|event| end.is(event, "candidate"))
            .map(|event| event["candidate"].clone())
            .collect()
    };
    let about = json!({
        "case": cell.scenario.name,
        "claim": cell.scenario.claim,
        "subject": {"name": pair.subject.name(), "version": pair.subject.process.version, "candidates": candidates(&pair.subject)},
        "peer": {"name": pair.peer.name(), "version": pair.peer.process.version, "candidates": candidates(&pair.peer)},
        "role_of_subject": cell.role.name(),
        "trickle": cell.trickle,
        "dtls": {"version": session.version, "cipher_suite": format!("{:#06x}", session.cipher_suite)},
    });
    save("about.json", format!("{}\n", serde_json::to_string_pretty(&about)?).as_bytes())
}

/// Makes the folder of a recording, without what an earlier one of the cell left there: it may have had more rounds, or data.
/// Only files that recordings consist of go.
fn make_room(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_file() && matches!(extension, Some("pcap" | "sdp" | "log" | "json")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Bytes of media that a recording keeps: a second or two.
const MEDIA_LIMIT: usize = 150_000;

/// Leaves out what a source says after its share of [`MEDIA_LIMIT`] bytes, so that a call with many streams has all of them.
fn shorten(datagrams: &mut Vec<Datagram>) {
    let mut kept: HashMap<Option<[u8; 4]>, usize> = HashMap::new();
    for datagram in datagrams.iter() {
        kept.extend(source(datagram).map(|source| (source, 0)));
    }
    let share = MEDIA_LIMIT / kept.len().max(1);
    datagrams.retain(|datagram| {
        let Some(sent) = source(datagram).and_then(|source| kept.get_mut(&source)) else {
            return true;
        };
        *sent += datagram.payload.len();
        *sent <= share
    });
}

/// Whose media a datagram is, which SRTP does not hide; `None` if it is none (RFC 7983 §7), and for all RTCP together.
fn source(datagram: &Datagram) -> Option<Option<[u8; 4]>> {
    let payload = &datagram.payload;
    let is_media = payload.first().is_some_and(|first| (128..192).contains(first));
    // RFC 5761 §4.
    let is_rtcp = payload.get(1).is_some_and(|second| (192..224).contains(second));
    let ssrc = || payload.get(8..12).and_then(|ssrc| ssrc.try_into().ok());
    is_media.then(|| if is_rtcp { None } else { ssrc() })
}

/// What travelled between addresses where the two ends checked connectivity: a kept process may still be saying goodbye to
/// the cell before.
fn of_session(datagrams: Vec<Datagram>, descriptions: &[(&str, String)]) -> Vec<Datagram> {
    let fragments: Vec<&str> =
        descriptions.iter().filter_map(|(_, sdp)| checks::attribute(sdp, "ice-ufrag")).collect();
    // RFC 8445 §7.2.2: the user name of a check is both fragments.
    let names: Vec<String> = fragments
        .iter()
        .flat_map(|one| fragments.iter().map(move |other| format!("{one}:{other}")))
        .collect();
    let ends = |datagram: &Datagram| -> [SocketAddr; 2] {
        let mut ends = [datagram.source, datagram.destination];
        ends.sort();
        ends
    };
    let has = |datagram: &Datagram, name: &str| {
        datagram.payload.windows(name.len()).any(|window| window == name.as_bytes())
    };
    let paths: HashSet<_> = datagrams
        .iter()
        .filter(|datagram| names.iter().any(|name| has(datagram, name)))
        .map(ends)
        .collect();
    datagrams.into_iter().filter(|datagram| paths.contains(&ends(datagram))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_recording_left_goes() {
        let folder = std::env::temp_dir().join(format!("peerage-record-{}", std::process::id()));
        make_room(&folder).unwrap();
        for name in ["sctp.pcap", "offer-9.sdp", "keys.log", "about.json", "notes.txt"] {
            std::fs::write(folder.join(name), b"old").unwrap();
        }
        make_room(&folder).unwrap();
        let left = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.collect();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, ["notes.txt"], "a recording has no such file");
    }

    #[test]
    fn every_source_keeps_its_beginning() {
        let rtp = |source: u8, number: u8| {
            let mut payload = vec![0x80, 96, 0, number, 0, 0, 0, 0, 0, 0, 0, source];
            payload.resize(1000, 0);
            Datagram {
                time: std::time::Duration::ZERO,
                source: "10.0.0.1:1".parse().unwrap(),
                destination: "10.0.0.2:2".parse().unwrap(),
                payload,
            }
        };
        let mut all: Vec<_> = (0..200).map(|number| rtp(1, number)).collect();
        all.extend((0..9).map(|number| rtp(2, number)));
        all.push(Datagram { payload: vec![22; 40], ..rtp(0, 0) });
        shorten(&mut all);
        let of = |source: u8| all.iter().filter(|d| d.payload.get(11) == Some(&source)).count();
        assert_eq!((of(1), of(2), all.len()), (MEDIA_LIMIT / 2000, 9, MEDIA_LIMIT / 2000 + 10));
    }

    #[test]
    fn only_the_session_is_kept() {
        let datagram = |source: &str, destination: &str, payload: &[u8]| Datagram {
            time: std::time::Duration::ZERO,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            payload: payload.to_vec(),
        };
        let (ours, theirs, old) = ("10.0.0.1:1", "10.0.0.2:2", "10.0.0.2:3");
        let all = vec![
            datagram(old, ours, b"..left:over.."),
            datagram(ours, theirs, b"..abcd:efgh.."),
            datagram(theirs, ours, b"an answer"),
            datagram(ours, old, b"a goodbye"),
        ];
        let descriptions = [
            ("offer", "a=ice-ufrag:efgh\r\n".to_owned()),
            ("answer", "a=ice-ufrag:abcd\r\n".to_owned()),
        ];
        assert_eq!(of_session(all.clone(), &descriptions), all[1..3]);
    }
}
