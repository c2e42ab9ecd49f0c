//! A peer as a child process: commands go to its standard input, answers and events come from its standard output,
//! one JSON object a line; standard error is its log.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Events kept of one cell; a peer that floods the runner loses the later ones.
const EVENT_LIMIT: usize = 20_000;

/// The peer said that it cannot do this, and why.
#[derive(Debug)]
pub(crate) struct Unsupported(pub String);

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

#[derive(Default)]
struct Shared {
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    events: Vec<Value>,
    gone: bool,
}

/// A running peer.
pub(crate) struct Process {
    /// Name for messages, such as `chromium`.
    pub name: String,
    /// What `hello` told.
    pub version: String,
    log_name: String,
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    child: Mutex<Option<Child>>,
    pid: u32,
    next_id: AtomicU64,
    /// Something was asked of it since it began or was reset.
    used: AtomicBool,
    shared: Arc<Mutex<Shared>>,
    changed: Arc<Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Starts a peer and waits for its `hello`.
    ///
    /// # Errors
    /// When it cannot be started or does not answer within `limit`.
    pub(crate) async fn start(
        name: &str,
        mut command: Command,
        log: &Path,
        limit: Duration,
    ) -> Result<Arc<Self>> {
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `{program}` for the peer {name}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let changed = Arc::new(Notify::new());
        tokio::spawn(read_lines(BufReader::new(stdout), shared.clone(), changed.clone()));
        let mut process = Self {
            name: name.to_owned(),
            version: String::new(),
            log_name: log.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            pid: child.id().unwrap_or(0),
            stdin: tokio::sync::Mutex::new(stdin),
            child: Mutex::new(Some(child)),
            next_id: AtomicU64::new(1),
            used: AtomicBool::new(false),
            shared,
            changed,
        };
        let hello = process.call("hello", json!({}), limit).await.with_context(|| {
            format!("the peer {name} did not come up; its log is {}", log.display())
        })?;
        process.version = hello["version"].as_str().unwrap_or("?").to_owned();
        Ok(Arc::new(process))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// [`Unsupported`] if the peer says so; otherwise what the peer said, or that it said nothing in time.
    pub(crate) async fn call(
        &self,
        command: &str,
        mut fields: Value,
        limit: Duration,
    ) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.used.store(!matches!(command, "hello" | "reset"), Ordering::Relaxed);
        fields["id"] = id.into();
        fields["cmd"] = command.into();
        let (tx, rx) = oneshot::channel();
        {
            let mut shared = lock(&self.shared);
            if shared.gone {
                bail!("{}: the process has ended (wanted `{command}`)", self.name);
            }
            shared.waiting.insert(id, tx);
        }
        let line = format!("{fields}\n");
        {
            let mut stdin = self.stdin.lock().await;
            let stdin =
                stdin.as_mut().ok_or_else(|| anyhow!("{}: the process was ended", self.name))?;
            stdin
                .write_all(line.as_bytes())
                .await
                .with_context(|| format!("{}: cannot send `{command}`", self.name))?;
            stdin.flush().await?;
        }
        let Ok(answer) = tokio::time::timeout(limit, rx).await else {
            lock(&self.shared).waiting.remove(&id);
            bail!("{}: no answer to `{command}` within {:.0} s", self.name, limit.as_secs_f64());
        };
        let mut answer =
            answer.map_err(|_| anyhow!("{}: the process ended during `{command}`", self.name))?;
        if let Some(why) = answer["unsupported"].as_str() {
            return Err(Unsupported(why.to_owned()).into());
        }
        if let Some(why) = answer["error"].as_str() {
            bail!("{}: `{command}` failed: {why}", self.name);
        }
        Ok(answer["result"].take())
    }

    /// Waits until `pick` finds something among the events since [`Self::forget_events`].
    ///
    /// # Errors
    /// When `limit` is over; the message has `what` and the latest states.
    pub(crate) async fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut pick: impl FnMut(&[Value]) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let shared = lock(&self.shared);
                if let Some(found) = pick(&shared.events) {
                    return Ok(found);
                }
                if shared.gone {
                    bail!("{}: the process ended while waiting for {what}", self.name);
                }
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                bail!(
                    "{}: {what} did not happen within {:.0} s ({})",
                    self.name,
                    limit.as_secs_f64(),
                    self.latest_states()
                );
            }
        }
    }

    /// The events of the current cell.
    pub(crate) fn events(&self) -> Vec<Value> {
        lock(&self.shared).events.clone()
    }

    /// Name of the file with its standard error.
    pub(crate) fn log_name(&self) -> &str {
        &self.log_name
    }

    /// Starts a new cell.
    pub(crate) fn forget_events(&self) {
        lock(&self.shared).events.clear();
    }

    /// Adds a line of the runner's own to the events.
    pub(crate) fn log(&self, text: &str) {
        let mut shared = lock(&self.shared);
        if shared.events.len() < EVENT_LIMIT {
            shared.events.push(json!({"event": "log", "text": text}));
        }
    }

    /// Whether anything was asked of the process since it began or was reset.
    pub(crate) fn needs_reset(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the process can still be spoken to.
    pub(crate) fn is_alive(&self) -> bool {
        !lock(&self.shared).gone
    }

    fn latest_states(&self) -> String {
        let shared = lock(&self.shared);
        let mut latest = Vec::new();
        for kind in ["connection", "ice", "gathering", "signaling"] {
            let last = shared
                .events
                .iter()
                .rev()
                .find(|event| event["event"] == "state" && event["kind"] == kind);
            latest.push(format!(
                "{kind} {}",
                last.and_then(|event| event["value"].as_str()).unwrap_or("untold")
            ));
        }
        latest.join(", ")
    }

    /// Ends the process and everything it started, at once and without a goodbye.
    pub(crate) fn kill(&self) {
        kill_tree(self.pid);
        lock(&self.shared).gone = true;
        self.changed.notify_waiters();
    }

    /// Asks the process to end, and ends it if it does not.
    pub(crate) async fn stop(&self) {
        {
            let mut stdin = self.stdin.lock().await;
            if let Some(stdin) = stdin.as_mut() {
                let _ = stdin.write_all(b"{\"id\":0,\"cmd\":\"quit\"}\n").await;
                let _ = stdin.flush().await;
            }
            *stdin = None;
        }
        let child = lock(&self.child).take();
        if let Some(mut child) = child
            && tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err()
        {
            kill_tree(self.pid);
            let _ = child.wait().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if lock(&self.child).is_some() {
            kill_tree(self.pid);
        }
    }
}

async fn read_lines(
    stdout: impl tokio::io::AsyncBufRead + Unpin,
    shared: Arc<Mutex<Shared>>,
    changed: Arc<Notify>,
) {
    let mut lines = stdout.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let mut guard = lock(&shared);
        // Events of channels have an `id` too.
        if message["event"].is_null() {
            let id = message["id"].as_u64().unwrap_or(0);
            if let Some(waiter) = guard.waiting.remove(&id) {
                let _ = waiter.send(message);
            }
        } else if guard.events.len() < EVENT_LIMIT {
            guard.events.push(message);
            changed.notify_waiters();
        }
    }
    let mut guard = lock(&shared);
    guard.gone = true;
    guard.waiting.clear();
    changed.notify_waiters();
}

/// Ends `pid` and its descendants, found in `/proc`: only what we started ourselves.
pub(crate) fn kill_tree(pid: u32) {
    if pid == 0 {
        return;
    }
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
    let _ =
        std::process::Command::new("kill").arg("-KILL").args(&pids).stderr(Stdio::null()).status();
}
