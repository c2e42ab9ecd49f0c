//! R, P, Q: ICE restart under load, channels without retransmission on a lossy wire, throughput on a narrow one.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::attribute;
use crate::pair::{End, Pair, Received};
use crate::scenario::Scenario;

/// Within which the acknowledgement of a channel has arrived, sent twice again if need be.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);

/// ICE restarts while data flows both ways; nothing is lost and nothing fails.
pub(super) async fn restart(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let seconds = scenario.parameter("seconds")?;
    let interval = scenario.parameter("interval_ms")?;
    let count = (seconds * 1000.0 / interval) as u64;
    pair.create("record").await?;
    pair.offerer().channel("main", "record", json!({})).await?;
    let (offer, answer) = pair.negotiate().await?;
    for end in pair.ends() {
        end.opened("main", pair.patience).await?;
    }
    pair.connected().await?;
    let limit = pair.patience + Duration::from_secs_f64(seconds);
    let load = json!({"size": 8192, "count": count, "interval": interval, "seed": 3});
    let (subject, peer) = (pair.subject.clone(), pair.peer.clone());
    let flow = {
        let (subject, peer) = (subject.clone(), peer.clone());
        tokio::spawn(async move {
            tokio::try_join!(
                subject.send("main", load.clone(), limit),
                peer.send("main", load, limit)
            )
        })
    };
    tokio::time::sleep(Duration::from_secs_f64(seconds / 4.0)).await;
    let (offerer, answerer) = (pair.offerer().clone(), pair.answerer().clone());
    let (new_offer, new_answer) = pair.exchange(offerer, answerer, true).await?;
    for (what, old, new) in [("offer", &offer, &new_offer), ("answer", &answer, &new_answer)] {
        ensure!(
            attribute(old, "ice-ufrag") != attribute(new, "ice-ufrag"),
            "the {what} after the restart has the old credentials"
        );
    }
    let (sent, received) = flow.await??;
    for (from, to, digest) in [(&subject, &peer, sent), (&peer, &subject, received)] {
        let got = to.receive("main", count, 0, pair.patience).await?;
        ensure!(
            got.complete,
            "{} received {} of {count} messages of {} across the restart",
            to.name(),
            got.messages,
            from.name()
        );
        ensure!(
            got.digest == digest,
            "what {} received across the restart is not what {} sent",
            to.name(),
            from.name()
        );
    }
    for end in pair.ends() {
        let states = end.states("connection");
        ensure!(
            !states.iter().any(|state| state == "failed" || state == "closed"),
            "{} went through {states:?}",
            end.name()
        );
        let state = end.call("state", json!({})).await?;
        ensure!(
            state["connection"] == "connected",
            "{} is {} after the restart",
            end.name(),
            state["connection"]
        );
    }
    Ok(())
}

