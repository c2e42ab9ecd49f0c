//! `goog_cc` behind the same trait.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use goog_cc::network_control::{NetworkControllerConfig, NetworkControllerInterface};
use goog_cc::transport as theirs;
use goog_cc::units;
use goog_cc::{GoogCcConfig, GoogCcNetworkController};
use peerage_congestion::{
    Controller, DataRate, DataSize, Feedback, GccConfig, ProbeCluster, ProbeClusterId, SentPacket,
    Target,
};

/// How often it wants to be asked (its `get_process_interval`).
const INTERVAL: Duration = Duration::from_millis(25);
/// Its clock starts here: at zero some of its times are "never".
const CLOCK: Duration = Duration::from_secs(100);

pub(crate) struct GoogCc {
    config: GccConfig,
    inner: GoogCcNetworkController,
    start: Option<Instant>,
    next: Option<Instant>,
    demand: Option<DataRate>,
    clusters: HashMap<u32, ProbeCluster>,
    pending: VecDeque<ProbeCluster>,
    sent: u64,
    reported: u64,
    target: Target,
}

fn rate(rate: DataRate) -> units::DataRate {
    units::DataRate::from_bits_per_sec(i64::try_from(rate.as_bps()).unwrap_or(i64::MAX / 2))
}

fn size(size: DataSize) -> units::DataSize {
    units::DataSize::from_bytes(size.as_bytes() as i64)
}

fn ours(rate: units::DataRate) -> DataRate {
    DataRate::from_f64(rate.bps_float())
}

fn micros(time: Duration) -> units::Timestamp {
    units::Timestamp::from_micros(time.as_micros() as i64)
}

impl GoogCc {
    pub(crate) fn new(config: GccConfig) -> Self {
        let constraints = Self::constraints(config, micros(CLOCK));
        let inner = GoogCcNetworkController::new(
            NetworkControllerConfig { constraints, ..NetworkControllerConfig::default() },
            GoogCcConfig { feedback_only: true },
        );
        Self {
            config,
            inner,
            start: None,
            next: None,
            demand: None,
            clusters: HashMap::new(),
            pending: VecDeque::new(),
            sent: 0,
            reported: 0,
            target: Target {
                rate: config.start_rate,
                stable_rate: config.start_rate,
                pacing_rate: config.start_rate.scaled(2.5),
                padding_rate: DataRate::ZERO,
                congestion_window: None,
                congested: false,
                rtt: Duration::ZERO,
                loss: 0.0,
            },
        }
    }

    fn constraints(config: GccConfig, at_time: units::Timestamp) -> theirs::TargetRateConstraints {
        theirs::TargetRateConstraints {
            at_time,
            min_data_rate: Some(rate(config.min_rate)),
            max_data_rate: Some(rate(config.max_rate)),
            starting_rate: Some(rate(config.start_rate)),
        }
    }

    fn time(&self, at: Instant) -> units::Timestamp {
        let since = self.start.map_or(Duration::ZERO, |start| at.saturating_duration_since(start));
        micros(CLOCK + since)
    }

    fn begin(&mut self, now: Instant) {
        if self.start.is_some() {
            return;
        }
        self.start = Some(now);
        let at_time = self.time(now);
        let update = self.inner.on_network_availability(theirs::NetworkAvailability {
            at_time,
            network_available: true,
        });
        self.take(update);
        let update = self.inner.on_target_rate_constraints(Self::constraints(self.config, at_time));
        self.take(update);
        self.tell_demand(now);
        self.next = Some(now + INTERVAL);
    }

    fn tell_demand(&mut self, now: Instant) {
        let update = self.inner.on_streams_config(theirs::StreamsConfig {
            at_time: self.time(now),
            requests_alr_probing: Some(true),
            max_total_allocated_bitrate: self.demand.map(rate),
            ..theirs::StreamsConfig::default()
        });
        self.take(update);
    }

