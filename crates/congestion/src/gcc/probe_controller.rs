//! When to send a burst, and how fast: at the start, after a burst that went well, now and then while the application
//! sends less than it may or the queue has been empty for long, and after a large drop.

use std::time::{Duration, Instant};

use crate::controller::ProbeCluster;
use crate::report::ProbeClusterId;
use crate::units::DataRate;

/// The first two bursts, as multiples of the start rate.
const FIRST: f64 = 3.0;
const SECOND: f64 = 6.0;
/// A burst that shows at least this part of its rate is followed by another ...
const FURTHER_THRESHOLD: f64 = 0.7;
/// ... at this multiple of what it showed.
const FURTHER: f64 = 2.0;
/// How long a result is waited for.
const RESULT_WAIT: Duration = Duration::from_secs(1);
/// Between bursts that nothing else gave rise to.
const PERIOD: Duration = Duration::from_secs(5);
const FIRST_PERIOD: Duration = Duration::from_millis(1_200);
/// While the application is the limit, bursts show no more than this multiple of what it sends: padding more often and
/// faster than that would load the path for nothing.
const HEADROOM: f64 = 4.0;
/// A drop below this part of the estimate is large, and this part of the old rate is tried again.
const LARGE_DROP: f64 = 0.66;
const AFTER_DROP: f64 = 0.85;
/// For how long a drop is worth a try, and how long after it the queue may take to drain.
const DROP_MEMORY: Duration = Duration::from_secs(15);
const DROP_PAUSE: Duration = Duration::from_secs(1);
/// The same where the drop was most likely right.
const DOUBT_PAUSE: Duration = Duration::from_millis(1_500);
/// ... which only a drop below this part is worth.
const DEEP_DROP: f64 = 0.4;
/// Steps down that follow each other within this time are one drop.
const FALL_PAUSE: Duration = Duration::from_secs(2);
/// At most this multiple of the estimate is tried after a drop that was most likely right.
const CAREFUL: f64 = 3.0;
/// A burst lasts about this long and has at least so many packets.
const BURST: Duration = Duration::from_millis(15);
const MIN_PACKETS: u32 = 5;
/// It lasts longer where the time on the way varies: so many times as long as that, and at most this.
const JITTERS: u32 = 3;
const LONGEST_BURST: Duration = Duration::from_millis(50);
/// Bursts that may wait to be sent.
const PENDING: usize = 4;

/// What the controller knows when it asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) estimate: DataRate,
    /// No burst is to be faster.
    pub(crate) ceiling: DataRate,
    /// More than this the application has no use for.
    pub(crate) demand: DataRate,
    /// What comes through now.
    pub(crate) used: DataRate,
    pub(crate) application_limited: bool,
    /// The application has been the limit lately.
    pub(crate) lately_limited: bool,
    /// Packets do not wait on the way.
    pub(crate) queue_empty: bool,
    /// Losses limit the rate.
    pub(crate) loss_limited: bool,
    /// The path's limit was met, by a burst or otherwise.
    pub(crate) limit_seen: bool,
    /// How much the time on the way varies.
    pub(crate) jitter: Duration,
    /// No reports come.
    pub(crate) silent: bool,
    /// When overuse last made the rate go down.
    pub(crate) decreased_at: Option<Instant>,
    /// When more came through than what was known as the limit.
    pub(crate) outgrown_at: Option<Instant>,
}

/// The controller of bursts; see the module.
#[derive(Debug, Default)]
pub(crate) struct ProbeController {
    next_id: u32,
    pending: [Option<ProbeCluster>; PENDING],
    started: bool,
    /// Until when a result is waited for, and the rate from which on it leads to another burst.
    waiting: Option<(Instant, DataRate)>,
    last_at: Option<Instant>,
    /// The rate before a large drop, when that was, and whether the path itself had gone silent.
    drop: Option<(DataRate, Instant, bool)>,
    /// The same for any drop.
    fall: Option<(DataRate, Instant, bool)>,
}

impl ProbeController {
    /// The next burst to send.
    pub(crate) fn poll(&mut self) -> Option<ProbeCluster> {
        let first = self.pending[0].take()?;
        self.pending.rotate_left(1);
        Some(first)
    }

    /// Begins anew on another path. Numbers go on, so that late reports are not mistaken.
    pub(crate) fn restarted(&self) -> Self {
        Self { next_id: self.next_id, ..Self::default() }
    }

    /// Whether it has begun.
    pub(crate) fn has_started(&self) -> bool {
        self.started
    }

