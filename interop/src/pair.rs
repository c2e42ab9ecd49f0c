//! A cell's two ends and the signalling between them: what every check works with.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::network::WireControl;
use crate::process::{Process, Unsupported};
use crate::scenario::Role;

/// How long an ordinary command may take.
const COMMAND: Duration = Duration::from_secs(15);

/// Milliseconds over which peers add up what arrives (`buckets` of `receive`).
const BUCKET_MS: f64 = 250.0;

/// One end of a cell: a connection in a peer process.
#[derive(Clone)]
pub(crate) struct End {
    pub process: Arc<Process>,
    pc: String,
}

/// The two ends, who offers, and how candidates travel.
pub(crate) struct Pair {
    /// The end that is examined.
    pub subject: End,
    /// The other.
    pub peer: End,
    /// What the subject does.
    pub role: Role,
    /// Candidates travel one by one, or in the SDP.
    pub trickle: bool,
    /// Seconds left for waiting on a slow network.
    pub patience: Duration,
    /// The `peerage` command in the subject's place, and the address that the peer finds it at.
    pub command_line: Option<(Command, IpAddr)>,
    /// Where files of the run go.
    pub folder: PathBuf,
    /// The cell's name, unique within the run.
    pub cell: String,
    /// The emulated wire, if there is one.
    pub wire: Option<Arc<WireControl>>,
    forwarders: Vec<JoinHandle<()>>,
    notes: Mutex<BTreeMap<String, Value>>,
    plots: Mutex<Vec<Plot>>,
    descriptions: Vec<(&'static str, String)>,
    /// Descriptions lose their bundles on the way.
    hides_bundles: bool,
}

/// Bytes that arrived in each stretch of time, for the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plot {
    /// The figure that it belongs to, such as `sent_mbit`.
    pub name: String,
    /// Length of a stretch in milliseconds.
    pub bucket_ms: f64,
    /// Megabits a second in each stretch.
    pub mbit: Vec<f64>,
}

/// What `receive` tells.
#[derive(Debug)]
pub(crate) struct Received {
    pub complete: bool,
    pub messages: u64,
    pub bytes: u64,
    pub digest: String,
    /// Milliseconds from the first to the last message.
    pub span_ms: f64,
    /// Index and milliseconds under way of each stamped message, in order of arrival.
    pub stamps: Vec<(u64, f64)>,
    pub raw: Value,
}

impl End {
    pub(crate) fn new(process: Arc<Process>, pc: &str) -> Self {
        Self { process, pc: pc.to_owned() }
    }

    /// The peer's name.
    pub(crate) fn name(&self) -> &str {
        &self.process.name
    }

    /// A command with the ordinary time limit.
    pub(crate) async fn call(&self, command: &str, fields: Value) -> Result<Value> {
        self.call_within(command, fields, COMMAND).await
    }

    /// A command with a time limit of its own.
    pub(crate) async fn call_within(
        &self,
        command: &str,
        mut fields: Value,
        limit: Duration,
    ) -> Result<Value> {
        fields["pc"] = self.pc.as_str().into();
        self.process.call(command, fields, limit).await
    }

    /// Opens a channel from this end; `mode` is what this end does with messages.
    pub(crate) async fn channel(&self, label: &str, mode: &str, init: Value) -> Result<()> {
        self.call("channel", json!({"channel": label, "mode": mode, "init": init})).await.map(drop)
    }

    /// Waits until a channel is open at this end.
    pub(crate) async fn opened(&self, label: &str, limit: Duration) -> Result<Value> {
        let what = format!("channel `{label}` opening");
        self.process
            .wait(&what, limit, |events| {
                events
                    .iter()
                    .find(|event| self.is(event, "open") && event["channel"] == label)
                    .cloned()
            })
            .await
    }

    /// Waits until a channel is closed at this end.
    pub(crate) async fn closed(&self, label: &str, limit: Duration) -> Result<()> {
        let what = format!("channel `{label}` closing");
        self.process
            .wait(&what, limit, |events| {
                events
                    .iter()
                    .any(|event| self.is(event, "close") && event["channel"] == label)
                    .then_some(())
            })
            .await
    }

