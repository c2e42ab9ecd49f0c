//! What a link does to packets, as plain data: every field can be changed while the simulation runs.

use std::time::Duration;

use super::delay::{Jitter, Reorder};
use super::loss::Loss;
use super::queue::Queue;

/// A data rate, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Bits per second; 0 counts as 1, so that every packet ends some day.
    pub const fn bits_per_second(bits: u64) -> Self {
        Self(if bits == 0 { 1 } else { bits })
    }

    /// 1,000 bits per second.
    pub const fn kbit(kbit: u64) -> Self {
        Self::bits_per_second(kbit.saturating_mul(1_000))
    }

    /// 1,000,000 bits per second.
    pub const fn mbit(mbit: u64) -> Self {
        Self::bits_per_second(mbit.saturating_mul(1_000_000))
    }

    /// The rate in bits per second.
    pub const fn as_bits_per_second(self) -> u64 {
        self.0
    }

    /// How long `bytes` take at this rate.
    pub fn time_for(self, bytes: usize) -> Duration {
        Duration::from_nanos(self.nanos_for(bytes))
    }

    pub(crate) fn nanos_for(self, bytes: usize) -> u64 {
        u64::try_from(bytes as u128 * 8 * 1_000_000_000 / u128::from(self.0))
            .unwrap_or(u64::MAX / 4)
    }
}

/// Bit errors that got past the checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Corruption {
    /// Share of packets that are hit, 0 to 1.
    pub probability: f64,
    /// Most bits flipped in one packet; 0 counts as 1.
    pub max_bits: u8,
    /// Bytes at the beginning of the payload that are never hit.
    pub skip: usize,
}

/// One direction of a link: a queue, then a serialiser, then the wire.
///
/// ```text
///   offered -> [mtu] -> [queue, AQM] -> [rate] -> [loss] -> [corrupt] -> [duplicate] -> [delay, jitter, reorder] -> out
/// ```
///
/// The fields may be set directly or by the methods of the same name. Probabilities are shares from 0 to 1; what lies
/// outside counts as the nearer end.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// How fast bits leave the queue; `None` is infinitely fast.
    pub rate: Option<Rate>,
    /// Time on the wire, one way.
    pub delay: Duration,
    /// Variation of that time.
    pub jitter: Jitter,
    /// What waits for the serialiser, and what is dropped or marked there.
    pub queue: Queue,
    /// Loss on the wire: after the queue, so lost packets used up capacity.
    pub loss: Loss,
    /// Packets held back so that later ones overtake them.
    pub reorder: Reorder,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
    /// Bit errors.
    pub corrupt: Corruption,
    /// Share of ECN-capable packets marked [`Ecn::Ce`](crate::Ecn::Ce) whatever the queue does.
    pub mark: f64,
    /// Whether this link clears the ECN field of all packets, as some routers do.
    pub bleach_ecn: bool,
    /// Largest IP packet (payload + `overhead`); larger ones are dropped without a word. `None` is unlimited.
    pub mtu: Option<usize>,
    /// What headers add to the payload.
    pub overhead: Overhead,
}

/// What headers add to a payload, for rates, byte-limited queues and the MTU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overhead {
    /// IP and UDP: 28 bytes with IPv4 addresses, 48 with IPv6.
    #[default]
    IpUdp,
    /// A fixed number of bytes; 0 where the payload is the whole packet.
    Bytes(usize),
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate: None,
            delay: Duration::ZERO,
            jitter: Jitter::default(),
            queue: Queue::default(),
            loss: Loss::None,
            reorder: Reorder::default(),
            duplicate: 0.0,
            corrupt: Corruption::default(),
            mark: 0.0,
            bleach_ecn: false,
            mtu: None,
            overhead: Overhead::default(),
        }
    }
}

impl LinkConfig {
    /// A perfect link: infinitely fast, no delay, no faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gigabit Ethernet across a building: 0.2 ms.
    pub fn lan() -> Self {
        Self::new()
            .rate(Rate::mbit(1_000))
            .delay(Duration::from_micros(200))
            .queue(Queue::packets(1_000))
            .mtu(1_500)
    }

    /// Wi-Fi at the far end of the flat: 30 Mbit/s, 5 ms and a jitter like it, 3 % loss in short bursts.
    pub fn wifi_lossy() -> Self {
        Self::new()
            .rate(Rate::mbit(30))
            .delay(Duration::from_millis(5))
            .jitter(Jitter::normal(Duration::from_millis(4)))
            .loss(Loss::bursty(0.03, 4.0))
            .queue(Queue::packets(200))
            .mtu(1_500)
    }

    /// A mobile phone on the move: 12 Mbit/s, 40 ms with a long tail, little loss but a second of queue.
    pub fn cellular() -> Self {
        Self::new()
            .rate(Rate::mbit(12))
            .delay(Duration::from_millis(40))
            .jitter(Jitter::long_tail(Duration::from_millis(6)))
            .loss(Loss::Random(0.003))
            .queue(Queue::bytes(1_500_000))
            .mtu(1_428)
    }

    /// A geostationary satellite: 20 Mbit/s, 280 ms one way, 0.5 % loss.
    pub fn satellite() -> Self {
        Self::new()
            .rate(Rate::mbit(20))
            .delay(Duration::from_millis(280))
            .jitter(Jitter::normal(Duration::from_millis(3)))
            .loss(Loss::Random(0.005))
            .queue(Queue::bytes(750_000))
            .mtu(1_500)
    }

    /// The downstream of a DSL line: 16 Mbit/s, 12 ms, a queue of a quarter second.
    pub fn dsl_down() -> Self {
        Self::new()
            .rate(Rate::mbit(16))
            .delay(Duration::from_millis(12))
            .queue(Queue::bytes(500_000))
            .mtu(1_492)
    }

    /// The upstream of a DSL line: 1 Mbit/s, 12 ms, half a second of queue.
    pub fn dsl_up() -> Self {
        Self::dsl_down().rate(Rate::mbit(1)).queue(Queue::bytes(64_000))
    }

    /// Sets the rate.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Sets the one-way delay.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the jitter.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the queue.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queue = queue;
        self
    }

    /// Sets the loss.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// Holds back this share of packets by `extra`, so that those sent within it overtake.
    pub fn reorder(mut self, probability: f64, extra: Duration) -> Self {
        self.reorder = Reorder { probability, extra };
        self
    }

    /// Sets the share of packets that arrive twice.
    pub fn duplicate(mut self, probability: f64) -> Self {
        self.duplicate = probability;
        self
    }

    /// Sets the share of packets in which up to three bits flip.
    pub fn corrupt(mut self, probability: f64) -> Self {
        self.corrupt = Corruption { probability, max_bits: 3, skip: 0 };
        self
    }

    /// Sets the share of ECN-capable packets that are marked.
    pub fn mark(mut self, probability: f64) -> Self {
        self.mark = probability;
        self
    }

    /// Sets whether the ECN field is cleared.
    pub fn bleach_ecn(mut self, bleach: bool) -> Self {
        self.bleach_ecn = bleach;
        self
    }

    /// Sets the largest IP packet.
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// Sets what headers add.
    pub fn overhead(mut self, overhead: Overhead) -> Self {
        self.overhead = overhead;
        self
    }
}
