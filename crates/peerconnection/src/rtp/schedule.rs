//! When reports are due (RFC 3550 §6.2), by what the session carries. Feedback does not wait for it, and does not count:
//! between two participants it may leave at once (RFC 4585 §3.5.1).

use std::time::{Duration, Instant};

use peerage_congestion::DataRate;
use peerage_rtp::receive::{RtcpSchedule, RtcpScheduleConfig};

use super::statistics::RtpStatistics;

/// Bounds of the interval in the long run. RFC 3550 §6.2 has 5 s, or less where the bandwidth allows; browsers report on
/// video every second. No more than that where there is much to report and little bandwidth either: it is by reports that
/// the peer knows its round trip and its losses.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);
/// What is received is measured over this at least.
const MEASURED: Duration = Duration::from_millis(200);
/// Headers of RTP, UDP and IP of a packet, about.
const HEADERS: u64 = 52;
/// Packet types (RFC 3550 §12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

/// See the module.
#[derive(Debug)]
pub(super) struct ReportSchedule {
    schedule: RtcpSchedule,
    /// What had been received, in bytes, and when; and the rate before.
    received: (u64, Instant),
    receiving: DataRate,
}

/// Bytes of RTP received, headers included.
fn received(statistics: &RtpStatistics) -> u64 {
    statistics.bytes_received + HEADERS * statistics.packets_received
}

/// Five percent of the session.
fn config(session: DataRate) -> RtcpScheduleConfig {
    RtcpScheduleConfig {
        rtcp_bandwidth: session.as_bps() / 20,
        minimum_interval: LEAST_INTERVAL,
        maximum_interval: LONGEST_INTERVAL,
        regular_interval: Duration::ZERO,
    }
}

impl ReportSchedule {
    /// `sending` is what may be sent; `random` is uniform, as in all calls.
    pub(super) fn new(
        now: Instant,
        sending: DataRate,
        statistics: &RtpStatistics,
        random: u32,
    ) -> Self {
        Self {
            schedule: RtcpSchedule::new(now, config(sending), random),
            received: (received(statistics), now),
            receiving: DataRate::ZERO,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.schedule.poll_timeout()
    }

    /// A compound of the peer's came. Reports alone count, as of ours: that feedback is short would bring reports nearer.
    pub(super) fn received(&mut self, compound: &[u8]) {
        // An empty report goes before feedback (RFC 4585 §3.1).
        let is_report = match compound {
            [_, SENDER_REPORT, ..] => true,
            [first, RECEIVER_REPORT, ..] => first & 0x1f > 0,
            _ => false,
        };
        if is_report {
            self.schedule.received(compound.len());
        }
    }

    /// Whether a report is to be sent now.
    pub(super) fn is_due(
        &mut self,
        now: Instant,
        sending: DataRate,
        statistics: &RtpStatistics,
        (we_send, they_send): (bool, bool),
        random: u32,
    ) -> bool {
        if self.schedule.poll_timeout() > now {
            return false;
        }
        let (bytes, since) = self.received;
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= MEASURED {
            let total = received(statistics);
            let bits = u128::from(total.saturating_sub(bytes)) * 8_000_000;
            let rate = u64::try_from(bits / elapsed.as_micros()).unwrap_or(u64::MAX);
            self.receiving = DataRate::from_bps(rate);
            self.received = (total, now);
        }
        // The session's bandwidth is that of both ways; what the peer may send is seen by what comes.
        self.schedule.set_config(config(sending.max(self.receiving)));
        // An end is one participant, however many sources it has: they report together (RFC 8108 §5.3).
        let senders = u32::from(we_send) + u32::from(they_send);
        self.schedule.set_members(now, 2, senders, we_send);
        self.schedule.handle_timeout(now, false, random)
    }

    /// Reports of so many bytes go out.
    pub(super) fn sent(&mut self, now: Instant, len: usize, random: u32) {
        self.schedule.sent(now, len, random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many reports of so many bytes a receiver sends in two minutes, and the longest time without one.
    fn reports(len: usize, sending: u64, receiving: u64) -> (usize, Duration) {
        let (start, mut statistics) = (Instant::now(), RtpStatistics::default());
        let sending = DataRate::from_bps(sending);
        let mut random = 0x1234_5678u32;
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random
        };
        let mut schedule = ReportSchedule::new(start, sending, &statistics, next());
        let (mut sent, mut last, mut longest) = (0, start, Duration::ZERO);
        let mut now = start;
        while now < start + Duration::from_secs(120) {
            now += Duration::from_millis(10);
            statistics.bytes_received += receiving / 800;
            if schedule.is_due(now, sending, &statistics, (false, true), next()) {
                longest = longest.max(now - last);
                (sent, last) = (sent + 1, now);
                schedule.sent(now, len, next());
                // The peer's feedback is short, and its own reports are.
                schedule.received(&[0x8f, 205, 0, 4]);
                schedule.received(&[0x80, 201, 0, 1]);
            }
        }
        (sent, longest)
    }

    #[test]
    fn who_only_receives_reports_by_what_comes() {
        // 256 streams have 6 kB of reports: at the rate we might begin to send at, ten times as rare as with 3 Mbit/s.
        let (of_much, _) = reports(6_500, 300_000, 3_000_000);
        assert!((90..=150).contains(&of_much), "{of_much}");
        let (of_little, _) = reports(6_500, 300_000, 100_000);
        assert!((18..=40).contains(&of_little), "{of_little}");
    }

    #[test]
    fn reports_come_every_few_seconds_however_much_there_is_to_say() {
        let (sent, longest) = reports(60_000, 30_000, 0);
        assert!(sent >= 20, "{sent}");
        // RFC 3550 §6.3.1: three halves of the interval, over 1.22.
        assert!(longest <= LONGEST_INTERVAL.mul_f64(1.24), "{longest:?}");
    }
}
