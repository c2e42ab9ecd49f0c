//! The grid: which cells there are, and how each is run.
//!
//! A lane is a pair of namespaces with the processes in them; lanes take cells from one queue. Processes are kept from
//! cell to cell, since a browser takes seconds to start; a process whose cell failed is not trusted again.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio::time::Instant;

use crate::checks;
use crate::network::{Namespaces, Network, Wire, sibling};
use crate::options::Options;
use crate::pair::{End, Pair, Plot};
use crate::peers::{Peer, which};
use crate::process::{Process, Unsupported};
use crate::record;
use crate::scenario::{Role, Scenario, Variant};

/// Who is examined unless the command line says otherwise.
pub(crate) const DEFAULT_SUBJECT: &str = "peerage";

/// How long a peer may take to start; a browser on a busy machine is slow.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How long an end may take to tell its statistics for the report.
const STATS_LIMIT: Duration = Duration::from_secs(3);
/// How long a peer may take to let go of what a cell made.
const RESET_LIMIT: Duration = Duration::from_secs(20);

/// Processes a lane keeps: more would be memory that nothing uses.
const POOL_LIMIT: usize = 4;

/// Events of one end that the report keeps.
const TIMELINE_LIMIT: usize = 300;

/// One cell: a case with a peer, in one role, with or without trickling.
#[derive(Clone)]
pub(crate) struct Cell {
    pub scenario: Arc<Scenario>,
    /// Who is examined; in a reference cell it is the peer itself.
    pub subject: String,
    pub peer: String,
    pub role: Role,
    pub trickle: bool,
    pub attempt: u32,
}

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Pass,
    Fail,
    Unsupported,
    Skipped,
}

/// What the report says of a cell.
#[derive(Clone, Serialize)]
pub(crate) struct Outcome {
    pub case: String,
    pub letter: char,
    pub claim: String,
    pub subject: String,
    pub peer: String,
    pub role: &'static str,
    pub trickle: bool,
    pub attempt: u32,
    pub verdict: Verdict,
    /// Why it failed, is unsupported, or was skipped.
    pub reason: String,
    pub seconds: f64,
    /// Figures that the check kept.
    pub notes: BTreeMap<String, Value>,
    /// How fast its transfers were over time.
    pub plots: Vec<Plot>,
    /// What the two ends said, in order of time.
    pub timeline: Vec<Value>,
    /// What each end's `stats` told at the end of the cell.
    pub stats: BTreeMap<&'static str, Value>,
    /// Files kept, relative to the report.
    pub files: Vec<String>,
}

impl Cell {
    /// A short name, unique within the run.
    pub(crate) fn name(&self) -> String {
        let form = if self.trickle { "trickle" } else { "complete" };
        let attempt = if self.attempt > 1 { format!("-{}", self.attempt) } else { String::new() };
        let peer = self.column();
        format!("{}-{peer}-{}-{form}{attempt}", self.scenario.name, self.role.name())
    }

    /// The peer's name; with the subject's in a reference cell.
    fn column(&self) -> String {
        if self.subject == self.peer && self.scenario.reference.contains(&self.peer) {
            format!("{}-{}", self.subject, self.peer)
        } else {
            self.peer.clone()
        }
    }

    fn outcome(&self, verdict: Verdict, reason: impl Into<String>) -> Outcome {
        Outcome {
            case: self.scenario.name.clone(),
            letter: self.scenario.letter,
            claim: self.scenario.claim.clone(),
            subject: self.subject.clone(),
            peer: self.column(),
            role: self.role.name(),
            trickle: self.trickle,
            attempt: self.attempt,
            verdict,
            reason: reason.into(),
            seconds: 0.0,
            notes: BTreeMap::new(),
            plots: Vec::new(),
            timeline: Vec::new(),
            stats: BTreeMap::new(),
            files: Vec::new(),
        }
    }
}

