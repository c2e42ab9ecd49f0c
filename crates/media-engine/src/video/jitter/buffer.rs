//! The buffer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use peerage_rtp::payload::EncodedFrame;

use super::delay::{Delay, RENDER};
use super::estimator::DelayEstimator;
use super::repairs::Repairs;
use super::statistics::VideoJitterStatistics;
use super::timeline::Timeline;

/// Limits of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JitterConfig {
    /// Frames held at most. Where more come, those before the newest keyframe are dropped, or all.
    pub max_frames: usize,
    /// Bytes of frames held at most.
    pub max_bytes: usize,
    /// The longest delay, whatever is asked for.
    pub max_delay: Duration,
    /// From one request for a keyframe to the next, while none comes.
    pub request_interval: Duration,
    /// Packets come, but no frame could be decoded for so long: a keyframe is asked for.
    pub stalled: Duration,
}

impl Default for JitterConfig {
    /// 800 frames, 32 MiB, 10 s; 500 ms between requests, 3 s without a frame.
    fn default() -> Self {
        Self {
            max_frames: 800,
            max_bytes: 32 << 20,
            max_delay: Duration::from_secs(10),
            request_interval: Duration::from_millis(500),
            stalled: Duration::from_secs(3),
        }
    }
}

/// A frame whose time to be decoded has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyFrame {
    /// The frame.
    pub frame: EncodedFrame,
    /// When its picture is to be shown; past already where it is late.
    pub render_at: Instant,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JitterEvent {
    /// Decode this now, and say with [`decoded`](VideoJitterBuffer::decoded) or
    /// [`decode_failed`](VideoJitterBuffer::decode_failed) how it went.
    Decode(ReadyFrame),
    /// Ask the sender for a keyframe: nothing that comes can be decoded.
    RequestKeyframe,
}

/// When the packets of a frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The first.
    pub first: Instant,
    /// The last.
    pub last: Instant,
    /// Some were lost, and sent again: how late it is says nothing of the path.
    pub repaired: bool,
}

impl Arrived {
    /// All of it came at once.
    pub fn at(now: Instant) -> Self {
        Self { first: now, last: now, repaired: false }
    }
}

#[derive(Clone, Debug)]
struct Held {
    frame: EncodedFrame,
    /// When it could be decoded, and when its first packet came.
    arrived: Instant,
    first: Instant,
    /// When its picture is to be shown, once timestamps have begun elsewhere: by the timeline that it is of.
    render_at: Option<Instant>,
}

/// Durations of a configuration beyond this never go by, and could not be told by a clock.
const NEVER: Duration = Duration::from_secs(365 * 86_400);
/// A frame that claims to be of so much later than what comes with it is of another clock.
const AHEAD: Duration = Duration::from_secs(1);
/// A step back of timestamps that no reordering explains, since frames come in order: half a second.
const BACK: i32 = -45_000;

/// Holds frames until they are to be decoded.
#[derive(Clone, Debug)]
pub struct VideoJitterBuffer {
    config: JitterConfig,
    /// In decoding order.
    frames: VecDeque<Held>,
    bytes: usize,
    timeline: Timeline,
    repairs: Repairs,
    estimator: DelayEstimator,
    delay: Delay,
    statistics: VideoJitterStatistics,
    /// Arrival and timestamp of the newest frame.
    newest: Option<(Instant, u32)>,
    /// The timestamp of the frame that left last.
    left: Option<u32>,
    /// Frames before the next keyframe are of no use, since this time.
    wants_keyframe: Option<Instant>,
    requested: Option<Instant>,
    /// When a packet of the stream came last.
    active: Option<Instant>,
    /// When a frame came last, or the stream began.
    fed: Option<Instant>,
    /// How long the frame that left last had been here.
    waited: Duration,
}

impl VideoJitterBuffer {
    /// An empty buffer.
    pub fn new(mut config: JitterConfig) -> Self {
        for duration in [&mut config.max_delay, &mut config.request_interval, &mut config.stalled] {
            *duration = (*duration).min(NEVER);
        }
        Self {
            delay: Delay::new(config.max_delay),
            config,
            frames: VecDeque::new(),
            bytes: 0,
            timeline: Timeline::default(),
            repairs: Repairs::default(),
            estimator: DelayEstimator::default(),
            statistics: VideoJitterStatistics::default(),
            newest: None,
            left: None,
            wants_keyframe: None,
            requested: None,
            active: None,
            fed: None,
            waited: Duration::ZERO,
        }
    }

    /// A packet of the stream came, whatever became of it: a stream that is silent needs no keyframe.
    pub fn packet_arrived(&mut self, now: Instant) {
        self.active = Some(now);
        self.fed.get_or_insert(now);
    }

    /// Takes in a frame all of which came at `now`. Frames come in decoding order, and only such as can be decoded after those
    /// before them, as `FrameAssembler` gives them.
    pub fn insert(&mut self, now: Instant, frame: EncodedFrame) {
        self.insert_arrived(now, Arrived::at(now), frame);
    }

