//! What each encoding may use: the estimate shared out by priority (RFC 8835 §4.1) and by the bounds of the encodings, less
//! what headers take, and told to the application when it changes.

use std::time::{Duration, Instant};

use peerage_congestion::{
    Allocator, DataRate, Encoding, GccConfig, MAX_ENCODINGS, MAX_STREAMS, StreamConfig,
};
use peerage_rtp::Ssrc;
use rustc_hash::FxHashMap;

use super::RtpTransport;
use super::congestion::RateControl;
use super::quality::Allowed;
use super::scalability::Layers;
use super::send::SendStream;
use crate::event_log::Log;
use crate::transceiver::{TransceiverHandle, Transceivers};

/// Shares are made this often at most.
const PERIOD: Duration = Duration::from_millis(50);
/// A change is told at once if it is at least this part of what was told last ...
const CHANGE: f64 = 0.05;
/// ... and after this time if it is less.
const NEWS: Duration = Duration::from_secs(1);
/// What audio is given, in bits a second of its payload, where the application sets nothing.
const AUDIO_MIN: u64 = 16_000;
const AUDIO_MAX: u64 = 64_000;
/// Below this video is paused.
const VIDEO_MIN: u64 = 30_000;
/// Bounds of the layers of a simulcast, the second best and those below, where the application sets none.
const LAYERS_BELOW: [(u64, u64); 2] = [(150_000, 700_000), (VIDEO_MIN, 200_000)];
const TOP_LAYER_MIN: u64 = 600_000;
/// An upper layer that the peer's description leaves less is not sent.
const LAYER_MIN: u64 = 100_000;
const NOTHING: Encoding = Encoding { min: DataRate::ZERO, max: DataRate::ZERO };

/// An encoding that is sent.
struct Entry {
    transceiver: TransceiverHandle,
    encoding: usize,
    ssrc: Ssrc,
    audio: bool,
    share: Share,
    /// The most that it could use, headers included; none if it is not active.
    most: DataRate,
    /// Bits a second of payload, and those that were told last.
    bitrate: u64,
    told: Option<(u64, Instant)>,
    /// It is among those to be told.
    waits: bool,
}

/// Where an encoding's rate comes from, headers included.
#[derive(Clone, Copy)]
enum Share {
    /// It has this rate whatever the path carries.
    Fixed(DataRate),
    /// Its place among the allocations.
    Allocated(usize),
}

/// See the module.
#[derive(Default)]
pub(super) struct Targets {
    allocator: Allocator,
    entries: Vec<Entry>,
    by_encoding: FxHashMap<(TransceiverHandle, usize), usize>,
    /// Places of entries that are to be told.
    waiting: Vec<usize>,
    updated: Option<Instant>,
}

impl Targets {
    /// Bits a second for an encoding; `None` if it is not sent.
    pub(super) fn get(&self, transceiver: TransceiverHandle, encoding: usize) -> Option<u64> {
        self.by_encoding.get(&(transceiver, encoding)).map(|&index| self.entries[index].bitrate)
    }