/// Every cell that the options select, in an order that starts few processes.
///
/// # Errors
/// When a word on the command line names no case or no peer.
pub(crate) fn cells(scenarios: &[Scenario], options: &Options) -> Result<Vec<Cell>> {
    for word in &options.case {
        if !scenarios.iter().any(|scenario| scenario.is(word)) {
            let names: Vec<_> = scenarios
                .iter()
                .map(|scenario| format!("{} {}", scenario.letter, scenario.name))
                .collect();
            bail!("no case `{word}`; there are: {}", names.join(", "));
        }
    }
    for word in options.peer.iter().chain(&options.subject) {
        if Peer::from_name(word).is_none() {
            bail!("no peer `{word}`; there are: {}", Peer::names().join(", "));
        }
    }
    let subject = options.subject.as_deref().unwrap_or(DEFAULT_SUBJECT);
    let mut cells = Vec::new();
    for scenario in scenarios {
        if !options.case.is_empty() && !options.case.iter().any(|word| scenario.is(word)) {
            continue;
        }
        let scenario =
            Arc::new(if options.quick { scenario.clone().quick() } else { scenario.clone() });
        for peer in &scenario.peers {
            if !options.peer.is_empty() && !options.peer.contains(peer) {
                continue;
            }
            for &role in &scenario.roles {
                if options.role.as_deref().is_some_and(|wanted| wanted != role.name()) {
                    continue;
                }
                for &trickle in &scenario.trickle {
                    if options.trickle.as_deref().is_some_and(|wanted| (wanted == "on") != trickle)
                    {
                        continue;
                    }
                    for attempt in 1..=options.repeat {
                        cells.push(Cell {
                            scenario: scenario.clone(),
                            subject: subject.to_owned(),
                            peer: peer.clone(),
                            role,
                            trickle,
                            attempt,
                        });
                    }
                }
            }
        }
        for peer in &scenario.reference {
            // With `--subject` the subject itself may be the reference; and one form of signalling is as fast as another.
            if options.subject.is_none() && (options.peer.is_empty() || options.peer.contains(peer))
            {
                cells.push(Cell {
                    scenario: scenario.clone(),
                    subject: peer.clone(),
                    peer: peer.clone(),
                    role: Role::Offerer,
                    trickle: true,
                    attempt: 1,
                });
            }
        }
    }
    // Cells of one network and one peer follow one another, so that their processes are used again; cells that run
    // alone come last, so that the others need not wait for them one by one.
    let wires: Vec<_> = scenarios.iter().map(|scenario| scenario.wire.clone()).collect();
    let wire = |cell: &Cell| wires.iter().position(|wire| *wire == cell.scenario.wire);
    let peers = Peer::names();
    let peer = |cell: &Cell| peers.iter().position(|name| *name == cell.peer);
    cells.sort_by_key(|cell| (cell.scenario.alone, wire(cell), cell.scenario.variant, peer(cell)));
    Ok(cells)
}

/// What all lanes share.
pub(crate) struct Run {
    pub options: Options,
    /// Where logs and captures go.
    pub folder: PathBuf,
    /// Why there are no namespaces, if there are none.
    pub no_namespaces: Option<String>,
    pub queue: Mutex<VecDeque<Cell>>,
    /// Held for writing by a cell that runs alone.
    pub floor: RwLock<()>,
    /// Versions that peers told.
    pub versions: Mutex<BTreeMap<String, String>>,
}

/// Key of a kept process: which peer, at which end, on which network, how started.
type Key = (String, usize, usize, Variant);

/// Networks and processes that one cell after another uses.
pub(crate) struct Lane {
    number: usize,
    context: Arc<Run>,
    networks: Vec<(Option<Wire>, Network)>,
    pool: VecDeque<(Key, Arc<Process>)>,
    started: usize,
}

impl Lane {
    pub(crate) fn new(number: usize, context: Arc<Run>) -> Self {
        Self { number, context, networks: Vec::new(), pool: VecDeque::new(), started: 0 }
    }

