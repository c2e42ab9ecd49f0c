//! What a burst came to: the rate at which its packets arrived.

use std::time::{Duration, Instant};

use crate::controller::ProbeCluster;
use crate::report::PacketResult;
use crate::units::{DataRate, DataSize};

/// Bursts followed at a time; an older one is forgotten.
const CLUSTERS: usize = 8;
/// Share of a burst that must have arrived.
const MIN_SHARE: f64 = 0.7;
/// Longer than this is no burst.
const MAX_SPAN: Duration = Duration::from_secs(1);
/// Arriving so much faster than sent, it was held up somewhere and says nothing.
const MAX_RATIO: f64 = 2.0;
/// Arriving so much slower than sent, it met the limit ...
const LIMITED_RATIO: f64 = 0.9;
/// (unless it took longer by less than this many times the jitter) ...
const UNSURE_JITTERS: u32 = 2;
/// ... and a little less than the limit is to be used, so that the queue drains.
const LIMITED_USE: f64 = 0.95;

#[derive(Clone, Copy, Debug)]
struct Cluster {
    wanted: ProbeCluster,
    packets: u32,
    size: DataSize,
    first_sent: Instant,
    last_sent: Instant,
    last_sent_size: DataSize,
    first_arrived: Duration,
    last_arrived: Duration,
    first_arrived_size: DataSize,
}

/// What a burst said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeResult {
    pub(crate) rate: DataRate,
    /// Whether it met the path's limit.
    pub(crate) limited: bool,
}

/// The estimator; see the module.
#[derive(Debug, Default)]
pub(crate) struct ProbeEstimator {
    wanted: [Option<ProbeCluster>; CLUSTERS],
    clusters: [Option<Cluster>; CLUSTERS],
}

impl ProbeEstimator {
    /// A burst will be sent.
    pub(crate) fn expect(&mut self, cluster: ProbeCluster) {
        let index = cluster.id.0 as usize % CLUSTERS;
        self.wanted[index] = Some(cluster);
        self.clusters[index] = None;
    }

    /// A packet of a burst arrived. `inherent` is the share of packets that the path loses whatever is sent, `jitter` how
    /// much the time on the way varies.
    pub(crate) fn on_result(
        &mut self,
        result: &PacketResult,
        inherent: f64,
        jitter: Duration,
    ) -> Option<ProbeResult> {
        let (id, arrived) = (result.probe?, result.arrived?);
        let index = id.0 as usize % CLUSTERS;
        let wanted = self.wanted[index].filter(|wanted| wanted.id == id)?;
        let cluster = self.clusters[index].get_or_insert(Cluster {
            wanted,
            packets: 0,
            size: DataSize::ZERO,
            first_sent: result.sent,
            last_sent: result.sent,
            last_sent_size: result.size,
            first_arrived: arrived,
            last_arrived: arrived,
            first_arrived_size: result.size,
        });
        cluster.push(result, arrived);
        cluster.result(inherent, jitter)
    }
}

impl Cluster {
    fn push(&mut self, result: &PacketResult, arrived: Duration) {
        self.packets = self.packets.saturating_add(1);
        self.size += result.size;
        self.first_sent = self.first_sent.min(result.sent);
        if result.sent >= self.last_sent {
            self.last_sent = result.sent;
            self.last_sent_size = result.size;
        }
        if arrived < self.first_arrived {
            self.first_arrived = arrived;
            self.first_arrived_size = result.size;
        }
        self.last_arrived = self.last_arrived.max(arrived);
    }

    fn result(&self, inherent: f64, jitter: Duration) -> Option<ProbeResult> {
        let share = MIN_SHARE * (1.0 - inherent);
        if f64::from(self.packets) < f64::from(self.wanted.min_packets) * share
            || self.size.bits_f64() < self.wanted.min_size.bits_f64() * share
        {
            return None;
        }
        let send_span = self.last_sent.saturating_duration_since(self.first_sent);
        let receive_span = self.last_arrived.saturating_sub(self.first_arrived);
        if send_span.is_zero() || receive_span.is_zero() || send_span.max(receive_span) > MAX_SPAN {
            return None;
        }
        // The span runs from the first packet to the last, so one of them does not count.
        let sent = (self.size - self.last_sent_size) / send_span;
        let received = (self.size - self.first_arrived_size) / receive_span;
        if received > sent.scaled(MAX_RATIO) {
            return None;
        }
        let limited = received < sent.scaled(LIMITED_RATIO);
        // It may as well have been the last packet that was late: the path carries as much at least.
        let unsure = receive_span.saturating_sub(send_span) < jitter * UNSURE_JITTERS;
        // Packets lost by chance took their time on the wire all the same.
        let made_up = 1.0 / (1.0 - inherent.clamp(0.0, 0.5));
        let rate = if limited { received.scaled(LIMITED_USE) } else { received.min(sent) };
        let rate = rate.scaled(made_up).min(self.wanted.rate);
        Some(ProbeResult { rate, limited: limited && !unsure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Ecn, ProbeClusterId};

    fn probe(arrival_gap_us: u64, jitter: Duration) -> Option<ProbeResult> {
        let mut estimator = ProbeEstimator::default();
        estimator.expect(ProbeCluster {
            id: ProbeClusterId(3),
            rate: DataRate::from_mbps(2),
            min_size: DataSize::from_bytes(5_000),
            min_packets: 5,
        });
        let start = Instant::now();
        let mut last = None;
        for i in 0..6 {
            let result = PacketResult {
                // 1,000 bytes every 4 ms: 2 Mbit/s.
                sent: start + Duration::from_millis(4 * i),
                arrived: Some(Duration::from_micros(arrival_gap_us * i)),
                size: DataSize::from_bytes(1_000),
                ecn: Ecn::NotEct,
                probe: Some(ProbeClusterId(3)),
                was_lost: false,
            };
            last = estimator.on_result(&result, 0.0, jitter).or(last);
        }
        last
    }

    #[test]
    fn what_arrives_as_sent_was_carried() {
        let result = probe(4_000, Duration::ZERO).expect("complete");
        assert_eq!(result, ProbeResult { rate: DataRate::from_mbps(2), limited: false });
    }

    #[test]
    fn what_arrives_slower_met_the_limit() {
        let result = probe(8_000, Duration::ZERO).expect("complete");
        assert_eq!(result, ProbeResult { rate: DataRate::from_kbps(950), limited: true });
    }

    #[test]
    fn what_arrives_at_once_says_nothing() {
        assert_eq!(probe(1_000, Duration::ZERO), None);
    }

    #[test]
    fn what_jitter_may_have_made_slower_met_no_limit() {
        // 20 ms longer, as jitter may make it.
        let result = probe(8_000, Duration::from_millis(20)).expect("it came through");
        assert_eq!(result, ProbeResult { rate: DataRate::from_kbps(950), limited: false });
    }
}
