//! The congestion controller is the application's choice: one of its own takes the place of the default, is told of what a
//! call sends and of what became of it, and decides how much is sent.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use common::call::Call;
use common::config;
use peerage_log::{LogEvent, LogReader, LogWriter};
use peerage_netsim::{LinkConfig, Loss, Queue, Rate};
use peerage_peerconnection::Configuration;
use peerage_peerconnection::congestion::{
    Controller, ControllerMaker, DataRate, DataSize, Feedback, GccConfig, ProbeCluster, SentPacket,
    Snapshot, Target,
};

/// What a [`Constant`] was told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    made: u32,
    bounds: Option<GccConfig>,
    sent: u64,
    bytes: u64,
    arrived: u64,
    lost: u64,
    ticks: u64,
    routes: u64,
}

/// Sends at one rate whatever happens.
struct Constant {
    rate: DataRate,
    told: Arc<Mutex<Told>>,
    next: Option<Instant>,
}

impl Controller for Constant {
    fn on_packet_sent(&mut self, now: Instant, packet: &SentPacket) {
        let mut told = self.told.lock().unwrap();
        told.sent += 1;
        told.bytes += packet.size.as_bytes();
        self.next.get_or_insert(now + Duration::from_secs(1));
    }

    fn on_feedback(&mut self, _: Instant, feedback: &Feedback<'_>) {
        let arrived = feedback.results.iter().filter(|result| result.arrived.is_some()).count();
        let mut told = self.told.lock().unwrap();
        told.arrived += arrived as u64;
        told.lost += (feedback.results.len() - arrived) as u64;
    }

    fn on_rtt(&mut self, _: Instant, _: Duration) {}

    fn on_remote_limit(&mut self, _: Instant, _: Option<DataRate>) {}

    fn on_application_limited(&mut self, _: Instant, _: Option<DataRate>) {}

    fn on_route_change(&mut self, _: Instant) {
        self.told.lock().unwrap().routes += 1;
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.told.lock().unwrap().ticks += 1;
        self.next = Some(now + Duration::from_secs(1));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn target(&self) -> Target {
        Target {
            rate: self.rate,
            stable_rate: self.rate,
            pacing_rate: self.rate.scaled(2.0),
            padding_rate: DataRate::ZERO,
            congestion_window: None,
            congested: false,
            rtt: Duration::from_millis(123),
            loss: 0.0,
        }
    }

    fn poll_probe(&mut self) -> Option<ProbeCluster> {
        None
    }

    fn snapshot(&self) -> Snapshot {
        let in_flight = DataSize::from_bytes(4_321);
        Snapshot { in_flight, throughput: Some(self.rate), ..Snapshot::default() }
    }
}

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// With a constant rate on each transport.
fn constant(kbps: u64) -> (Configuration, Arc<Mutex<Told>>) {
    let told = Arc::<Mutex<Told>>::default();
    let mut config = config();
    let shared = told.clone();
    config.settings.congestion.controller = ControllerMaker::new(move |bounds| {
        let mut told = shared.lock().unwrap();
        told.made += 1;
        told.bounds = Some(bounds);
        Constant { rate: DataRate::from_kbps(kbps), told: shared.clone(), next: None }
    });
    (config, told)
}

/// Room for five times what is sent.
fn wide() -> LinkConfig {
    let queue = Queue::bytes(300_000);
    LinkConfig::new().rate(Rate::kbit(5_000)).delay(Duration::from_millis(25)).queue(queue)
}

#[test]
fn the_rate_is_what_it_says() {
    for kbps in [400, 1_000] {
        let (ours, told) = constant(kbps);
        let mut call = Call::new(1, ours, config(), wide());
        call.run(Duration::from_secs(2));
        let seen = call.run(Duration::from_secs(10));
        // Video with headers and audio make up the rate; the default controller would have grown to that of the path.
        let used = seen.link_kbps() / kbps as f64;
        assert!((0.85..1.05).contains(&used), "{used:.2} of {kbps} kbit/s");
        let estimate = call.pair.a.pc.estimate().unwrap();
        assert_eq!(estimate.available_outgoing_bitrate, kbps * 1_000);
        assert_eq!((estimate.in_flight, estimate.round_trip.as_millis()), (4_321, 123));
        assert_eq!(estimate.throughput, Some(kbps * 1_000));

        let told = *told.lock().unwrap();
        assert_eq!(told.made, 1, "one for the one transport");
        assert_eq!(told.bounds.map(|bounds| bounds.max_rate), Some(DataRate::from_mbps(100)));
        assert!(told.sent > 500 && told.bytes > kbps * 1_000 / 8 * 11, "{told:?}");
        assert!(told.arrived + 100 > told.sent, "reports on all but the last: {told:?}");
        assert_eq!(told.lost, 0);
        assert!((10..=13).contains(&told.ticks), "{told:?}");
        assert!(told.routes >= 1);
    }
}

#[test]
fn it_is_told_of_losses() {
    let (ours, told) = constant(800);
    let lossy = wide().loss(Loss::Random(0.05));
    let mut call = Call::new(2, ours, config(), lossy);
    call.run(Duration::from_secs(10));
    let told = *told.lock().unwrap();
    let share = told.lost as f64 / (told.lost + told.arrived) as f64;
    assert!((0.03..0.08).contains(&share), "{share}");
    assert_eq!(call.target_kbps() / 100, 6, "losses change nothing: {}", call.target_kbps());
}

#[test]
fn the_event_log_has_its_figures() {
    let (ours, _) = constant(640);
    let mut call = Call::new(3, ours, config(), wide());
    let (log, now) = (Memory::default(), call.pair.now);
    let writer = LogWriter::new(log.clone(), now, SystemTime::UNIX_EPOCH, "test").unwrap();
    call.pair.a.pc.set_event_log(now, Some(Box::new(writer)));
    call.run(Duration::from_secs(2));
    call.pair.a.pc.set_event_log(now, None);
    let bytes = log.0.lock().unwrap().clone();
    let mut estimates = 0;
    for record in LogReader::new(&bytes[..]).unwrap() {
        if let LogEvent::Estimate(estimate) = record.unwrap().event {
            assert_eq!(estimate.target_bps, 640_000);
            assert_eq!(estimate.acknowledged_bps, Some(640_000));
            assert_eq!(estimate.round_trip_us, None, "it does not say that anything arrived");
            estimates += 1;
        }
    }
    assert!(estimates > 5, "{estimates}");
}
