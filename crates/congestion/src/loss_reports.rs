//! For peers that report on no single packet: the rate follows the share of packets that receiver reports call lost
//! (draft-ietf-rmcat-gcc-02 §6) and the limit that REMB names. Without delays nobody sees a queue grow, so the rate stays
//! at its start unless the receiver names more.

use std::time::{Duration, Instant};

use crate::controller::{Controller, ProbeCluster, Target};
use crate::error::Error;
use crate::gcc::GccConfig;
use crate::report::{Feedback, SentPacket};
use crate::units::DataRate;

/// Above this share the rate goes down, below the other it goes up (draft-ietf-rmcat-gcc-02 §6).
const MUCH: f64 = 0.10;
const LITTLE: f64 = 0.02;
/// How fast it goes up in a second, and over how long a time at once: reports come at times of their own.
const INCREASE: f64 = 1.08;
const LONGEST_INCREASE: Duration = Duration::from_millis(1_500);
/// It goes down once in this time and a round trip: what was sent before cannot tell of it.
const DECREASE_PERIOD: Duration = Duration::from_millis(300);
/// As with [`Gcc`](crate::Gcc).
const PACING_FACTOR: f64 = 1.5;

/// The controller; see the module's file.
#[derive(Debug)]
pub struct LossReports {
    config: GccConfig,
    rate: DataRate,
    remote_limit: Option<DataRate>,
    loss: f64,
    rtt: Duration,
    changed: Option<Instant>,
    /// Losses have lowered the rate: the receiver's estimate is not taken at its word any more.
    lowered: bool,
}

impl LossReports {
    /// A controller with these bounds.
    ///
    /// # Errors
    ///
    /// See [`GccConfig::validate`].
    pub fn new(config: GccConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            rate: config.start_rate.clamp(config.min_rate, config.max_rate),
            remote_limit: None,
            loss: 0.0,
            rtt: Duration::from_millis(200),
            changed: None,
            lowered: false,
        })
    }

    /// The share of packets lost since the last report, 0 to 1 (RFC 3550 §6.4.1), of all streams together.
    pub fn on_loss(&mut self, now: Instant, fraction: f64) {
        let fraction = fraction.clamp(0.0, 1.0);
        self.loss = fraction;
        let since = self.changed.map(|at| now.saturating_duration_since(at));
        if fraction > MUCH {
            if since.is_none_or(|since| since >= DECREASE_PERIOD + self.rtt) {
                self.rate = self.rate.scaled(1.0 - fraction / 2.0).max(self.config.min_rate);
                self.lowered = true;
                self.changed = Some(now);
            }
        } else if fraction < LITTLE {
            let time = since.unwrap_or(Duration::from_secs(1)).min(LONGEST_INCREASE);
            let raised = self.rate.scaled(INCREASE.powf(time.as_secs_f64())).min(self.ceiling());
            self.rate = self.rate.max(raised);
            self.changed = Some(now);
        }
    }

    /// The most that losses alone let it rise to.
    fn ceiling(&self) -> DataRate {
        self.remote_limit.unwrap_or(self.config.start_rate).min(self.config.max_rate)
    }
}

impl Controller for LossReports {
    fn on_packet_sent(&mut self, _: Instant, _: &SentPacket) {}

    fn on_feedback(&mut self, _: Instant, _: &Feedback<'_>) {}

    fn on_rtt(&mut self, _: Instant, rtt: Duration) {
        self.rtt = rtt.min(Duration::from_secs(1));
    }

    fn on_remote_limit(&mut self, _: Instant, limit: Option<DataRate>) {
        self.remote_limit = limit;
        if !self.lowered && limit.is_some() {
            // The receiver sees delays. Its estimate is little above what it gets, so that this is no jump.
            self.rate = self.rate.max(self.ceiling());
        }
    }

    fn on_application_limited(&mut self, _: Instant, _: Option<DataRate>) {}

    fn on_route_change(&mut self, _: Instant) {
        let start = self.config.start_rate.clamp(self.config.min_rate, self.config.max_rate);
        self.rate = self.rate.min(start);
        self.lowered = false;
        self.changed = None;
        self.remote_limit = None;
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn target(&self) -> Target {
        let rate = self.remote_limit.map_or(self.rate, |limit| limit.min(self.rate));
        Target {
            rate,
            stable_rate: rate,
            pacing_rate: rate.scaled(PACING_FACTOR),
            padding_rate: DataRate::ZERO,
            congestion_window: None,
            congested: false,
            rtt: self.rtt,
            loss: self.loss,
        }
    }

    fn poll_probe(&mut self) -> Option<ProbeCluster> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(controller: &LossReports) -> u64 {
        controller.target().rate.as_kbps()
    }

    #[test]
    fn without_a_word_it_stays_at_the_start() {
        let (mut controller, mut now) =
            (LossReports::new(GccConfig::default()).expect("bounds"), Instant::now());
        for _ in 0..60 {
            now += Duration::from_secs(1);
            controller.on_loss(now, 0.0);
        }
        assert_eq!(kbps(&controller), 300);
    }

    #[test]
    fn losses_lower_it_and_their_end_raises_it_again() {
        let (mut controller, mut now) =
            (LossReports::new(GccConfig::default()).expect("bounds"), Instant::now());
        for _ in 0..5 {
            now += Duration::from_secs(1);
            controller.on_loss(now, 0.4);
        }
        assert_eq!(kbps(&controller), 98, "0.8 to the fifth");
        for _ in 0..1_000 {
            controller.on_loss(now, 1.0);
        }
        assert_eq!(kbps(&controller), 98, "once a round trip");
        controller.on_loss(now + Duration::from_secs(1), 0.05);
        assert_eq!(kbps(&controller), 98, "neither much nor little");
        for _ in 0..60 {
            now += Duration::from_secs(1);
            controller.on_loss(now, 0.0);
        }
        assert_eq!(kbps(&controller), 300);
        for _ in 0..600 {
            now += Duration::from_secs(1);
            controller.on_loss(now, f64::NAN.max(1.0));
        }
        assert_eq!(kbps(&controller), 30, "never below the smallest");
    }

    #[test]
    fn the_receiver_names_a_limit() {
        let (mut controller, now) =
            (LossReports::new(GccConfig::default()).expect("bounds"), Instant::now());
        controller.on_remote_limit(now, Some(DataRate::from_mbps(2)));
        assert_eq!(kbps(&controller), 2_000);
        controller.on_remote_limit(now, Some(DataRate::ZERO));
        assert_eq!(kbps(&controller), 0);
        controller.on_loss(now, 0.2);
        controller.on_remote_limit(now, Some(DataRate::from_mbps(4)));
        assert_eq!(kbps(&controller), 1_800, "after losses it rises step by step");
    }

    #[test]
    fn the_limit_was_about_the_old_path() {
        let (mut controller, now) =
            (LossReports::new(GccConfig::default()).expect("bounds"), Instant::now());
        controller.on_remote_limit(now, Some(DataRate::from_kbps(40)));
        assert_eq!(kbps(&controller), 40);
        controller.on_route_change(now);
        assert!(kbps(&controller) > 40, "{}", kbps(&controller));
    }
}
