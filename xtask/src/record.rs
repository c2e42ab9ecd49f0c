//! `cargo xtask record`: recordings of our own under `vectors/`, each a cell of the interop grid that passed: the packets, the
//! session keys, the descriptions. `cargo xtask vectors` replays them.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::interop;
use crate::options::Options;
use crate::shell::root;

/// What is recorded unless the command line says otherwise: the folder under `vectors/`, and the cells.
const RECORDINGS: [(&str, &str); 12] = [
    ("interop", "-c connect -p chromium,firefox,libwebrtc,aiortc -r offerer --trickle on"),
    ("interop", "-c connect -p chromium,firefox,libwebrtc,aiortc -r answerer --trickle off"),
    ("media", "-c write-vp8 -p chromium,firefox -r answerer"),
    ("media", "-c simulcast -p chromium -r answerer"),
    ("media", "-c simulcast -p firefox -r offerer"),
    ("media", "-c echo-vp9 -p firefox -r answerer"),
    ("media", "-c echo-h264,echo-av1,echo-red -p chromium -r offerer"),
    ("media", "-c echo-pcmu -p firefox -r offerer"),
    ("media", "-c echo-g722 -p chromium -r answerer"),
    ("media", "-c dtmf -p chromium -r offerer"),
    ("media", "-c dtmf-pcmu -p firefox -r answerer"),
    ("media", "-c renegotiate -p chromium,firefox -r answerer --quick"),
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
    /// Where the recordings go, one folder each
    #[arg(default_value = "vectors/media")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut failed = Vec::new();
    for words in selections(args) {
        if let Err(error) = interop::run_with(&options(&words)?, words.iter().map(Into::into)) {
            failed.push(format!("{}: {error:#}", words.join(" ")));
        }
    }
    if !failed.is_empty() {
        bail!("not recorded: {}", failed.join("; "));
    }
    Ok(())
}

/// The command lines of the interop runs.
fn selections(args: &Args) -> Vec<Vec<String>> {
    let with = |mut words: Vec<String>, folder: PathBuf| {
        words.extend(["--record".into(), folder.display().to_string()]);
        words
    };
    if args.case.is_empty() {
        let split = |cells: &str| cells.split(' ').map(str::to_owned).collect();
        let wanted = |cells: &str| {
            args.peer.is_empty() || args.peer.iter().any(|peer| cells.contains(peer.as_str()))
        };
        return RECORDINGS
            .into_iter()
            .filter(|(_, cells)| wanted(cells))
            .map(|(folder, cells)| with(split(cells), root().join("vectors").join(folder)))
            .collect();
    }
    let mut words = vec!["-c".to_owned(), args.case.join(",")];
    if !args.peer.is_empty() {
        words.extend(["-p".to_owned(), args.peer.join(",")]);
    }
    words.extend(args.role.iter().flat_map(|role| ["-r".to_owned(), role.clone()]));
    vec![with(words, args.folder.clone())]
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

    #[test]
    fn what_is_recorded_can_be_asked_of_the_runner() {
        let none = Args { case: vec![], peer: vec![], role: None, folder: PathBuf::new() };
        let all = selections(&none);
        assert_eq!(all.len(), RECORDINGS.len());
        for words in all {
            let options = options(&words).unwrap();
            assert!(!options.case.is_empty() && options.record.is_some_and(|f| f.is_absolute()));
        }
        let one = Args { case: vec!["echo-vp8".into()], folder: "x".into(), ..none };
        assert_eq!(selections(&one), [["-c", "echo-vp8", "--record", "x"]]);
    }
}
