//! Statistics of one received stream (RFC 3550 App. A.1, A.3 and A.8): what was expected, what came, and how evenly. The
//! receive path calls [`ReceiveStatistics::receive`] for each packet; reports are made of the rest.

use std::time::{Duration, Instant};

use crate::ntp::{NtpTime, compact_from_duration};
use crate::number::{RtpTimestamp, SequenceNumber, Ssrc};
use crate::rtcp::{ReportBlock, SenderInfo};

/// A jump ahead by this or more is taken for a restart of the sender, once a second packet confirms it (RFC 3550 App. A.1).
pub const MAX_DROPOUT: u16 = 3_000;
/// A packet this far behind the highest is late, not a restart (RFC 3550 App. A.1).
pub const MAX_MISORDER: u16 = 100;

/// How a packet stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// It is the next, or later.
    Newer,
    /// It is behind the highest: late, or come twice.
    Older,
    /// Its number is far from all others. It does not count; if the next one follows it, the sender restarted.
    Astray,
    /// The sender restarted, and counting began anew with this packet.
    Restarted,
}

/// Counts of one received stream.
#[derive(Debug, Clone)]
pub struct ReceiveStatistics {
    ssrc: Ssrc,
    clock_rate: u32,
    started: bool,
    /// The first number, and the highest with its wraps, since the start or restart.
    base: u32,
    highest: u32,
    /// What must follow a packet astray for a restart.
    after_astray: Option<u16>,
    received: u64,
    /// Since the last report.
    expected_prior: u32,
    received_prior: u64,
    received_since_restart: u64,
    /// Packets lost before restarts.
    lost_before: i64,
    /// RFC 3550 App. A.8, scaled by 16.
    jitter: u64,
    last_transit: Option<(Instant, RtpTimestamp)>,
    bytes: u64,
    header_bytes: u64,
    last_packet: Option<Instant>,
    last_sender_report: Option<(Instant, SenderInfo)>,
    sender_reports: u64,
    /// Packets and bytes of payload that were sent by the last sender report, without wraps.
    sender_counts: (u64, u64),
}

/// How far a counter that wraps has come; nothing where it went back, with a sender that begins anew.
fn ahead(last: u32, now: u32) -> u64 {
    let steps = now.wrapping_sub(last);
    if steps < 1 << 31 { steps.into() } else { 0 }
}

