//! The two namespaces: given by name, or made for this run and removed with it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Start of the names of namespaces made here; then the process id and the end.
const PREFIX: &str = "peerage-wire-";
/// Where `ip netns` keeps them.
pub(crate) const DIRECTORY: &str = "/run/netns";

/// Two namespaces, left and right.
#[derive(Debug)]
pub(crate) struct Namespaces {
    pub(crate) names: [String; 2],
    /// Made here, so to be removed here.
    made: bool,
}

impl Namespaces {
    /// Those named, or two new ones.
    pub(crate) fn of(left: Option<String>, right: Option<String>) -> Result<Self> {
        if let (Some(left), Some(right)) = (left, right) {
            for name in [&left, &right] {
                if !Path::new(DIRECTORY).join(name).exists() {
                    bail!("there is no network namespace {name:?}; `ip netns add {name}` makes it");
                }
            }
            return Ok(Self { names: [left, right], made: false });
        }
        let made = Self {
            names: ["left", "right"].map(|end| format!("{PREFIX}{}-{end}", std::process::id())),
            made: true,
        };
        for name in &made.names {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(made)
    }
}

impl Namespaces {
    /// Whether both still have their names.
    pub(crate) fn exist(&self) -> bool {
        self.names.iter().all(|name| Path::new(DIRECTORY).join(name).exists())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        if self.made {
            for name in &self.names {
                // Nothing can be done if it fails; the next run sweeps.
                let _ = ip(&["netns", "del", name]);
            }
        }
    }
}

/// Removes what runs left behind that ended without cleaning up.
pub(crate) fn sweep() {
    let Ok(entries) = std::fs::read_dir(DIRECTORY) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_stale(&name) {
            let _ = ip(&["netns", "del", &name]);
        }
    }
}

fn is_stale(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    pid.and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// Runs `ip` of iproute2.
pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    let program = ["/usr/sbin/ip", "/sbin/ip"]
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .unwrap_or("ip");
    let output = Command::new(program)
        .args(arguments)
        .output()
        .context("cannot run `ip`; it comes with the package iproute2")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("`ip {}` failed: {}", arguments.join(" "), reason.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_run_made_is_stale() {
        assert!(is_stale("peerage-wire-4294967295-left"));
        assert!(!is_stale(&format!("peerage-wire-{}-left", std::process::id())));
        assert!(!is_stale("peerage-wire-x-left"));
        assert!(!is_stale("somebody-elses"));
    }
}
