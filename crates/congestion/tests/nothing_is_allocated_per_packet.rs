//! Once it has run for a while, sending, pacing, reporting and sharing out allocate nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peerage_congestion::{
    Action, Allocator, Class, Controller, DataRate, DataSize, Ecn, Encoding, Feedback, Gcc,
    GccConfig, Pacer, PacerConfig, PacketResult, RemoteEstimator, SendHistory, SentPacket,
    StreamConfig,
};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: defers to the system's allocator; the counter touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: DataSize = DataSize::from_bytes(1_200);

struct Sender {
    start: Instant,
    now: Instant,
    controller: Gcc,
    pacer: Pacer<u64>,
    history: SendHistory,
    allocator: Allocator,
    remote: RemoteEstimator,
    results: Vec<PacketResult>,
    flying: Vec<u64>,
    id: u64,
}

impl Sender {
    fn new() -> Self {
        let start = Instant::now();
        let mut allocator = Allocator::new();
        for id in 0..100 {
            let encoding = Encoding { min: DataRate::from_kbps(5), max: DataRate::from_kbps(90) };
            let encodings = [encoding; 3].into_iter().collect();
            let config = StreamConfig { id, priority: 1.0, always: false, encodings };
            allocator.add(config).expect("bounds make sense");
        }
        Self {
            start,
            now: start,
            controller: Gcc::new(GccConfig::default()).expect("bounds make sense"),
            pacer: Pacer::new(PacerConfig::default()),
            history: SendHistory::new(4_096),
            allocator,
            remote: RemoteEstimator::new(DataRate::ZERO, DataRate::MAX),
            results: Vec::with_capacity(256),
            flying: Vec::with_capacity(256),
            id: 0,
        }
    }

    /// A twentieth of a second: packets, their reports with some losses, and the ticks between.
    fn run(&mut self) {
        for _ in 0..50 {
            self.now += Duration::from_millis(1);
            let target = self.controller.target();
            self.pacer.set_rates(self.now, target.pacing_rate, target.padding_rate);
            self.id += 1;
            let _ = self.pacer.enqueue(self.now, Class::Video, SIZE, self.id);
            while let Some(Action::Send { packet, probe, .. }) = self.pacer.poll(self.now) {
                let sent = SentPacket { id: packet, size: SIZE, probe, padding: false };
                self.history.on_packet_sent(self.now, &sent);
                self.controller.on_packet_sent(self.now, &sent);
                let ticks = ((self.now - self.start).as_micros() << 18) / 1_000_000;
                self.remote.on_packet(self.now, ticks as u32, SIZE);
                self.flying.push(packet);
            }
            self.controller.handle_timeout(self.now);
            while let Some(cluster) = self.controller.poll_probe() {
                self.pacer.add_probe(cluster);
            }
        }
        self.results.clear();
        for (index, &id) in self.flying.iter().enumerate() {
            let arrived = (index % 20 != 0).then(|| self.now - self.start);
            self.results.extend(self.history.on_report(id, arrived, Ecn::NotEct));
        }
        self.flying.clear();
        let feedback = Feedback { results: &self.results, rtt: None };
        self.controller.on_feedback(self.now, &feedback);
        self.allocator.allocate(self.controller.target().rate);
        self.remote.poll_report(self.now);
    }
}

#[test]
fn nothing_is_allocated_per_packet() {
    let mut sender = Sender::new();
    for _ in 0..200 {
        sender.run();
    }
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..400 {
        sender.run();
    }
    let allocations = COUNT.load(Ordering::Relaxed) - before;
    assert_eq!(allocations, 0, "in 20 seconds");
    assert!(sender.controller.stats().arrived > 1_000, "packets did flow");
}