impl ReceiveStatistics {
    /// Statistics of a stream whose timestamps count `clock_rate` a second.
    #[must_use]
    pub fn new(ssrc: Ssrc, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate: clock_rate.max(1),
            started: false,
            base: 0,
            highest: 0,
            after_astray: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            received_since_restart: 0,
            lost_before: 0,
            jitter: 0,
            last_transit: None,
            bytes: 0,
            header_bytes: 0,
            last_packet: None,
            last_sender_report: None,
            sender_reports: 0,
            sender_counts: (0, 0),
        }
    }

    /// Takes a packet: its number, timestamp, and the bytes of its header and of its payload with padding.
    pub fn receive(
        &mut self,
        now: Instant,
        sequence_number: SequenceNumber,
        timestamp: RtpTimestamp,
        header_len: usize,
        payload_len: usize,
    ) -> Reception {
        let reception = self.update_sequence(sequence_number.0);
        if reception == Reception::Astray {
            return reception;
        }
        self.received += 1;
        self.received_since_restart += 1;
        self.bytes += payload_len as u64;
        self.header_bytes += header_len as u64;
        self.last_packet = Some(now);
        if reception == Reception::Restarted {
            self.last_transit = None;
        }
        if reception != Reception::Older {
            self.update_jitter(now, timestamp);
        }
        reception
    }

    /// RFC 3550 App. A.1, without its probation: who got through DTLS may send.
    fn update_sequence(&mut self, number: u16) -> Reception {
        if !self.started {
            self.started = true;
            self.restart_at(number);
            return Reception::Newer;
        }
        let ahead = number.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            return Reception::Older;
        }
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.after_astray = None;
            return Reception::Newer;
        }
        if ahead > u16::MAX - MAX_MISORDER {
            return Reception::Older;
        }
        if self.after_astray == Some(number) {
            let lost = self.lost_since_restart();
            self.lost_before += lost;
            self.restart_at(number);
            return Reception::Restarted;
        }
        self.after_astray = Some(number.wrapping_add(1));
        Reception::Astray
    }

    fn restart_at(&mut self, number: u16) {
        self.base = u32::from(number);
        self.highest = u32::from(number);
        self.after_astray = None;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.received_since_restart = 0;
    }

    /// RFC 3550 App. A.8, with the transit's difference computed of arrivals rather than of absolute clocks.
    fn update_jitter(&mut self, now: Instant, timestamp: RtpTimestamp) {
        if let Some((arrival, last)) = self.last_transit {
            let step = i64::from(timestamp.distance_from(last));
            // Packets of one frame have one timestamp and say nothing of jitter that the network made.
            if step == 0 {
                return;
            }
            let elapsed =
                now.saturating_duration_since(arrival).as_nanos() * u128::from(self.clock_rate);
            let elapsed = i64::try_from(elapsed / 1_000_000_000).unwrap_or(i64::MAX);
            let difference = elapsed.saturating_sub(step).unsigned_abs();
            // A change of the timestamp's base is no jitter: no network delays by more than some seconds.
            if difference < 10 * u64::from(self.clock_rate) {
                self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            }
        }
        self.last_transit = Some((now, timestamp));
    }

    /// Takes a sender report of the stream.
    pub fn sender_report(&mut self, now: Instant, info: SenderInfo) {
        let (packets, octets) = &mut self.sender_counts;
        match self.last_sender_report {
            None => (*packets, *octets) = (info.packet_count.into(), info.octet_count.into()),
            Some((_, last)) => {
                *packets += ahead(last.packet_count, info.packet_count);
                *octets += ahead(last.octet_count, info.octet_count);
            }
        }
        self.last_sender_report = Some((now, info));
        self.sender_reports += 1;
    }

    /// Packets and bytes of payload that the sender has sent, by its last report, without the wraps of its counters.
    #[must_use]
    pub fn sender_counts(&self) -> (u64, u64) {
        self.sender_counts
    }

    fn expected(&self) -> u32 {
        if self.started { self.highest.wrapping_sub(self.base).wrapping_add(1) } else { 0 }
    }

    fn lost_since_restart(&self) -> i64 {
        i64::from(self.expected()) - self.received_since_restart as i64
    }

    /// Packets lost since the beginning; negative where duplicates came.
    #[must_use]
    pub fn packets_lost(&self) -> i64 {
        self.lost_before + self.lost_since_restart()
    }

    /// Makes the block of a report, and begins the interval that the next one's fraction is about (RFC 3550 App. A.3).
    /// `None` before the first packet.
    pub fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        if !self.started {
            return None;
        }
        let expected = self.expected();
        let expected_interval = expected.wrapping_sub(self.expected_prior);
        let received_interval = self.received_since_restart - self.received_prior;
        self.expected_prior = expected;
        self.received_prior = self.received_since_restart;
        let lost_interval = i64::from(expected_interval) - received_interval as i64;
        let fraction_lost = match lost_interval {
            ..=0 => 0,
            lost => ((lost << 8) / i64::from(expected_interval)).min(255) as u8,
        };
        let (last_sender_report, delay) = match self.last_sender_report {
            Some((arrival, info)) => (
                NtpTime(info.ntp).middle(),
                compact_from_duration(now.saturating_duration_since(arrival)),
            ),
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: self.packets_lost().clamp(-0x80_0000, 0x7F_FFFF) as i32,
            extended_highest_sequence_number: self.highest,
            jitter: self.jitter_ticks(),
            last_sender_report,
            delay_since_last_sender_report: delay,
        })
    }

    fn jitter_ticks(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// Variation of the transit time.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        Duration::from_nanos((self.jitter * 1_000_000_000 / u64::from(self.clock_rate)) >> 4)
    }

    /// The stream.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Says how many ticks of the timestamp make a second, when the payload type changes to one with another rate.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if clock_rate != self.clock_rate && clock_rate > 0 {
            self.jitter = self.jitter * u64::from(clock_rate) / u64::from(self.clock_rate);
            self.clock_rate = clock_rate;
            self.last_transit = None;
        }
    }

    /// Packets that came, duplicates included.
    #[must_use]
    pub fn packets_received(&self) -> u64 {
        self.received
    }

    /// Bytes of payload and padding that came.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes
    }

    /// Bytes of RTP headers that came.
    #[must_use]
    pub fn header_bytes_received(&self) -> u64 {
        self.header_bytes
    }

    /// When the last packet came.
    #[must_use]
    pub fn last_packet_received(&self) -> Option<Instant> {
        self.last_packet
    }

    /// The last sender report and when it came: relates the stream's timestamps to its sender's wall clock.
    #[must_use]
    pub fn last_sender_report(&self) -> Option<(Instant, SenderInfo)> {
        self.last_sender_report
    }

    /// How many sender reports came.
    #[must_use]
    pub fn sender_reports_received(&self) -> u64 {
        self.sender_reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> (ReceiveStatistics, Instant) {
        (ReceiveStatistics::new(Ssrc(1), 90_000), Instant::now())
    }

    #[test]
    fn loss_is_counted_by_interval_and_in_all() {
        let (mut stats, now) = stats();
        assert_eq!(stats.report(now), None);
        for n in 0..100_u16 {
            if n % 4 != 1 {
                stats.receive(
                    now,
                    SequenceNumber(n.wrapping_add(65_500)),
                    RtpTimestamp(0),
                    12,
                    100,
                );
            }
        }
        let report = stats.report(now).unwrap();
        assert_eq!((report.fraction_lost, report.cumulative_lost), (64, 25));
        assert_eq!(report.extended_highest_sequence_number, 65_500 + 99);
        let report = stats.report(now).unwrap();
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 25), "nothing since");
        stats.receive(now, SequenceNumber(65_501), RtpTimestamp(0), 12, 100);
        assert_eq!(stats.report(now).unwrap().cumulative_lost, 24, "late, not lost");
        assert_eq!(stats.bytes_received(), 7_600);
    }

    #[test]
    fn a_stray_packet_changes_nothing_and_two_are_a_restart() {
        let (mut stats, now) = stats();
        let mut take = |n| stats.receive(now, SequenceNumber(n), RtpTimestamp(0), 12, 1);
        assert_eq!(take(10), Reception::Newer);
        assert_eq!(take(12), Reception::Newer);
        assert_eq!(take(40_000), Reception::Astray);
        assert_eq!(take(13), Reception::Newer);
        assert_eq!(take(40_001), Reception::Astray, "not after the other");
        assert_eq!(take(40_002), Reception::Restarted);
        assert_eq!(take(40_001), Reception::Older);
        assert_eq!(stats.packets_lost(), 0, "one lost before, one from before the restart's first");
    }

    #[test]
    fn jitter_follows_the_network_not_the_frame_rate() {
        let (mut stats, start) = stats();
        let mut timestamp = RtpTimestamp(u32::MAX - 5_000);
        for frame in 0..200_u16 {
            // Every other frame is 8 ms late: the transit changes by 8 ms each time.
            let now =
                start + Duration::from_millis(u64::from(frame) * 33 + u64::from(frame % 2) * 8);
            for part in 0..2 {
                let later = now + Duration::from_millis(part);
                stats.receive(later, SequenceNumber(frame * 2 + part as u16), timestamp, 12, 1);
            }
            timestamp = timestamp.plus(33 * 90);
        }
        let jitter = stats.jitter();
        assert!(
            jitter > Duration::from_micros(7_500) && jitter < Duration::from_micros(8_500),
            "{jitter:?}"
        );
    }

    #[test]
    fn a_day_of_packets_wraps_and_counts_right() {
        let (mut stats, start) = stats();
        let (mut lost, mut reported) = (0, 0);
        // Every 33 ms a packet, and a report each minute, for 24 hours: 40 wraps of the number, 1.8 of the timestamp.
        for n in 0..2_618_181_u32 {
            let now = start + Duration::from_millis(u64::from(n) * 33);
            if n % 50 == 7 {
                lost += 1;
            } else {
                let timestamp = RtpTimestamp(4_000_000_000_u32.wrapping_add(n.wrapping_mul(2_970)));
                stats.receive(now, SequenceNumber(n as u16), timestamp, 12, 100);
            }
            if n % 1_800 == 1_799 {
                let report = stats.report(now).unwrap();
                assert_eq!((report.fraction_lost, report.jitter), (5, 0));
                assert_eq!(report.cumulative_lost, lost);
                assert_eq!(report.extended_highest_sequence_number, n);
                reported += 1;
            }
        }
        assert_eq!(reported, 1_454);
    }

    #[test]
    fn what_the_sender_has_sent_goes_on_beyond_32_bits() {
        let now = Instant::now();
        let mut statistics = ReceiveStatistics::new(Ssrc(1), 90_000);
        let report = |packet_count, octet_count| SenderInfo {
            ntp: 0,
            rtp_timestamp: RtpTimestamp(0),
            packet_count,
            octet_count,
        };
        statistics.sender_report(now, report(u32::MAX - 9, u32::MAX));
        statistics.sender_report(now, report(10, 999));
        assert_eq!(statistics.sender_counts(), ((1 << 32) + 10, (1 << 32) + 999));
        statistics.sender_report(now, report(5, 5));
        assert_eq!(statistics.sender_counts(), ((1 << 32) + 10, (1 << 32) + 999), "begun anew");
        statistics.sender_report(now, report(7, 105));
        assert_eq!(statistics.sender_counts(), ((1 << 32) + 12, (1 << 32) + 1_099));
    }

    #[test]
    fn reports_tell_when_the_senders_came() {
        let (mut stats, now) = stats();
        stats.receive(now, SequenceNumber(1), RtpTimestamp(0), 12, 1);
        let info = SenderInfo { ntp: 0x1122_3344_5566_7788, ..SenderInfo::default() };
        stats.sender_report(now, info);
        let report = stats.report(now + Duration::from_millis(250)).unwrap();
        assert_eq!(
            (report.last_sender_report, report.delay_since_last_sender_report),
            (0x3344_5566, 0x4000)
        );
    }
}
