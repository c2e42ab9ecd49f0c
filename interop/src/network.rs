//! Network namespaces: two hosts and the link between them.
//!
//! As root each end of a cell lives in a namespace of its own with a default route (Firefox gathers nothing without
//! one). A plain link is a veth pair; an emulated link is `peerage-wire` of `peerage-netsim` between two TUN devices.
//! Names carry the runner's process id, so that runs do not meet, and a run that crashed is swept away by the next.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Start of every namespace name; then the runner's process id and a number.
const PREFIX: &str = "pgi";

/// The subject's address on a plain link.
const SUBJECT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// An emulated link, the same in both directions.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wire {
    /// Megabits a second; unlimited without it.
    pub rate_mbit: Option<f64>,
    /// One-way delay in milliseconds.
    pub delay_ms: f64,
    /// By how many milliseconds the delay varies, both ways; packets stay in order.
    pub jitter_ms: f64,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Queue in milliseconds of the rate.
    pub queue_ms: Option<f64>,
}

/// Where the two ends of a cell are.
pub(crate) enum Network {
    /// Both on this host, without namespaces.
    Host,
    /// Each in a namespace of its own.
    Namespaces(Box<Namespaces>),
    /// Each in one of these namespaces of the laboratory, which removes them.
    Lab([String; 2]),
}

/// Two namespaces and what joins them; removed on drop.
pub(crate) struct Namespaces {
    names: [String; 2],
    wire: Option<Child>,
    control: Option<Arc<WireControl>>,
}

/// Changes the emulated wire while it runs, and asks what it has done.
pub(crate) struct WireControl(Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>);

impl WireControl {
    async fn ask(&self, line: &str) -> Result<Value> {
        let mut guard = self.0.lock().await;
        let (input, output) = &mut *guard;
        input.write_all(format!("{line}\n").as_bytes()).await.context("the wire is gone")?;
        let answer = tokio::time::timeout(Duration::from_secs(5), output.next_line()).await;
        let answer = answer.context("the wire does not answer")??.context("the wire is gone")?;
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(answer["event"] != "error", "the wire: {}", answer["text"]);
        Ok(answer)
    }

    /// What went each way since the wire is up.
    pub(crate) async fn stats(&self) -> Result<Value> {
        self.ask("stats").await
    }

    /// Gives both directions another rate, with room for so much time in the queue.
    pub(crate) async fn set_rate(&self, mbit: f64, queue_ms: f64) -> Result<()> {
        let change = json!({"both": {"rate_mbit": mbit, "queue_ms": queue_ms}});
        self.ask(&change.to_string()).await.map(drop)
    }
}

impl Network {
    /// The emulated wire, where there is one.
    pub(crate) fn wire(&self) -> Option<Arc<WireControl>> {
        match self {
            Self::Host | Self::Lab(_) => None,
            Self::Namespaces(namespaces) => namespaces.control.clone(),
        }
    }

    /// The command that runs `program` at one end (0: subject, 1: peer).
    pub(crate) fn command(&self, end: usize, program: &Path) -> Command {
        match self {
            Network::Host => Command::new(program),
            Network::Namespaces(namespaces) => command_in(&namespaces.names[end], program),
            Network::Lab(names) => command_in(&names[end], program),
        }
    }

    /// The address of the subject that the peer reaches, on a plain link.
    pub(crate) fn subject_address(&self) -> IpAddr {
        match self {
            Network::Host => Ipv4Addr::LOCALHOST.into(),
            Network::Namespaces(_) | Network::Lab(_) => SUBJECT.into(),
        }
    }

    /// Whether the emulated wire, if there is one, still runs.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Network::Namespaces(namespaces) = self
            && let Some(wire) = &mut namespaces.wire
            && let Some(status) = wire.try_wait()?
        {
            bail!("the emulated wire ended with {status}");
        }
        Ok(())
    }
}

impl Namespaces {
    /// Makes two namespaces joined by a plain or an emulated link.
    ///
    /// # Errors
    /// When `ip` fails (not root, no such kernel feature); what was made so far is removed.
    pub(crate) async fn new(number: usize, wire: Option<&Wire>, log: &Path) -> Result<Self> {
        let names = ["a", "b"].map(|end| format!("{PREFIX}-{}-{number}{end}", std::process::id()));
        let mut made = Self { names, wire: None, control: None };
        for name in &made.names {
            add(name).await?;
        }
        match wire {
            None => made.join_plain().await?,
            Some(wire) => made.join_emulated(wire, log).await?,
        }
        Ok(made)
    }

    async fn join_plain(&self) -> Result<()> {
        let [a, b] = &self.names;
        run(&[
            "link", "add", "veth0", "netns", a, "type", "veth", "peer", "name", "veth0", "netns", b,
        ])
        .await?;
        for (name, last, other) in [(a, "1", "2"), (b, "2", "1")] {
            run(&["-n", name, "addr", "add", &format!("10.77.0.{last}/24"), "dev", "veth0"])
                .await?;
            // An address whose duplicate detection still runs cannot be bound yet.
            run(&["-n", name, "addr", "add", &format!("fd77::{last}/64"), "dev", "veth0", "nodad"])
                .await?;
            run(&["-n", name, "link", "set", "veth0", "up"]).await?;
            run(&["-n", name, "route", "add", "default", "via", &format!("10.77.0.{other}")])
                .await?;
        }
        for name in [a, b] {
            wait_until_up(name, "veth0").await?;
        }
        Ok(())
    }

