//! A media flow: source, pacer and controller at one end, a receiver that reports at the other.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use peerage_congestion::{
    Action, Allocator, Class, Controller, DataRate, DataSize, Ecn, Encoding, Feedback, GccConfig,
    Pacer, PacerConfig, PacketResult, SendHistory, SentPacket, StreamConfig,
};
use peerage_netsim::{Network, Rng};

use super::measure::{BIN_MS, Bin, FlowOutcome};
use super::{Ends, MEDIA, Maker, REPORT, Scenario, encode};

/// What is there to send.
#[derive(Clone, Copy)]
pub enum Source {
    /// Video at 30 frames per second that follows its target within these bounds, in kbit/s (RFC 8867 §4.3).
    Adaptive { min: u64, max: u64 },
    /// Always the same, in kbit/s.
    Constant(u64),
}

#[derive(Clone, Copy)]
pub struct FlowSpec {
    /// Routers it runs between; the last one where not said.
    pub from: usize,
    pub to: Option<usize>,
    pub extra_delay_ms: u64,
    pub start: f64,
    pub end: f64,
    pub pause: Option<(f64, f64)>,
    pub source: Source,
    pub audio_kbps: u64,
    /// What the application says that it has a use for, where that is not what its sources make.
    pub demand_kbps: Option<u64>,
    pub ecn: bool,
    pub start_kbps: u64,
    pub can_pad: bool,
    /// Several streams of these priorities share the flow, each at most a third of its source's largest rate.
    pub priorities: &'static [f64],
}

impl FlowSpec {
    /// RFC 8867 §4.3: video of 150 kbit/s to 1.5 Mbit/s, audio of 20 kbit/s.
    pub fn new(start: f64, end: f64) -> Self {
        Self {
            from: 0,
            to: None,
            extra_delay_ms: 0,
            start,
            end,
            pause: None,
            source: Source::Adaptive { min: 150, max: 1_500 },
            audio_kbps: 20,
            demand_kbps: None,
            ecn: false,
            start_kbps: 300,
            can_pad: true,
            priorities: &[],
        }
    }

    /// Video that uses whatever it gets, and nothing else.
    pub fn greedy(seconds: u64) -> Self {
        Self {
            source: Source::Adaptive { min: 30, max: 100_000 },
            audio_kbps: 0,
            ..Self::new(0.0, seconds as f64)
        }
    }

    fn most(&self) -> u64 {
        self.audio_kbps
            + match self.source {
                Source::Adaptive { max, .. } => max,
                Source::Constant(rate) => rate,
            }
    }
}

const FRAME: Duration = Duration::from_nanos(33_333_333);
const AUDIO: Duration = Duration::from_millis(20);
const REPORTS: Duration = Duration::from_millis(50);
/// An encoder follows a new target after this (RFC 8867 §4.3).
const RESPONSE: Duration = Duration::from_millis(100);
const HEADERS: u64 = 28;

pub struct MediaFlow {
    index: usize,
    spec: FlowSpec,
    ends: Ends,
    base_delay: Duration,
    start: Instant,
    rng: Rng,
    controller: Box<dyn Controller>,
    pacer: Pacer<u64>,
    history: SendHistory,
    next_id: u64,
    next_frame: Instant,
    next_audio: Instant,
    targets: VecDeque<(Instant, DataRate)>,
    encoder: DataRate,
    allocator: Allocator,
    sent_at: HashMap<u64, Instant>,
    // The receiver.
    received: BTreeMap<u64, (Instant, Ecn)>,
    next_unreported: u64,
    next_report: Option<Instant>,
    reports: HashMap<u64, Vec<(u64, Option<Duration>, Ecn)>>,
    report_number: u64,
    results: Vec<PacketResult>,
    outcome: FlowOutcome,
}

