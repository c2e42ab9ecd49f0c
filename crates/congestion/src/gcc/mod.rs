//! Google congestion control (draft-ietf-rmcat-gcc-02), with what implementations have learnt since: a regression line
//! instead of the Kalman filter, a loss model instead of thresholds, bursts that measure, and a window that drains the
//! queue after a sudden drop.
//!
//! ```text
//!   results -> group -> find trend -> raise or lower (AIMD) --+
//!      |------> measure throughput ------^        ^           |
//!      |------> measure bursts -------------------+           v
//!      |------> find the limit that losses tell of ------> smallest -> bound -> Target
//!      '------> measure queue, round trip, silence -----------^
//! ```

mod aimd;
mod alr;
mod arrival;
mod config;
mod drain;
mod in_flight;
mod link_capacity;
mod loss;
mod probe_controller;
mod probe_estimator;
mod queue_delay;
mod rtt;
mod throughput;
mod trendline;

use std::time::{Duration, Instant};

pub use config::GccConfig;

pub(crate) use aimd::{Aimd, Input};
pub(crate) use arrival::ArrivalGroups;
pub(crate) use throughput::Throughput;
pub(crate) use trendline::{Trendline, Usage};

use crate::controller::{Controller, ProbeCluster, Snapshot, Target};
use crate::error::Error;
use crate::report::{Ecn, Feedback, PacketResult, SentPacket};
use crate::units::{DataRate, DataSize};
use alr::AlrDetector;
use drain::Drain;
use in_flight::InFlight;
use loss::LossBased;
use probe_controller::ProbeController;
use probe_estimator::ProbeEstimator;
use queue_delay::QueueDelay;
use rtt::RoundTrip;

/// The pacer sends this much faster than the target, so that a large frame does not wait for long.
const PACING_FACTOR: f64 = 1.5;
/// While packets are under way it looks around this often.
const TICK: Duration = Duration::from_millis(50);
/// Nothing sent for so long: it rests until the next packet.
const REST: Duration = Duration::from_secs(2);
/// No report for so long, and a few round trips: the path is silent.
const SILENCE: Duration = Duration::from_millis(1_000);
const SILENCE_ROUND_TRIPS: u32 = 3;
/// While it is, the rate goes down by this factor, this often.
const SILENCE_BACKOFF: f64 = 0.8;
const SILENCE_PERIOD: Duration = Duration::from_millis(500);
/// A pause in the stream as long as this, and its delays do not compare with those before.
const STREAM_PAUSE: Duration = Duration::from_secs(2);
/// The window has room for this much time beyond the smallest round trip: reports come every so often.
const DRAIN_ROOM: Duration = Duration::from_millis(75);
/// At other times it has room for this much time beyond the round trip and two intervals between reports: more in flight
/// means that the path has become slow, before a report can tell of it.
const FLIGHT_ROOM: Duration = Duration::from_millis(80);
/// Intervals between reports that are reckoned with.
const REPORT_INTERVALS: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_millis(500));
const MIN_WINDOW: DataSize = DataSize::from_bytes(3_000);
const MIN_FLIGHT: DataSize = DataSize::from_bytes(12_000);
/// While there are packets that wait no longer than this, the queue is empty now and then.
const EMPTY_QUEUE: Duration = Duration::from_millis(15);
/// A queue shorter than this is frames that became larger, not overuse.
const MIN_QUEUE: Duration = Duration::from_millis(20);
/// For packets sent so soon after a burst, a growing queue is that of the burst.
const BURST_SHADOW: Duration = Duration::from_millis(100);
/// While a queue is drained and a moment after, the pacer sends this much faster than the target, and no more.
const CAREFUL_FACTOR: f64 = 1.05;
/// While a queue stands, the rate goes down further and further, to about this part of what comes through.
const STANDING_FLOOR: f64 = 0.7;
/// A burst that met the limit is believed if it shows so much more than the estimate.
const TAKE_UP: f64 = 1.4;
/// So long after a jump of the rate, what came through is for a part what came through before it.
const THROUGHPUT_LAG: Duration = Duration::from_millis(700);
/// Bursts are not sent above this multiple of what the application has a use for.
const DEMAND_CEILING: f64 = 2.0;
/// The application was the limit within this time.
const LATELY: Duration = Duration::from_secs(3);
/// Fewer losses than this limit nothing that bursts would show.
const FEW_LOSSES: f64 = 0.02;