    /// Begins, once the first packet is on its way.
    pub(crate) fn start(&mut self, now: Instant, context: Context) {
        if self.started {
            return;
        }
        self.started = true;
        self.probe(now, context.estimate.scaled(FIRST), context);
        self.probe(now, context.estimate.scaled(SECOND), context);
    }

    /// A burst showed this rate, which is the estimate now.
    pub(crate) fn on_result(&mut self, now: Instant, shown: DataRate, context: Context) {
        let Some((until, threshold)) = self.waiting else { return };
        if now <= until && shown >= threshold && shown < context.ceiling {
            self.probe(now, shown.scaled(FURTHER), context);
        }
    }

    /// The estimate went down from `before`; `silent` where for want of reports.
    pub(crate) fn on_decrease(
        &mut self,
        now: Instant,
        before: DataRate,
        after: DataRate,
        silent: bool,
    ) {
        self.waiting = None;
        // A fall in several steps is one fall.
        let (rate, silent) = match self.fall {
            Some((rate, at, was_silent)) if now.saturating_duration_since(at) < FALL_PAUSE => {
                (rate.max(before), silent || was_silent)
            }
            _ => (before, silent),
        };
        self.fall = Some((rate, now, silent));
        if silent || after < rate.scaled(LARGE_DROP) {
            self.drop = self.fall;
        }
    }

    /// Reports come again after a silence: the rate before it is worth a try, however long it was.
    pub(crate) fn on_reports_again(&mut self, now: Instant) {
        if let Some((_, at, true)) = &mut self.drop {
            *at = now;
        }
    }

    /// Time has passed.
    pub(crate) fn process(&mut self, now: Instant, context: Context) {
        if !self.started || context.loss_limited || context.silent {
            return;
        }
        if self.waiting.is_some_and(|(until, _)| now > until) {
            self.waiting = None;
        }
        if let Some((rate, at, silent)) = self.drop {
            let since = now.saturating_duration_since(at);
            let sure = silent || context.lately_limited;
            let pause = if sure { DROP_PAUSE } else { DOUBT_PAUSE };
            let deep = sure || context.estimate < rate.scaled(DEEP_DROP);
            if since > DROP_MEMORY {
                self.drop = None;
            } else if since >= pause && context.queue_empty && deep {
                self.drop = None;
                let rate = rate.scaled(AFTER_DROP);
                // Elsewhere the drop was most likely right, and the burst is a careful one.
                let careful = if sure { rate } else { rate.min(context.estimate.scaled(CAREFUL)) };
                self.probe(now, careful, context);
                return;
            }
        }
        let quiet =
            |at: Option<Instant>| at.is_none_or(|at| now.saturating_duration_since(at) >= PERIOD);
        // The first bursts may come to nothing where packets jitter: they are repeated until one meets the limit.
        let sure = context.limit_seen || context.application_limited;
        let period = if sure { PERIOD } else { FIRST_PERIOD };
        // The path has become better than it was when its limit was met: a burst tells by how much.
        let outgrown = context.outgrown_at.is_some_and(|at| self.last_at.is_none_or(|l| l < at));
        let period = if outgrown { FIRST_PERIOD } else { period };
        let due = self.last_at.is_none_or(|at| now.saturating_duration_since(at) >= period);
        if self.waiting.is_some() || !due {
            return;
        }
        let room = context.queue_empty
            && (outgrown || quiet(context.decreased_at))
            && context.estimate < context.demand;
        if context.application_limited {
            let most = context.used.scaled(HEADROOM);
            self.probe(now, context.estimate.scaled(FURTHER).min(most), context);
        } else if room {
            self.probe(now, context.estimate.scaled(FURTHER), context);
        }
    }

    /// The application has a use for more than before.
    pub(crate) fn on_demand(&mut self, now: Instant, context: Context) {
        if self.started && context.estimate < context.demand && !context.loss_limited {
            self.probe(now, context.demand, context);
        }
    }