impl MediaFlow {
    pub(super) fn new(
        index: usize,
        spec: &FlowSpec,
        ends: Ends,
        base_delay: Duration,
        start: Instant,
        scenario: &Scenario,
        maker: &Maker,
    ) -> Self {
        let mut controller = maker(GccConfig {
            min_rate: DataRate::from_kbps(30),
            start_rate: DataRate::from_kbps(spec.start_kbps),
            max_rate: DataRate::from_mbps(100),
        });
        let demand = spec.demand_kbps.unwrap_or(spec.most());
        controller.on_application_limited(start, Some(DataRate::from_kbps(demand)));
        let mut pacer = Pacer::new(PacerConfig::default());
        pacer.set_can_pad(spec.can_pad);
        let target = controller.target();
        pacer.set_rates(start, target.pacing_rate, target.padding_rate);
        let mut allocator = Allocator::new();
        for (id, &priority) in spec.priorities.iter().enumerate() {
            let max = DataRate::from_kbps(1_500);
            let encoding = Encoding { min: DataRate::from_kbps(150), max };
            let stream = StreamConfig {
                id: id as u64,
                priority,
                always: true,
                encodings: [encoding].into_iter().collect(),
            };
            allocator.add(stream).expect("bounds make sense");
        }
        let begins = start + Duration::from_secs_f64(spec.start);
        let bins = (scenario.seconds * 1_000 / BIN_MS) as usize;
        Self {
            index,
            spec: *spec,
            ends,
            base_delay,
            start,
            rng: Rng::for_part(scenario.seed, 1_000 + index as u64),
            pacer,
            history: SendHistory::new(8_192),
            next_id: 0,
            // Sources that begin together are not in step.
            next_frame: begins + FRAME * index as u32 / 7,
            next_audio: begins + AUDIO * index as u32 / 7,
            targets: VecDeque::new(),
            encoder: controller.target().rate,
            allocator,
            controller,
            sent_at: HashMap::new(),
            received: BTreeMap::new(),
            next_unreported: 0,
            next_report: None,
            reports: HashMap::new(),
            report_number: 0,
            results: Vec::new(),
            outcome: FlowOutcome {
                bins: vec![Bin::default(); bins + 1],
                arrived: 0,
                lost: 0,
                delays_ms: Vec::new(),
                streams: vec![vec![0; scenario.seconds as usize + 1]; spec.priorities.len()],
            },
        }
    }

    fn bin(&mut self, now: Instant) -> &mut Bin {
        let index = ((now - self.start).as_millis() as u64 / BIN_MS) as usize;
        let last = self.outcome.bins.len() - 1;
        &mut self.outcome.bins[index.min(last)]
    }

    fn is_on(&self, now: Instant) -> bool {
        let at = (now - self.start).as_secs_f64();
        at >= self.spec.start
            && at < self.spec.end
            && self.spec.pause.is_none_or(|(from, to)| at < from || at >= to)
    }