/// What a [`Gcc`] has seen; for statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GccStats {
    /// The estimate from delays alone.
    pub delay_based: DataRate,
    /// The limit that losses tell of.
    pub loss_based: Option<DataRate>,
    /// What came through in the last half second.
    pub throughput: Option<DataRate>,
    /// How long packets wait on the way, smoothed.
    pub queue_delay: Duration,
    /// The smallest round-trip time lately.
    pub min_rtt: Duration,
    /// Bytes on their way.
    pub in_flight: DataSize,
    /// Whether the application sends less than it may.
    pub application_limited: bool,
    /// Packets reported as arrived, and as lost (less those that arrived after all).
    pub arrived: u64,
    /// See [`arrived`](Self::arrived).
    pub lost: u64,
    /// Packets that arrived with a congestion mark (RFC 3168).
    pub ecn_ce: u64,
    /// Decreases for a filling queue, for congestion marks, and for silence.
    pub overuses: u64,
    /// See [`overuses`](Self::overuses).
    pub ecn_decreases: u64,
    /// See [`overuses`](Self::overuses).
    pub silence_decreases: u64,
}

/// The controller; see the [module](self).
#[derive(Debug)]
pub struct Gcc {
    config: GccConfig,
    /// Times are counted from the first.
    epoch: Option<Instant>,
    arrivals: ArrivalGroups,
    trendline: Trendline,
    queue: QueueDelay,
    throughput: Throughput,
    /// How much the time on the way varies from group to group.
    jitter_us: f64,
    aimd: Aimd,
    loss: LossBased,
    alr: AlrDetector,
    rtt: RoundTrip,
    in_flight: InFlight,
    probes: ProbeController,
    probe_estimator: ProbeEstimator,
    remote_limit: Option<DataRate>,
    demand: DataRate,
    last_sent: Option<Instant>,
    /// When the last packet that a report told of was sent, and the same in microseconds.
    last_result: Option<(Instant, i64)>,
    last_feedback: Option<Instant>,
    /// How far apart reports come, smoothed.
    report_interval: Duration,
    /// The first packet sent since the last report.
    unreported_since: Option<Instant>,
    silence_decreased: Option<Instant>,
    /// Losses of packets sent before this were the silence's.
    losses_count_from: Option<Instant>,
    /// When a burst raised the rate.
    raised_at: Option<Instant>,
    drain: Drain,
    /// When the last burst began, and when the queue that it made should be gone.
    burst: Option<(Instant, Instant)>,
    ecn_decreased: Option<Instant>,
    next_tick: Option<Instant>,
    /// Bytes that reports have passed over, which were lost.
    passed_over: DataSize,
    stats: GccStats,
    target: Target,
}

impl Gcc {
    /// A controller with these bounds.
    ///
    /// # Errors
    ///
    /// See [`GccConfig::validate`].
    pub fn new(config: GccConfig) -> Result<Self, Error> {
        config.validate()?;
        let start = config.start_rate.clamp(config.min_rate, config.max_rate);
        let gcc = Self {
            config,
            epoch: None,
            arrivals: ArrivalGroups::default(),
            trendline: Trendline::default(),
            queue: QueueDelay::default(),
            throughput: Throughput::default(),
            jitter_us: 0.0,
            aimd: Aimd::new(start),
            loss: LossBased::default(),
            alr: AlrDetector::new(start),
            rtt: RoundTrip::default(),
            in_flight: InFlight::default(),
            probes: ProbeController::default(),
            probe_estimator: ProbeEstimator::default(),
            remote_limit: None,
            demand: DataRate::MAX,
            last_sent: None,
            last_result: None,
            last_feedback: None,
            report_interval: REPORT_INTERVALS.0,
            unreported_since: None,
            silence_decreased: None,
            losses_count_from: None,
            raised_at: None,
            drain: Drain::default(),
            burst: None,
            ecn_decreased: None,
            next_tick: None,
            passed_over: DataSize::ZERO,
            stats: GccStats::default(),
            target: Target {
                rate: start,
                stable_rate: start,
                pacing_rate: start.scaled(PACING_FACTOR),
                padding_rate: DataRate::ZERO,
                congestion_window: None,
                congested: false,
                rtt: RoundTrip::default().smoothed(),
                loss: 0.0,
            },
        };
        Ok(gcc)
    }

