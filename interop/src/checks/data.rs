//! T, M, N, B: messages of all sizes, many channels, negotiated channels, bulk.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use peerage_interop::payload::{Digest, Kind, hex, payload};
use serde_json::json;
use tokio::task::JoinSet;

use super::{attribute, echo, id};
use crate::pair::{End, Pair};
use crate::scenario::Scenario;

/// Sizes of the messages of T.
const SIZES: [usize; 6] = [0, 1, 1200, 16 << 10, 64 << 10, 256 << 10];

/// Text and binary of all sizes, both ways, each compared by its digest.
pub(super) async fn messages(pair: &mut Pair) -> Result<()> {
    pair.create("record").await?;
    pair.offerer().channel("main", "record", json!({})).await?;
    let (offer, answer) = pair.negotiate().await?;
    for end in pair.ends() {
        end.opened("main", pair.patience).await?;
    }
    // RFC 8841 §6.1: without the attribute the limit is 64 KiB, and 0 means none.
    let limit = |sdp: &str| match attribute(sdp, "max-message-size")
        .map(|value| value.trim().parse::<usize>())
    {
        None => Ok(65536),
        Some(Ok(0)) => Ok(usize::MAX),
        Some(value) => value.context("a=max-message-size is no number"),
    };
    let directions = [
        (pair.offerer(), pair.answerer(), limit(&answer)?),
        (pair.answerer(), pair.offerer(), limit(&offer)?),
    ];
    for (from, to, limit) in directions {
        let mut expected = Vec::new();
        for (index, &size) in SIZES.iter().enumerate() {
            if size > limit {
                pair.note(&format!("limit_of_{}", to.name()), limit);
                continue;
            }
            for kind in [Kind::Text, Kind::Binary] {
                from.send(
                    "main",
                    json!({"kind": kind.name(), "size": size, "seed": index}),
                    pair.patience,
                )
                .await?;
                let inner = Digest::default().add(kind, &payload(kind, index as u64, 0, size));
                expected.push(json!({"kind": kind.name(), "size": size, "digest": hex(&inner)}));
            }
        }
        let got = to.receive("main", expected.len() as u64, 0, pair.patience).await?;
        ensure!(
            got.complete,
            "{} received {} of {} messages of {}",
            to.name(),
            got.messages,
            expected.len(),
            from.name()
        );
        let log = got.raw["log"].as_array().cloned().unwrap_or_default();
        for (position, (expected, got)) in expected.iter().zip(&log).enumerate() {
            let same =
                ["kind", "size", "digest"].iter().all(|field| expected[*field] == got[*field]);
            ensure!(
                same,
                "message {position} from {} arrived at {} as {got}, was {expected}",
                from.name(),
                to.name()
            );
        }
    }
    Ok(())
}

/// Many channels at once, opened from both sides, each with an id of its own and an echo.
pub(super) async fn channels(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let each = scenario.parameter("channels")? as usize / 2;
    pair.create("echo").await?;
    let labels = |end: &End| -> Vec<String> {
        let side = if std::ptr::eq(end, pair.offerer()) { "offerer" } else { "answerer" };
        (0..each).map(|index| format!("{side}-{index}")).collect()
    };
    let sides = [
        (pair.offerer().clone(), labels(pair.offerer())),
        (pair.answerer().clone(), labels(pair.answerer())),
    ];
    for (end, labels) in &sides {
        for label in labels {
            end.channel(label, "record", json!({})).await?;
        }
    }
    pair.negotiate().await?;
    let mut ids: Vec<BTreeMap<String, u64>> = Vec::new();
    for end in pair.ends() {
        let mut of_end = BTreeMap::new();
        for label in sides.iter().flat_map(|(_, labels)| labels) {
            let opened = end.opened(label, pair.patience).await?;
            of_end.insert(
                label.clone(),
                id(&opened)
                    .with_context(|| format!("{}: open channel {label} has no id", end.name()))?,
            );
        }
        ids.push(of_end);
    }
    for (label, id) in &ids[0] {
        ensure!(
            ids[1].get(label) == Some(id),
            "channel {label} has id {id} at one end and {:?} at the other",
            ids[1].get(label)
        );
    }
    let distinct: std::collections::BTreeSet<_> = ids[0].values().collect();
    ensure!(distinct.len() == 2 * each, "{} channels share {} ids", 2 * each, distinct.len());

    let mut echoes = JoinSet::new();
    let patience = pair.patience;
    for (end, labels) in &sides {
        for (index, label) in labels.iter().enumerate() {
            let (end, label) = (end.clone(), label.clone());
            echoes.spawn(async move {
                let digest =
                    end.send(&label, json!({"size": 1000, "seed": index}), patience).await?;
                let back = end.receive(&label, 1, 0, patience).await?;
                ensure!(
                    back.complete && back.digest == digest,
                    "{}: channel {label} did not echo its message",
                    end.name()
                );
                Ok(())
            });
        }
    }
    while let Some(result) = echoes.join_next().await {
        result??;
    }
    Ok(())
}

/// Channels that both sides make with an id agreed beforehand; no side announces them.
pub(super) async fn negotiated(pair: &mut Pair) -> Result<()> {
    pair.create("record").await?;
    for (label, id, offerer, answerer) in
        [("low", 7, "record", "echo"), ("high", 1000, "echo", "record")]
    {
        let init = json!({"negotiated": true, "id": id});
        pair.offerer().channel(label, offerer, init.clone()).await?;
        pair.answerer().channel(label, answerer, init).await?;
    }
    pair.negotiate().await?;
    for end in pair.ends() {
        for (label, expected) in [("low", 7), ("high", 1000)] {
            let opened = end.opened(label, pair.patience).await?;
            ensure!(
                id(&opened) == Some(expected),
                "{}: channel {label} opened as {opened}",
                end.name()
            );
        }
    }
    echo(pair, pair.offerer(), "low").await?;
    echo(pair, pair.answerer(), "high").await?;
    for end in pair.ends() {
        let announced = end.process.events().into_iter().find(|event| end.is(event, "channel"));
        ensure!(
            announced.is_none(),
            "{}: a negotiated channel was announced: {announced:?}",
            end.name()
        );
    }
    Ok(())
}

/// Bulk data both ways at once, with back-pressure; digests must agree.
pub(super) async fn bulk(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let total = (scenario.parameter("mebibytes")? * 1_048_576.0) as u64;
    let size = scenario.parameter("message_size")? as u64;
    let limit = Duration::from_secs(scenario.timeout);
    pair.connect("record", "record").await?;
    let (a, b) = (&pair.subject, &pair.peer);
    let (sent_a, sent_b, got_a, got_b) = tokio::try_join!(
        a.bulk("main", total, size, limit),
        b.bulk("main", total, size, limit),
        a.receive("main", 0, total, limit),
        b.receive("main", 0, total, limit),
    )?;
    for (from, to, sent, got, name) in
        [(a, b, sent_a.0, got_b, "sent_mbit"), (b, a, sent_b.0, got_a, "received_mbit")]
    {
        ensure!(
            got.complete,
            "{} received {} of {total} bytes of {}",
            to.name(),
            got.bytes,
            from.name()
        );
        ensure!(got.digest == sent, "what {} received is not what {} sent", to.name(), from.name());
        pair.note_rate(name, &got);
    }
    Ok(())
}
