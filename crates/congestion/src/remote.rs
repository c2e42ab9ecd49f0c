//! The receiver's side, for peers that get no reports of each packet: from their abs-send-time header extension it works
//! out what the path carries, and the answer goes back as REMB (draft-alvestrand-rmcat-remb-03), or TMMBR
//! (RFC 5104 §4.2.1).

use std::time::{Duration, Instant};

use crate::gcc::{Aimd, ArrivalGroups, Input, Throughput, Trendline, Usage};
use crate::units::{DataRate, DataSize};

/// Reports are due this often ...
const PERIOD: Duration = Duration::from_secs(1);
/// ... and at once if the estimate has fallen below this part of the one reported.
const FALL: f64 = 0.97;
/// Looks at what was learnt this often.
const UPDATE: Duration = Duration::from_millis(50);
/// Without packets for so long, what was learnt is out of date.
const PAUSE: Duration = Duration::from_secs(2);
/// abs-send-time has 24 bits, of which 18 are a fraction of a second.
const WRAP: u32 = 1 << 24;

/// Estimates from one sender's packets; see the module's file.
#[derive(Debug)]
pub struct RemoteEstimator {
    min: DataRate,
    max: DataRate,
    epoch: Option<Instant>,
    /// The last send time seen, and the same without wraps.
    last_send: Option<(u32, i64)>,
    last_packet: Option<Instant>,
    last_update: Option<Instant>,
    arrivals: ArrivalGroups,
    trendline: Trendline,
    throughput: Throughput,
    aimd: Aimd,
    measured: bool,
    rtt: Duration,
    reported: Option<(Instant, DataRate)>,
}

impl RemoteEstimator {
    /// With bounds for what it reports, brought into order if they are not.
    pub fn new(min: DataRate, max: DataRate) -> Self {
        let max = max.max(min);
        Self {
            min,
            max,
            epoch: None,
            last_send: None,
            last_packet: None,
            last_update: None,
            arrivals: ArrivalGroups::default(),
            trendline: Trendline::default(),
            throughput: Throughput::default(),
            aimd: Aimd::new(max),
            measured: false,
            rtt: Duration::from_millis(200),
            reported: None,
        }
    }

    /// The round-trip time, where the receiver knows it (RFC 3611 §4.5, or ICE).
    pub fn on_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt.min(Duration::from_secs(10));
    }

    /// A packet arrived, with the 24 bits of its abs-send-time extension; higher bits are ignored.
    pub fn on_packet(&mut self, now: Instant, abs_send_time: u32, size: DataSize) {
        let paused =
            self.last_packet.is_some_and(|last| now.saturating_duration_since(last) > PAUSE);
        if paused {
            self.arrivals = ArrivalGroups::default();
            self.trendline = Trendline::default();
            self.throughput = Throughput::default();
            self.last_send = None;
        }
        self.last_packet = Some(self.last_packet.map_or(now, |last| last.max(now)));
        let epoch = *self.epoch.get_or_insert(now);
        let arrived = now.saturating_duration_since(epoch).as_micros();
        let arrived = i64::try_from(arrived).unwrap_or(i64::MAX);
        let sent = self.unwrap(abs_send_time & (WRAP - 1));
        self.throughput.push(arrived, size);
        if let Some(delta) = self.arrivals.push(sent, arrived) {
            self.trendline.push(delta);
        }
        let due = self.last_update.is_none_or(|last| now.saturating_duration_since(last) >= UPDATE);
        if due || self.trendline.usage() == Usage::Over {
            self.update(now);
        }
    }

    /// Microseconds that go on over the wrap every 64 seconds.
    fn unwrap(&mut self, time: u32) -> i64 {
        let (last, unwrapped) = self.last_send.unwrap_or((time, 0));
        let mut step = i64::from(time) - i64::from(last);
        if step > i64::from(WRAP / 2) {
            step -= i64::from(WRAP);
        } else if step < -i64::from(WRAP / 2) {
            step += i64::from(WRAP);
        }
        let now = unwrapped.saturating_add(step);
        self.last_send = Some((time, now));
        // 2^18 ticks a second.
        ((i128::from(now) * 1_000_000) >> 18) as i64
    }

    fn update(&mut self, now: Instant) {
        self.last_update = Some(now);
        let Some(throughput) = self.throughput.rate() else { return };
        if !self.measured {
            // Until the first overuse the receiver has no reason to set a limit far below its largest.
            self.measured = true;
            self.aimd.set_rate(now, (throughput + throughput).clamp(self.min, self.max));
        }
        let usage = self.trendline.usage();
        self.aimd.update(
            now,
            Input {
                usage,
                throughput: Some(throughput),
                rtt: self.rtt,
                application_limited: false,
            },
        );
        self.aimd.bound(self.aimd.rate().clamp(self.min, self.max));
    }

    /// The estimate; `None` until enough has arrived.
    pub fn estimate(&self) -> Option<DataRate> {
        self.measured.then(|| self.aimd.rate())
    }

    /// The estimate, if it is time to report it: every second, and at once after a fall. It counts as reported.
    pub fn poll_report(&mut self, now: Instant) -> Option<DataRate> {
        let estimate = self.estimate()?;
        let silent =
            self.last_packet.is_none_or(|last| now.saturating_duration_since(last) > PAUSE);
        let due = self.reported.is_none_or(|(at, rate)| {
            now.saturating_duration_since(at) >= PERIOD || estimate < rate.scaled(FALL)
        });
        if silent || !due {
            return None;
        }
        self.reported = Some((now, estimate));
        Some(estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends at `sent_kbps` through a link of `link_kbps` and gives the reports.
    fn run(
        estimator: &mut RemoteEstimator,
        at: &mut f64,
        sent_kbps: f64,
        link_kbps: f64,
    ) -> Vec<u64> {
        let start = Instant::now();
        let base = *at;
        let mut free = *at;
        let mut reports = Vec::new();
        while *at < base + 5.0 {
            *at += 9.6 / sent_kbps;
            free = free.max(*at) + 9.6 / link_kbps;
            let ticks = (*at * f64::from(1 << 18)) as u64 as u32;
            let now = start + Duration::from_secs_f64(free);
            estimator.on_packet(now, ticks, DataSize::from_bytes(1_200));
            reports.extend(estimator.poll_report(now).map(DataRate::as_kbps));
        }
        reports
    }

    #[test]
    fn a_path_with_room_is_not_held_down() {
        let mut estimator = RemoteEstimator::new(DataRate::ZERO, DataRate::from_mbps(10));
        // Over the wrap of the send time at 64 seconds.
        let reports = run(&mut estimator, &mut 62.0, 1_000.0, 5_000.0);
        assert!((5..=6).contains(&reports.len()), "one a second: {reports:?}");
        assert!(reports.iter().all(|&kbps| kbps >= 1_300), "{reports:?}");
    }

    #[test]
    fn a_path_that_is_too_slow_is_reported_at_once() {
        let mut estimator = RemoteEstimator::new(DataRate::ZERO, DataRate::from_mbps(10));
        let reports = run(&mut estimator, &mut 0.0, 1_000.0, 700.0);
        let last = *reports.last().expect("reports");
        assert!((550..=700).contains(&last), "{reports:?}");
    }
}
