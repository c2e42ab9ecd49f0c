//! `peerage inspect`: makes a page of an event log.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use peerage::log::Error;

use crate::inspect::{self, Digest, MARK};
use crate::options::InspectArgs;
use crate::report::{Event, Report};

/// Where logs come from.
const HOW: &str = "`peerage connect URL --log call.log` writes one, and so do the other commands";

pub(crate) async fn run(args: &InspectArgs, report: &Report) -> Result<()> {
    let log = args.log.clone();
    let output = match &args.output {
        Some(output) => output.clone(),
        None => args.log.with_extension("html"),
    };
    let written = output.clone();
    // A long log takes seconds; meanwhile an interrupt is heard.
    let (digest, page) = tokio::task::spawn_blocking(move || -> Result<_> {
        let digest = read(&log)?;
        let page = inspect::page(&digest).context("the page cannot be made")?;
        write(&written, &log, &page)?;
        Ok((digest, page))
    })
    .await??;
    let summary = inspect::summary(&digest);
    report.event(&Event::Page {
        page: &output.display().to_string(),
        bytes: page.len() as u64,
        summary: &summary,
    });
    if args.open {
        open(&output)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Digest> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("there is no {shown}: {HOW}"),
        _ => anyhow::anyhow!("cannot read {shown}: {error}"),
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{shown} is a folder: name the log in it");
    }
    Digest::read(BufReader::with_capacity(1 << 16, file)).map_err(|error| match error {
        Error::Empty => anyhow::anyhow!(
            "{shown} is empty: nothing was logged yet, or its program ended at once"
        ),
        Error::NotALog => anyhow::anyhow!("{shown} is no event log{}: {HOW}", guess(path)),
        Error::Version { .. } => anyhow::anyhow!("{shown}: {error}: use the peerage that wrote it"),
        other => anyhow::Error::new(other).context(format!("cannot read {shown}")),
    })
}

/// What a file seems to be instead.
fn guess(path: &Path) -> &'static str {
    let mut start = [0; 16];
    let mut length = 0;
    if let Ok(mut file) = File::open(path) {
        length = file.read(&mut start).unwrap_or(0);
    }
    match &start[..length] {
        [0xD4, 0xC3, 0xB2, 0xA1, ..]
        | [0xA1, 0xB2, 0xC3, 0xD4, ..]
        | [0x4D, 0x3C, 0xB2, 0xA1, ..]
        | [0x0A, 0x0D, 0x0D, 0x0A, ..] => " but a capture, for Wireshark or tshark",
        start if MARK.as_bytes().starts_with(start) && length > 8 => " but a page, for a browser",
        _ => "",
    }
}

/// Writes the page, but over nothing else than a page.
fn write(output: &Path, log: &Path, page: &str) -> Result<()> {
    let shown = output.display();
    let same = match (output.canonicalize(), log.canonicalize()) {
        (Ok(output), Ok(log)) => output == log,
        _ => false,
    };
    if same {
        bail!("the page would replace the log: name another file with --output");
    }
    if output.is_dir() {
        bail!("{shown} is a folder: name a file in it with --output");
    }
    if let Ok(mut old) = File::open(output) {
        let mut start = vec![0; MARK.len()];
        let is_page = match old.read_exact(&mut start) {
            Ok(()) => start == MARK.as_bytes(),
            Err(_) => old.metadata().is_ok_and(|metadata| metadata.len() == 0),
        };
        if !is_page {
            bail!(
                "{shown} is there already and is no page of this command: name another with --output"
            );
        }
    }
    let write = || File::create(output)?.write_all(page.as_bytes());
    write().with_context(|| format!("cannot write {shown}"))
}

/// Has the system show the page.
fn open(page: &Path) -> Result<()> {
    let page: PathBuf = page.canonicalize().unwrap_or_else(|_| page.to_owned());
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("explorer", &[])
    } else {
        ("xdg-open", &[])
    };
    let quiet = Stdio::null;
    let status = Command::new(program)
        .args(arguments)
        .arg(&page)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .status();
    let shown = page.display();
    match status {
        Ok(status) if status.success() || cfg!(windows) => Ok(()),
        Ok(_) => {
            bail!("the page is written, but {program} could not show it: open {shown} yourself")
        }
        Err(error) => {
            bail!(
                "the page is written, but {program} did not start ({error}): open {shown} yourself"
            )
        }
    }
}
