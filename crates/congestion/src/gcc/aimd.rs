//! Rate control by delay: up while the queue is empty, down when it fills (draft-ietf-rmcat-gcc-02 §5.5).

use std::time::{Duration, Instant};

use super::link_capacity::LinkCapacity;
use super::trendline::Usage;
use crate::units::DataRate;

/// What remains after overuse, of what came through.
const BACKOFF: f64 = 0.85;
/// Growth per second while the limit is unknown.
const GROWTH: f64 = 1.08;
/// The estimate is never further above what came through: it would be a guess.
const MAX_OVER_THROUGHPUT: f64 = 1.5;
const THROUGHPUT_SLACK: DataRate = DataRate::from_kbps(10);
/// Growth per second near the limit: a packet of 1,200 bytes each 200 ms. The same for all, where the draft has a packet
/// each round trip: flows with a short one would take it all (RFC 8867 §5.5).
const STEP_PER_SECOND: f64 = 48_000.0;
/// ... and at least this share of the rate, so that fast paths are filled in this life.
const STEP_SHARE: f64 = 0.01;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// What the controller learnt since the last call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub(crate) usage: Usage,
    /// What came through.
    pub(crate) throughput: Option<DataRate>,
    pub(crate) rtt: Duration,
    /// The application sends less than it may: nothing was learnt that would justify an increase.
    pub(crate) application_limited: bool,
}

/// The delay-based estimate; see the module.
#[derive(Debug)]
pub(crate) struct Aimd {
    rate: DataRate,
    state: State,
    pub(crate) capacity: LinkCapacity,
    changed_at: Option<Instant>,
    decreased_at: Option<Instant>,
    /// When more came through than what was known as the limit.
    outgrown_at: Option<Instant>,
}

impl Aimd {
    pub(crate) fn new(rate: DataRate) -> Self {
        Self {
            rate,
            state: State::Increase,
            capacity: LinkCapacity::default(),
            changed_at: None,
            decreased_at: None,
            outgrown_at: None,
        }
    }

    pub(crate) fn rate(&self) -> DataRate {
        self.rate
    }

    /// Another source knows better: a probe, or a bound.
    pub(crate) fn set_rate(&mut self, now: Instant, rate: DataRate) {
        self.rate = rate;
        self.changed_at = Some(now);
    }

    /// Keeps it within the user's bounds.
    pub(crate) fn bound(&mut self, rate: DataRate) {
        self.rate = rate;
    }

    /// When overuse last made it go down.
    pub(crate) fn decreased_at(&self) -> Option<Instant> {
        self.decreased_at
    }

    /// When more last came through than what was known as the limit, and no queue grew of it.
    pub(crate) fn outgrown_at(&self) -> Option<Instant> {
        self.outgrown_at
    }

    /// What the delay says now. Gives whether the rate went down.
    pub(crate) fn update(&mut self, now: Instant, input: Input) -> bool {
        match input.usage {
            Usage::Over => return self.decrease(now, input),
            Usage::Under => self.state = State::Hold,
            Usage::Normal => {
                if self.state == State::Hold {
                    self.state = State::Increase;
                    self.changed_at = Some(now);
                } else {
                    self.increase(now, input);
                }
            }
        }
        false
    }

    /// Congestion by another sign than delay: an ECN mark.
    pub(crate) fn on_congestion(&mut self, now: Instant, input: Input) -> bool {
        self.decrease(now, input)
    }

    fn decrease(&mut self, now: Instant, input: Input) -> bool {
        if !self.may_decrease(now, input) {
            self.changed_at = Some(now);
            return false;
        }
        let before = self.rate;
        match input.throughput {
            Some(throughput) => {
                let outside = |bound: Option<DataRate>, is: fn(&DataRate, &DataRate) -> bool| {
                    bound.is_some_and(|bound| is(&throughput, &bound))
                };
                if outside(self.capacity.upper_bound(), DataRate::gt)
                    || outside(self.capacity.lower_bound(), DataRate::lt)
                {
                    self.capacity.reset();
                }
                self.capacity.on_overuse(throughput);
                self.rate = self.rate.min(throughput.scaled(BACKOFF));
            }
            None => self.rate = self.rate.scaled(BACKOFF),
        }
        self.state = State::Hold;
        self.changed_at = Some(now);
        self.decreased_at = Some(now);
        self.outgrown_at = None;
        self.rate < before
    }

