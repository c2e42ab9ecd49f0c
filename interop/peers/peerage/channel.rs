//! One data channel: a task that reads and counts (and echoes), and the commands that send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use peerage::{DataChannel, Message};
use peerage_interop::payload::{Digest, Kind, hex, payload, read_stamp, stamp};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{Out, now};

/// Messages that the log tells one by one.
const LOG_LIMIT: usize = 512;

/// Milliseconds over which arriving bytes are added up for a plot.
const BUCKET_MS: f64 = 250.0;

/// Buckets kept: seventeen minutes.
const BUCKET_LIMIT: usize = 4096;

/// What is done with messages besides counting them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Record,
    Echo,
    Stamps,
}

impl Mode {
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "echo" => Mode::Echo,
            "stamps" => Mode::Stamps,
            _ => Mode::Record,
        }
    }
}

struct Tally {
    mode: Mode,
    messages: u64,
    bytes: u64,
    digest: Digest,
    first: Option<f64>,
    last: Option<f64>,
    log: Vec<Value>,
    stamps: Vec<(u32, f64)>,
    buckets: Vec<u64>,
}

pub(crate) struct Channel {
    raw: DataChannel,
    tally: Arc<Mutex<Tally>>,
    arrived: Arc<Notify>,
    reader: JoinHandle<()>,
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Channel {
    /// Starts reading.
    pub(crate) fn new(pc: &str, raw: DataChannel, mode: Mode, out: Out) -> Arc<Self> {
        let tally = Tally {
            mode,
            messages: 0,
            bytes: 0,
            digest: Digest::default(),
            first: None,
            last: None,
            log: Vec::new(),
            stamps: Vec::new(),
            buckets: Vec::new(),
        };
        let (tally, arrived) = (Arc::new(Mutex::new(tally)), Arc::new(Notify::new()));
        let reader =
            tokio::spawn(read(pc.to_owned(), raw.clone(), tally.clone(), arrived.clone(), out));
        Arc::new(Self { raw, tally, arrived, reader })
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        lock(&self.tally).mode = mode;
    }

    pub(crate) fn close(&self) {
        self.raw.close();
    }

    pub(crate) fn state(&self) -> String {
        self.raw.state().to_string()
    }

    /// `send`: messages one after the other, as the channel takes them.
    pub(crate) async fn send(&self, fields: &Value) -> Result<Value> {
        let number = |name: &str, otherwise: u64| fields[name].as_u64().unwrap_or(otherwise);
        let (size, count, seed) =
            (number("size", 0) as usize, number("count", 1), number("seed", 0));
        let interval = fields["interval"].as_f64().unwrap_or(0.0);
        let stamped = fields["stamp"].as_bool().unwrap_or(false);
        let fixed = fields["text"].as_str();
        let kind =
            if fixed.is_some() || fields["kind"] == "text" { Kind::Text } else { Kind::Binary };
        let (start, mut digest, mut bytes) = (Instant::now(), Digest::default(), 0);
        for index in 0..count {
            if interval > 0.0 {
                tokio::time::sleep_until(
                    start + Duration::from_secs_f64(index as f64 * interval / 1000.0),
                )
                .await;
            }
            let mut body = match fixed {
                Some(text) => text.as_bytes().to_vec(),
                None => payload(kind, seed, index, size),
            };
            if stamped {
                stamp(&mut body, index as u32, now());
            }
            digest.add(kind, &body);
            bytes += body.len();
            let message = match kind {
                Kind::Text => Message::Text(body.into()),
                Kind::Binary => Message::Binary(body.into()),
            };
            self.raw.send(message).await?;
        }
        Ok(
            json!({"messages": count, "bytes": bytes, "digest": digest.hex(), "ms": start.elapsed().as_secs_f64() * 1000.0}),
        )
    }

    /// `bulk`: so many bytes in messages of one size.
    pub(crate) async fn bulk(&self, fields: &Value) -> Result<Value> {
        let total = fields["total"].as_u64().context("`bulk` lacks `total`")?;
        let size =
            fields["size"].as_u64().filter(|size| *size > 0).context("`bulk` lacks `size`")?;
        let mut fields = fields.clone();
        fields["count"] = total.div_ceil(size).into();
        self.send(&fields).await
    }

    /// `receive`: what has come, once it is enough or the time is over.
    pub(crate) async fn receive(&self, fields: &Value) -> Value {
        let number = |name: &str| fields[name].as_u64().unwrap_or(0);
        let (messages, bytes) = (number("messages"), number("bytes"));
        let deadline = Instant::now() + Duration::from_millis(number("timeout"));
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let complete = {
                let tally = lock(&self.tally);
                tally.messages >= messages && tally.bytes >= bytes
            };
            if complete || tokio::time::timeout_at(deadline, arrived).await.is_err() {
                let tally = lock(&self.tally);
                return json!({
                    "complete": tally.messages >= messages && tally.bytes >= bytes,
                    "messages": tally.messages,
                    "bytes": tally.bytes,
                    "digest": tally.digest.hex(),
                    "first": tally.first,
                    "last": tally.last,
                    "log": tally.log,
                    "stamps": tally.stamps,
                    "buckets": tally.buckets,
                });
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // The reader holds a handle of the channel, which would keep the connection alive.
        self.reader.abort();
    }
}

async fn read(
    pc: String,
    channel: DataChannel,
    tally: Arc<Mutex<Tally>>,
    arrived: Arc<Notify>,
    out: Out,
) {
    let label = channel.label().to_owned();
    if channel.opened().await.is_ok() {
        out.event("open", &pc, json!({"channel": label, "id": channel.id()}));
    }
    while let Some(message) = channel.recv().await {
        let at = now();
        let kind = if matches!(message, Message::Text(_)) { Kind::Text } else { Kind::Binary };
        let mode = {
            let mut tally = lock(&tally);
            let body = message.data();
            let inner = tally.digest.add(kind, body);
            tally.messages += 1;
            tally.bytes += body.len() as u64;
            let first = *tally.first.get_or_insert(at);
            tally.last = Some(at);
            let bucket = ((at - first) / BUCKET_MS) as usize;
            if bucket < BUCKET_LIMIT {
                if tally.buckets.len() <= bucket {
                    tally.buckets.resize(bucket + 1, 0);
                }
                tally.buckets[bucket] += body.len() as u64;
            }
            if tally.log.len() < LOG_LIMIT {
                tally
                    .log
                    .push(json!({"kind": kind.name(), "size": body.len(), "digest": hex(&inner)}));
            }
            if tally.mode == Mode::Stamps
                && let Some((index, sent)) = read_stamp(body)
            {
                tally.stamps.push((index, at - sent));
            }
            tally.mode
        };
        arrived.notify_waiters();
        if mode == Mode::Echo
            && let Err(error) = channel.send(message).await
        {
            out.event("log", &pc, json!({"text": format!("echo on {label}: {error}")}));
        }
    }
    channel.closed().await;
    out.event("close", &pc, json!({"channel": label, "id": channel.id()}));
}