    /// Waits until a state has had this value, and returns when, in milliseconds of Unix time.
    pub(crate) async fn reached(
        &self,
        kind: &str,
        values: &[&str],
        limit: Duration,
    ) -> Result<f64> {
        let what = format!("{kind} state {}", values.join(" or "));
        self.process
            .wait(&what, limit, |events| {
                events
                    .iter()
                    .find(|event| {
                        self.is(event, "state")
                            && event["kind"] == kind
                            && event["value"].as_str().is_some_and(|value| values.contains(&value))
                    })
                    .map(|event| event["t"].as_f64().unwrap_or(0.0))
            })
            .await
    }

    /// The states of one kind that this end went through.
    pub(crate) fn states(&self, kind: &str) -> Vec<String> {
        let events = self.process.events();
        events
            .iter()
            .filter(|event| self.is(event, "state") && event["kind"] == kind)
            .filter_map(|event| event["value"].as_str().map(str::to_owned))
            .collect()
    }

    /// Sends messages and returns their digest.
    pub(crate) async fn send(
        &self,
        label: &str,
        mut fields: Value,
        limit: Duration,
    ) -> Result<String> {
        fields["channel"] = label.into();
        let sent = self.call_within("send", fields, limit).await?;
        Ok(sent["digest"].as_str().unwrap_or_default().to_owned())
    }

    /// Sends `total` bytes as fast as back-pressure allows; returns the digest and the milliseconds it took.
    pub(crate) async fn bulk(
        &self,
        label: &str,
        total: u64,
        size: u64,
        limit: Duration,
    ) -> Result<(String, f64)> {
        let sent = self
            .call_within(
                "bulk",
                json!({"channel": label, "total": total, "size": size, "seed": 1}),
                limit,
            )
            .await?;
        Ok((
            sent["digest"].as_str().unwrap_or_default().to_owned(),
            sent["ms"].as_f64().unwrap_or(0.0),
        ))
    }

    /// Waits until so many messages and bytes have come in on a channel, and tells what came.
    pub(crate) async fn receive(
        &self,
        label: &str,
        messages: u64,
        bytes: u64,
        limit: Duration,
    ) -> Result<Received> {
        let fields = json!({"channel": label, "messages": messages, "bytes": bytes, "timeout": limit.as_millis() as u64});
        let raw = self.call_within("receive", fields, limit + COMMAND).await?;
        let stamps = raw["stamps"].as_array().into_iter().flatten();
        Ok(Received {
            complete: raw["complete"].as_bool().unwrap_or(false),
            messages: raw["messages"].as_u64().unwrap_or(0),
            bytes: raw["bytes"].as_u64().unwrap_or(0),
            digest: raw["digest"].as_str().unwrap_or_default().to_owned(),
            span_ms: raw["last"].as_f64().unwrap_or(0.0) - raw["first"].as_f64().unwrap_or(0.0),
            stamps: stamps
                .filter_map(|stamp| Some((stamp[0].as_u64()?, stamp[1].as_f64()?)))
                .collect(),
            raw: raw.clone(),
        })
    }

    /// Whether an event is of this connection and has this name.
    pub(crate) fn is(&self, event: &Value, name: &str) -> bool {
        event["event"] == name && event["pc"] == self.pc.as_str()
    }
}

impl Pair {
    pub(crate) fn new(
        subject: End,
        peer: End,
        role: Role,
        trickle: bool,
        patience: Duration,
    ) -> Self {
        Self {
            subject,
            peer,
            role,
            trickle,
            patience,
            command_line: None,
            folder: PathBuf::new(),
            cell: String::new(),
            wire: None,
            forwarders: Vec::new(),
            notes: Mutex::default(),
            plots: Mutex::default(),
            descriptions: Vec::new(),
            hides_bundles: false,
        }
    }

