//! When the peer is asked to report on arrivals (webrtc.org transport-wide-cc-02): congestion control does, in the header of a
//! packet that leaves. Each part is asked for twice, since a request or its answer may be lost.

use std::time::{Duration, Instant};

use peerage_rtp::extension::FeedbackRequest;

/// How far apart requests are: as often as a peer that reports by itself does at most.
const INTERVAL: Duration = Duration::from_millis(50);
/// Packets that one request is about at most; their report fits one datagram.
const MOST: u64 = 400;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ReportRequests {
    last: Option<Instant>,
    /// The first number that was not asked for, now and one request before.
    from: (u64, u64),
}

impl ReportRequests {
    /// What the packet that gets this number is to ask for, if it is time.
    pub(super) fn next(&mut self, now: Instant, number: u64) -> Option<FeedbackRequest> {
        let recent = |last: Instant| now.saturating_duration_since(last) < INTERVAL;
        let (asked, before) = self.from;
        // Many packets are asked about sooner, for no more fit a report.
        if self.last.is_some_and(recent) && number + 1 - asked < MOST / 2 {
            return None;
        }
        self.last = Some(now);
        self.from = (number + 1, asked);
        let packets = (number + 1 - before).min(MOST) as u16;
        Some(FeedbackRequest { timestamps: true, packets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_is_asked_about_twice() {
        let (mut requests, now) = (ReportRequests::default(), Instant::now());
        let mut about = vec![0; 1_000];
        for number in 0..1_000_u64 {
            // A packet each 2 ms, then five each millisecond.
            let at =
                now + Duration::from_millis(2 * number.min(500) + number.saturating_sub(500) / 5);
            if let Some(request) = requests.next(at, number) {
                assert!(request.timestamps);
                let last = number as usize + 1;
                for count in &mut about[last - usize::from(request.packets)..last] {
                    *count += 1;
                }
            }
        }
        assert_eq!(about[0], 2);
        assert!(about[..600].iter().all(|count| *count == 2), "{about:?}");
        assert!(about.iter().all(|count| *count <= 3), "{about:?}");
    }

    #[test]
    fn after_a_pause_no_more_is_asked_for_than_is_answered() {
        let (mut requests, now) = (ReportRequests::default(), Instant::now());
        assert_eq!(requests.next(now, 5_000).unwrap().packets, 400);
        assert!(requests.next(now, 5_001).is_none());
    }
}
