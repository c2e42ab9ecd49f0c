//! Offers of browsers and other stacks, from the corpora: each is answered so that the answer parses and accepts all that
//! it should; each answer to an offer of ours in the same shape is taken.

mod common;

use std::path::PathBuf;

use common::Pair;
use peerage_peerconnection::{DataChannelInit, SessionDescription, SignalingState};
use peerage_sdp::{Direction, SessionDescription as Sdp};

fn corpus() -> Option<Vec<(String, String)>> {
    let root = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let folder = root.join("browser-sdp");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return None;
    };
    let mut files: Vec<(String, String)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sdp"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    Some(files)
}

/// What differs from run to run replaced by its name.
fn redact(sdp: &str) -> String {
    sdp.lines()
        .map(|line| match line.split_once(':') {
            Some(("a=fingerprint", _)) => "a=fingerprint:sha-256 [digest]\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn offers_of_browsers_are_answered() {
    let Some(files) = corpus() else { return };
    let mut answered = 0;
    for (name, offer) in files.iter().filter(|(name, _)| !name.contains("answer")) {
        let Pair { now, mut a, .. } = Pair::new(20);
        a.pc.set_remote_description(now, SessionDescription::offer(offer.clone()))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        a.pc.set_local_description(now, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(a.pc.signaling_state(), SignalingState::Stable, "{name}");

        let answer_text = a.pc.local_description().unwrap().sdp;
        let (offer, answer) = (Sdp::parse(offer).unwrap(), Sdp::parse(&answer_text).unwrap());
        assert_eq!(answer.to_string(), answer_text, "{name}: what is written reads back alike");
        assert_eq!(answer.media.len(), offer.media.len(), "{name}");
        let mut accepted = Vec::new();
        for (theirs, ours) in offer.media.iter().zip(&answer.media) {
            assert_eq!(ours.line.media, theirs.line.media, "{name}");
            assert_eq!(ours.line.protocol, theirs.line.protocol, "{name}");
            assert_eq!(ours.attributes.mid(), theirs.attributes.mid(), "{name}");
            if theirs.is_data_channels() {
                assert_eq!(ours.attributes.sctp_port(), Some(5000), "{name}");
            } else {
                // What the offer would send is received; nothing is sent unasked.
                let receives = theirs.attributes.direction().is_none_or(|d| d.sends());
                let expected = if receives { Direction::RecvOnly } else { Direction::Inactive };
                assert_eq!(ours.attributes.direction(), Some(expected), "{name}");
                let offered: Vec<u8> = theirs.line.payload_types().collect();
                assert!(ours.line.payload_types().all(|pt| offered.contains(&pt)), "{name}");
            }
            assert!(!ours.is_rejected(), "{name}: {}", ours.line.media);
            assert!(ours.attributes.setup().is_some(), "{name}");
            accepted.extend(ours.attributes.mid().map(|mid| mid.as_str().to_owned()));
        }
        let bundled: Vec<String> = answer
            .attributes
            .bundle()
            .into_iter()
            .flat_map(|mids| mids.iter())
            .map(str::to_owned)
            .collect();
        assert_eq!(bundled, accepted, "{name}");
        answered += 1;
        if ["chromium-av_dc.sdp", "firefox-dc.sdp"].contains(&name.as_str()) {
            insta::assert_snapshot!(name.replace(['.', '-'], "_"), redact(&answer_text));
        }
    }
    assert!(answered >= 10, "only {answered} offers");
}

#[test]
fn answers_of_browsers_are_taken() {
    let Some(files) = corpus() else { return };
    let mut taken = 0;
    for (name, answer) in files.iter().filter(|(name, _)| name.contains("answer")) {
        // Their answers are to offers with media before data. An answer to our offer has the data section alone.
        let parsed = Sdp::parse(answer).unwrap();
        let Some(data) = parsed.media.iter().position(|media| media.is_data_channels()) else {
            continue;
        };
        let mut alone = parsed.clone();
        alone.media = vec![parsed.media[data].clone()];
        let mid = parsed.media[data].attributes.mid().unwrap().as_str().to_owned();
        let mut text = alone.to_string();
        let section = parsed.sections().nth(data).unwrap();
        if section.ice_ufrag().is_none() {
            // Bundled: the transport stands in the first section.
            let first = parsed.sections().next().unwrap();
            text.push_str(&format!("a=ice-ufrag:{}\r\n", &**first.ice_ufrag().unwrap()));
            text.push_str(&format!("a=ice-pwd:{}\r\n", &**first.ice_pwd().unwrap()));
        }
        let text: String = text
            .lines()
            .map(|line| match line {
                line if line.starts_with("a=group:BUNDLE") => "a=group:BUNDLE 0\r\n".to_owned(),
                line if line == format!("a=mid:{mid}") => "a=mid:0\r\n".to_owned(),
                line => format!("{line}\r\n"),
            })
            .collect();
        let Pair { now, mut a, .. } = Pair::new(21);
        a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
        a.pc.set_local_description(now, None).unwrap();
        a.pc.set_remote_description(now, SessionDescription::answer(text))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(a.pc.signaling_state(), SignalingState::Stable, "{name}");
        taken += 1;
    }
    assert!(taken >= 3, "only {taken} answers");
}

#[test]
fn our_offer_is_what_jsep_says() {
    let Pair { now, mut a, .. } = Pair::new(22);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    insta::assert_snapshot!("offer", redact(&a.pc.local_description().unwrap().sdp));
}
