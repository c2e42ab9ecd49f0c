//! G: transceivers are added, stopped, turned and given other tracks, round after round from either end; and both offer at
//! once.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::echo;
use super::tracks::{self, Track, flows};
use crate::pair::{End, Pair};
use crate::scenario::Scenario;

/// Transceivers that live at once at the most.
const MOST: usize = 5;
/// What must come in on a transceiver after a change.
const MORE: u64 = 5;

const DIRECTIONS: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];

/// A generator whose rounds are the same in every run (xorshift64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// Rounds of one change and one negotiation; media flows every few rounds, and a data channel all the time.
pub(super) async fn renegotiate(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let rounds = scenario.parameter("rounds")? as usize;
    let every = (scenario.parameter("media_every")? as usize).max(1);
    let mut seeded = Seeded(0x9e37_79b9 ^ scenario.parameter("seed")? as u64);
    let rules = Rules::read(scenario)?;
    start(pair, rules).await?;
    let mut most = 2;
    let mut changes = Vec::new();
    for round in 1..=rounds {
        let peer_acts = seeded.below(2) == 0;
        let (actor, other) = match peer_acts {
            true => (pair.peer.clone(), pair.subject.clone()),
            false => (pair.subject.clone(), pair.peer.clone()),
        };
        let change = change(&mut seeded, &actor, round, rules).await?;
        let what = format!("round {round}, {} {change}", actor.name());
        changes.push(format!("{} {change}", if peer_acts { "peer" } else { "subject" }));
        let live = tracks::list(&actor).await?.len();
        most = most.max(live);
        let exchanged = pair.exchange_attached(actor, other).await;
        let (offer, answer) = exchanged.with_context(|| format!("{what} (before: {changes:?})"))?;
        let media = |sdp: &str| {
            sdp.lines().filter(|l| l.starts_with("m=audio") || l.starts_with("m=video")).count()
        };
        ensure!(media(&offer) == media(&answer), "{what}: offer and answer differ in length");
        ensure!(
            media(&offer) <= most + 1,
            "{what}: {} m-sections for {live} transceivers: none is used again",
            media(&offer)
        );
        agree(pair).await.with_context(|| what.clone())?;
        if round.is_multiple_of(every) || round == rounds {
            flowing(pair).await.with_context(|| format!("{what} (before: {changes:?})"))?;
        }
    }
    pair.note("changes", changes);
    let offerer = pair.offerer().clone();
    echo(pair, &offerer, "main").await
}

/// Both ends offer at once; one gives way, whichever, and what both wanted is there in the end.
pub(super) async fn glare(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let peer_gives_way = scenario.parameter("peer_gives_way")? > 0.0;
    let rules = Rules::read(scenario)?;
    start(pair, rules).await?;
    // Once the subject is polite, once the peer is; by rolling back explicitly and implicitly.
    for (round, subject_is_polite) in [true, false, true, false].into_iter().enumerate() {
        if !subject_is_polite && !peer_gives_way {
            continue;
        }
        let explicit = round >= 2;
        let (polite, impolite) = match subject_is_polite {
            true => (pair.subject.clone(), pair.peer.clone()),
            false => (pair.peer.clone(), pair.subject.clone()),
        };
        let what = format!(
            "{} is polite and rolls back {}",
            polite.name(),
            if explicit { "explicitly" } else { "by the offer" }
        );
        let before = tracks::list(&polite).await?.len();
        for end in [&polite, &impolite] {
            let fields = json!({"kind": rules.kind(round.is_multiple_of(2))});
            end.call_within("add_track", fields, pair.patience).await?;
        }
        polite.call("offer", json!({})).await.context(what.clone())?;
        let offer = impolite.call("offer", json!({})).await?;
        // The polite end's offer comes to nothing: the impolite one does not look at it.
        if explicit {
            polite.call("rollback", json!({})).await.context(what.clone())?;
        }
        let answer = polite.call("answer", json!({"sdp": offer["sdp"]})).await;
        let answer = answer.context(what.clone())?;
        impolite.call("accept", json!({"sdp": answer["sdp"]})).await.context(what.clone())?;
        // The tracks of both meet in the one section that the impolite end offered (RFC 9429 §5.10).
        agree(pair).await.context(what.clone())?;
        let after = tracks::list(&polite).await?.len();
        ensure!(
            (before + 1..=before + 2).contains(&after),
            "{what}: {before} transceivers became {after}"
        );
        // Whatever is still to be said is said now.
        pair.exchange_attached(polite, impolite).await.context(what.clone())?;
        agree(pair).await.context(what.clone())?;
        flowing(pair).await.context(what)?;
    }
    let offerer = pair.offerer().clone();
    echo(pair, &offerer, "main").await
}

/// One track of each kind at both ends, and a channel; all of it flows.
async fn start(pair: &mut Pair, rules: Rules) -> Result<()> {
    pair.create("echo").await?;
    if rules.data_first {
        pair.offerer().channel("main", "record", json!({})).await?;
        pair.negotiate().await?;
        pair.connected().await?;
    }
    for end in pair.ends() {
        for is_video in [false, true] {
            let fields = json!({"kind": rules.kind(is_video)});
            end.call_within("add_track", fields, pair.patience).await?;
        }
    }
    if !rules.data_first {
        pair.offerer().channel("main", "record", json!({})).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    pair.offerer().opened("main", pair.patience).await?;
    agree(pair).await?;
    flowing(pair).await
}

/// What the peer has to be spared, and how the call begins.
#[derive(Clone, Copy)]
struct Rules {
    /// Transceivers are stopped.
    stops: bool,
    /// The first m-section, which the bundle is tagged with (see the README), is that of data: all others may be stopped.
    data_first: bool,
    /// There is video.
    video: bool,
}

impl Rules {
    fn read(scenario: &Scenario) -> Result<Self> {
        let is = |name| scenario.parameter(name).map(|value| value > 0.0);
        Ok(Self { stops: is("stops")?, data_first: is("data_first")?, video: is("video")? })
    }

    fn kind(self, is_video: bool) -> &'static str {
        if is_video && self.video { "video" } else { "audio" }
    }
}