    /// What it has seen so far.
    pub fn stats(&self) -> GccStats {
        GccStats {
            delay_based: self.aimd.rate(),
            loss_based: self.loss.limit(),
            throughput: self.throughput.rate(),
            queue_delay: self.queue.smoothed(),
            min_rtt: self.rtt.smallest(),
            in_flight: self.in_flight.size(),
            application_limited: self.alr.since().is_some(),
            ..self.stats
        }
    }

    fn micros(&self, at: Instant) -> i64 {
        let since = self.epoch.map_or(Duration::ZERO, |epoch| at.saturating_duration_since(epoch));
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    fn input(&self, now: Instant, usage: Usage) -> Input {
        Input {
            usage,
            throughput: self.made_up_throughput(now),
            rtt: self.rtt.smoothed(),
            application_limited: self.alr.since().is_some(),
        }
    }

    /// What came through, with what was lost by chance and took its time on the wire all the same.
    fn made_up_throughput(&self, now: Instant) -> Option<DataRate> {
        let lag = THROUGHPUT_LAG + self.rtt.smoothed();
        let lately_raised =
            self.raised_at.is_some_and(|at| now.saturating_duration_since(at) < lag);
        let inherent = self.loss.inherent();
        let share = if inherent < FEW_LOSSES { 0.0 } else { inherent };
        let rate = self.throughput.rate()?;
        let rate = if self.queue.surges() {
            // Half of the half second was before the change.
            self.throughput.short_rate().map_or(rate, |short| short.min(rate))
        } else if lately_raised {
            self.throughput.short_rate().map_or(rate, |short| short.max(rate))
        } else {
            rate
        };
        let rate = rate.scaled(1.0 / (1.0 - share));
        if self.drain.stands() {
            // A full queue lets through what the path carries, however little this flow adds to it.
            return Some(rate.min(self.aimd.rate()).max(rate.scaled(STANDING_FLOOR)));
        }
        Some(rate)
    }

    /// What delays say.
    fn usage(&self) -> Usage {
        if self.queue.surges() || self.drain.stands() {
            return Usage::Over;
        }
        match self.trendline.usage() {
            Usage::Over if self.queue.last() < MIN_QUEUE => Usage::Normal,
            // Beside someone who keeps the queue full, giving way to every growth of it is giving up.
            Usage::Over if self.drain.beside_foreign() && self.loss.loss() < FEW_LOSSES => {
                Usage::Normal
            }
            usage => usage,
        }
    }

    fn probe_context(&self) -> probe_controller::Context {
        let ceiling = self.config.max_rate.min(self.demand.scaled(DEMAND_CEILING));
        let ceiling = self.remote_limit.map_or(ceiling, |limit| ceiling.min(limit));
        probe_controller::Context {
            estimate: self.target.rate,
            ceiling,
            demand: self.demand,
            used: self.throughput.rate().unwrap_or(self.target.rate),
            application_limited: self.alr.since().is_some(),
            lately_limited: self.last_sent.is_some_and(|now| self.alr.recently(now, LATELY)),
            queue_empty: self.queue.floor() < EMPTY_QUEUE && self.usage() != Usage::Over,
            jitter: self.jitter(),
            loss_limited: self.loss.limit().is_some(),
            limit_seen: self.aimd.decreased_at().is_some() || self.aimd.capacity.is_known(),
            silent: self.silence_decreased.is_some(),
            decreased_at: self.aimd.decreased_at(),
            outgrown_at: self.aimd.outgrown_at(),
        }
    }

    fn on_result(&mut self, result: &PacketResult) {
        let Some(arrived) = result.arrived else {
            self.stats.lost += 1;
            return;
        };
        self.stats.arrived += 1;
        if result.was_lost {
            self.stats.lost = self.stats.lost.saturating_sub(1);
        }
        self.stats.ecn_ce += u64::from(result.ecn == Ecn::Ce);
        let sent = match self.last_result {
            Some((at, micros)) if at == result.sent => micros,
            _ => self.micros(result.sent),
        };
        self.last_result = Some((result.sent, sent));
        let arrived = i64::try_from(arrived.as_micros()).unwrap_or(i64::MAX);
        self.queue.push(sent, arrived);
        self.throughput.push(arrived, result.size);
        if self.burst.is_some_and(|(from, until)| (from..until).contains(&result.sent)) {
            // The queue that a burst made says nothing about the rate before and after it.
            return;
        }
        if let Some(delta) = self.arrivals.push(sent, arrived) {
            self.trendline.push(delta);
            // RFC 3550 §6.4.1, for groups instead of packets.
            let variation = delta.arrived.saturating_sub(delta.sent).unsigned_abs().min(1_000_000);
            self.jitter_us += (variation as f64 - self.jitter_us) / 16.0;
        }
    }

    fn jitter(&self) -> Duration {
        Duration::from_micros(self.jitter_us as u64)
    }

    /// What bursts showed, the most of it.
    fn on_probes(&mut self, now: Instant, results: &[PacketResult]) -> bool {
        let (inherent, jitter) = (self.loss.inherent(), self.jitter());
        let mut best: Option<probe_estimator::ProbeResult> = None;
        for result in results {
            if let Some(shown) = self.probe_estimator.on_result(result, inherent, jitter) {
                best = best.filter(|best| best.rate > shown.rate).or(Some(shown));
            }
        }
        let Some(shown) = best else { return false };
        if shown.limited {
            self.aimd.capacity.on_probe(shown.rate);
        }
        // Where the limit is known, a burst that met it took from others what it showed: only one who has much less
        // than that takes it up, so that flows come closer to each other and not further apart.
        let least = if shown.limited && self.aimd.decreased_at().is_some() { TAKE_UP } else { 1.0 };
        let raised = shown.rate > self.aimd.rate().scaled(least) && !self.drain.is_draining();
        if raised {
            self.raised_at = Some(now);
            self.aimd.set_rate(now, shown.rate.min(self.config.max_rate));
        }
        self.retarget(now);
        self.probes.on_result(now, shown.rate.min(self.target.rate), self.probe_context());
        raised
    }

    fn on_marks(&mut self, now: Instant, results: &[PacketResult]) -> bool {
        if !results.iter().any(|result| result.ecn == Ecn::Ce && result.arrived.is_some()) {
            return false;
        }
        // Once a round trip, as RFC 3168 §6.1.2 has it for TCP.
        let wait = self.rtt.smoothed().min(Duration::from_millis(500));
        if self.ecn_decreased.is_some_and(|at| now.saturating_duration_since(at) < wait) {
            return false;
        }
        self.ecn_decreased = Some(now);
        let lowered = self.aimd.on_congestion(now, self.input(now, Usage::Over));
        self.stats.ecn_decreases += u64::from(lowered);
        lowered
    }

    /// Lowers the rate while no reports come though packets are sent.
    fn check_silence(&mut self, now: Instant) {
        let Some(since) = self.unreported_since else { return };
        let patience =
            SILENCE + self.rtt.smoothed().min(Duration::from_secs(1)) * SILENCE_ROUND_TRIPS;
        if now.saturating_duration_since(since) < patience
            || self
                .silence_decreased
                .is_some_and(|at| now.saturating_duration_since(at) < SILENCE_PERIOD)
        {
            return;
        }
        self.silence_decreased = Some(now);
        let before = self.target.rate;
        let lowered = before.scaled(SILENCE_BACKOFF).max(self.config.min_rate);
        if lowered < before {
            self.stats.silence_decreases += 1;
            self.aimd.set_rate(now, lowered);
            self.probes.on_decrease(now, before, DataRate::ZERO, true);
        }
    }

    fn retarget(&mut self, now: Instant) {
        let careful = self.drain.is_careful(now);
        let GccConfig { min_rate, max_rate, .. } = self.config;
        let bounded = self.aimd.rate().clamp(min_rate, max_rate);
        if bounded != self.aimd.rate() {
            self.aimd.bound(bounded);
        }
        let mut rate = self.loss.limit().map_or(bounded, |limit| limit.min(bounded)).max(min_rate);
        if let Some(limit) = self.remote_limit {
            rate = rate.min(limit);
        }
        let stable = self.aimd.capacity.lower_bound().map_or(rate, |lower| lower.min(rate));
        let window = if self.drain.holds_back(now) {
            (rate * (self.rtt.smallest() + DRAIN_ROOM)).max(MIN_WINDOW)
        } else {
            let time = self.rtt.smallest_of_late() + self.report_interval * 2 + FLIGHT_ROOM;
            (rate * time).max(MIN_FLIGHT)
        };
        self.target = Target {
            rate,
            stable_rate: stable,
            pacing_rate: rate.scaled(if careful { CAREFUL_FACTOR } else { PACING_FACTOR }),
            padding_rate: DataRate::ZERO,
            congestion_window: Some(window),
            congested: self.in_flight.size() > window,
            rtt: self.rtt.smoothed(),
            loss: self.loss.loss(),
        };
    }
}

impl Controller for Gcc {
    fn on_packet_sent(&mut self, now: Instant, packet: &SentPacket) {
        // Packets of a burst leave at one moment.
        if self.last_sent != Some(now) {
            self.epoch.get_or_insert(now);
            let paused = self
                .last_sent
                .is_some_and(|last| now.saturating_duration_since(last) > STREAM_PAUSE);
            if paused {
                self.arrivals = ArrivalGroups::default();
                self.trendline = Trendline::default();
            }
            self.last_sent = Some(now);
        }
        self.unreported_since.get_or_insert(now);
        self.in_flight.on_sent(now, packet.size);
        if packet.probe.is_some() {
            let from = self.burst.filter(|&(_, until)| now < until).map_or(now, |burst| burst.0);
            self.burst = Some((from, now + BURST_SHADOW));
        }
        if !packet.padding && packet.probe.is_none() {
            self.alr.on_sent(now, packet.size);
        }
        self.next_tick.get_or_insert(now + TICK);
        if !self.probes.has_started() {
            self.probes.start(now, self.probe_context());
        }
        if let Some(window) = self.target.congestion_window {
            self.target.congested = self.in_flight.size() > window;
        }
    }

