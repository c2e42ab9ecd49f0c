//! When to send RTCP (RFC 3550 §6.2, §6.3), with the reduced minimum and with early feedback (RFC 4585 §3.5). The caller
//! sends a compound when [`handle_timeout`](RtcpSchedule::handle_timeout) says so, and tells of all it sends and receives.

use std::time::{Duration, Instant};

/// How a session may report.
#[derive(Debug, Clone, Copy)]
pub struct RtcpScheduleConfig {
    /// Bits per second for RTCP of all participants: 5 % of the session's bandwidth (RFC 3550 §6.2).
    pub rtcp_bandwidth: u64,
    /// The least interval in the long run. RFC 3550 §6.2 says 5 s, or 360 s over the session's bandwidth in kbit/s;
    /// with feedback (RFC 4585 §3.4) it may be zero.
    pub minimum_interval: Duration,
    /// The longest interval in the long run, whatever the bandwidth: [`Duration::MAX`] for none, as RFC 3550 has it. Where
    /// it counts, reports take more than their share.
    pub maximum_interval: Duration,
    /// `T_rr_interval`: the least interval between regular reports with feedback (RFC 4585 §3.4); zero for none.
    pub regular_interval: Duration,
}

impl RtcpScheduleConfig {
    /// For a session of so many bits per second with feedback (RTP/SAVPF): five percent of it, no minimum (RFC 4585
    /// §3.4 d), and regular reports no closer than the reduced minimum of RFC 3550 §6.2, 360 s / kbit/s, within 250 ms
    /// and 1 s.
    #[must_use]
    pub fn feedback(session_bandwidth: u64) -> Self {
        let reduced = Duration::from_secs_f64(360_000.0 / session_bandwidth.max(1) as f64);
        Self {
            rtcp_bandwidth: session_bandwidth / 20,
            minimum_interval: Duration::ZERO,
            maximum_interval: Duration::MAX,
            regular_interval: reduced.clamp(Duration::from_millis(250), Duration::from_secs(1)),
        }
    }
}

/// What becomes of feedback that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyFeedback {
    /// Send it now. The schedule counts on it: call [`RtcpSchedule::sent`].
    Now,
    /// A regular report is due soon enough, at this time: append it there.
    WithRegular(Instant),
    /// It cannot be sent while it is of use.
    TooLate,
}

/// The schedule of one participant.
#[derive(Debug)]
pub struct RtcpSchedule {
    config: RtcpScheduleConfig,
    /// When the last regular packet was due or sent (`tp`), and when the next is (`tn`).
    previous: Instant,
    next: Instant,
    /// When a regular packet was last sent (`t_rr_last`), and how long until another, with its randomness.
    last_regular: Option<Instant>,
    regular_interval: Duration,
    members: u32,
    previous_members: u32,
    senders: u32,
    we_sent: bool,
    /// The compound that is due now goes for the sake of feedback alone.
    for_feedback: bool,
    /// Average size in bytes, scaled by 16.
    average_size: u64,
    initial: bool,
    allow_early: bool,
}

/// Bytes of UDP and IP that count as part of a packet (RFC 3550 §6.2).
const LOWER_LAYERS: u64 = 28;

impl RtcpSchedule {
    /// A participant that joins now. `random` is uniform over all values, as in all calls.
    #[must_use]
    pub fn new(now: Instant, config: RtcpScheduleConfig, random: u32) -> Self {
        let mut schedule = Self {
            config,
            previous: now,
            next: now,
            last_regular: None,
            regular_interval: Duration::ZERO,
            members: 2,
            previous_members: 2,
            senders: 0,
            we_sent: false,
            // RFC 3550 §6.3.2: the probable size of the first packet, a report with a CNAME.
            average_size: (100 + LOWER_LAYERS) << 4,
            initial: true,
            allow_early: true,
            for_feedback: false,
        };
        schedule.next = now + schedule.interval(random);
        schedule
    }

