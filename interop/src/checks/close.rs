//! C: a channel closes, a connection closes, a peer vanishes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::echo;
use crate::pair::Pair;
use crate::scenario::Scenario;

/// Either side closes a channel and the other hears of it; new channels work after that.
pub(super) async fn channel(pair: &mut Pair) -> Result<()> {
    pair.connect("record", "echo").await?;
    echo(pair, pair.offerer(), "main").await?;
    pair.offerer().call("close_channel", json!({"channel": "main"})).await?;
    for end in pair.ends() {
        end.closed("main", pair.patience).await?;
    }
    pair.answerer().channel("second", "record", json!({})).await?;
    for end in pair.ends() {
        end.opened("second", pair.patience).await?;
    }
    echo(pair, pair.answerer(), "second").await?;
    // This time the side that did not open it closes it.
    pair.offerer().call("close_channel", json!({"channel": "second"})).await?;
    for end in pair.ends() {
        end.closed("second", pair.patience).await?;
    }
    pair.offerer().channel("third", "record", json!({})).await?;
    for end in pair.ends() {
        end.opened("third", pair.patience).await?;
    }
    echo(pair, pair.offerer(), "third").await
}

/// Either side closes the connection and the other's channel closes in time.
pub(super) async fn connection(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let limit = Duration::from_secs_f64(scenario.parameter("seconds")?);
    pair.connect("record", "echo").await?;
    echo(pair, pair.offerer(), "main").await?;
    pair.subject.call("close", json!({})).await?;
    pair.peer.closed("main", limit).await.context("after the subject had closed")?;
    let state = pair.subject.call("state", json!({})).await?;
    ensure!(
        state["connection"] == "closed",
        "{}: closed, but says {}",
        pair.subject.name(),
        state["connection"]
    );

    let mut second = pair.another("b");
    second.connect("record", "echo").await?;
    echo(&second, second.offerer(), "main").await?;
    second.peer.call("close", json!({})).await?;
    second.subject.closed("main", limit).await.context("after the peer had closed")
}

/// The peer's process is killed: the subject says `disconnected`, then `failed`, in time, and closes its channel.
pub(super) async fn vanish(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let disconnected = Duration::from_secs_f64(scenario.parameter("disconnected_seconds")?);
    let failed = Duration::from_secs_f64(scenario.parameter("failed_seconds")?);
    pair.connect("record", "echo").await?;
    echo(pair, pair.offerer(), "main").await?;
    pair.connected().await?;
    let killed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64() * 1000.0;
    pair.peer.process.kill();
    let first = pair.subject.reached("connection", &["disconnected"], disconnected).await?;
    let then = pair.subject.reached("connection", &["failed"], failed).await?;
    pair.note("disconnected_ms", (first - killed).round());
    pair.note("failed_ms", (then - killed).round());
    ensure!(first <= then, "{}: failed before it was disconnected", pair.subject.name());
    Ok(())
}