    /// Takes cells from the queue until there are none, and hands each outcome to `report`.
    pub(crate) async fn run(mut self, report: impl Fn(Outcome)) {
        loop {
            let context = self.context.clone();
            let cell = context.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(cell) = cell else { break };
            let mut outcome = self.run_in_turn(&context, &cell).await;
            for _ in 0..context.options.retry {
                if outcome.verdict != Verdict::Fail {
                    break;
                }
                // The report says that it took more than one run, and why the run before failed.
                let reason = outcome.reason;
                outcome = self.run_in_turn(&context, &cell).await;
                outcome.notes.insert("failed before".to_owned(), Value::from(reason));
            }
            report(outcome);
        }
        for (_, process) in self.pool.drain(..) {
            process.stop().await;
        }
    }

    async fn run_in_turn(&mut self, context: &Run, cell: &Cell) -> Outcome {
        if cell.scenario.alone {
            let _alone = context.floor.write().await;
            self.run_cell(cell).await
        } else {
            let _shared = context.floor.read().await;
            self.run_cell(cell).await
        }
    }

    async fn run_cell(&mut self, cell: &Cell) -> Outcome {
        let started = Instant::now();
        if let Some(reason) = cell.scenario.unsupported.get(&cell.peer) {
            return cell.outcome(Verdict::Unsupported, reason);
        }
        for name in [&cell.subject, &cell.peer] {
            if let Some(reason) = Peer::from_name(name).and_then(Peer::missing) {
                return cell.outcome(Verdict::Skipped, reason);
            }
        }
        for tool in &cell.scenario.tools {
            if which(tool).is_none() {
                let install = format!("{tool} not found; install: sudo apt-get install -y {tool}");
                return cell.outcome(Verdict::Skipped, install);
            }
        }
        if let (Some(_), Some(reason)) = (&cell.scenario.wire, &self.context.no_namespaces) {
            return cell.outcome(
                Verdict::Skipped,
                format!("the emulated wire needs namespaces: {reason}"),
            );
        }
        let mut outcome = match self.prepare(cell).await {
            Ok((subject, peer, network)) => self.judge(cell, subject, peer, network).await,
            Err(error) => cell.outcome(Verdict::Fail, format!("could not begin: {error:#}")),
        };
        outcome.seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        if outcome.verdict == Verdict::Fail {
            self.forget_processes(cell).await;
        } else {
            self.quiet_processes().await;
        }
        outcome
    }

    /// Ends what the cell began: a browser that is kept would go on with its camera and its encoder beside the next cells.
    async fn quiet_processes(&mut self) {
        for (_, process) in &self.pool {
            if process.needs_reset() && process.call("reset", json!({}), RESET_LIMIT).await.is_err()
            {
                process.stop().await;
            }
        }
        self.pool.retain(|(_, kept)| kept.is_alive());
    }

    async fn prepare(&mut self, cell: &Cell) -> Result<(Arc<Process>, Arc<Process>, usize)> {
        let network = self.network(cell.scenario.wire.as_ref()).await?;
        let subject = self.process(&cell.subject, 0, network, cell.scenario.variant).await?;
        let peer = self.process(&cell.peer, 1, network, cell.scenario.variant).await?;
        Ok((subject, peer, network))
    }