    /// A decrease shows only after a round trip; until then the old queue is still being reported.
    fn may_decrease(&self, now: Instant, input: Input) -> bool {
        let Some(decreased_at) = self.decreased_at else { return true };
        let wait = input.rtt.clamp(Duration::from_millis(10), Duration::from_millis(200));
        now.saturating_duration_since(decreased_at) >= wait
            || input.throughput.is_some_and(|throughput| throughput < self.rate.scaled(0.5))
    }

    fn increase(&mut self, now: Instant, input: Input) {
        let since = self
            .changed_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
            .min(Duration::from_secs(1));
        self.changed_at = Some(now);
        if input.application_limited {
            return;
        }
        if let (Some(throughput), Some(upper)) = (input.throughput, self.capacity.upper_bound())
            && throughput > upper
        {
            self.capacity.reset();
            self.outgrown_at = Some(now);
        }
        let seconds = since.as_secs_f64();
        let step = if self.capacity.is_known() {
            STEP_PER_SECOND.max(self.rate.as_f64() * STEP_SHARE) * seconds
        } else {
            self.rate.as_f64() * (GROWTH.powf(seconds) - 1.0)
        };
        let mut raised = self.rate + DataRate::from_f64(step);
        if let Some(throughput) = input.throughput {
            let bound = throughput.scaled(MAX_OVER_THROUGHPUT) + THROUGHPUT_SLACK;
            // It bounds growth; it takes nothing back.
            raised = raised.min(bound.max(self.rate));
        }
        self.rate = raised;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(usage: Usage, kbps: u64) -> Input {
        Input {
            usage,
            throughput: Some(DataRate::from_kbps(kbps)),
            rtt: Duration::from_millis(100),
            application_limited: false,
        }
    }

    #[test]
    fn grows_by_eight_per_cent_a_second_while_the_limit_is_unknown() {
        let mut now = Instant::now();
        let mut aimd = Aimd::new(DataRate::from_kbps(1_000));
        aimd.update(now, input(Usage::Normal, 1_000));
        for _ in 0..10 {
            now += Duration::from_millis(100);
            aimd.update(now, input(Usage::Normal, 1_000));
        }
        let kbps = aimd.rate().as_kbps();
        assert!((1_078..=1_081).contains(&kbps), "{kbps}");
    }

    #[test]
    fn falls_below_what_came_through_and_then_grows_by_steps() {
        let mut now = Instant::now();
        let mut aimd = Aimd::new(DataRate::from_kbps(1_200));
        assert!(aimd.update(now, input(Usage::Over, 1_000)));
        assert_eq!(aimd.rate(), DataRate::from_kbps(850));
        for _ in 0..11 {
            now += Duration::from_millis(100);
            aimd.update(now, input(Usage::Normal, 850));
        }
        let kbps = aimd.rate().as_kbps();
        assert!((890..=905).contains(&kbps), "48 kbit/s in a second: {kbps}");
    }

    #[test]
    fn more_than_the_known_limit_is_noticed_until_it_is_met_again() {
        let mut now = Instant::now();
        let mut aimd = Aimd::new(DataRate::from_kbps(1_200));
        aimd.update(now, input(Usage::Over, 1_000));
        for kbps in [850, 900, 1_000] {
            now += Duration::from_millis(100);
            aimd.update(now, input(Usage::Normal, kbps));
            assert_eq!(aimd.outgrown_at(), None);
        }
        now += Duration::from_millis(100);
        aimd.update(now, input(Usage::Normal, 1_200));
        assert_eq!(aimd.outgrown_at(), Some(now));
        aimd.update(now + Duration::from_secs(1), input(Usage::Over, 1_200));
        assert_eq!(aimd.outgrown_at(), None);
    }

    #[test]
    fn never_far_above_what_comes_through() {
        let mut now = Instant::now();
        let mut aimd = Aimd::new(DataRate::from_kbps(300));
        for _ in 0..1_000 {
            now += Duration::from_millis(100);
            aimd.update(now, input(Usage::Normal, 300));
        }
        assert_eq!(aimd.rate(), DataRate::from_kbps(460));
    }

    #[test]
    fn an_application_that_sends_little_raises_nothing() {
        let mut now = Instant::now();
        let mut aimd = Aimd::new(DataRate::from_kbps(300));
        for _ in 0..100 {
            now += Duration::from_millis(100);
            aimd.update(now, Input { application_limited: true, ..input(Usage::Normal, 300) });
        }
        assert_eq!(aimd.rate(), DataRate::from_kbps(300));
    }
}
