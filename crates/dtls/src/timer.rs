//! The retransmission timer (RFC 9147 §5.8.2, RFC 6347 §4.2.4.1).

use std::time::{Duration, Instant};

use crate::config::{Config, MIN_MTU};

/// After how many silent rounds datagrams shrink, in case the path does not carry large ones (RFC 9147 §4.4). With the
/// default timer that is a second and a half: other losses should be over by then, and some peers cannot join
/// fragments of different sizes.
const ROUNDS_BEFORE_SMALLER_MTU: u32 = 5;
/// To which size, in bytes: every IPv4 path carries datagrams of 576 bytes with headers.
const SMALLER_MTU: usize = 512;

/// How often a server sends its flight again of its own accord, while nothing proves that anyone receives at the address a
/// ClientHello claims to come from: eight flights in all, the last after six seconds with the default timer. Otherwise a
/// forged ClientHello would aim a server at a victim for as long as a handshake may take (RFC 9147 §5.1, §11).
pub(crate) const MAX_UNPROVEN_ROUNDS: u32 = 7;

/// How many bytes may go out again for each byte that came from an address that is unproven, as in QUIC (RFC 9000 §8).
const UNPROVEN_FACTOR: usize = 3;

/// What may go to an unproven address.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// How often the timer may still run out.
    rounds: u32,
    /// Bytes that came since they last paid for a flight.
    received: usize,
}

/// When to send a flight again. Backs off by doubling, and learns the round trip from flights that needed no second try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetransmitTimer {
    initial: Duration,
    max: Duration,
    current: Duration,
    deadline: Option<Instant>,
    last_sent: Option<Instant>,
    /// How often the flight in question was sent again.
    rounds: u32,
    /// What holds for a peer whose address is unproven.
    limit: Option<Limit>,
}

impl RetransmitTimer {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            initial: config.initial_timeout,
            max: config.max_timeout,
            current: config.initial_timeout,
            deadline: None,
            last_sent: None,
            rounds: 0,
            limit: None,
        }
    }

    /// A flight went out at `now`.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.last_sent = Some(now);
        let has_rounds = self.limit.is_none_or(|limit| limit.rounds > 0);
        self.deadline = has_rounds.then(|| now + self.current);
    }

    /// Lets the timer run out no more often than [`MAX_UNPROVEN_ROUNDS`], whatever flights it is armed for, and what the
    /// peer sends bring about no more than three times its own size, until [`Self::lift_limit`].
    pub(crate) fn limit(&mut self) {
        self.limit = Some(Limit { rounds: MAX_UNPROVEN_ROUNDS, received: 0 });
    }

    /// Bytes came from the peer.
    pub(crate) fn note_received(&mut self, len: usize) {
        if let Some(limit) = &mut self.limit {
            limit.received = limit.received.saturating_add(len);
        }
    }

    /// The peer has proven that it receives what we send.
    pub(crate) fn lift_limit(&mut self) {
        self.limit = None;
    }

    /// A flight went out at `now` that only goes out again when the peer repeats itself.
    pub(crate) fn sent_once(&mut self, now: Instant) {
        self.last_sent = Some(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time the timer waits at present.
    pub(crate) fn current(&self) -> Duration {
        self.current
    }

    /// Whether the timer has run out; if so it stands still until it is armed again, and waits longer then.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return false;
        }
        self.deadline = None;
        self.rounds += 1;
        if let Some(limit) = &mut self.limit {
            limit.rounds = limit.rounds.saturating_sub(1);
        }
        self.current = (self.current * 2).min(self.max);
        true
    }

    /// The flight is sent again for another reason than that the timer ran out. Does not back off.
    pub(crate) fn resend(&mut self) {
        self.deadline = None;
        self.rounds += 1;
    }

    /// Whether so much time has passed since the flight last went out that a repetition from the peer means that it got
    /// lost. Keeps a burst of repeated fragments from being answered by as many flights. Where the address is unproven, the
    /// peer pays for the `len` bytes of the flight.
    pub(crate) fn may_resend(&mut self, now: Instant, len: usize) -> bool {
        // The peer waits a quarter of its timer before it complains (RFC 9147 §7.1).
        let is_due = self
            .last_sent
            .is_some_and(|sent| now.saturating_duration_since(sent) >= self.initial / 4);
        match &mut self.limit {
            Some(limit) if is_due => {
                let is_paid = limit.received.saturating_mul(UNPROVEN_FACTOR) >= len;
                if is_paid {
                    limit.received = 0;
                }
                is_paid
            }
            _ => is_due,
        }
    }

    /// The flight was answered: stops, and learns.
    pub(crate) fn answered(&mut self, now: Instant) {
        if self.rounds == 0
            && let Some(sent) = self.last_sent
        {
            // RFC 9147 §5.8.2: 1.5 times the measured round trip.
            let round_trip = now.saturating_duration_since(sent);
            self.current = (round_trip + round_trip / 2).clamp(self.initial, self.max);
        }
        self.deadline = None;
        self.last_sent = None;
        self.rounds = 0;
    }

    /// The largest datagram to send in this round.
    pub(crate) fn mtu(&self, configured: usize) -> usize {
        if self.rounds >= ROUNDS_BEFORE_SMALLER_MTU {
            configured.clamp(MIN_MTU, SMALLER_MTU)
        } else {
            configured
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};

    use super::*;

    #[test]
    fn a_limit_stops_the_timer_until_it_is_lifted() {
        let (params, mut rng) = (CertificateParams::default(), Rng::from_seed(1));
        let epoch = std::time::UNIX_EPOCH;
        let certificate = Certificate::generate(&default_provider(), params, epoch, &mut rng);
        let config = Config::new(default_provider(), Arc::new(certificate.expect("a certificate")));
        let mut timer = RetransmitTimer::new(&config);
        let mut now = Instant::now();
        timer.limit();
        timer.arm(now);
        let mut rounds = 0;
        while let Some(deadline) = timer.deadline() {
            now = deadline;
            assert!(timer.expire(now));
            rounds += 1;
            // Another flight does not start the count anew.
            timer.answered(now);
            timer.arm(now);
        }
        assert_eq!(rounds, MAX_UNPROVEN_ROUNDS);
        // What the peer sends has to pay for what it brings about.
        let later = now + Duration::from_secs(1);
        timer.sent_once(now);
        timer.note_received(300);
        assert!(!timer.may_resend(later, 1000));
        timer.note_received(34);
        assert!(!timer.may_resend(now, 1000), "too early");
        assert!(timer.may_resend(later, 1000));
        assert!(!timer.may_resend(later, 1000), "paid for once");
        timer.lift_limit();
        timer.arm(now);
        assert!(timer.deadline().is_some());
        assert!(timer.may_resend(later, 1000));
    }
}