    fn take(&mut self, update: theirs::NetworkControlUpdate) {
        if let Some(window) = update.congestion_window {
            self.target.congestion_window = Some(DataSize::from_bytes(window.bytes() as u64));
        }
        if let Some(pacer) = update.pacer_config {
            self.target.pacing_rate = ours(pacer.data_rate());
            self.target.padding_rate = ours(pacer.pad_rate());
        }
        for probe in update.probe_cluster_configs {
            let target = ours(probe.target_data_rate);
            let time = Duration::from_micros(probe.target_duration.us() as u64);
            let cluster = ProbeCluster {
                id: ProbeClusterId(probe.id as u32),
                rate: target,
                min_size: target * time,
                min_packets: probe.target_probe_count as u32,
            };
            self.clusters.insert(cluster.id.0, cluster);
            self.pending.push_back(cluster);
        }
        if let Some(target) = update.target_rate {
            self.target.rate = ours(target.target_rate);
            self.target.stable_rate = ours(target.stable_target_rate);
            self.target.loss = f64::from(target.network_estimate.loss_rate_ratio);
            let rtt = target.network_estimate.round_trip_time;
            self.target.rtt = Duration::from_micros(rtt.us_or(0).max(0) as u64);
        }
    }

    fn packet(
        &self,
        sent: Instant,
        bytes: DataSize,
        probe: Option<ProbeClusterId>,
        id: u64,
    ) -> theirs::SentPacket {
        let mut packet = theirs::SentPacket {
            send_time: self.time(sent),
            size: size(bytes),
            sequence_number: id as i64,
            data_in_flight: units::DataSize::from_bytes((self.sent - self.reported) as i64),
            ..theirs::SentPacket::default()
        };
        if let Some(cluster) = probe.and_then(|id| self.clusters.get(&id.0)) {
            packet.pacing_info.probe_cluster_id = cluster.id.0 as i32;
            packet.pacing_info.probe_cluster_min_probes = i64::from(cluster.min_packets);
            packet.pacing_info.probe_cluster_min_bytes = cluster.min_size.as_bytes() as i64;
            packet.pacing_info.send_bitrate = rate(cluster.rate);
        }
        packet
    }
}

impl Controller for GoogCc {
    fn on_packet_sent(&mut self, now: Instant, packet: &SentPacket) {
        self.begin(now);
        self.sent += packet.size.as_bytes();
        let packet = self.packet(now, packet.size, packet.probe, packet.id);
        let update = self.inner.on_sent_packet(packet);
        self.take(update);
    }

    fn on_feedback(&mut self, now: Instant, feedback: &Feedback<'_>) {
        self.begin(now);
        let mut packets = Vec::with_capacity(feedback.results.len());
        for result in feedback.results {
            if !result.was_lost {
                self.reported += result.size.as_bytes();
            }
            packets.push(theirs::PacketResult {
                sent_packet: self.packet(result.sent, result.size, result.probe, 0),
                receive_time: result.arrived.map_or(units::Timestamp::plus_infinity(), micros),
                ..theirs::PacketResult::default()
            });
        }
        let update = self.inner.on_transport_packets_feedback(theirs::TransportPacketsFeedback {
            feedback_time: self.time(now),
            data_in_flight: units::DataSize::from_bytes((self.sent - self.reported) as i64),
            packet_feedbacks: packets,
            ..theirs::TransportPacketsFeedback::default()
        });
        self.take(update);
    }

    fn on_rtt(&mut self, _now: Instant, _rtt: Duration) {}

    fn on_remote_limit(&mut self, _now: Instant, _limit: Option<DataRate>) {}

    fn on_application_limited(&mut self, now: Instant, demand: Option<DataRate>) {
        self.demand = demand;
        if self.start.is_some() {
            self.tell_demand(now);
        }
    }

    fn on_route_change(&mut self, _now: Instant) {}

    fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            let update = self.inner.on_process_interval(theirs::ProcessInterval {
                at_time: self.time(now),
                ..theirs::ProcessInterval::default()
            });
            self.take(update);
            self.next = Some(now + INTERVAL);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn target(&self) -> Target {
        self.target
    }

    fn poll_probe(&mut self) -> Option<ProbeCluster> {
        self.pending.pop_front()
    }
}
