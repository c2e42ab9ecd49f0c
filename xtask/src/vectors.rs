//! `cargo xtask vectors`: published test vectors and recorded captures, replayed.
//!
//! The replays are ordinary tests, so that `cargo test` runs them as well; this verb runs them alone and says where
//! the captures are looked for.

use anyhow::{Context as _, Result, bail};

use crate::shell::{Step, cargo, root, which};
use crate::test::{Tally, count, select};

/// Words in the names of tests and test files that replay recorded material.
const WORDS: [&str; 8] = [
    "corpora",
    "corpus",
    "vector",
    "capture",
    "conformance",
    "schedule",
    "browser_offers",
    "recorded",
];

/// What the text of a test file has that reads recorded material, whatever its name is: where the captures of others are
/// looked for, and where our own lie.
const MENTIONS: [&str; 2] = ["PEERAGE_CORPORA", "vectors/"];

/// Replay published test vectors and recorded captures through the parsers and state machines.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only these packages
    #[arg(short, long)]
    package: Vec<String>,
    /// Where recorded captures lie (default: `../shared/corpora` beside the workspace, or $PEERAGE_CORPORA)
    #[arg(long)]
    corpora: Option<std::path::PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    replay(args, &mut tally)?;
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    if tally.passed == 0 {
        bail!("no test with {} in its name was found", WORDS.join(", "));
    }
    Ok(())
}

/// Also a step of CI.
pub(crate) fn replay(args: &Args, tally: &mut Tally) -> Result<()> {
    let corpora = args
        .corpora
        .clone()
        .or_else(|| std::env::var_os("PEERAGE_CORPORA").map(Into::into))
        .unwrap_or_else(|| root().join("../shared/corpora"));
    if !corpora.is_dir() {
        eprintln!("no captures at {}: the tests that need them say so and pass", corpora.display());
    }
    let files = replay_files(&args.package)?;
    let new = || {
        let mut command = cargo();
        command.env("PEERAGE_CORPORA", &corpora);
        command
    };
    if which("cargo-nextest").is_some() {
        let mut command = new();
        command.args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"]);
        command.args(["-E", &nextest_filter(&files)]);
        select(&mut command, &args.package);
        return count(Step::new("vectors", 20).run(&mut command), tally);
    }
    let mut by_name = new();
    by_name.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    select(&mut by_name, &args.package);
    by_name.arg("--").args(WORDS);
    let named = count(Step::new("vectors, by the test's name", 20).run(&mut by_name), tally);
    if files.is_empty() {
        return named;
    }
    let mut by_file = new();
    by_file.args(["test", "--no-fail-fast"]);
    by_file.args(files.iter().flat_map(|file| ["--test", file]));
    select(&mut by_file, &args.package);
    named.and(count(Step::new("vectors, by the file's name", 20).run(&mut by_file), tally))
}

/// Test files of the chosen packages (all where none is chosen) that replay recorded material, by their names or by what
/// they read.
fn replay_files(packages: &[String]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let crates = std::fs::read_dir(root().join("crates")).context("the folder of the crates")?;
    let crates: std::io::Result<Vec<_>> = crates.map(|entry| Ok(entry?.path())).collect();
    for path in crates?.into_iter().chain([root().join("interop")]) {
        let package = format!("peerage-{}", path.file_name().unwrap_or_default().to_string_lossy());
        let chosen = packages.is_empty()
            || packages
                .iter()
                .any(|p| *p == package || package.strip_prefix("peerage-") == Some(p));
        let Ok(tests) = std::fs::read_dir(path.join("tests")) else { continue };
        if !chosen {
            continue;
        }
        for test in tests {
            let test = test?.path();
            let name = test.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let replays = || {
                let text = std::fs::read_to_string(&test).unwrap_or_default();
                MENTIONS.iter().any(|mention| text.contains(mention))
            };
            if test.extension().is_some_and(|e| e == "rs")
                && (WORDS.iter().any(|word| name.contains(word)) || replays())
            {
                files.push(name);
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// The tests whose name, or whose file's name, has one of the words. Only files that exist are named: nextest refuses
/// a filter of which a part can match no binary.
fn nextest_filter(files: &[String]) -> String {
    let mut filter = format!("test(/{}/)", WORDS.join("|"));
    for file in files {
        filter.push_str(&format!(" or binary(={file})"));
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_exist_are_named_to_nextest() {
        assert!(
            !nextest_filter(&[]).contains("binary"),
            "nextest refuses names that match nothing"
        );
        let files = replay_files(&["peerage-stun".into()]).unwrap();
        assert_eq!(files, ["corpora", "rfc_vectors"]);
        assert!(nextest_filter(&files).ends_with("or binary(=corpora) or binary(=rfc_vectors)"));
        assert!(replay_files(&[]).unwrap().len() > files.len());
    }

    /// What reads recorded material and is not run by this verb would be judged by nobody who asks for it.
    #[test]
    fn all_that_reads_recorded_material_is_run() {
        let files = replay_files(&[]).unwrap();
        for name in [
            "captures_come_out_as_listed",
            "packets_of_others_parse_or_are_refused",
            "published_files_are_read",
            "recorded_media",
        ] {
            assert!(files.iter().any(|file| file == name), "{name} is not in {files:?}");
        }
        let mut folders = vec![root().join("crates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.to_string_lossy().into_owned();
                if path.is_dir() && !name.ends_with("/tests") {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let code = || text.lines().map(str::trim_start).filter(|l| !l.starts_with("//"));
                let reads = code().any(|line| MENTIONS.iter().any(|word| line.contains(word)));
                let is_named = |text: &str| WORDS.iter().any(|word| text.contains(word));
                let tested = code().any(|line| line == "#[test]");
                let runs = is_named(&name) || code().any(|l| l.starts_with("fn ") && is_named(l));
                assert!(!reads || !tested || runs, "{name}: none of its tests is run");
            }
        }
    }
}
