//! The jitter buffer itself: packets in, 10 ms of sound out of each call.

mod filling;
mod intake;

use std::time::{Duration, Instant};

use super::background::{Background, WINDOW_MILLIS};
use super::config::JitterConfig;
use super::decision::{HURRY_ABOVE, LENGTHEN_BELOW, Next, Operation, Phase, SHORTEN_ABOVE, decide};
use super::delay_manager::DelayManager;
use super::expand::Expander;
use super::lpc::Noise;
use super::merge::{MadeUp, merge};
use super::missing::Missing;
use super::packet::JitterPacket;
use super::packet_buffer::PacketBuffer;
use super::play_buffer::PlayBuffer;
use super::pull_clock::PullClock;
use super::statistics::JitterStatistics;
use super::stretch::Stretcher;
use super::timeline::Timeline;
use crate::audio::AudioBlock;
use crate::codec::comfort_noise::ComfortNoise;
use crate::codec::{AudioDecoder, Concealment};

/// How much is made up before the stream counts as stopped, in ms.
const MAX_BRIDGE_MILLIS: i64 = 1_000;
/// How many calls are between two that stretch.
const STRETCH_EVERY: u32 = 5;
/// The same where delay has to go down quickly.
const HURRY_EVERY: u32 = 2;
/// How much is decoded for stretching, in ms.
const STRETCH_MILLIS: usize = 30;
/// The most operations in a call: packets of 2.5 ms take four. What is missing then is made up.
const MAX_OPERATIONS: usize = 16;
/// Opus with DTX sends packets of so many bytes at most while nobody speaks (RFC 7587 §3.1.3 leaves them out altogether).
const DTX_BYTES: usize = 2;

/// An adaptive jitter buffer for one stream of sound.
///
/// Packets are put in as they come; whoever plays takes out 10 ms with each call. Loss, delay that varies, clocks that
/// drift, silences and whatever a peer sends change what sounds, but never that 10 ms come out of each call.
pub struct JitterBuffer {
    config: JitterConfig,
    decoder: Box<dyn AudioDecoder>,
    /// The decoder for packets that came after it was set.
    coming: Option<Box<dyn AudioDecoder>>,
    epoch: u32,
    rate: u32,
    channels: usize,
    /// When time began.
    origin: Option<Instant>,
    timeline: Timeline,
    packets: PacketBuffer,
    delay: DelayManager,
    pull: PullClock,
    play: PlayBuffer,
    stretcher: Stretcher,
    rest: u32,
    expander: Expander,
    background: Background,
    comfort: ComfortNoise,
    /// Whether comfort noise is as the peer described it, and not the codec's own.
    described: bool,
    noise: Noise,
    missing: Missing,
    phase: Phase,
    begun: bool,
    /// Whether the decoder has made up what was played last.
    codec_conceals: bool,
    /// The tick at which what is in `play` ends.
    end: i64,
    /// Frames made up for which that tick did not advance, since it was not known that anything was lost or nobody spoke.
    over: i64,
    /// Frames made up since the last packet.
    made: i64,
    last_sequence: Option<u64>,
    /// A packet that was nowhere near the others, and when it came: the first of another timeline, or nothing.
    stray: Option<(i64, JitterPacket)>,
    /// The packet whose deep redundancy the decoder read last, by its tick, and how far back that goes.
    deep: Option<(i64, Duration)>,
    wanted: Duration,
    synchronised: Duration,
    decoded: AudioBlock,
    scratch: Vec<f32>,
    statistics: JitterStatistics,
}