    /// The end that offers.
    pub(crate) fn offerer(&self) -> &End {
        match self.role {
            Role::Offerer => &self.subject,
            Role::Answerer => &self.peer,
        }
    }

    /// The end that answers.
    pub(crate) fn answerer(&self) -> &End {
        match self.role {
            Role::Offerer => &self.peer,
            Role::Answerer => &self.subject,
        }
    }

    /// Both ends.
    pub(crate) fn ends(&self) -> [&End; 2] {
        [&self.subject, &self.peer]
    }

    /// Keeps a figure for the report.
    pub(crate) fn note(&self, name: &str, value: impl Into<Value>) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), value.into());
    }

    /// The figures kept.
    pub(crate) fn notes(&self) -> BTreeMap<String, Value> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps how fast a transfer was: the figure, and its course over time.
    pub(crate) fn note_rate(&self, name: &str, got: &Received) -> f64 {
        let rate = mbit(got.bytes, got.span_ms);
        self.note(name, rate);
        let buckets = got.raw["buckets"].as_array().into_iter().flatten();
        let whole = (got.span_ms / BUCKET_MS) as usize;
        // The last stretch is not over when the last byte comes: it would show a dip that was none.
        let mbit = buckets.take(whole).map(|bytes| mbit(bytes.as_u64().unwrap_or(0), BUCKET_MS));
        let plot = Plot { name: name.to_owned(), bucket_ms: BUCKET_MS, mbit: mbit.collect() };
        self.plots.lock().unwrap_or_else(PoisonError::into_inner).push(plot);
        rate
    }

    /// Keeps the course of a figure.
    pub(crate) fn plot(&self, plot: Plot) {
        self.plots.lock().unwrap_or_else(PoisonError::into_inner).push(plot);
    }

    /// Offers and answers, as they were exchanged.
    pub(crate) fn descriptions(&self) -> &[(&'static str, String)] {
        &self.descriptions
    }

    /// The courses kept.
    pub(crate) fn plots(&self) -> Vec<Plot> {
        self.plots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a connection at each end; channels that the other end opens get this mode.
    pub(crate) async fn create(&self, incoming: &str) -> Result<()> {
        self.create_with(json!({"incoming": incoming})).await
    }

    /// Makes a connection at each end.
    pub(crate) async fn create_with(&self, fields: Value) -> Result<()> {
        for end in self.ends() {
            end.call("create", fields.clone()).await?;
        }
        Ok(())
    }

    /// Offer, answer and candidates, from the offerer to the answerer.
    pub(crate) async fn negotiate(&mut self) -> Result<(String, String)> {
        self.exchange(self.offerer().clone(), self.answerer().clone(), false).await
    }

    /// One round of offer and answer; returns both SDPs.
    pub(crate) async fn exchange(
        &mut self,
        offerer: End,
        answerer: End,
        ice_restart: bool,
    ) -> Result<(String, String)> {
        self.exchange_with(offerer, answerer, ice_restart, false).await
    }

    /// One round in which the answerer gives tracks to what the offer has made.
    pub(crate) async fn exchange_attached(
        &mut self,
        offerer: End,
        answerer: End,
    ) -> Result<(String, String)> {
        self.exchange_with(offerer, answerer, false, true).await
    }

    /// From now on the peers do not hear of each other's bundles.
    pub(crate) fn hide_bundles(&mut self) {
        self.hides_bundles = true;
    }

    /// A description as the other end is to see it.
    fn shown(&self, sdp: &str) -> String {
        let hidden = |line: &&str| self.hides_bundles && line.starts_with("a=group:BUNDLE");
        sdp.split_inclusive('\n').filter(|line| !hidden(line)).collect()
    }

    async fn exchange_with(
        &mut self,
        offerer: End,
        answerer: End,
        ice_restart: bool,
        attach: bool,
    ) -> Result<(String, String)> {
        let seen = [offerer.process.events().len(), answerer.process.events().len()];
        let mut offer =
            sdp(offerer.call("offer", json!({"ice_restart": ice_restart})).await?, "offer")?;
        if !self.trickle {
            offer = sdp(
                offerer.call("gathered", json!({})).await.context("gathering at the offerer")?,
                "gathered",
            )?;
        }
        let fields = json!({"sdp": self.shown(&offer), "attach": attach});
        let mut answer = sdp(answerer.call("answer", fields).await?, "answer")?;
        if self.trickle {
            self.forwarders.push(forward(offerer.clone(), seen[0], answerer.clone()));
        } else {
            answer = sdp(
                answerer.call("gathered", json!({})).await.context("gathering at the answerer")?,
                "gathered",
            )?;
        }
        let accepted = offerer.call("accept", json!({"sdp": self.shown(&answer)})).await;
        if accepted.is_err() {
            // The report shows what could not be agreed on.
            offerer.process.log(&offer);
            answerer.process.log(&answer);
        }
        accepted?;
        if self.trickle {
            self.forwarders.push(forward(answerer, seen[1], offerer));
        }
        self.descriptions.extend([("offer", offer.clone()), ("answer", answer.clone())]);
        Ok((offer, answer))
    }

    /// Waits until both ends say `connected`.
    pub(crate) async fn connected(&self) -> Result<()> {
        for end in self.ends() {
            end.reached("connection", &["connected"], self.patience).await?;
        }
        Ok(())
    }

    /// Another connection between the same two processes.
    pub(crate) fn another(&self, pc: &str) -> Self {
        let end = |end: &End| End::new(end.process.clone(), pc);
        Self::new(end(&self.subject), end(&self.peer), self.role, self.trickle, self.patience)
    }

    /// The usual start: one channel `main` from the offerer, negotiated and open at both ends.
    ///
    /// Returns when both ends were open, in milliseconds after the offer was asked for.
    pub(crate) async fn connect(&mut self, offerer_mode: &str, answerer_mode: &str) -> Result<f64> {
        self.create(answerer_mode).await?;
        self.offerer().channel("main", offerer_mode, json!({})).await?;
        let start = Instant::now();
        self.negotiate().await?;
        for end in self.ends() {
            end.opened("main", self.patience).await?;
        }
        let took = start.elapsed().as_secs_f64() * 1000.0;
        self.note("open_ms", took.round());
        Ok(took)
    }

    /// Stops carrying candidates.
    pub(crate) fn finish(&mut self) {
        for forwarder in self.forwarders.drain(..) {
            forwarder.abort();
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Megabits a second, to two places.
fn mbit(bytes: u64, ms: f64) -> f64 {
    if ms > 0.0 { (bytes as f64 * 8.0 / ms / 10.0).round() / 100.0 } else { 0.0 }
}

fn sdp(result: Value, what: &str) -> Result<String> {
    match result["sdp"].as_str() {
        Some(sdp) if !sdp.is_empty() => Ok(sdp.to_owned()),
        _ => bail!("`{what}` returned no SDP"),
    }
}

/// Carries candidates of `from` (after the first `skip` events) to `to`, until there are no more or the pair is dropped.
fn forward(from: End, skip: usize, to: End) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut next = skip;
        loop {
            let found = from
                .process
                .wait("a candidate", Duration::from_secs(120), |events| {
                    events
                        .iter()
                        .enumerate()
                        .skip(next)
                        .find(|(_, event)| from.is(event, "candidate"))
                        .map(|(index, event)| (index, event["candidate"].clone()))
                })
                .await;
            let Ok((index, candidate)) = found else { return };
            next = index + 1;
            let last = candidate.is_null();
            if let Err(error) = to.call("candidate", json!({"candidate": candidate})).await {
                // A candidate that the other end cannot use (TCP, say) is its own business; the cell judges the outcome.
                from.process.log(&format!("candidate for {} refused: {error:#}", to.name()));
            }
            if last {
                return;
            }
        }
    })
}

/// Fails a check with a reason.
pub(crate) fn unsupported(reason: impl Into<String>) -> anyhow::Error {
    Unsupported(reason.into()).into()
}