    /// A media packet arrived at the far end.
    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        id: u64,
        size: usize,
        ecn: peerage_netsim::Ecn,
    ) {
        let ecn = match ecn {
            peerage_netsim::Ecn::NotEct => Ecn::NotEct,
            peerage_netsim::Ecn::Ect0 => Ecn::Ect0,
            peerage_netsim::Ecn::Ect1 => Ecn::Ect1,
            peerage_netsim::Ecn::Ce => Ecn::Ce,
        };
        let sent = self.sent_at.remove(&id);
        let delay =
            sent.map_or(Duration::ZERO, |sent| (now - sent).saturating_sub(self.base_delay));
        let bin = self.bin(now);
        bin.received_bytes += size as u64 + HEADERS;
        bin.received_packets += 1;
        bin.delay_sum_us += delay.as_micros() as u64;
        bin.delay_max_us = bin.delay_max_us.max(delay.as_micros() as u64);
        self.outcome.arrived += 1;
        self.outcome.delays_ms.push(delay.as_secs_f32() * 1_000.0);
        self.received.insert(id, (now, ecn));
        self.next_report.get_or_insert(now + REPORTS);
    }

    fn send_report(&mut self, now: Instant, network: &mut Network) {
        let Some((&last, _)) = self.received.last_key_value() else {
            self.next_report = None;
            return;
        };
        let mut entries = Vec::new();
        let clock = |at: Instant| at - self.start + Duration::from_secs(1_000);
        // Late ones first: a report may begin anywhere.
        let first_late = self.received.range(..self.next_unreported);
        for (&id, &(at, ecn)) in first_late {
            entries.push((id, Some(clock(at)), ecn));
        }
        let mut lost = 0;
        for id in self.next_unreported..=last {
            match self.received.get(&id) {
                Some(&(at, ecn)) => entries.push((id, Some(clock(at)), ecn)),
                None => {
                    lost += 1;
                    entries.push((id, None, Ecn::NotEct));
                }
            }
        }
        self.bin(now).lost_packets += lost;
        self.outcome.lost += u64::from(lost);
        self.next_unreported = self.next_unreported.max(last + 1);
        self.received.clear();
        // 20 bytes, a chunk for seven packets, a delta for each (draft-holmer-rmcat-transport-wide-cc-extensions-01).
        let size = 20 + entries.len() / 7 * 2 + entries.len() * 2;
        self.report_number += 1;
        let number = self.report_number;
        self.reports.insert(number, entries);
        self.bin(now).report_bytes += size as u64 + HEADERS;
        let index = self.index;
        self.ends.send(network, now, false, peerage_netsim::Ecn::NotEct, |data| {
            encode(data, REPORT, index, number, size);
        });
        self.next_report = Some(now + REPORTS);
    }

    /// A report arrived at the near end.
    pub(super) fn on_report(&mut self, now: Instant, number: u64) {
        let Some(entries) = self.reports.remove(&number) else { return };
        let mut results = std::mem::take(&mut self.results);
        results.clear();
        let known = entries
            .iter()
            .filter_map(|&(id, arrived, ecn)| self.history.on_report(id, arrived, ecn));
        results.extend(known);
        self.controller.on_feedback(now, &Feedback { results: &results, rtt: None });
        self.results = results;
        self.follow(now);
    }

    /// Hands on what the controller says.
    fn follow(&mut self, now: Instant) {
        while let Some(cluster) = self.controller.poll_probe() {
            self.pacer.add_probe(cluster);
        }
        let target = self.controller.target();
        self.pacer.set_rates(now, target.pacing_rate, target.padding_rate);
        self.pacer.set_congested(target.congested);
        let rate = self.pacer.media_rate(target.rate);
        if self.targets.back().is_none_or(|last| last.1 != rate) {
            self.targets.push_back((now + RESPONSE, rate));
        }
    }

    pub(super) fn drive(&mut self, now: Instant, network: &mut Network) {
        if self.next_report.is_some_and(|at| at <= now) {
            self.send_report(now, network);
        }
        if self.controller.poll_timeout().is_some_and(|at| at <= now) {
            self.controller.handle_timeout(now);
            self.follow(now);
        }
        while self.targets.front().is_some_and(|target| target.0 <= now) {
            self.encoder = self.targets.pop_front().expect("there is one").1;
        }
        let on = self.is_on(now);
        if self.next_audio <= now {
            self.next_audio += AUDIO;
            if on && self.spec.audio_kbps > 0 {
                let size = self.spec.audio_kbps * 1_000 / 8 / 50;
                let _ = self.pacer.enqueue(
                    now,
                    Class::Audio,
                    DataSize::from_bytes(size + HEADERS),
                    size,
                );
            }
        }
        if self.next_frame <= now {
            self.next_frame += FRAME;
            if on {
                self.encode_frame(now);
            }
        }
        self.pace(now, network);
        let (rate, rtt) = (self.controller.target().rate, self.controller.target().rtt);
        let pacer = self.pacer.oldest(now).as_secs_f64() * 1_000.0;
        let bin = self.bin(now);
        bin.target_kbps = rate.as_f64() / 1_000.0;
        bin.rtt_ms = rtt.as_secs_f64() * 1_000.0;
        bin.pacer_ms = bin.pacer_ms.max(pacer);
    }

    fn encode_frame(&mut self, now: Instant) {
        let kbps = match self.spec.source {
            Source::Adaptive { min, max } => {
                let video = self.encoder - DataRate::from_kbps(self.spec.audio_kbps);
                video.as_f64() / 1_000.0 * 0.97
            }
            .clamp(min as f64, max as f64),
            Source::Constant(rate) => rate as f64,
        };
        let noise = 1.0 + (self.rng.unit() * 2.0 - 1.0) * 0.05;
        if !self.spec.priorities.is_empty() {
            let given = self.allocator.allocate(DataRate::from_f64(kbps * 1_000.0)).to_vec();
            for allocation in given {
                let bytes = (allocation.rate.as_f64() / 8.0 / 30.0 * noise) as u64;
                let second = (now - self.start).as_secs() as usize;
                self.outcome.streams[allocation.stream as usize][second] += bytes;
                self.packetise(now, bytes);
            }
            return;
        }
        self.packetise(now, (kbps * 1_000.0 / 8.0 / 30.0 * noise) as u64);
    }

    fn packetise(&mut self, now: Instant, mut bytes: u64) {
        let packets = bytes.div_ceil(1_200).max(1);
        for left in (1..=packets).rev() {
            let size = bytes / left;
            bytes -= size;
            let size = size.max(50);
            let _ =
                self.pacer.enqueue(now, Class::Video, DataSize::from_bytes(size + HEADERS), size);
        }
    }

    fn pace(&mut self, now: Instant, network: &mut Network) {
        while let Some(action) = self.pacer.poll(now) {
            let (size, probe, padding) = match action {
                Action::Send { packet, probe, .. } => (packet, probe, false),
                Action::Padding { size, probe } => (size.as_bytes(), probe, true),
            };
            let packet = SentPacket {
                id: self.next_id,
                size: DataSize::from_bytes(size + HEADERS),
                probe,
                padding,
            };
            if padding {
                self.pacer.on_padding_sent(now, packet.size);
            }
            self.next_id += 1;
            self.history.on_packet_sent(now, &packet);
            self.controller.on_packet_sent(now, &packet);
            self.sent_at.insert(packet.id, now);
            let bin = self.bin(now);
            bin.sent_bytes += size + HEADERS;
            bin.sent_packets += 1;
            if !padding {
                bin.media_bytes += size + HEADERS;
            }
            let ecn =
                if self.spec.ecn { peerage_netsim::Ecn::Ect0 } else { peerage_netsim::Ecn::NotEct };
            let index = self.index;
            self.ends.send(network, now, true, ecn, |data| {
                encode(data, MEDIA, index, packet.id, size as usize);
            });
            self.follow(now);
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [
            Some(self.next_frame),
            Some(self.next_audio),
            self.next_report,
            self.controller.poll_timeout(),
            self.pacer.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn finish(self) -> FlowOutcome {
        self.outcome
    }
}