    fn on_feedback(&mut self, now: Instant, feedback: &Feedback<'_>) {
        if feedback.results.is_empty() {
            return;
        }
        if let Some(last) = self.last_feedback.replace(now) {
            let (least, most) = REPORT_INTERVALS;
            let interval = now.saturating_duration_since(last).clamp(least, most);
            self.report_interval = self.report_interval * 7 / 8 + interval / 8;
        }
        let passed_over = std::mem::take(&mut self.passed_over);
        let first = feedback.results.iter().find_map(|result| result.arrived);
        if let Some(first) = first.filter(|_| !passed_over.is_zero()) {
            let arrived = passed_over.as_bytes() as f64 * (1.0 - self.loss.loss());
            let until = i64::try_from(first.as_micros()).unwrap_or(i64::MAX);
            self.throughput.fill(until, DataSize::from_bytes(arrived as u64));
        }
        let mut newest: Option<Instant> = None;
        let mut arrived: Option<Instant> = None;
        for result in feedback.results {
            self.on_result(result);
            newest = newest.max(Some(result.sent));
            if result.arrived.is_some() {
                arrived = arrived.max(Some(result.sent));
            }
        }
        if let Some(newest) = newest {
            self.in_flight.on_reported(newest);
        }
        let sample = feedback.rtt.or(arrived.map(|sent| now.saturating_duration_since(sent)));
        if let Some(sample) = sample {
            self.rtt.on_sample(now, sample);
        }
        self.unreported_since =
            self.last_sent.filter(|_| !self.in_flight.size().is_zero()).map(|_| now);
        if self.silence_decreased.take().is_some() {
            // What was lost meanwhile says nothing about rates.
            self.loss = LossBased::default();
            self.losses_count_from = Some(now);
            self.probes.on_reports_again(now);
        }
        self.alr.advance(now);

        let before = self.target.rate;
        let context = loss::Context {
            delay_based: self.aimd.rate(),
            throughput: self.throughput.rate(),
            queue_delay: self.queue.smoothed(),
        };
        let counted = self.losses_count_from.map_or(0, |from| {
            feedback.results.iter().take_while(|result| result.sent < from).count()
        });
        self.loss.on_results(&feedback.results[counted..], context);
        let usage = self.usage();
        let overused = usage == Usage::Over;
        let marked = self.on_marks(now, feedback.results);
        if !self.on_probes(now, feedback.results) && !marked {
            let lowered = self.aimd.update(now, self.input(now, usage));
            self.stats.overuses += u64::from(lowered);
        }
        let through = self.made_up_throughput(now).unwrap_or(DataRate::MAX);
        let backlog = self.in_flight.size() / through;
        self.drain.update(now, overused, &self.queue, backlog);
        self.retarget(now);
        if self.target.rate < before {
            self.probes.on_decrease(now, before, self.target.rate, false);
        }
        self.probes.process(now, self.probe_context());
        self.alr.set_target(now, self.target.rate);
    }