    /// The same of a frame whose packets came before `now`, when it could be decoded at last.
    pub fn insert_arrived(&mut self, now: Instant, arrived: Arrived, frame: EncodedFrame) {
        self.packet_arrived(now);
        self.fed = Some(now);
        self.statistics.frames_received += 1;
        self.measure(now, arrived, &frame);
        if frame.data.len() > self.config.max_bytes {
            self.statistics.frames_dropped += 1;
            // Those before it can be decoded still, those behind it cannot.
            self.wants_keyframe.get_or_insert(now);
            return;
        }
        if frame.keyframe {
            self.wants_keyframe = None;
            self.requested = None;
        } else if self.wants_keyframe.is_some() || (self.left.is_none() && self.frames.is_empty()) {
            // Nothing can be decoded before the first keyframe either.
            self.statistics.frames_dropped += 1;
            self.wants_keyframe.get_or_insert(now);
            return;
        }
        self.bytes += frame.data.len();
        let first = arrived.first;
        self.frames.push_back(Held { frame, arrived: now, first, render_at: None });
        while self.frames.len() > self.config.max_frames || self.bytes > self.config.max_bytes {
            self.make_room(now);
        }
    }

    /// Learns how long frames are under way.
    fn measure(&mut self, now: Instant, times: Arrived, frame: &EncodedFrame) {
        // When it would have been here if nothing before it had to be waited for.
        let came = times.last.min(now);
        let Some((arrived, timestamp)) = self.newest else {
            self.timeline.update(came, frame.timestamp);
            self.estimator.update(0.0, 0.0, frame.data.len());
            self.newest = Some((came, frame.timestamp));
            return;
        };
        let step = frame.timestamp.wrapping_sub(timestamp).cast_signed();
        if step == 0 {
            return;
        }
        let expected = self.timeline.local(frame.timestamp).unwrap_or(came);
        let before = self.timeline.clone();
        if step < BACK || expected.saturating_duration_since(came) > AHEAD {
            // Frames of before would be waited for as long as the clock was set back by.
            self.timeline = Timeline::default();
        }
        if times.repaired && self.timeline.has_begun() {
            self.repairs.note(now, came.saturating_duration_since(expected));
            self.set_jitter(now);
            return;
        }
        if self.timeline.update(came, frame.timestamp) {
            self.settle(&before);
            self.estimator = DelayEstimator::default();
            self.delay.restart();
            self.estimator.update(0.0, 0.0, frame.data.len());
        } else if step > 0 {
            let sent = f64::from(step) / 90.0;
            let took = came.saturating_duration_since(arrived).as_secs_f64() * 1000.0;
            self.estimator.update(took - sent, sent, frame.data.len());
            self.set_jitter(now);
        } else {
            // Out of order by its timestamp: says nothing of the network.
            return;
        }
        self.newest = Some((came, frame.timestamp));
    }

    /// Timestamps begin elsewhere: the frames that wait go on as they would have, so that the picture neither hurries now nor
    /// stops later. None waits for longer than the delay from its arrival, whatever it claimed.
    fn settle(&mut self, before: &Timeline) {
        let delay = self.delay.current();
        for held in self.frames.iter_mut().filter(|held| held.render_at.is_none()) {
            let expected = before.local(held.frame.timestamp).unwrap_or(held.arrived);
            held.render_at = Some(expected.min(held.arrived) + delay);
        }
    }

    /// What the network asks for: its jitter, or the time that repairs take where they are frequent.
    fn set_jitter(&mut self, now: Instant) {
        let jitter = Duration::from_secs_f64(self.estimator.estimate().max(0.0) / 1000.0);
        self.delay.set_jitter(jitter.max(self.repairs.delay(now)));
    }

    /// Drops what is before the newest keyframe, or all.
    fn make_room(&mut self, now: Instant) {
        match self.frames.iter().rposition(|held| held.frame.keyframe) {
            Some(keyframe @ 1..) => self.drop_front(keyframe),
            _ => self.lose(now),
        }
    }

    fn drop_front(&mut self, count: usize) {
        for held in self.frames.drain(..count) {
            self.bytes -= held.frame.data.len();
            self.statistics.frames_dropped += 1;
        }
    }

    /// What follows cannot be decoded: goes on with the next keyframe that is here, or asks for one.
    fn lose(&mut self, now: Instant) {
        let keyframe = self.frames.iter().skip(1).position(|held| held.frame.keyframe);
        let count = keyframe.map_or(self.frames.len(), |at| at + 1);
        self.drop_front(count);
        if keyframe.is_none() {
            self.wants_keyframe.get_or_insert(now);
        }
    }

    /// When the picture of a timestamp is to be shown.
    fn render_at(&self, held: &Held) -> Instant {
        if self.delay.at_once() {
            return held.arrived;
        }
        if let Some(settled) = held.render_at {
            return settled;
        }
        let expected = self.timeline.local(held.frame.timestamp).unwrap_or(held.arrived);
        // Whatever the timestamp claims, the picture does not wait longer than the longest delay.
        let delay = self.delay.current();
        (expected + delay).min(held.arrived + self.config.max_delay)
    }