    fn probe(&mut self, now: Instant, rate: DataRate, context: Context) {
        let capped = rate.min(context.ceiling);
        if capped <= context.estimate {
            return;
        }
        let cluster = ProbeCluster {
            id: ProbeClusterId(self.next_id),
            rate: capped,
            min_size: capped * (context.jitter * JITTERS).clamp(BURST, LONGEST_BURST),
            min_packets: MIN_PACKETS,
        };
        let Some(free) = self.pending.iter_mut().find(|pending| pending.is_none()) else { return };
        *free = Some(cluster);
        self.next_id = self.next_id.wrapping_add(1);
        self.last_at = Some(now);
        // At the ceiling there is nothing further to find.
        let threshold =
            if capped < rate { DataRate::MAX } else { capped.scaled(FURTHER_THRESHOLD) };
        self.waiting = Some((now + RESULT_WAIT, threshold));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(kbps: u64) -> Context {
        Context {
            estimate: DataRate::from_kbps(kbps),
            ceiling: DataRate::from_mbps(5),
            demand: DataRate::from_mbps(5),
            used: DataRate::from_kbps(kbps / 2),
            application_limited: false,
            lately_limited: false,
            queue_empty: true,
            loss_limited: false,
            limit_seen: true,
            jitter: Duration::ZERO,
            silent: false,
            decreased_at: None,
            outgrown_at: None,
        }
    }

    fn kbps(controller: &mut ProbeController) -> Vec<u64> {
        std::iter::from_fn(|| controller.poll()).map(|cluster| cluster.rate.as_kbps()).collect()
    }

    #[test]
    fn starts_with_two_bursts_and_goes_on_while_they_go_well() {
        let now = Instant::now();
        let mut controller = ProbeController::default();
        controller.start(now, context(300));
        controller.start(now, context(300));
        assert_eq!(kbps(&mut controller), [900, 1_800]);
        controller.on_result(now, DataRate::from_kbps(900), context(900));
        assert_eq!(kbps(&mut controller), [0u64; 0], "less than the second burst's threshold");
        controller.on_result(now, DataRate::from_kbps(1_700), context(1_700));
        assert_eq!(kbps(&mut controller), [3_400]);
        controller.on_result(now, DataRate::from_kbps(3_400), context(3_400));
        assert_eq!(kbps(&mut controller), [5_000], "the ceiling");
        controller.on_result(now, DataRate::from_kbps(4_900), context(4_900));
        assert_eq!(kbps(&mut controller), [0u64; 0]);
    }

    #[test]
    fn now_and_then_while_the_application_is_the_limit() {
        let mut now = Instant::now();
        let mut controller = ProbeController::default();
        controller.start(now, context(300));
        kbps(&mut controller);
        let limited = Context { application_limited: true, ..context(500) };
        for _ in 0..100 {
            now += Duration::from_millis(100);
            controller.process(now, limited);
        }
        assert_eq!(kbps(&mut controller), [1_000, 1_000], "every five seconds");
    }

    #[test]
    fn once_when_the_limit_turns_out_to_be_none_any_more() {
        let mut now = Instant::now();
        let mut controller = ProbeController::default();
        controller.start(now, context(500));
        kbps(&mut controller);
        now += Duration::from_millis(2_500);
        let lately = Some(now - Duration::from_millis(500));
        controller.process(now, Context { decreased_at: lately, ..context(500) });
        assert_eq!(kbps(&mut controller), [0u64; 0]);
        let outgrown = Context { decreased_at: lately, outgrown_at: Some(now), ..context(600) };
        for _ in 0..30 {
            now += Duration::from_millis(100);
            controller.process(now, outgrown);
        }
        assert_eq!(kbps(&mut controller), [1_200], "once");
    }

    #[test]
    fn nothing_is_padded_far_beyond_what_the_application_sends() {
        let mut now = Instant::now();
        let mut controller = ProbeController::default();
        controller.start(now, context(300));
        kbps(&mut controller);
        for limit_seen in [true, false] {
            let used = DataRate::from_kbps(200);
            let limited = Context { application_limited: true, limit_seen, used, ..context(500) };
            for _ in 0..60 {
                now += Duration::from_millis(100);
                controller.process(now, limited);
            }
            let bursts = kbps(&mut controller);
            assert!(matches!(bursts[..], [800] | [800, 800]), "four times as much: {bursts:?}");
            let estimate = DataRate::from_kbps(900);
            for _ in 0..200 {
                now += Duration::from_millis(100);
                controller.process(now, Context { estimate, ..limited });
            }
            assert_eq!(kbps(&mut controller), [0u64; 0], "the estimate is far enough above it");
        }
    }

    #[test]
    fn after_a_large_drop_while_the_application_is_the_limit() {
        let mut now = Instant::now();
        let mut controller = ProbeController::default();
        controller.start(now, context(2_000));
        kbps(&mut controller);
        controller.on_decrease(now, DataRate::from_kbps(2_000), DataRate::from_kbps(300), false);
        now += DROP_PAUSE;
        controller.process(now, Context { lately_limited: true, ..context(300) });
        assert_eq!(kbps(&mut controller), [1_700]);
    }
}
