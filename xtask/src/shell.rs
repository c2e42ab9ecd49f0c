//! Child processes with a time limit, a log file and a progress line.
//!
//! Every step of every verb runs through [`Step::run`]: it says what it waits for, keeps the whole output in
//! `target/xtask/`, and on failure shows the end of it.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// How many lines of a failed step's output are shown again at the end.
const TAIL: usize = 60;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map(Path::to_path_buf).unwrap_or(manifest)
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A `cargo` command that runs in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What `cargo run` set for this program would otherwise leak into build scripts and force rebuilds.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"]
    {
        command.env_remove(name);
    }
    command
}

/// Finds a program on `PATH`, or in one of Debian's folders that an ordinary user's `PATH` lacks.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// One named piece of work done by a child process.
pub(crate) struct Step<'a> {
    /// What a person reads while waiting.
    pub name: &'a str,
    /// After this long the child and its children are ended and the step fails.
    pub limit: Duration,
    /// Print the child's output as it comes instead of a progress line.
    pub verbose: bool,
}

/// What a successful step printed.
pub(crate) struct Output {
    /// Lines of standard output and standard error, in the order they came.
    pub lines: Vec<String>,
}

impl<'a> Step<'a> {
    /// A step with a limit in minutes; verbose where output is watched by a log (`CI` set, or no terminal).
    pub(crate) fn new(name: &'a str, minutes: u64) -> Self {
        let verbose = std::env::var_os("CI").is_some() || !std::io::stderr().is_terminal();
        Self { name, limit: Duration::from_secs(minutes * 60), verbose }
    }

    /// Runs `command` to its end; an unsuccessful exit is an error that names the log.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Output> {
        let log_dir = target_dir().join("xtask");
        std::fs::create_dir_all(&log_dir)
            .with_context(|| format!("cannot create {}", log_dir.display()))?;
        let slug: String =
            self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let log_path = log_dir.join(format!("{slug}.log"));
        let log = File::create(&log_path)
            .with_context(|| format!("cannot write {}", log_path.display()))?;
        let shared = Arc::new(Mutex::new((log, Vec::<String>::new())));

        let bar = if self.verbose {
            eprintln!("--- {} (limit {} min)", self.name, self.limit.as_secs() / 60);
            ProgressBar::hidden()
        } else {
            let style = ProgressStyle::with_template(
                "{spinner} {prefix:<28} {elapsed:>4} {wide_msg:.dim}",
            )?;
            let bar =
                ProgressBar::new_spinner().with_style(style).with_prefix(self.name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        };

        let started = Instant::now();
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}: cannot start `{program}`", self.name))?;
        let readers = [
            child
                .stdout
                .take()
                .map(|pipe| copy_lines(pipe, shared.clone(), bar.clone(), self.verbose)),
            child
                .stderr
                .take()
                .map(|pipe| copy_lines(pipe, shared.clone(), bar.clone(), self.verbose)),
        ];
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if started.elapsed() > self.limit {
                end_tree(child.id());
                let _ = child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        for reader in readers.into_iter().flatten() {
            // A grandchild that outlives the child may hold the pipe open; do not wait for it for ever.
            let deadline = Instant::now() + Duration::from_secs(5);
            while !reader.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        bar.finish_and_clear();
        let lines = shared.lock().map(|mut guard| std::mem::take(&mut guard.1)).unwrap_or_default();
        let took = format!("{:.1} s", started.elapsed().as_secs_f64());
        match status {
            Some(status) if status.success() => {
                eprintln!("ok   {:<28} {took}", self.name);
                Ok(Output { lines })
            }
            other => {
                if !self.verbose {
                    for line in &lines[lines.len().saturating_sub(TAIL)..] {
                        eprintln!("     {line}");
                    }
                }
                eprintln!("FAIL {:<28} {took}", self.name);
                match other {
                    Some(status) => bail!(
                        "{}: `{program}` ended with {status}; the whole output is in {}{}",
                        self.name,
                        log_path.display(),
                        what_failed(&lines)
                    ),
                    None => bail!(
                        "{}: `{program}` was still running after {} min and was ended; its output is in {}",
                        self.name,
                        self.limit.as_secs() / 60,
                        log_path.display()
                    ),
                }
            }
        }
    }
}

/// The lines that say which tests failed and why, to be read where the whole output is not at hand.
fn what_failed(lines: &[String]) -> String {
    const AT_MOST: usize = 24;
    let mut found: Vec<&str> = Vec::new();
    // A panic's message is on the lines after its place.
    let mut follows = 0;
    for line in lines.iter().map(|line| line.trim()) {
        let plain = line.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let names = ["FAIL [", "TIMEOUT [", "ABORT [", "SIG", "error", "minimal failing input"]
            .iter()
            .any(|begin| plain.starts_with(begin));
        if line.contains("panicked at") {
            follows = 3;
        }
        if (names || follows > 0) && !line.is_empty() && !found.contains(&line) {
            found.push(line);
        }
        follows -= usize::from(follows > 0);
    }
    let mut out = String::new();
    for line in found.iter().take(AT_MOST) {
        out.push_str("\n     ");
        out.extend(line.chars().take(300));
    }
    if found.len() > AT_MOST {
        out.push_str("\n     and more");
    }
    out
}

fn copy_lines(
    pipe: impl Read + Send + 'static,
    shared: Arc<Mutex<(File, Vec<String>)>>,
    bar: ProgressBar,
    verbose: bool,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if verbose {
                eprintln!("{line}");
            } else {
                bar.set_message(line.trim().to_owned());
            }
            if let Ok(mut guard) = shared.lock() {
                let _ = writeln!(guard.0, "{line}");
                guard.1.push(line);
            }
        }
    })
}

/// Ends a child that overstayed, and what it started: only descendants of `pid`, found in `/proc`.
fn end_tree(pid: u32) {
    let mut pids = vec![pid.to_string()];
    let mut next = 0;
    while next < pids.len() {
        // Each thread lists the children that it started.
        for task in
            std::fs::read_dir(format!("/proc/{}/task", pids[next])).into_iter().flatten().flatten()
        {
            if let Ok(list) = std::fs::read_to_string(task.path().join("children")) {
                pids.extend(list.split_whitespace().map(str::to_owned));
            }
        }
        next += 1;
    }
    let _ = Command::new("kill").arg("-KILL").args(&pids).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_named_once_with_its_reason() {
        let lines = [
            "        PASS [   0.003s] ( 1/11) peerage-rtp repair::fec::tests::good",
            "        FAIL [   0.792s] (1479/1864) peerage-rtp repair::fec::tests::bad",
            "    thread 'repair::fec::tests::bad' (25980) panicked at crates/rtp/src/repair/fec/tests.rs:224:1:",
            "    Test failed: assertion failed",
            "    minimal failing input: count = 6",
            "    successes: 19414",
            "        FAIL [   0.792s] (1479/1864) peerage-rtp repair::fec::tests::bad",
        ];
        let text = what_failed(&lines.map(str::to_owned));
        assert_eq!(text.matches("FAIL [").count(), 1, "{text}");
        assert!(text.contains("Test failed: assertion failed"), "{text}");
        assert!(text.contains("count = 6") && !text.contains("good"), "{text}");
    }
}