    fn on_reports_lost(&mut self, size: DataSize) {
        // What they would have told counts as having come through like the rest.
        self.passed_over += size;
    }

    fn on_rtt(&mut self, now: Instant, rtt: Duration) {
        self.rtt.on_sample(now, rtt);
        self.target.rtt = self.rtt.smoothed();
    }

    fn on_remote_limit(&mut self, now: Instant, limit: Option<DataRate>) {
        self.remote_limit = limit;
        self.retarget(now);
        self.alr.set_target(now, self.target.rate);
    }

    fn on_application_limited(&mut self, now: Instant, demand: Option<DataRate>) {
        let demand = demand.unwrap_or(DataRate::MAX);
        let more = demand > self.demand;
        self.demand = demand;
        if more {
            self.probes.on_demand(now, self.probe_context());
        }
    }

    fn on_route_change(&mut self, now: Instant) {
        self.arrivals = ArrivalGroups::default();
        self.trendline = Trendline::default();
        self.queue = QueueDelay::default();
        self.throughput = Throughput::default();
        self.passed_over = DataSize::ZERO;
        self.loss = LossBased::default();
        self.rtt = RoundTrip::default();
        self.in_flight.clear();
        self.probes = self.probes.restarted();
        self.drain = Drain::default();
        self.burst = None;
        self.raised_at = None;
        // What was lost on the old path says nothing about the new one.
        self.losses_count_from = Some(now);
        self.silence_decreased = None;
        self.jitter_us = 0.0;
        self.unreported_since = None;
        // What the receiver saw was the old path.
        self.remote_limit = None;
        // The new path may be as fast as the old one, but a start from there would flood a slower one.
        let start = self.config.start_rate.clamp(self.config.min_rate, self.config.max_rate);
        self.aimd = Aimd::new(self.aimd.rate().min(start));
        self.retarget(now);
        self.alr = AlrDetector::new(self.target.rate);
        self.next_tick = Some(now + TICK);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.next_tick.is_none_or(|tick| now < tick) {
            return;
        }
        self.alr.advance(now);
        self.check_silence(now);
        self.drain.update(now, false, &self.queue, Duration::ZERO);
        self.retarget(now);
        self.probes.process(now, self.probe_context());
        self.alr.set_target(now, self.target.rate);
        let resting = self.last_sent.is_none_or(|last| now.saturating_duration_since(last) > REST)
            && self.unreported_since.is_none_or(|at| now.saturating_duration_since(at) > REST * 8);
        self.next_tick = (!resting).then(|| now + TICK);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_tick
    }

    fn target(&self) -> Target {
        self.target
    }

    #[inline]
    fn is_congested(&self) -> bool {
        self.target.congested
    }

    fn poll_probe(&mut self) -> Option<ProbeCluster> {
        let cluster = self.probes.poll()?;
        self.probe_estimator.expect(cluster);
        Some(cluster)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            throughput: self.throughput.rate(),
            queue_delay: self.queue.smoothed(),
            min_rtt: Some(self.rtt.smallest()),
            in_flight: self.in_flight.size(),
            arrived: self.stats.arrived,
        }
    }
}

#[cfg(test)]
mod tests;
