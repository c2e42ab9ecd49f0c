//! `cargo xtask record`: recordings of our own under `vectors/`, each a cell of the interop grid that passed: the packets, the
//! session keys, the descriptions. `cargo xtask vectors` replays them.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::interop;
use crate::options::Options;
use crate::shell::root;

/// What is recorded unless the command line says otherwise.
struct Recording {
    /// The folder under `vectors/`.
    folder: &'static str,
    cases: &'static str,
    peers: &'static [&'static str],
    role: &'static str,
    more: &'static [&'static str],
}

const fn media(
    cases: &'static str,
    peers: &'static [&'static str],
    role: &'static str,
) -> Recording {
    Recording { folder: "media", cases, peers, role, more: &[] }
}

const EVERY_PEER: &[&str] = &["chromium", "firefox", "libwebrtc", "aiortc"];

const RECORDINGS: [Recording; 12] = [
    Recording {
        folder: "interop",
        cases: "connect",
        peers: EVERY_PEER,
        role: "offerer",
        more: &["--trickle", "on"],
    },
    Recording {
        folder: "interop",
        cases: "connect",
        peers: EVERY_PEER,
        role: "answerer",
        more: &["--trickle", "off"],
    },
    media("write-vp8", &["chromium", "firefox"], "answerer"),
    media("simulcast", &["chromium"], "answerer"),
    media("simulcast", &["firefox"], "offerer"),
    media("echo-vp9", &["firefox"], "answerer"),
    media("echo-h264,echo-av1,echo-red", &["chromium"], "offerer"),
    media("echo-pcmu", &["firefox"], "offerer"),
    media("echo-g722", &["chromium"], "answerer"),
    media("dtmf", &["chromium"], "offerer"),
    media("dtmf-pcmu", &["firefox"], "answerer"),
    Recording { more: &["--quick"], ..media("renegotiate", &["chromium", "firefox"], "answerer") },
];

/// Record cells of the interop grid as vectors; without options, all that lie under `vectors/`, which takes some minutes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// These cases in place of the list, by letter or name (repeatable, or with commas)
    #[arg(short, long, value_delimiter = ',')]
    case: Vec<String>,
    /// With these peers only
    #[arg(short, long, value_delimiter = ',')]
    peer: Vec<String>,
    /// Only this role of ours: offerer or answerer
    #[arg(short, long, value_parser = ["offerer", "answerer"])]
    role: Option<String>,
    /// Where the recordings go, one folder each (default: `vectors/media`, and `vectors/interop` for those of the list
    /// that have no media)
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let selections = selections(args);
    if selections.is_empty() {
        bail!("the list has no recording of these peers in this role; `-c` chooses any case");
    }
    let mut failed = Vec::new();
    for words in selections {
        if let Err(error) = interop::run_with(&options(&words)?, words.iter().map(Into::into)) {
            failed.push(format!("{}: {error:#}", words.join(" ")));
        }
    }
    if !failed.is_empty() {
        bail!("not recorded: {}", failed.join("; "));
    }
    Ok(())
}

/// The command lines of the interop runs: what is chosen narrows the list, or takes its place.
fn selections(args: &Args) -> Vec<Vec<String>> {
    let to = |default: &str| match &args.folder {
        Some(folder) => folder.clone(),
        None => root().join("vectors").join(default),
    };
    let line = |cases: &str, peers: &[String], role: Option<&str>, more: &[&str], folder| {
        let mut words = vec!["-c".to_owned(), cases.to_owned()];
        if !peers.is_empty() {
            words.extend(["-p".to_owned(), peers.join(",")]);
        }
        words.extend(role.iter().flat_map(|role| ["-r".to_owned(), (*role).to_owned()]));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.extend(["--record".to_owned(), to(folder).display().to_string()]);
        words
    };
    if !args.case.is_empty() {
        let role = args.role.as_deref();
        return vec![line(&args.case.join(","), &args.peer, role, &[], "media")];
    }
    let wanted = |peer: &&&str| args.peer.is_empty() || args.peer.iter().any(|name| name == **peer);
    RECORDINGS
        .iter()
        .filter(|recording| args.role.as_ref().is_none_or(|role| role == recording.role))
        .filter_map(|recording| {
            let peers = recording.peers.iter().filter(wanted).map(|peer| (*peer).to_owned());
            let peers: Vec<String> = peers.collect();
            let Recording { folder, cases, role, more, .. } = recording;
            (!peers.is_empty()).then(|| line(cases, &peers, Some(role), more, folder))
        })
        .collect()
}

/// The same as the interop runner reads them.
fn options(words: &[String]) -> Result<Options> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }
    let words = std::iter::once(OsString::from("interop")).chain(words.iter().map(Into::into));
    Ok(<Line as clap::Parser>::try_parse_from(words)?.options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Args {
        Args { case: vec![], peer: vec![], role: None, folder: None }
    }

    #[test]
    fn what_is_recorded_can_be_asked_of_the_runner() {
        let lines = selections(&all());
        assert_eq!(lines.len(), RECORDINGS.len());
        for words in lines {
            let options = options(&words).unwrap();
            assert!(!options.case.is_empty() && !options.peer.is_empty());
            assert!(options.role.is_some() && options.record.is_some_and(|f| f.is_absolute()));
        }
        let one = Args { case: vec!["echo-vp8".into()], folder: Some("x".into()), ..all() };
        assert_eq!(selections(&one), [["-c", "echo-vp8", "--record", "x"]]);
    }

    #[test]
    fn what_is_chosen_narrows_the_list() {
        let read = |args: &Args| -> Vec<Options> {
            selections(args).iter().map(|words| options(words).unwrap()).collect()
        };
        let offers = read(&Args { role: Some("offerer".into()), ..all() });
        assert!(!offers.is_empty() && offers.len() < RECORDINGS.len());
        assert!(offers.iter().all(|options| options.role.as_deref() == Some("offerer")));
        let firefox = read(&Args { peer: vec!["firefox".into()], ..all() });
        assert!(!firefox.is_empty() && firefox.len() < RECORDINGS.len());
        assert!(firefox.iter().all(|options| options.peer == ["firefox"]));
        let elsewhere = read(&Args { folder: Some("elsewhere".into()), ..all() });
        assert_eq!(elsewhere.len(), RECORDINGS.len());
        let folder = std::path::Path::new("elsewhere");
        assert!(elsewhere.iter().all(|options| options.record.as_deref() == Some(folder)));
        let nobody = Args { peer: vec!["aiortc".into()], role: Some("offerer".into()), ..all() };
        assert_eq!(read(&nobody).len(), 1, "it has no media");
        assert!(selections(&Args { peer: vec!["nobody".into()], ..all() }).is_empty());
    }
}
