//! The peer's estimate of what the path carries (draft-alvestrand-rmcat-remb-03). It is for the sources that it names: one
//! that measures video alone, by send times that audio has not, knows nothing of the audio beside it.

use std::time::{Duration, Instant};

use peerage_rtp::rtcp::Remb;
use rustc_hash::FxHashSet;

use super::RtpTransport;

/// How often what flows beside the named sources is reckoned, and so how many REMBs are looked through.
const LOOK: Duration = Duration::from_millis(500);

/// What flows beside the sources that the peer's estimate names.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// When it was looked at last, and the bytes that had been sent by then.
    last: Option<(Instant, u64)>,
    /// Bits a second.
    bitrate: u64,
}

impl Beside {
    fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|(at, _)| now.saturating_duration_since(at) >= LOOK)
    }

    fn take(&mut self, now: Instant, bytes: u64) {
        if let Some((at, before)) = self.last.replace((now, bytes)) {
            let bits = bytes.saturating_sub(before).saturating_mul(8);
            self.bitrate = (bits as f64 / (now - at).as_secs_f64()) as u64;
        }
    }
}

impl RtpTransport {
    /// Takes the peer's estimate.
    pub(super) fn remote_estimate(&mut self, now: Instant, remb: &Remb<'_>) {
        if self.beside.is_due(now) {
            let named: FxHashSet<u32> = remb.ssrcs.iter().map(|ssrc| ssrc.0).collect();
            // One that names none means all; one that names none of ours is not about us.
            let any = self.senders.iter().any(|stream| named.contains(&stream.ssrc().0));
            let others = self.senders.iter().filter(|s| any && !named.contains(&s.ssrc().0));
            let bytes = others.map(|s| s.counters.bytes + s.counters.header_bytes).sum();
            self.beside.take(now, bytes);
        }
        if let Some(rate) = &mut self.rate {
            rate.remote_estimate(now, remb.bitrate.saturating_add(self.beside.bitrate));
        }
    }
}