    async fn judge(
        &mut self,
        cell: &Cell,
        subject: Arc<Process>,
        peer: Arc<Process>,
        network: usize,
    ) -> Outcome {
        let mut files = Vec::new();
        let mut capture = None;
        let options = &self.context.options;
        if options.keep_pcap || options.record.is_some() {
            let path = self.context.folder.join(format!("{}.pcap", cell.name()));
            match start_capture(&self.networks[network].1, &path).await {
                Ok(child) => {
                    capture = Some((child, path.clone()));
                    files.push(relative(&path));
                }
                Err(error) => subject.log(&format!("no capture: {error:#}")),
            }
        }
        // On a wire that loses: a DTLS client asks again after 1, 2, 4 and up to 32 s (RFC 6347 §4.2.4.1), so that a flight of which
        // each is lost takes longer than a minute. A scenario that allows for that has a longer limit.
        let lossy = 60.max(cell.scenario.timeout.saturating_sub(30));
        let patience = Duration::from_secs(if cell.scenario.wire.is_some() { lossy } else { 15 });
        let mut pair = Pair::new(
            End::new(subject.clone(), "a"),
            End::new(peer.clone(), "a"),
            cell.role,
            cell.trickle,
            patience,
        );
        let network_of_cell = &self.networks[network].1;
        let program = network_of_cell.command(0, &sibling("peerage"));
        (pair.folder, pair.cell) = (self.context.folder.clone(), cell.name());
        pair.command_line = Some((program, network_of_cell.subject_address()));
        pair.wire = network_of_cell.wire();
        let limit = Duration::from_secs(cell.scenario.timeout);
        let result = match tokio::time::timeout(limit, checks::run(&mut pair, &cell.scenario)).await
        {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("the cell was not done after {} s", limit.as_secs())),
        };
        pair.finish();
        let mut stats = BTreeMap::new();
        for (name, end) in [("subject", &pair.subject), ("peer", &pair.peer)] {
            // A closed connection has none, a killed process says nothing.
            if let Ok(told) = end.call_within("stats", json!({}), STATS_LIMIT).await {
                stats.insert(name, told);
            }
        }
        let result = result.and(self.networks[network].1.check());
        let mut outcome = match result {
            Ok(()) => cell.outcome(Verdict::Pass, ""),
            Err(error) if error.is::<Unsupported>() => {
                cell.outcome(Verdict::Unsupported, error.to_string())
            }
            Err(error) => cell.outcome(Verdict::Fail, format!("{error:#}")),
        };
        if let Some((mut child, path)) = capture {
            // The last packets are still in the capture's buffer.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let _ = child.start_kill();
            let _ = child.wait().await;
            if let Some(folder) = &options.record
                && outcome.verdict == Verdict::Pass
            {
                let keys = self.context.folder.join(key_log_name(subject.log_name()));
                if let Err(error) = record::write(folder, cell, &pair, &path, &keys) {
                    outcome.verdict = Verdict::Fail;
                    outcome.reason = format!("the recording failed: {error:#}");
                }
            }
        }
        outcome.notes = pair.notes();
        outcome.plots = pair.plots();
        outcome.stats = stats;
        outcome.timeline = timeline(&[("subject", &subject), ("peer", &peer)]);
        outcome.files = files;
        for process in [&subject, &peer] {
            outcome.files.push(format!("logs/{}", process.log_name()));
        }
        if !peer.is_alive() {
            self.pool.retain(|(_, kept)| kept.is_alive());
        }
        outcome
    }

    async fn forget_processes(&mut self, cell: &Cell) {
        let mut kept = VecDeque::new();
        for (key, process) in self.pool.drain(..) {
            if key.0 == cell.subject || key.0 == cell.peer {
                process.stop().await;
            } else {
                kept.push_back((key, process));
            }
        }
        self.pool = kept;
    }

    /// The index of the network with this link, made if it is not there yet.
    async fn network(&mut self, wire: Option<&Wire>) -> Result<usize> {
        if let Some(index) = self.networks.iter().position(|(known, _)| known.as_ref() == wire) {
            return Ok(index);
        }
        let network = if self.context.no_namespaces.is_some() {
            Network::Host
        } else {
            let number = self.number * 100 + self.networks.len();
            let log = self.context.folder.join("logs").join(format!("wire-{number}.log"));
            Network::Namespaces(Box::new(
                Namespaces::new(number, wire, &log).await.context("cannot make the network")?,
            ))
        };
        self.networks.push((wire.cloned(), network));
        Ok(self.networks.len() - 1)
    }

    /// A fresh peer: one that is kept, which was reset after its last cell, or a new one.
    async fn process(
        &mut self,
        name: &str,
        end: usize,
        network: usize,
        variant: Variant,
    ) -> Result<Arc<Process>> {
        let peer = Peer::from_name(name).with_context(|| format!("no peer {name}"))?;
        // Only browsers are started in another way; the others are told per connection.
        let variant = if peer.is_browser() { variant } else { Variant::default() };
        let key = (name.to_owned(), end, network, variant);
        if let Some(position) =
            self.pool.iter().position(|(known, process)| *known == key && process.is_alive())
            && let Some((key, process)) = self.pool.remove(position)
        {
            process.forget_events();
            self.pool.push_back((key, process.clone()));
            return Ok(process);
        }
        while self.pool.len() >= POOL_LIMIT {
            if let Some((_, process)) = self.pool.pop_front() {
                process.stop().await;
            }
        }
        self.started += 1;
        let log_name = format!("{name}-{}-{}.log", self.number, self.started);
        let log = self.context.folder.join("logs").join(&log_name);
        let mut command =
            peer.command(&self.networks[network].1, end, variant, self.context.options.headed);
        if self.context.options.keep_pcap || self.context.options.record.is_some() {
            command.env("SSLKEYLOGFILE", self.context.folder.join(key_log_name(&log_name)));
        }
        let process = Process::start(name, command, &log, START_LIMIT).await?;
        self.context
            .versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), process.version.clone());
        self.pool.push_back((key, process.clone()));
        Ok(process)
    }
}