    /// The next change to be told, with the newest value.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        log: &Log,
    ) -> Option<(TransceiverHandle, usize, u64)> {
        let entry = &mut self.entries[self.waiting.pop()?];
        log.allocation(now, entry.ssrc, entry.encoding, entry.bitrate);
        entry.waits = false;
        entry.told = Some((entry.bitrate, now));
        Some((entry.transceiver, entry.encoding, entry.bitrate))
    }

    /// Takes what the encodings that are sent are bounded by, and gives what they can use together.
    fn arrange<'a>(
        &mut self,
        streams: impl Iterator<Item = &'a SendStream>,
        transceivers: &Transceivers,
        rate: &RateControl,
        bounds: GccConfig,
        session: Option<u64>,
    ) -> DataRate {
        let before = std::mem::take(self);
        let overhead = rate.overhead();
        let mut configs: Vec<StreamConfig> = Vec::new();
        let mut shared = Vec::new();
        // What the descriptions leave to the other encodings of a section.
        let mut left: Option<(TransceiverHandle, u64)> = None;
        for stream in streams {
            let (transceiver, encoding) = (stream.transceiver(), stream.encoding());
            let Some(sender) = transceivers.get(transceiver).map(|t| &t.sender) else { continue };
            let Some(parameters) = sender.encodings.get(encoding) else { continue };
            let audio = !stream.is_video();
            let described = stream.load.described().map(|all| match left {
                Some((section, left)) if section == transceiver => left,
                _ => all,
            });
            let max = [parameters.max_bitrate, described].into_iter().flatten().min();
            let within = match audio {
                true => audio_bounds(stream, max, overhead),
                false => {
                    let max = max.map(|max| stream.load.with_headers(max, overhead));
                    let most = bounds.max_rate.as_bps();
                    let within = video_bounds(encoding, sender.encodings.len(), max, most);
                    match described {
                        Some(left) if encoding > 0 && left < LAYER_MIN => NOTHING,
                        _ => within,
                    }
                }
            };
            let within = match session {
                // None has more than all together.
                Some(session) => {
                    let headers = if audio { stream.load.audio_headers(overhead) } else { 0 };
                    let most = DataRate::from_bps(session.saturating_add(headers));
                    Encoding { min: within.min.min(most), max: within.max.min(most) }
                }
                None => within,
            };
            left = described
                .filter(|_| parameters.active)
                .map(|all| {
                    let used = stream.load.without_headers(within.max.as_bps(), overhead);
                    (transceiver, all.saturating_sub(used))
                })
                .or(left);
            let index = self.entries.len();
            let mut share = Share::Fixed(DataRate::ZERO);
            if parameters.active && rate.is_reported() && !stream.load.is_reported() {
                // Nobody tells of its packets: the estimate is about the others.
                share = Share::Fixed(match audio {
                    true => within.max,
                    false => within.max.min(bounds.start_rate),
                });
            } else if parameters.active {
                let id = u64::from(transceiver.0);
                let priority = f64::from(parameters.priority.weight()) / 256.0;
                if configs.last().is_none_or(|config| config.id != id) {
                    let encodings = Default::default();
                    // Video keeps its least rate too, as browsers' does: once paused, nothing would be sent that shows
                    // that the path has become better. Upper layers of a simulcast do pause.
                    configs.push(StreamConfig { id, priority, always: true, encodings });
                }
                if let Some(config) = configs.last_mut()
                    && config.encodings.len() < MAX_ENCODINGS
                {
                    config.priority = config.priority.max(priority);
                    shared.push((index, id, config.encodings.len()));
                    config.encodings.push(within);
                }
            }
            let old = before.by_encoding.get(&(transceiver, encoding));
            let old = old.map(|&old| &before.entries[old]);
            let waits = old.is_some_and(|old| old.waits);
            if waits {
                self.waiting.push(index);
            }
            self.by_encoding.insert((transceiver, encoding), index);
            self.entries.push(Entry {
                transceiver,
                encoding,
                ssrc: stream.ssrc(),
                audio,
                share,
                most: if parameters.active { within.max } else { DataRate::ZERO },
                bitrate: old.map_or(0, |old| old.bitrate),
                told: old.and_then(|old| old.told),
                waits,
            });
        }
        for config in configs.into_iter().take(MAX_STREAMS) {
            // Ids are those of transceivers, each once; bounds are in order.
            let _ = self.allocator.add(config);
        }
        let allocations = self.allocator.allocations();
        let places: FxHashMap<(u64, usize), usize> = allocations
            .iter()
            .enumerate()
            .map(|(place, allocation)| ((allocation.stream, allocation.encoding), place))
            .collect();
        for (index, id, encoding) in shared {
            if let Some(&place) = places.get(&(id, encoding)) {
                self.entries[index].share = Share::Allocated(place);
            }
        }
        self.allocator.demand()
    }
}

/// Bounds of audio, headers included.
fn audio_bounds(stream: &SendStream, max: Option<u64>, overhead: u64) -> Encoding {
    let headers = stream.load.audio_headers(overhead);
    let max = max.unwrap_or(AUDIO_MAX).saturating_add(headers);
    let min = max.min(AUDIO_MIN + headers);
    Encoding { min: DataRate::from_bps(min), max: DataRate::from_bps(max) }
}

/// Bounds of an encoding of video, headers included.
fn video_bounds(index: usize, count: usize, max: Option<u64>, most: u64) -> Encoding {
    let below = count.saturating_sub(index + 1);
    let (min, default) = match below {
        0 if count > 1 => (TOP_LAYER_MIN, most),
        0 => (VIDEO_MIN, most),
        below => LAYERS_BELOW[below.min(LAYERS_BELOW.len()) - 1],
    };
    let min = if index == 0 { VIDEO_MIN } else { min };
    let max = max.unwrap_or(default).min(most);
    Encoding { min: DataRate::from_bps(min.min(max)), max: DataRate::from_bps(max) }
}

