//! What a run came to: RFC 8868 §3 in bins of 100 ms.

pub const BIN_MS: u64 = 100;

#[derive(Clone, Copy, Default)]
pub struct Bin {
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub media_bytes: u64,
    pub sent_packets: u32,
    pub received_packets: u32,
    pub lost_packets: u32,
    /// Of those that arrived in this bin, in microseconds beyond the propagation delay.
    pub delay_sum_us: u64,
    pub delay_max_us: u64,
    pub target_kbps: f64,
    pub rtt_ms: f64,
    /// How long the pacer holds what waits, in milliseconds.
    pub pacer_ms: f64,
    pub report_bytes: u64,
}

pub struct FlowOutcome {
    pub bins: Vec<Bin>,
    pub arrived: u64,
    pub lost: u64,
    /// Queueing delays of all packets, in milliseconds, for percentiles.
    pub delays_ms: Vec<f32>,
    /// Bytes of each stream in each second, for flows of several.
    pub streams: Vec<Vec<u64>>,
}

pub struct TcpOutcome {
    pub bins: Vec<u64>,
    pub sent: u64,
    pub lost: u64,
}

pub struct Outcome {
    pub seconds: u64,
    pub flows: Vec<FlowOutcome>,
    pub tcp: Vec<TcpOutcome>,
}

fn range(from: f64, to: f64, len: usize) -> std::ops::Range<usize> {
    let index = |seconds: f64| ((seconds * 1_000.0) as u64 / BIN_MS) as usize;
    index(from).min(len)..index(to).min(len)
}

impl FlowOutcome {
    pub fn bins(&self, from: f64, to: f64) -> &[Bin] {
        &self.bins[range(from, to, self.bins.len())]
    }

    fn kbps(&self, from: f64, to: f64, bytes: impl Fn(&Bin) -> u64) -> f64 {
        let bins = self.bins(from, to);
        let sum: u64 = bins.iter().map(bytes).sum();
        sum as f64 * 8.0 / (bins.len().max(1) as u64 * BIN_MS) as f64
    }

    pub fn sent_kbps(&self, from: f64, to: f64) -> f64 {
        self.kbps(from, to, |bin| bin.sent_bytes)
    }

    pub fn received_kbps(&self, from: f64, to: f64) -> f64 {
        self.kbps(from, to, |bin| bin.received_bytes)
    }

    /// What the encoder made for one of several streams in a second.
    pub fn stream_kbps(&self, stream: usize, second: u32) -> f64 {
        self.streams[stream][second as usize] as f64 * 8.0 / 1_000.0
    }

    /// Without padding.
    pub fn media_kbps(&self, from: f64, to: f64) -> f64 {
        self.kbps(from, to, |bin| bin.media_bytes)
    }

    pub fn target_kbps(&self, from: f64, to: f64) -> f64 {
        let bins = self.bins(from, to);
        bins.iter().map(|bin| bin.target_kbps).sum::<f64>() / bins.len().max(1) as f64
    }

    /// Mean queueing delay.
    pub fn delay_ms(&self, from: f64, to: f64) -> f64 {
        let (sum, packets) = self.bins(from, to).iter().fold((0, 0), |sum, bin| {
            (sum.0 + bin.delay_sum_us, sum.1 + u64::from(bin.received_packets))
        });
        sum as f64 / 1_000.0 / packets.max(1) as f64
    }

    pub fn max_delay_ms(&self, from: f64, to: f64) -> f64 {
        self.bins(from, to).iter().map(|bin| bin.delay_max_us).max().unwrap_or(0) as f64 / 1_000.0
    }

    pub fn max_pacer_ms(&self, from: f64, to: f64) -> f64 {
        self.bins(from, to).iter().map(|bin| bin.pacer_ms).fold(0.0, f64::max)
    }

    pub fn loss(&self, from: f64, to: f64) -> f64 {
        let (lost, received) = self.bins(from, to).iter().fold((0, 0), |sum, bin| {
            (sum.0 + u64::from(bin.lost_packets), sum.1 + u64::from(bin.received_packets))
        });
        lost as f64 / (lost + received).max(1) as f64
    }

    pub fn percentile_ms(&self, share: f64) -> f64 {
        let mut sorted = self.delays_ms.clone();
        sorted.sort_by(f32::total_cmp);
        let index = (sorted.len() as f64 * share) as usize;
        sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0).into()
    }

    /// Seconds from `from` until the received rate, over a second, is at least this; `None` if not by `to`.
    pub fn time_to(&self, from: f64, to: f64, kbps: f64) -> Option<f64> {
        let mut at = from;
        while at + 0.5 <= to {
            if self.received_kbps(at, at + 0.5) >= kbps {
                return Some(at + 0.5 - from);
            }
            at += 0.1;
        }
        None
    }

    /// Deviation of the rate sent in each second, over its mean.
    pub fn oscillation(&self, from: u32, to: u32) -> f64 {
        let seconds: Vec<f64> =
            (from..to).map(|s| self.sent_kbps(f64::from(s), f64::from(s + 1))).collect();
        let mean = seconds.iter().sum::<f64>() / seconds.len().max(1) as f64;
        let variance = seconds.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>()
            / seconds.len().max(1) as f64;
        variance.sqrt() / mean.max(1.0)
    }
}

impl TcpOutcome {
    pub fn kbps(&self, from: f64, to: f64) -> f64 {
        let bins = &self.bins[range(from, to, self.bins.len())];
        bins.iter().sum::<u64>() as f64 * 8.0 / (bins.len().max(1) as u64 * BIN_MS) as f64
    }
}
