//! Packet traces: what a network does with each packet, the same for all who listen.

/// A network.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) name: &'static str,
    /// Share of packets lost.
    pub(crate) loss: f64,
    /// Mean length of a loss, in packets; 1 is at random.
    pub(crate) burst: f64,
    /// How much later packets come at most, in ms.
    pub(crate) jitter: f64,
    /// How much faster the sender's clock is, in millionths.
    pub(crate) drift: f64,
}

const fn network(name: &'static str, loss: f64, burst: f64, jitter: f64, drift: f64) -> Network {
    Network { name, loss, burst, jitter, drift }
}

pub(crate) const NETWORKS: &[Network] = &[
    network("clean", 0.0, 1.0, 0.0, 0.0),
    network("loss 5 %", 0.05, 1.0, 0.0, 0.0),
    network("loss 10 %", 0.10, 1.0, 0.0, 0.0),
    network("loss 20 %", 0.20, 1.0, 0.0, 0.0),
    network("loss 30 %", 0.30, 1.0, 0.0, 0.0),
    network("bursts 10 %", 0.10, 3.0, 0.0, 0.0),
    network("bursts 20 %", 0.20, 3.0, 0.0, 0.0),
    network("jitter 50 ms", 0.0, 1.0, 50.0, 0.0),
    network("jitter 100 ms", 0.0, 1.0, 100.0, 0.0),
    network("jitter 200 ms", 0.0, 1.0, 200.0, 0.0),
    network("jitter 50 ms, loss 10 %", 0.10, 1.0, 50.0, 0.0),
    network("drift +200 ppm", 0.0, 1.0, 0.0, 200.0),
    network("drift -200 ppm", 0.0, 1.0, 0.0, -200.0),
];

/// The time on the wire, in µs.
const WIRE: f64 = 20_000.0;
/// How much of a packet's delay the next one keeps: networks do not throw dice for each.
const MEMORY: f64 = 0.7;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// When each packet of 20 ms comes, in µs since the first sample was heard by the microphone; `None` where it is lost.
pub(crate) fn trace(network: &Network, packets: usize) -> Vec<Option<i64>> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut lost, mut late) = (false, 0.0);
    (0..packets)
        .map(|index| {
            let chance = match (network.burst > 1.0, lost) {
                (false, _) => network.loss,
                (true, true) => 1.0 - 1.0 / network.burst,
                (true, false) => network.loss / (network.burst * (1.0 - network.loss)),
            };
            lost = random.next() < chance;
            late =
                MEMORY * late + (1.0 - MEMORY) * random.next().powi(3) * network.jitter * 2_000.0;
            let sent = (index + 1) as f64 * 20_000.0 * (1.0 - network.drift / 1e6);
            (!lost).then_some((sent + WIRE + late.min(network.jitter * 1_000.0)) as i64)
        })
        .collect()
}
