//! The life of the pair in use: when to ask for consent again, when to worry, when to stop (RFC 7675 §5.1).
//!
//! Consent checks go out every 4 to 6 seconds, once each. When one stays unanswered for longer than a round trip takes,
//! ordinary connectivity checks follow every second ([`PROBE_INTERVAL`]) so that loss on the path neither looks like a
//! dead peer nor ends consent; they are paced checks, which RFC 7675 allows beside the consent timer.

use std::time::{Duration, Instant};

use peerage_crypto::Rng;

use crate::config::Timers;

/// Time between connectivity checks on a pair that owes us a response.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsentStep {
    /// Nothing.
    Idle,
    /// Send a consent check.
    Check,
    /// Send a connectivity check: an earlier one is unanswered.
    Probe,
    /// Stop sending: consent expired.
    Expired,
}

/// Clock of the pair in use.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    lite: bool,
    next_check: Instant,
    last_response: Instant,
    last_heard: Instant,
    /// The first request that is unanswered, and when to probe next.
    unanswered: Option<(Instant, Instant)>,
}

impl Consent {
    /// Consent was given at `now`. A lite agent asks for none, it only watches the peer's checks.
    pub(crate) fn new(now: Instant, timers: &Timers, rng: &mut Rng, lite: bool) -> Self {
        Self {
            lite,
            next_check: now + interval(timers, rng),
            last_response: now,
            last_heard: now,
            unanswered: None,
        }
    }

    /// A valid response came.
    pub(crate) fn on_response(&mut self, now: Instant) {
        self.last_response = now;
        self.last_heard = now;
        self.unanswered = None;
    }

    /// A check of the peer or data came.
    pub(crate) fn on_heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// A request was sent.
    pub(crate) fn on_sent(&mut self, now: Instant, timers: &Timers, rtt: Option<Duration>) {
        let patience = rtt.map_or(timers.rto_min, |rtt| timers.rto_min.max(rtt * 2));
        match &mut self.unanswered {
            Some((_, probe)) => *probe = now + PROBE_INTERVAL.max(patience),
            None => self.unanswered = Some((now, now + patience)),
        }
    }

    /// Asks again at once: something suggests that the path changed.
    pub(crate) fn suspect(&mut self, now: Instant) {
        if self.unanswered.is_none() && !self.lite {
            self.unanswered = Some((now, now));
        }
    }

    /// What is due at `now`. After `Check` the next interval has begun.
    pub(crate) fn step(&mut self, now: Instant, timers: &Timers, rng: &mut Rng) -> ConsentStep {
        if self.lite {
            let expired = now >= self.last_heard + timers.consent_timeout;
            return if expired { ConsentStep::Expired } else { ConsentStep::Idle };
        }
        if now >= self.last_response + timers.consent_timeout {
            return ConsentStep::Expired;
        }
        if now >= self.next_check {
            self.next_check = now + interval(timers, rng);
            return ConsentStep::Check;
        }
        match self.unanswered {
            Some((_, probe)) if now >= probe => ConsentStep::Probe,
            _ => ConsentStep::Idle,
        }
    }

    fn silent_since(&self, timers: &Timers) -> Option<Instant> {
        if self.lite {
            // The peer's checks come every few seconds at most; twice the time that a full agent waits.
            return Some(self.last_heard + timers.disconnected_timeout * 2);
        }
        let (first, _) = self.unanswered?;
        Some((self.last_heard + timers.disconnected_timeout).max(first + PROBE_INTERVAL))
    }

    /// Whether the peer has been silent for too long.
    pub(crate) fn is_disconnected(&self, now: Instant, timers: &Timers) -> bool {
        self.silent_since(timers).is_some_and(|t| now >= t)
    }

    /// Whether a request has stood unanswered for longer than a probe interval.
    pub(crate) fn is_doubtful(&self, now: Instant) -> bool {
        self.unanswered.is_some_and(|(first, _)| now >= first + PROBE_INTERVAL)
    }

    /// Whether a request stands unanswered.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    pub(crate) fn last_response(&self) -> Instant {
        self.last_response
    }

    /// When [`step`](Self::step) or [`is_disconnected`](Self::is_disconnected) will say something new.
    pub(crate) fn deadline(&self, now_disconnected: bool, timers: &Timers) -> Instant {
        let expiry =
            if self.lite { self.last_heard } else { self.last_response } + timers.consent_timeout;
        let mut deadline = expiry;
        if !self.lite {
            deadline = deadline.min(self.next_check);
        }
        if let Some((_, probe)) = self.unanswered {
            deadline = deadline.min(probe);
        }
        if !now_disconnected {
            deadline = self.silent_since(timers).map_or(deadline, |t| deadline.min(t));
        }
        deadline
    }
}

/// RFC 7675 §5.1: randomized from 0.8 to 1.2 of the basic period, and never below 4 seconds.
fn interval(timers: &Timers, rng: &mut Rng) -> Duration {
    let factor = 0.8 + 0.4 * f64::from(rng.u32()) / f64::from(u32::MAX);
    timers.consent_interval.mul_f64(factor).max(Duration::from_secs(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_four_to_six_seconds_apart() {
        let (timers, mut rng, mut now) = (Timers::default(), Rng::from_seed(1), Instant::now());
        let mut consent = Consent::new(now, &timers, &mut rng, false);
        for _ in 0..100 {
            let next = consent.deadline(false, &timers);
            assert!((4.0..=6.0).contains(&(next - now).as_secs_f64()));
            now = next;
            assert_eq!(consent.step(now, &timers, &mut rng), ConsentStep::Check);
            consent.on_sent(now, &timers, None);
            consent.on_response(now);
        }
    }

    #[test]
    fn silence_is_probed_then_reported_then_ends_consent() {
        let (timers, mut rng, start) = (Timers::default(), Rng::from_seed(1), Instant::now());
        let mut consent = Consent::new(start, &timers, &mut rng, false);
        let (mut disconnected, mut probes) = (None, 0);
        let expired = loop {
            let now = consent.deadline(disconnected.is_some(), &timers);
            match consent.step(now, &timers, &mut rng) {
                ConsentStep::Expired => break now - start,
                ConsentStep::Idle => {}
                step => {
                    probes += u32::from(step == ConsentStep::Probe);
                    consent.on_sent(now, &timers, None);
                }
            }
            if disconnected.is_none() && consent.is_disconnected(now, &timers) {
                disconnected = Some(now - start);
            }
        };
        assert!((5.0..=7.5).contains(&disconnected.unwrap().as_secs_f64()), "{disconnected:?}");
        assert_eq!(expired, Duration::from_secs(30));
        assert!(probes > 15, "{probes}");
    }
}
