//! The checks: one function per kind of case, over what both ends report.

mod bundle;
mod call;
mod call_page;
mod close;
mod congestion;
mod connect;
mod data;
mod dtmf;
mod fidelity;
mod media;
mod pictures;
mod play;
mod renegotiate;
mod security;
mod serve;
mod simulcast;
mod speech;
mod switch;
mod tracks;
mod transport;
mod write;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::pair::{End, Pair};
use crate::scenario::Scenario;

/// The names that scenarios may use.
const NAMES: &[&str] = &[
    "connect",
    "messages",
    "channels",
    "negotiated",
    "bulk",
    "close_channel",
    "close_connection",
    "vanish",
    "restart",
    "versions",
    "mdns",
    "serve",
    "unreliable",
    "echo",
    "bundle",
    "unbundled",
    "dtmf",
    "switch",
    "renegotiate",
    "glare",
    "call",
    "call_page",
    "speech",
    "play",
    "write",
    "simulcast",
    "simulcast_send",
    "congestion",
    "fidelity",
];

/// A check that measures instead of judging alone.
const THROUGHPUT: &str = "throughput";

/// Whether there is a check of this name.
pub(crate) fn exists(name: &str) -> bool {
    NAMES.contains(&name) || name == THROUGHPUT
}

/// Runs the check that the scenario names.
///
/// # Errors
/// What did not hold, or [`crate::process::Unsupported`].
pub(crate) async fn run(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    match scenario.check.as_str() {
        "connect" => connect::connect(pair).await,
        "messages" => data::messages(pair).await,
        "channels" => data::channels(pair, scenario).await,
        "negotiated" => data::negotiated(pair).await,
        "bulk" => data::bulk(pair, scenario).await,
        "close_channel" => close::channel(pair).await,
        "close_connection" => close::connection(pair, scenario).await,
        "vanish" => close::vanish(pair, scenario).await,
        "restart" => transport::restart(pair, scenario).await,
        "versions" => security::versions(pair, scenario).await,
        "mdns" => security::mdns(pair).await,
        "serve" => serve::serve(pair).await,
        "unreliable" => transport::unreliable(pair, scenario).await,
        "echo" => media::echo(pair, scenario).await,
        "bundle" => bundle::bundle(pair, scenario).await,
        "unbundled" => bundle::unbundled(pair, scenario).await,
        "dtmf" => dtmf::dtmf(pair, scenario).await,
        "switch" => switch::switch(pair, scenario).await,
        "renegotiate" => renegotiate::renegotiate(pair, scenario).await,
        "glare" => renegotiate::glare(pair, scenario).await,
        "call" => call::call(pair, scenario).await,
        "call_page" => call_page::call_page(pair, scenario).await,
        "speech" => speech::speech(pair, scenario).await,
        "play" => play::play(pair, scenario).await,
        "write" => write::write(pair, scenario).await,
        "simulcast" => simulcast::receive(pair, scenario).await,
        "simulcast_send" => simulcast::send(pair, scenario).await,
        "congestion" => congestion::congestion(pair, scenario).await,
        "fidelity" => fidelity::fidelity(pair, scenario).await,
        THROUGHPUT => transport::throughput(pair, scenario).await,
        other => bail!("scenario {}: there is no check `{other}`", scenario.name),
    }
}

/// Sends one text and one binary message on a channel whose other end echoes, and compares what comes back.
async fn echo(pair: &Pair, end: &End, label: &str) -> Result<()> {
    let text = format!("grüße von {} · {label} · 你好", end.name());
    end.send(label, json!({"text": text}), pair.patience).await?;
    end.send(label, json!({"kind": "binary", "size": 1000, "seed": 5}), pair.patience).await?;
    let back = end.receive(label, 2, 0, pair.patience).await?;
    ensure!(
        back.complete,
        "{}: only {} of 2 messages on `{label}` came back",
        end.name(),
        back.messages
    );
    let mut expected = peerage_interop::payload::Digest::default();
    expected.add(peerage_interop::payload::Kind::Text, text.as_bytes());
    expected.add(
        peerage_interop::payload::Kind::Binary,
        &peerage_interop::payload::payload(peerage_interop::payload::Kind::Binary, 5, 0, 1000),
    );
    ensure!(
        back.digest == expected.hex(),
        "{}: what came back on `{label}` differs: {}",
        end.name(),
        back.raw["log"]
    );
    Ok(())
}

/// The value of the first `a=NAME:` line.
pub(crate) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines()
        .find_map(|line| line.trim_end().strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

/// The identifier in an `open` event.
fn id(event: &Value) -> Option<u64> {
    event["id"].as_u64()
}