/// Makes one change at an end, and says which.
async fn change(seeded: &mut Seeded, end: &End, round: usize, rules: Rules) -> Result<String> {
    let tracks = tracks::list(end).await?;
    let with_mid: Vec<&Track> = tracks.iter().filter(|track| track.mid.is_some()).collect();
    let limit = std::time::Duration::from_secs(15);
    loop {
        match seeded.below(4) {
            0 if tracks.len() < MOST => {
                let kind = rules.kind(seeded.below(2) != 0);
                end.call_within("add_track", json!({"kind": kind}), limit).await?;
                return Ok(format!("adds {kind}"));
            }
            1 if rules.stops && tracks.len() > 2 => {
                let Some(track) = seeded.pick(&with_mid) else { continue };
                if !rules.data_first && track.mid == with_mid[0].mid {
                    continue;
                }
                end.call("stop_transceiver", json!({"mid": track.mid})).await?;
                return Ok(format!("stops mid {}", track.mid.as_deref().unwrap_or("?")));
            }
            2 => {
                let Some(track) = seeded.pick(&with_mid) else { continue };
                // Turned back more often than not, so that something flows.
                let direction = match seeded.below(2) {
                    0 => "sendrecv",
                    _ => *seeded.pick(&DIRECTIONS).unwrap_or(&"sendrecv"),
                };
                end.call("set_direction", json!({"mid": track.mid, "direction": direction}))
                    .await?;
                let mid = track.mid.as_deref().unwrap_or("?");
                return Ok(format!("turns mid {mid} {direction}"));
            }
            3 => {
                let Some(track) = seeded.pick(&with_mid) else { continue };
                let source = if round.is_multiple_of(2) { "canvas" } else { "camera" };
                let fields = json!({"mid": track.mid, "source": source});
                end.call_within("replace_track", fields, limit).await?;
                let mid = track.mid.as_deref().unwrap_or("?");
                return Ok(format!("replaces the track of mid {mid}"));
            }
            _ => {}
        }
    }
}

/// Both ends have the same sections, and see the directions from their two sides.
async fn agree(pair: &Pair) -> Result<()> {
    let [ours, theirs] = pair.ends().map(tracks::list);
    let (ours, theirs) = (ours.await?, theirs.await?);
    let negotiated = |tracks: &[Track]| {
        let mut all: Vec<_> = tracks
            .iter()
            .filter(|track| track.current.is_some())
            .map(|track| (track.mid.clone(), track.kind.clone()))
            .collect();
        all.sort();
        all
    };
    ensure!(
        negotiated(&ours) == negotiated(&theirs),
        "the ends have other transceivers: {ours:?} and {theirs:?}"
    );
    for track in ours.iter().filter(|track| track.current.is_some()) {
        let other = theirs.iter().find(|other| other.mid == track.mid);
        let Some(other) = other else { continue };
        ensure!(
            track.sends_now() == other.receives_now() && track.receives_now() == other.sends_now(),
            "mid {:?}: the ends see {:?} and {:?}",
            track.mid,
            track.current,
            other.current
        );
        ensure!(
            track.current.as_deref() == Some(both(&track.direction, &other.direction)),
            "mid {:?}: {} here and {} there became {:?}",
            track.mid,
            track.direction,
            other.direction,
            track.current
        );
    }
    for end in pair.ends() {
        let state: Value = end.call("state", json!({})).await?;
        ensure!(state["signaling"] == "stable", "{}: {}", end.name(), state["signaling"]);
    }
    Ok(())
}

/// What two wishes come to, as the first sees it.
fn both(ours: &str, theirs: &str) -> &'static str {
    let sends = |direction: &str| matches!(direction, "sendrecv" | "sendonly");
    let receives = |direction: &str| matches!(direction, "sendrecv" | "recvonly");
    match (sends(ours) && receives(theirs), receives(ours) && sends(theirs)) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    }
}

/// Media comes in wherever the peer sends, and comes back wherever both do.
async fn flowing(pair: &Pair) -> Result<()> {
    for track in tracks::list(&pair.peer).await? {
        let Some(mid) = track.mid.as_deref() else { continue };
        if track.sends_now() && track.sends {
            flows(&pair.subject, mid, MORE, None, pair.patience).await?;
            if track.receives_now() {
                flows(&pair.peer, mid, MORE, None, pair.patience).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_the_same_in_every_run() {
        let numbers = |seed| {
            let mut seeded = Seeded(seed);
            (0..20).map(|_| seeded.below(4)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert!((0..4).all(|kind| numbers(7).contains(&kind)));
    }

    #[test]
    fn wishes_come_together() {
        assert_eq!(both("sendrecv", "sendrecv"), "sendrecv");
        assert_eq!(both("sendrecv", "recvonly"), "sendonly");
        assert_eq!(both("recvonly", "recvonly"), "inactive");
        assert_eq!(both("recvonly", "sendonly"), "recvonly");
    }
}
