//! The peer's estimate of what the path carries (draft-alvestrand-rmcat-remb-03). It is for the sources that it names: one
//! that measures video alone, by send times that audio has not, knows nothing of the audio beside it.

use std::time::{Duration, Instant};

use peerage_rtp::rtcp::Remb;
use rustc_hash::FxHashSet;

use super::RtpTransport;

/// How often what flows beside the named sources is reckoned, and so how many REMBs are looked through.
const LOOK: Duration = Duration::from_millis(500);
/// Over how long the flow of a source is averaged, and after which time without a packet it is none.
const WINDOW: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(3);

/// How much a source sends, to the next window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    since: Option<Instant>,
    /// The end of the window.
    until: Option<Instant>,
    bytes: usize,
    /// Bits a second in the window before.
    bitrate: Option<f64>,
}

impl Flow {
    /// A packet is sent.
    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        if self.until.is_none_or(|until| now >= until) {
            if let Some(since) = self.since {
                let elapsed = now.saturating_duration_since(since);
                self.bitrate = Some(8.0 * self.bytes as f64 / elapsed.as_secs_f64());
            }
            (self.since, self.until, self.bytes) = (Some(now), Some(now + WINDOW), 0);
        }
        self.bytes += bytes;
    }

    /// Bits a second.
    fn bitrate(&self, now: Instant) -> f64 {
        let Some(since) = self.since else { return 0.0 };
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= SILENCE {
            return 0.0;
        }
        self.bitrate.unwrap_or(8.0 * self.bytes as f64 / elapsed.as_secs_f64().max(0.1))
    }
}

/// What flows beside the sources that the peer's estimate names.
#[derive(Debug, Default)]
pub(super) struct Beside {
    looked: Option<Instant>,
    /// Bits a second.
    bitrate: u64,
}

impl RtpTransport {
    /// Takes the peer's estimate.
    pub(super) fn remote_estimate(&mut self, now: Instant, remb: &Remb<'_>) {
        let looked = self.beside.looked;
        if looked.is_none_or(|at| now.saturating_duration_since(at) >= LOOK) {
            let named: FxHashSet<u32> = remb.ssrcs.iter().map(|ssrc| ssrc.0).collect();
            // One that names none means all; one that names none of ours is not about us.
            let any = self.senders.iter().any(|stream| named.contains(&stream.ssrc().0));
            let others = self.senders.iter().filter(|s| any && !named.contains(&s.ssrc().0));
            let bitrate: f64 = others.map(|stream| stream.counters.flow.bitrate(now)).sum();
            self.beside = Beside { looked: Some(now), bitrate: bitrate as u64 };
        }
        if let Some(rate) = &mut self.rate {
            rate.remote_estimate(now, remb.bitrate.saturating_add(self.beside.bitrate));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_known_from_the_first_packets_on_and_ends() {
        let start = Instant::now();
        let mut flow = Flow::default();
        assert_eq!(flow.bitrate(start), 0.0);
        for index in 0..250 {
            let now = start + Duration::from_millis(20) * index;
            flow.add(now, 200);
            let bitrate = flow.bitrate(now);
            assert!(index < 10 || (75_000.0..90_000.0).contains(&bitrate), "{index}: {bitrate}");
        }
        assert_eq!(flow.bitrate(start + Duration::from_secs(9)), 0.0);
    }
}