    /// When the picture of the first frame is to be shown: as soon as that of any behind it, which may be decoded only after it.
    /// One dated wrong would hold back all others.
    fn first_render_at(&self) -> Option<Instant> {
        self.frames.iter().map(|held| self.render_at(held)).min()
    }

    fn decode_at(&self, render_at: Instant) -> Instant {
        render_at.checked_sub(self.delay.decoding() + RENDER).unwrap_or(render_at)
    }

    /// What is to be done at `now`; to be called until there is nothing.
    pub fn poll(&mut self, now: Instant) -> Option<JitterEvent> {
        if self.keyframe_due().is_some_and(|due| due <= now) {
            self.requested = Some(now);
            self.wants_keyframe.get_or_insert(now);
            self.statistics.keyframes_requested += 1;
            return Some(JitterEvent::RequestKeyframe);
        }
        loop {
            let render_at = self.first_render_at()?;
            if self.decode_at(render_at) > now {
                return None;
            }
            let late = now.saturating_duration_since(render_at);
            let next_is_due =
                self.frames.get(1).is_some_and(|next| self.decode_at(self.render_at(next)) <= now);
            let held = self.frames.pop_front()?;
            self.bytes -= held.frame.data.len();
            if !late.is_zero() && next_is_due && held.frame.discardable && !held.frame.keyframe {
                // Its picture would not be shown, and nothing refers to it.
                self.statistics.frames_dropped += 1;
                continue;
            }
            self.leave(now, &held, late);
            return Some(JitterEvent::Decode(ReadyFrame { frame: held.frame, render_at }));
        }
    }

    fn leave(&mut self, now: Instant, held: &Held, late: Duration) {
        let statistics = &mut self.statistics;
        statistics.jitter_buffer_emitted_count += 1;
        self.waited = now.saturating_duration_since(held.first);
        statistics.jitter_buffer_delay += self.waited;
        statistics.jitter_buffer_target_delay += self.delay.target();
        statistics.jitter_buffer_minimum_delay += self.delay.natural();
        let timestamp = held.frame.timestamp;
        let left = self.left.replace(timestamp).unwrap_or(timestamp);
        let media = timestamp.wrapping_sub(left).cast_signed();
        self.delay.advance(Duration::from_secs_f64(f64::from(media.max(0)) / 90_000.0));
        self.delay.was_late(late);
    }

    /// When a keyframe is to be asked for.
    fn keyframe_due(&self) -> Option<Instant> {
        let wanted = match self.wants_keyframe {
            Some(since) => since,
            None => {
                // Packets come, of which no frame is made.
                let (fed, active) = (self.fed?, self.active?);
                let stalled = fed + self.config.stalled;
                if active < stalled || !self.frames.is_empty() {
                    return None;
                }
                stalled
            }
        };
        Some(self.requested.map_or(wanted, |last| last + self.config.request_interval))
    }

    /// When [`poll`](Self::poll) will have something to say, as far as is known.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let frame = self.first_render_at().map(|render_at| self.decode_at(render_at));
        [frame, self.keyframe_due()].into_iter().flatten().min()
    }

    /// A frame was decoded, which took so long.
    pub fn decoded(&mut self, took: Duration, keyframe: bool) {
        self.statistics.frames_decoded += 1;
        self.statistics.key_frames_decoded += u64::from(keyframe);
        self.statistics.total_decode_time += took;
        self.statistics.total_processing_delay += self.waited + took;
        self.delay.decoded(took);
    }

    /// The decoder could make nothing of a frame: what refers to it is dropped, up to a keyframe.
    pub fn decode_failed(&mut self, now: Instant) {
        self.statistics.decode_errors += 1;
        if self.frames.front().is_some_and(|held| held.frame.keyframe) {
            return;
        }
        self.lose(now);
    }

    /// The sender's bounds of the delay (playout-delay header extension). A longest of zero has pictures shown at once.
    pub fn set_playout_delay(&mut self, least: Duration, most: Duration) {
        self.delay.set_playout(least, most);
    }

    /// `jitterBufferTarget`: holds at least this delay. Zero leaves it to the network.
    pub fn set_target(&mut self, target: Duration) {
        self.delay.set_wanted(target);
    }

    /// The same for the synchronisation with sound. The greater one counts.
    pub fn set_synchronised_delay(&mut self, delay: Duration) {
        self.delay.set_synchronised(delay);
    }

    /// The delay that is aimed at.
    pub fn target_delay(&self) -> Duration {
        self.delay.target()
    }

    /// The delay from the expected arrival of a frame to its picture.
    pub fn current_delay(&self) -> Duration {
        self.delay.current()
    }

    /// Counters.
    pub fn statistics(&self) -> &VideoJitterStatistics {
        &self.statistics
    }

    /// Frames held.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Bytes of frames held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the stream: another one begins, as after a change of the SSRC. Counters and what was asked for go on.
    pub fn reset(&mut self) {
        let (delay, statistics) = (self.delay.clone(), self.statistics);
        *self = Self { delay, statistics, ..Self::new(self.config.clone()) };
        self.delay.restart();
    }
}