    /// The interval of RFC 3550 §6.3.1.
    fn interval(&self, random: u32) -> Duration {
        let members = u64::from(self.members.max(1));
        let senders = u64::from(self.senders).min(members);
        let bandwidth = (self.config.rtcp_bandwidth / 8).max(1);
        // Average size over bandwidth, times how many share it.
        let (sharing, numerator, denominator) = if senders * 4 <= members {
            if self.we_sent { (senders, 4, 1) } else { (members - senders, 4, 3) }
        } else {
            (members, 1, 1)
        };
        let nanos =
            u128::from(self.average_size) * u128::from(sharing.max(1)) * numerator * 1_000_000_000
                / (u128::from(bandwidth) * denominator * 16);
        let computed =
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).min(3_600_000_000_000));
        // RFC 3550 §6.3.1: half the minimum before the first packet. RFC 4585 §3.5.3 has a second then, if nothing else.
        let minimum = match (self.initial, self.config.minimum_interval) {
            (true, Duration::ZERO) => Duration::from_millis(500),
            (true, minimum) => minimum / 2,
            (false, minimum) => minimum,
        };
        // Between a half and one and a half, over e - 3/2.
        let factor = (0.5 + f64::from(random) / f64::from(u32::MAX)) / 1.218_28;
        computed.min(self.config.maximum_interval).max(minimum).mul_f64(factor)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// Whether a regular compound is to be sent now. `feedback` says whether feedback waits that would go with it.
    /// The caller sends and calls [`sent`](Self::sent), or the schedule has already moved on.
    pub fn handle_timeout(&mut self, now: Instant, feedback: bool, random: u32) -> bool {
        if now < self.next {
            return false;
        }
        // RFC 3550 §6.3.6: reconsider, since others may have joined since the time was set.
        let reconsidered = self.previous + self.interval(random);
        if reconsidered > now {
            self.next = reconsidered;
            self.previous_members = self.members;
            return false;
        }
        self.allow_early = true;
        let due = match self.last_regular {
            Some(last) if !self.config.regular_interval.is_zero() => {
                now >= last + self.regular_interval
            }
            _ => true,
        };
        if due || feedback {
            self.for_feedback = !due;
            return true;
        }
        // RFC 4585 §3.5.3 2c: suppressed.
        self.previous = now;
        self.next = now + self.interval(random.rotate_left(16));
        self.previous_members = self.members;
        false
    }

    /// A regular compound of so many bytes was sent (RFC 3550 §6.3.6).
    pub fn sent(&mut self, now: Instant, len: usize, random: u32) {
        self.initial = false;
        self.average(len);
        self.previous = now;
        // RFC 4585 §3.5.3 2b: one that went for the sake of feedback does not put off the next regular one.
        if !std::mem::take(&mut self.for_feedback) {
            self.last_regular = Some(now);
            let factor = 0.5 + f64::from(random) / f64::from(u32::MAX);
            self.regular_interval = self.config.regular_interval.mul_f64(factor);
        }
        self.next = now + self.interval(random.rotate_left(16));
        self.previous_members = self.members;
    }

    /// An RTCP packet of so many bytes was received (RFC 3550 §6.3.3).
    pub fn received(&mut self, len: usize) {
        self.average(len);
    }

    fn average(&mut self, len: usize) {
        let len = len as u64 + LOWER_LAYERS;
        self.average_size = self.average_size - self.average_size / 16 + len;
    }

    /// Says how many participants there are, and how many send, this one included. When members leave, what waits
    /// comes sooner in proportion (RFC 3550 §6.3.4).
    pub fn set_members(&mut self, now: Instant, members: u32, senders: u32, we_sent: bool) {
        let members = members.max(1);
        if members < self.previous_members {
            let scale = |duration: Duration| {
                duration.mul_f64(f64::from(members) / f64::from(self.previous_members))
            };
            self.next = now + scale(self.next.saturating_duration_since(now));
            let since = scale(now.saturating_duration_since(self.previous));
            self.previous = now.checked_sub(since).unwrap_or(now);
            self.previous_members = members;
        }
        self.members = members;
        self.senders = senders;
        self.we_sent = we_sent;
    }

    /// Changes the bandwidth, when the session's changes.
    pub fn set_config(&mut self, config: RtcpScheduleConfig) {
        self.config = config;
    }

    /// Feedback waits that is of use for `useful`. Between two participants it need not dither (RFC 4585 §3.5.1), so it
    /// leaves now, unless early feedback has left since the last regular packet.
    pub fn early_feedback(
        &mut self,
        now: Instant,
        useful: Duration,
        len: usize,
        random: u32,
    ) -> EarlyFeedback {
        if !self.allow_early {
            // RFC 4585 §3.5.2 4a.
            return if self.next.saturating_duration_since(now) < useful {
                EarlyFeedback::WithRegular(self.next)
            } else {
                EarlyFeedback::TooLate
            };
        }
        // RFC 4585 §3.5.2 6: skip one regular packet.
        self.allow_early = false;
        let due = self.next;
        self.next = self.previous.max(now) + self.interval(random) * 2;
        self.previous = due;
        self.average(len);
        EarlyFeedback::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lcg(u32);
    impl Lcg {
        fn next(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.0 ^ self.0 >> 16
        }
    }

    fn run(config: RtcpScheduleConfig, seconds: u64, members: u32) -> Vec<Duration> {
        let start = Instant::now();
        let mut random = Lcg(7);
        let mut schedule = RtcpSchedule::new(start, config, random.next());
        schedule.set_members(start, members, 2, true);
        let mut sent = Vec::new();
        let mut now = start;
        while now < start + Duration::from_secs(seconds) {
            now = schedule.poll_timeout().max(now + Duration::from_millis(1));
            if schedule.handle_timeout(now, false, random.next()) {
                schedule.sent(now, 100, random.next());
                sent.push(now - start);
            }
        }
        sent
    }

    #[test]
    fn the_plain_profile_reports_every_five_seconds_on_average() {
        let config = RtcpScheduleConfig {
            rtcp_bandwidth: 50_000,
            minimum_interval: Duration::from_secs(5),
            maximum_interval: Duration::MAX,
            regular_interval: Duration::ZERO,
        };
        let sent = run(config, 3_600, 2);
        assert!((600..900).contains(&sent.len()), "{}", sent.len());
        assert!(sent[0] < Duration::from_secs(4), "half the minimum first");
    }

    #[test]
    fn feedback_profiles_report_about_once_a_second() {
        let sent = run(RtcpScheduleConfig::feedback(64_000), 600, 2);
        assert!((400..900).contains(&sent.len()), "{}", sent.len());
        let sent = run(RtcpScheduleConfig::feedback(2_000_000), 600, 2);
        assert!((1_500..3_500).contains(&sent.len()), "{}", sent.len());
    }

    #[test]
    fn many_members_stay_within_the_bandwidth() {
        let config = RtcpScheduleConfig {
            rtcp_bandwidth: 10_000,
            minimum_interval: Duration::ZERO,
            maximum_interval: Duration::MAX,
            regular_interval: Duration::ZERO,
        };
        // 128 bytes each, a hundred members, a quarter for the two senders: about 1.2 a second.
        let sent = run(config, 1_000, 100);
        let bytes_per_second = sent.len() as u64 * 128 / 1_000;
        assert!(bytes_per_second < 10_000 / 8 / 4 / 2 * 13 / 10, "{bytes_per_second}");
    }

    #[test]
    fn little_bandwidth_does_not_put_reports_off_for_ever() {
        let bounded = |maximum_interval: Duration| RtcpScheduleConfig {
            rtcp_bandwidth: 8,
            minimum_interval: Duration::from_secs(1),
            maximum_interval,
            regular_interval: Duration::ZERO,
        };
        // 128 bytes a second would be 256 s for the two.
        assert!(run(bounded(Duration::MAX), 3_600, 2).len() < 60);
        let sent = run(bounded(Duration::from_secs(5)), 3_600, 2);
        assert!((600..900).contains(&sent.len()), "{}", sent.len());
    }

    #[test]
    fn early_feedback_leaves_once_and_then_waits() {
        let start = Instant::now();
        let mut schedule =
            RtcpSchedule::new(start, RtcpScheduleConfig::feedback(1_000_000), 1 << 31);
        let useful = Duration::from_secs(10);
        assert_eq!(schedule.early_feedback(start, useful, 60, 1 << 31), EarlyFeedback::Now);
        let EarlyFeedback::WithRegular(at) = schedule.early_feedback(start, useful, 60, 1 << 31)
        else {
            panic!("early again");
        };
        assert_eq!(
            schedule.early_feedback(start, Duration::ZERO, 60, 1 << 31),
            EarlyFeedback::TooLate
        );
        let mut now = at;
        while !schedule.handle_timeout(now, true, 1 << 31) {
            now = schedule.poll_timeout();
        }
        schedule.sent(now, 100, 1 << 31);
        assert_eq!(schedule.early_feedback(now, useful, 60, 1 << 31), EarlyFeedback::Now);
    }

    #[test]
    fn feedback_goes_with_a_compound_that_would_be_suppressed() {
        let start = Instant::now();
        let mut schedule =
            RtcpSchedule::new(start, RtcpScheduleConfig::feedback(1_000_000), 1 << 31);
        let mut send = |feedback: bool| loop {
            let now = schedule.poll_timeout();
            let due = schedule.handle_timeout(now, feedback, 1 << 31);
            if due {
                schedule.sent(now, 100, 1 << 31);
                return now - start;
            }
        };
        let first = send(false);
        let with_feedback = send(true);
        assert!(with_feedback < first + Duration::from_millis(300), "sooner than a regular one");
        let regular = send(false);
        let interval = RtcpScheduleConfig::feedback(1_000_000).regular_interval;
        assert!(
            regular >= first + interval,
            "counted from the regular one before: {first:?} {regular:?}"
        );
        assert!(regular < with_feedback + interval);
    }

    #[test]
    fn members_that_leave_make_it_sooner() {
        let start = Instant::now();
        let config = RtcpScheduleConfig {
            rtcp_bandwidth: 1_000,
            minimum_interval: Duration::ZERO,
            maximum_interval: Duration::MAX,
            regular_interval: Duration::ZERO,
        };
        let mut schedule = RtcpSchedule::new(start, config, 1 << 31);
        schedule.set_members(start, 100, 1, false);
        schedule.sent(start, 100, 1 << 31);
        let before = schedule.poll_timeout() - start;
        schedule.set_members(start, 10, 1, false);
        let after = schedule.poll_timeout() - start;
        assert!(after < before / 9, "{before:?} {after:?}");
    }
}