    async fn join_emulated(&mut self, wire: &Wire, log: &Path) -> Result<()> {
        let program = sibling("peerage-wire");
        if !program.is_file() {
            bail!("the emulated wire is not built: cargo build --release -p peerage-netsim");
        }
        let mut command = Command::new(&program);
        command.args(["--left", &self.names[0], "--right", &self.names[1]]);
        command.arg("--delay-ms").arg(wire.delay_ms.to_string());
        command.arg("--jitter-ms").arg(wire.jitter_ms.to_string());
        command.arg("--loss").arg(wire.loss.to_string());
        if let Some(rate) = wire.rate_mbit {
            command.arg("--rate-mbit").arg(rate.to_string());
        }
        if let Some(queue) = wire.queue_ms {
            command.arg("--queue-ms").arg(queue.to_string());
        }
        let stderr = std::fs::File::create(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the emulated wire")?;
        let stdin = child.stdin.take().context("the wire has no standard input")?;
        let stdout = child.stdout.take().context("the wire has no standard output")?;
        self.wire = Some(child);
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(Duration::from_secs(10), lines.next_line())
            .await
            .context("the emulated wire did not come up within 10 s")?
            .ok()
            .flatten();
        if first.is_none() {
            bail!("the emulated wire did not come up; its log is {}", log.display());
        }
        self.control = Some(Arc::new(WireControl(Mutex::new((stdin, lines)))));
        Ok(())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        if let Some(mut wire) = self.wire.take() {
            let _ = wire.start_kill();
        }
        for name in &self.names {
            remove(name);
        }
    }
}

/// Removes namespaces of runs that are no more.
pub(crate) fn sweep() {
    let Ok(listing) = std::fs::read_dir("/run/netns") else { return };
    for entry in listing.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.split('-').next())
        else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            remove(&name);
        }
    }
}

/// Whether namespaces can be made here; otherwise why not.
pub(crate) async fn available() -> Result<(), String> {
    if !ip().is_file() && ip().components().count() > 1 {
        return Err(
            "`ip` not found; on Debian or Ubuntu run: sudo apt-get install -y iproute2".into()
        );
    }
    let probe = format!("{PREFIX}-{}-probe", std::process::id());
    let made = run(&["netns", "add", &probe]).await;
    remove(&probe);
    made.map_err(|error| {
        format!("network namespaces need root; run: sudo -E cargo xtask interop ({error:#})")
    })
}

/// The name of a namespace of this run.
pub(crate) fn name(label: &str) -> String {
    format!("{PREFIX}-{}-{label}", std::process::id())
}

/// Makes a namespace in which nobody is reached but over links that are added.
pub(crate) async fn add(name: &str) -> Result<()> {
    run(&["netns", "add", name]).await?;
    run(&["-n", name, "link", "set", "lo", "up"]).await?;
    // Browsers look up hosts of their makers at start; here nobody answers, and at once.
    let etc = PathBuf::from("/etc/netns").join(name);
    std::fs::create_dir_all(&etc)
        .and_then(|()| std::fs::write(etc.join("resolv.conf"), "nameserver 127.0.0.1\n"))
        .context("cannot write under /etc/netns")
}

/// Waits for a new link: the kernel reports it as running a little later, and a peer that looks before that sees loopback
/// alone.
pub(crate) async fn wait_until_up(name: &str, device: &str) -> Result<()> {
    let operstate = format!("/sys/class/net/{device}/operstate");
    let deadline = Instant::now() + Duration::from_secs(5);
    while read(&["netns", "exec", name, "cat", &operstate]).await?.trim() != "up" {
        if Instant::now() > deadline {
            bail!("the link between the namespaces did not come up within 5 s");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The command that runs `program` in a namespace.
pub(crate) fn command_in(name: &str, program: &Path) -> Command {
    let mut command = Command::new(ip());
    command.args(["netns", "exec", name]).arg(program);
    command
}

pub(crate) fn remove(name: &str) {
    let _ = std::process::Command::new(ip())
        .args(["netns", "del", name])
        .stderr(Stdio::null())
        .status();
    let _ = std::fs::remove_dir_all(Path::new("/etc/netns").join(name));
}

pub(crate) async fn run(arguments: &[&str]) -> Result<()> {
    read(arguments).await.map(drop)
}

/// Runs `ip` and returns what it printed.
async fn read(arguments: &[&str]) -> Result<String> {
    let output = Command::new(ip()).args(arguments).output().await.context("cannot run `ip`")?;
    if !output.status.success() {
        bail!(
            "`ip {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ip() -> PathBuf {
    ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"]
        .map(PathBuf::from)
        .into_iter()
        .find(|file| file.is_file())
        .unwrap_or_else(|| "ip".into())
}

/// A program built beside this one.
pub(crate) fn sibling(name: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}
