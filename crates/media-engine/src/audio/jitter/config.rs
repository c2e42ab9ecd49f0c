//! What a jitter buffer is told once, and what bounds it.

use std::time::Duration;

/// Settings of a [`JitterBuffer`](super::JitterBuffer), with the bounds of what a peer can make it keep.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct JitterConfig {
    /// Ticks of the RTP timestamp in a second: 48,000 for Opus, 8,000 for G.711 and G.722 (RFC 3551 §4.5.2).
    pub clock_rate: u32,
    /// The least delay that is held, whatever the network does.
    pub min_delay: Duration,
    /// The most delay that is held. What would have to wait longer is left out.
    pub max_delay: Duration,
    /// What is held before the network is known.
    pub start_delay: Duration,
    /// The most packets that wait.
    pub max_packets: usize,
    /// The most bytes of packets that wait.
    pub max_bytes: usize,
    /// How many milliseconds of delay one percent of sound that comes too late is worth. More makes it hold more.
    pub delay_per_percent: f32,
    /// Whether delay is corrected by stretching and shortening sound. Otherwise it changes only where nothing sounds.
    pub stretch: bool,
    /// What the random numbers of noise begin with.
    pub seed: u64,
}

impl JitterConfig {
    /// The usual settings for an RTP clock of `clock_rate`.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            min_delay: Duration::from_millis(10),
            max_delay: Duration::from_secs(2),
            start_delay: Duration::from_millis(40),
            max_packets: 200,
            max_bytes: 1 << 20,
            delay_per_percent: 20.0,
            stretch: true,
            seed: 0x5eed_1e55,
        }
    }

    /// The same with what makes no sense brought into what does.
    pub(super) fn sane(mut self) -> Self {
        self.clock_rate = self.clock_rate.clamp(1_000, 1_000_000);
        self.max_delay = self.max_delay.clamp(Duration::from_millis(20), Duration::from_secs(10));
        self.min_delay = self.min_delay.min(self.max_delay);
        self.start_delay = self.start_delay.clamp(self.min_delay, self.max_delay);
        self.max_packets = self.max_packets.clamp(4, 10_000);
        self.max_bytes = self.max_bytes.clamp(1 << 16, 1 << 28);
        if self.delay_per_percent.is_nan() || self.delay_per_percent <= 0.0 {
            self.delay_per_percent = 20.0;
        }
        self
    }
}