impl JitterBuffer {
    /// A buffer whose packets `decoder` decodes.
    ///
    /// # Panics
    ///
    /// If the decoder's rate is no multiple of 100 or beyond the limits of [`AudioBlock`], or its channels are.
    pub fn new(config: JitterConfig, decoder: Box<dyn AudioDecoder>) -> Self {
        let config = config.sane();
        let (rate, channels) = format(decoder.as_ref());
        Self {
            config,
            decoder,
            coming: None,
            epoch: 0,
            rate,
            channels,
            origin: None,
            timeline: Timeline::new(config.clock_rate),
            packets: PacketBuffer::new(config.max_packets, config.max_bytes),
            delay: DelayManager::new(&config),
            pull: PullClock::default(),
            play: PlayBuffer::new(rate, channels),
            stretcher: Stretcher::default(),
            rest: 0,
            expander: Expander::new(),
            background: Background::new(),
            comfort: ComfortNoise::new(config.seed),
            described: false,
            noise: Noise::new(config.seed),
            missing: Missing::default(),
            phase: Phase::Waiting,
            begun: false,
            codec_conceals: false,
            end: 0,
            over: 0,
            made: 0,
            last_sequence: None,
            stray: None,
            deep: None,
            wanted: Duration::ZERO,
            synchronised: Duration::ZERO,
            decoded: AudioBlock::default(),
            scratch: Vec::new(),
            statistics: JitterStatistics::default(),
        }
    }

    /// Takes in a packet that came at `now`. What is of no use is counted and dropped.
    pub fn insert(&mut self, now: Instant, packet: JitterPacket) {
        let now = self.micros(now);
        self.take_in(now, packet);
    }

    /// Gives the next 10 ms, in the decoder's rate and channels. `now` may be the same for several calls in a row.
    pub fn get_audio(&mut self, now: Instant, out: &mut AudioBlock) {
        let now = self.micros(now);
        let time = self.pull.call(now);
        for _ in 0..MAX_OPERATIONS {
            if self.play.future() >= self.block() {
                break;
            }
            self.step(time);
        }
        let lacking = self.block().saturating_sub(self.play.future());
        if lacking > 0 {
            self.conceal(lacking, true);
        }
        self.stretch(time);
        out.reset(self.rate, self.channels, self.block());
        self.play.take(out.samples_mut());
        self.statistics.heard(out.samples(), out.frames(), AudioBlock::DURATION);
    }

    /// Packets put in from now on are for another decoder, as after a change of the payload type. It takes over when what was
    /// put in before has been played; blocks have its rate and channels then.
    ///
    /// With another `clock_rate` timestamps mean something else: packets that wait are dropped.
    ///
    /// # Panics
    ///
    /// Like [`new`](Self::new).
    pub fn set_decoder(&mut self, clock_rate: u32, decoder: Box<dyn AudioDecoder>) {
        format(decoder.as_ref());
        let same_clock = clock_rate == self.config.clock_rate;
        if self.coming.is_some() || !same_clock {
            if let Some(coming) = self.coming.take() {
                self.take_over(coming);
            }
            self.statistics.packets_discarded += self.packets.drop_before(self.epoch) as u64;
            self.drop_stray();
        }
        if same_clock {
            self.drop_stray();
            self.coming = Some(decoder);
            return;
        }
        self.config.clock_rate = clock_rate;
        self.config = self.config.sane();
        self.restart();
        self.timeline.clear(self.config.clock_rate);
        self.take_over(decoder);
    }

    /// `jitterBufferTarget`: holds at least this delay, within the configuration's bounds. Zero leaves it to the network.
    pub fn set_target(&mut self, target: Duration) {
        self.wanted = target;
        self.want();
    }

    /// The same for the synchronisation with pictures. The greater one counts.
    pub fn set_synchronised_delay(&mut self, delay: Duration) {
        self.synchronised = delay;
        self.want();
    }

    fn want(&mut self) {
        let wanted = self.wanted.max(self.synchronised).min(self.config.max_delay);
        self.delay.want(wanted.as_micros() as i64);
    }