/// Unordered channels, one without retransmission and one with a lifetime, on a lossy wire: what arrives is on time.
pub(super) async fn unreliable(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let count = scenario.parameter("messages")? as u64;
    let interval = scenario.parameter("interval_ms")?;
    let lifetime = scenario.parameter("lifetime_ms")?;
    let delay = scenario.wire.as_ref().map_or(0.0, |wire| wire.delay_ms);
    let slack = scenario.parameter("slack_ms")?;
    pair.create("stamps").await?;
    pair.offerer()
        .channel("never-again", "stamps", json!({"ordered": false, "maxRetransmits": 0}))
        .await?;
    pair.offerer()
        .channel(
            "lifetime",
            "stamps",
            json!({"ordered": false, "maxPacketLifeTime": lifetime as u16}),
        )
        .await?;
    pair.negotiate().await?;
    for end in pair.ends() {
        end.opened("never-again", pair.patience).await?;
        end.opened("lifetime", pair.patience).await?;
    }
    // Until the end that opens a channel has heard so, all on it is ordered (RFC 8832 §6), and what is lost holds up what follows.
    tokio::time::sleep(ACKNOWLEDGED).await;
    for (from, to, way) in
        [(&pair.subject, &pair.peer, "sent"), (&pair.peer, &pair.subject, "received")]
    {
        for (label, share, latest) in [
            ("never-again", "arrived_once", delay + slack),
            ("lifetime", "arrived_in_life", delay + lifetime + slack),
        ] {
            let got = stamped(from, to, label, count, interval, pair.patience).await?;
            // What a peer's own congestion control kept back is not under way yet, and may outlive its lifetime there: dcsctp
            // waits for its T3 timer now and then at such loss, towards itself as well. Ours has no such excuse.
            let expired = got.waited.iter().filter(|waited| **waited > lifetime).count() as u64;
            let expired = if label == "lifetime" { expired } else { 0 };
            let part = got.received.messages as f64 / (count - expired.min(count / 2)) as f64;
            let times = got.under_way();
            let worst = times.iter().copied().fold(0.0, f64::max);
            let kept = got.waited.iter().copied().fold(0.0, f64::max);
            // A message now and then is late because this machine was busy, not because another was waited for.
            let late = times.iter().filter(|time| **time > latest).count() as f64
                / times.len().max(1) as f64;
            pair.note(&format!("{way}_{share}"), (part * 1000.0).round() / 1000.0);
            pair.note(&format!("{way}_{label}_worst_ms"), worst.round());
            if !got.waited.is_empty() {
                pair.note(&format!("{way}_{label}_kept_by_peer_ms"), kept.round());
            }
            ensure!(
                late <= 0.02,
                "{} to {}: {:.0} % of the messages on `{label}` came later than {latest:.0} ms (worst {worst:.0} ms)",
                from.name(),
                to.name(),
                late * 100.0
            );
            ensure!(
                part >= 0.7,
                "{} to {}: only {:.0} % of the messages on `{label}` came",
                from.name(),
                to.name(),
                part * 100.0
            );
            if label == "never-again" {
                ensure!(
                    part <= 0.97,
                    "{} to {}: {:.1} % came over a lossy wire: something was sent again",
                    from.name(),
                    to.name(),
                    part * 100.0
                );
            }
        }
    }
    Ok(())
}

/// Stamped messages that came, and how long the sender kept each of them in its queue.
struct Stamped {
    received: Received,
    /// Milliseconds from `send()` until the message left the channel's queue, by index; empty for an end that does not tell.
    waited: Vec<f64>,
}

impl Stamped {
    /// Milliseconds each message was under way once it had left the sender's queue.
    fn under_way(&self) -> Vec<f64> {
        let waited = |index: u64| self.waited.get(index as usize).copied().unwrap_or(0.0);
        self.received.stamps.iter().map(|(index, time)| time - waited(*index)).collect()
    }
}

/// Sends stamped messages at a steady pace and tells what arrived when.
async fn stamped(
    from: &End,
    to: &End,
    label: &str,
    count: u64,
    interval: f64,
    patience: Duration,
) -> Result<Stamped> {
    let limit = patience + Duration::from_secs_f64(count as f64 * interval / 1000.0);
    let fields =
        json!({"channel": label, "size": 400, "count": count, "interval": interval, "stamp": true});
    let sent = from.call_within("send", fields, limit).await?;
    let waited = sent["waited"].as_array().into_iter().flatten();
    let waited = waited.filter_map(serde_json::Value::as_f64).collect();
    // The last may still be on their way; all of them never come.
    let received = to.receive(label, count, 0, Duration::from_secs(1)).await?;
    Ok(Stamped { received, waited })
}

/// Bulk data one way and then the other over a narrow wire; digests agree, and the figures are reported.
pub(super) async fn throughput(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let total = (scenario.parameter("mebibytes")? * 1_048_576.0) as u64;
    let size = scenario.parameter("message_size")? as u64;
    let floor = scenario.parameter("sending_floor_mbit")?;
    let limit = Duration::from_secs(scenario.timeout);
    pair.connect("record", "record").await?;
    for (from, to, name) in
        [(&pair.subject, &pair.peer, "sent_mbit"), (&pair.peer, &pair.subject, "received_mbit")]
    {
        let (sent, got) = tokio::try_join!(
            from.bulk("main", total, size, limit),
            to.receive("main", 0, total, limit)
        )?;
        ensure!(
            got.complete,
            "{} received {} of {total} bytes of {}",
            to.name(),
            got.bytes,
            from.name()
        );
        ensure!(
            got.digest == sent.0,
            "what {} received is not what {} sent",
            to.name(),
            from.name()
        );
        let rate = pair.note_rate(name, &got);
        if from.name() == "peerage" && name == "sent_mbit" {
            ensure!(
                rate > floor,
                "{} to {}: {rate} Mbit/s, must be more than {floor}",
                from.name(),
                to.name()
            );
        }
    }
    Ok(())
}