/// What both ends said, merged by time.
fn timeline(ends: &[(&str, &Process)]) -> Vec<Value> {
    let mut merged = Vec::new();
    for (end, process) in ends {
        for mut event in process.events().into_iter().take(TIMELINE_LIMIT) {
            event["end"] = (*end).into();
            merged.push(event);
        }
    }
    merged
        .sort_by(|a, b| a["t"].as_f64().unwrap_or(0.0).total_cmp(&b["t"].as_f64().unwrap_or(0.0)));
    merged
}

async fn start_capture(network: &Network, path: &Path) -> Result<tokio::process::Child> {
    let mut command = network.command(0, Path::new("tcpdump"));
    command.args(["-i", "any", "-U", "--immediate-mode", "-Z", "root", "-w"]).arg(path).arg("udp");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start tcpdump")?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(child)
}

/// The file with the session keys of the process that logs there.
fn key_log_name(log: &str) -> String {
    log.replace(".log", ".keys")
}

fn relative(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenarios() -> Vec<Scenario> {
        crate::scenario::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap()
    }

    #[test]
    fn options_narrow_the_grid() {
        let options = Options {
            peer: vec!["chromium".into()],
            case: vec!["H".into()],
            repeat: 1,
            ..Options::default()
        };
        let all = cells(&scenarios(), &options).unwrap();
        assert_eq!(all.len(), 4, "two roles, with and without trickling");
        let one = Options {
            role: Some("offerer".into()),
            trickle: Some("off".into()),
            repeat: 3,
            ..options
        };
        let narrow =
            cells(&scenarios(), &Options { case: vec!["narrow".into()], ..one.clone() }).unwrap();
        let references: Vec<_> = narrow.iter().filter(|cell| cell.subject == "chromium").collect();
        assert_eq!((narrow.len(), references.len()), (4, 1));
        assert_eq!(references[0].name(), "narrow-chromium-chromium-offerer-trickle");
        let cells = cells(&scenarios(), &one).unwrap();
        assert_eq!(cells.len(), 3);
        assert!(cells.iter().all(|cell| cell.role == Role::Offerer && !cell.trickle));
    }

    #[test]
    fn unknown_words_are_refused_with_what_there_is() {
        let error = cells(
            &scenarios(),
            &Options { case: vec!["Z".into()], repeat: 1, ..Options::default() },
        )
        .err()
        .unwrap();
        assert!(error.to_string().contains("H connect"), "{error}");
        let error = cells(
            &scenarios(),
            &Options { peer: vec!["safari".into()], repeat: 1, ..Options::default() },
        )
        .err()
        .unwrap();
        assert!(error.to_string().contains("chromium"), "{error}");
    }
}