    /// Forgets the stream: another one begins, as after a change of the SSRC. Counters go on.
    pub fn reset(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.take_over(coming);
        }
        self.restart();
        self.timeline.clear(self.config.clock_rate);
        self.decoder.reset();
    }

    /// The delay that is aimed at.
    pub fn target_delay(&self) -> Duration {
        Duration::from_micros(self.delay.target().unsigned_abs())
    }

    /// The RTP timestamp of the sample that is played next; `None` before the first.
    pub fn playout_timestamp(&self) -> Option<u32> {
        let waiting = self.ticks(self.play.future() as i64 - self.over);
        self.begun.then(|| self.timeline.timestamp(self.end - waiting)).flatten()
    }

    /// Whether what is handed out comes from packets: while it is made up, or the sender is silent,
    /// [`playout_timestamp`](Self::playout_timestamp) stands still.
    pub fn is_playing(&self) -> bool {
        self.phase == Phase::Playing
    }

    /// What was counted.
    pub fn statistics(&self) -> &JitterStatistics {
        &self.statistics
    }

    /// Packets that wait.
    pub fn packets(&self) -> usize {
        self.packets.len()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.packets.bytes()
    }

    /// Samples a second of the blocks that come out.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels of the blocks that come out.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Adds at least a little to what is played.
    fn step(&mut self, time: i64) {
        while let Some(front) = self.packets.front()
            && (self.over_and_done(front) || front.epoch < self.epoch)
        {
            self.statistics.packets_discarded += u64::from(!front.redundant);
            self.packets.pop();
        }
        // Nobody took sound for long: playing all of it would take as long again.
        let most = self.config.max_delay.as_micros() as i64 + HURRY_ABOVE;
        while self.packets.len() > 1
            && self.packets.front().is_some_and(|front| self.waited(time, front.start) > most)
        {
            let oldest = self.packets.pop();
            self.statistics.packets_discarded +=
                u64::from(oldest.is_some_and(|packet| !packet.redundant));
        }
        if self.packets.front().is_some_and(|front| front.epoch != self.epoch)
            && let Some(coming) = self.coming.take()
        {
            self.take_over(coming);
            return;
        }
        let next = self.next(time);
        let target = self.delay.target();
        let operation = decide(self.phase, next, target, self.made, self.block() as i64);
        match operation {
            Operation::Play => self.play_next(time),
            Operation::Restore => self.restore(time),
            Operation::Conceal(frames) => {
                if !self.restore_deep(time, frames as usize) {
                    self.conceal(frames as usize, true);
                }
            }
            Operation::Bridge => {
                self.conceal(self.block(), false);
                if self.over > self.frames_of_millis(MAX_BRIDGE_MILLIS) {
                    self.phase = Phase::Waiting;
                }
            }
            Operation::BeginComfort => {
                self.phase = Phase::Comfort;
                self.described = false;
                self.make_noise();
            }
            Operation::Noise => self.make_noise(),
        }
    }

    /// The next packet, as the rules see it; what was made up is subtracted from the gap before it.
    fn next(&mut self, time: i64) -> Option<Next> {
        let front = self.packets.front()?;
        let (start, length, sequence) = (front.start, front.length, front.sequence);
        let (redundant, restores) = (front.redundant, front.has_redundancy);
        let resting = matches!(self.phase, Phase::Waiting | Phase::Comfort);
        let mut gap = self.frames(start - self.end);
        if !resting && gap > 0 && self.over > 0 {
            let covered = self.over.min(gap);
            self.over = 0;
            let from = self.end;
            self.end = if covered == gap { start } else { from + self.ticks(covered) };
            self.missing.add(from, self.end);
            gap -= covered;
        }
        let consecutive =
            !redundant && self.last_sequence.is_some_and(|last| sequence == last.wrapping_add(1));
        Some(Next {
            gap: if resting { 0 } else { gap },
            length: self.frames(length),
            waited: self.waited(time, start),
            consecutive,
            restores,
            urgent: self.packets.len() + 1 >= self.config.max_packets
                || 2 * self.packets.bytes() >= self.config.max_bytes,
        })
    }

    fn play_next(&mut self, time: i64) {
        let Some(packet) = self.packets.pop() else { return };
        let resting = matches!(self.phase, Phase::Waiting | Phase::Comfort);
        let consecutive =
            self.last_sequence.is_some_and(|last| packet.sequence == last.wrapping_add(1));
        if !resting && !consecutive && packet.start > self.end {
            self.missing.add(self.end, packet.start);
        }
        if !packet.redundant {
            self.last_sequence = Some(packet.sequence);
        }
        if resting || packet.start > self.end {
            self.end = packet.start;
        }
        self.begun = true;
        self.over = 0;
        if packet.comfort_noise {
            if self.comfort.update(&packet.payload).is_ok() {
                self.described = true;
            } else {
                self.statistics.packets_undecodable += 1;
            }
            self.phase = Phase::Comfort;
            self.make_noise();
            return;
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        let result = self.decoder.decode(&packet.payload, &mut decoded);
        let fits = (decoded.rate(), decoded.channels()) == (self.rate, self.channels);
        if result.is_err() || !fits || decoded.frames() == 0 {
            self.statistics.packets_undecodable += 1;
            self.decoded = decoded;
            let frames = self.frames(packet.end() - self.end).max(1);
            self.conceal(frames as usize, true);
            return;
        }
        let skip = self.frames(self.end - packet.start).clamp(0, decoded.frames() as i64) as usize;
        self.count_played(time, packet.arrival, decoded.frames() - skip);
        self.statistics.redundant_packets_used += u64::from(packet.redundant);
        let length = self.ticks(decoded.frames() as i64).max(1);
        self.append(&decoded, skip);
        self.end = self.end.max(packet.start + length);
        self.decoded = decoded;
        if packet.payload.len() <= DTX_BYTES && self.decoder.concealment() == Concealment::Own {
            self.phase = Phase::Comfort;
            self.described = false;
        }
    }

    /// Appends what was decoded but for its first frames, joined to what was made up before.
    fn append(&mut self, decoded: &AudioBlock, skip: usize) {
        let samples = &decoded.samples()[skip * self.channels..];
        if self.phase == Phase::Concealing && !self.codec_conceals {
            let made_up = MadeUp {
                expander: &mut self.expander,
                background: &mut self.background,
                noise: &mut self.noise,
                scratch: &mut self.scratch,
            };
            let more = merge(&mut self.play, samples, self.rate, self.channels, made_up);
            self.statistics.concealed_samples += more as u64;
        } else {
            self.play.push(samples);
        }
        if self.decoder.concealment() == Concealment::None {
            let millis = samples.len() / self.channels * 1_000 / self.rate as usize;
            let window = self.rate as usize * WINDOW_MILLIS / 1_000;
            self.background.learn(self.play.tail(window), self.channels, millis as u32);
        }
        self.phase = Phase::Playing;
        self.made = 0;
    }

    /// Brings the delay nearer to the target, where nobody hears it.
    fn stretch(&mut self, time: i64) {
        self.rest = self.rest.saturating_sub(1);
        if !self.config.stretch || self.phase != Phase::Playing || self.rest > 0 {
            return;
        }
        let above = self.waited(time, self.end) - self.delay.target();
        if above > SHORTEN_ABOVE {
            let hurry = above > HURRY_ABOVE;
            let wanted = self.rate as usize * STRETCH_MILLIS / 1_000 * if hurry { 2 } else { 1 };
            for _ in 0..MAX_OPERATIONS {
                let ready = self.packets.front().is_some_and(|front| {
                    front.start == self.end && front.epoch == self.epoch && !front.comfort_noise
                });
                if self.play.future() >= wanted || !ready || self.phase != Phase::Playing {
                    break;
                }
                self.play_next(time);
            }
            let removed = self.stretcher.shorten(&mut self.play, self.rate, self.channels, hurry);
            self.statistics.removed_samples_for_acceleration += removed as u64;
            self.rest = match removed {
                0 => 1,
                _ if hurry => HURRY_EVERY,
                _ => STRETCH_EVERY,
            };
        } else if above < -LENGTHEN_BELOW {
            let inserted = self.stretcher.lengthen(&mut self.play, self.rate, self.channels);
            self.statistics.inserted_samples_for_deceleration += inserted as u64;
            self.rest = if inserted == 0 { 1 } else { STRETCH_EVERY };
        }
    }

    fn count_played(&mut self, time: i64, arrival: i64, frames: usize) {
        // The samples leave after those that wait to be played, one after the other.
        let ahead = self.play.future() + frames / 2;
        let waited = (time - arrival).max(0) + (ahead as i64 * 1_000_000 / i64::from(self.rate));
        let times = |micros: i64| Duration::from_micros(micros.unsigned_abs()) * frames as u32;
        self.statistics.jitter_buffer_delay += times(waited);
        self.statistics.total_processing_delay += times((time - arrival).max(0));
        self.statistics.jitter_buffer_target_delay += times(self.delay.target());
        self.statistics.jitter_buffer_minimum_delay += times(self.delay.minimum());
        self.statistics.jitter_buffer_emitted_count += frames as u64;
    }

    /// How long sound of `tick` has been waiting if it is played after what is to be played, in µs.
    fn waited(&self, time: i64, tick: i64) -> i64 {
        let ahead = self.play.future() as i64 * 1_000_000 / i64::from(self.rate);
        self.delay.waited(time, self.media(tick)).map_or(0, |waited| waited + ahead)
    }

    /// Everything that waits is of another time than what comes.
    fn restart(&mut self) {
        self.statistics.packets_discarded += self.packets.clear() as u64;
        self.drop_stray();
        self.delay.restart();
        self.missing.clear();
        self.phase = Phase::Waiting;
        self.begun = false;
        (self.over, self.made) = (0, 0);
        self.last_sequence = None;
        self.deep = None;
    }

    fn take_over(&mut self, decoder: Box<dyn AudioDecoder>) {
        self.decoder = decoder;
        self.deep = None;
        self.epoch += 1;
        let format = format(self.decoder.as_ref());
        if format != (self.rate, self.channels) {
            // Less than a block of the old format may go with it.
            (self.rate, self.channels) = format;
            self.play = PlayBuffer::new(self.rate, self.channels);
            self.background = Background::new();
            self.over = 0;
            if self.phase == Phase::Concealing {
                self.phase = Phase::Playing;
            }
        }
    }

    /// 10 ms, in frames.
    fn block(&self) -> usize {
        self.rate as usize / 100
    }

    fn frames_of_millis(&self, millis: i64) -> i64 {
        millis * i64::from(self.rate) / 1_000
    }

    fn frames(&self, ticks: i64) -> i64 {
        scale(ticks, i64::from(self.rate), i64::from(self.config.clock_rate))
    }

    fn ticks(&self, frames: i64) -> i64 {
        scale(frames, i64::from(self.config.clock_rate), i64::from(self.rate))
    }

    /// Media time of a tick, in µs.
    fn media(&self, tick: i64) -> i64 {
        scale(tick, 1_000_000, i64::from(self.config.clock_rate))
    }

    fn duration(&self, ticks: i64) -> Duration {
        Duration::from_nanos(
            scale(ticks.max(0), 1_000_000_000, i64::from(self.config.clock_rate)) as u64
        )
    }

    /// Time since the first call, in µs; a clock that goes back stands still.
    fn micros(&mut self, now: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(now);
        now.saturating_duration_since(origin).as_micros() as i64
    }
}

/// Scales without overflow.
fn scale(value: i64, by: i64, of: i64) -> i64 {
    if by == of {
        return value;
    }
    (i128::from(value) * i128::from(by) / i128::from(of)) as i64
}

fn format(decoder: &dyn AudioDecoder) -> (u32, usize) {
    let (rate, channels) = (decoder.rate(), decoder.channels());
    assert!(
        rate > 0 && rate % 100 == 0 && rate <= AudioBlock::MAX_RATE,
        "{rate} samples a second, must be a multiple of 100"
    );
    assert!((1..=AudioBlock::MAX_CHANNELS).contains(&channels), "{channels} channels");
    (rate, channels)
}