impl RtpTransport {
    /// Takes the bounds and layers of all encodings: after each negotiation, and when the application changes them.
    pub(crate) fn arrange_targets(&mut self, now: Instant, transceivers: &Transceivers) {
        for stream in self.senders.iter_mut() {
            let sender = transceivers.get(stream.transceiver()).map(|t| &t.sender);
            if let Some(encoding) =
                sender.and_then(|sender| sender.encodings.get(stream.encoding()))
            {
                stream.set_layers(Layers::new(encoding));
            }
        }
        self.arrange_encodings(transceivers);
        let Some(rate) = self.rate.as_deref_mut() else { return };
        let (bounds, session) = (self.bitrates, self.session_bandwidth);
        let streams = self.senders.iter();
        let demand = self.targets.arrange(streams, transceivers, rate, bounds, session);
        rate.set_demand(now, demand);
        self.update_targets(now, true);
    }

    /// Shares out what may be sent now.
    pub(super) fn update_targets(&mut self, now: Instant, at_once: bool) {
        let Some(rate) = self.rate.as_deref_mut() else { return };
        let targets = &mut self.targets;
        let recent = targets.updated.is_some_and(|at| now.saturating_duration_since(at) < PERIOD);
        if targets.entries.is_empty() || (recent && !at_once) {
            return;
        }
        targets.updated = Some(now);
        let overhead = rate.overhead();
        let (mut all, mut part_of_fixed) = (rate.media_rate(now), 1.0);
        if let Some(bandwidth) = self.session_bandwidth {
            let audio = targets.entries.iter().filter(|entry| entry.audio);
            let headers = audio.filter_map(|entry| self.senders.get(entry.ssrc));
            let headers: u64 = headers.map(|stream| stream.load.audio_headers(overhead)).sum();
            let most = DataRate::from_bps(bandwidth.saturating_add(headers));
            let fixed = targets.entries.iter().map(|entry| match entry.share {
                Share::Fixed(rate) => rate.as_bps(),
                Share::Allocated(_) => 0,
            });
            let fixed = DataRate::from_bps(fixed.sum());
            all = all.min(most - fixed.min(most));
            part_of_fixed = (most.as_bps() as f64 / fixed.as_bps().max(1) as f64).min(1.0);
        }
        let allocations = targets.allocator.allocate(all);
        for (index, entry) in targets.entries.iter_mut().enumerate() {
            let share = match entry.share {
                Share::Fixed(rate) => rate.scaled(part_of_fixed),
                Share::Allocated(place) => allocations[place].rate,
            };
            let Some(stream) = self.senders.get_mut(entry.ssrc) else { continue };
            let (share, load) = (share.as_bps().min(stream.load.limit()), &stream.load);
            entry.bitrate = match entry.audio {
                true => share.saturating_sub(load.audio_headers(overhead)),
                false => load.without_headers(share, overhead),
            };
            if !entry.audio {
                let most = entry.most.as_bps();
                let part = if most > 0 { share as f64 / most as f64 } else { 1.0 };
                let halted = load.is_halted();
                let allowed = Allowed { bitrate: entry.bitrate, part, halted };
                let counters = &mut stream.counters;
                counters.quality.update(now, counters.bytes, allowed);
            }
            let news = match entry.told {
                None => true,
                Some((told, at)) => {
                    let change = entry.bitrate.abs_diff(told);
                    let old = now.saturating_duration_since(at) >= NEWS;
                    change > 0
                        && (old
                            || (told == 0) != (entry.bitrate == 0)
                            || change as f64 >= CHANGE * told as f64)
                }
            };
            if news && !entry.waits {
                entry.waits = true;
                targets.waiting.push(index);
            }
        }
    }

    /// Bits a second that an encoding may use; `None` if it is not sent.
    pub(crate) fn target_bitrate(
        &self,
        transceiver: TransceiverHandle,
        encoding: usize,
    ) -> Option<u64> {
        self.targets.get(transceiver, encoding)
    }

    /// The share of an encoding's packets that the peer has reported as lost of late, 0 to 1; `None` before it reported.
    pub(crate) fn sending_loss(
        &self,
        transceiver: TransceiverHandle,
        encoding: usize,
    ) -> Option<f32> {
        let of = |stream: &&SendStream| {
            (stream.transceiver(), stream.encoding()) == (transceiver, encoding)
        };
        let counters = &self.senders.iter().find(of)?.counters;
        counters.report.is_some().then_some(counters.loss)
    }

    /// The next target that has changed.
    pub(crate) fn poll_target(&mut self, now: Instant) -> Option<(TransceiverHandle, usize, u64)> {
        self.targets.poll(now, &self.log)
    }
}
