//! The peer's requests for keyframes of one stream of ours (RFC 4585 §6.3.1, RFC 5104 §4.3.1). A peer may repeat them with
//! every packet that it misses, and each would cost a keyframe: the application is told of one at a time. What comes too
//! soon after the last is put off, not lost, unless a keyframe leaves in the meantime.

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use smallvec::SmallVec;

/// The application is told no more often.
const INTERVAL: Duration = Duration::from_millis(300);
/// Sources of the peer whose last command is remembered; of more the oldest is forgotten.
const MAX_REQUESTERS: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct KeyframeRequests {
    /// A keyframe is wanted, and the application has not been told yet.
    wanted: bool,
    told: Option<Instant>,
    keyframe_sent: Option<Instant>,
    /// Numbers of the last commands, by who gave them (RFC 5104 §4.3.1.1).
    commands: SmallVec<[(Ssrc, u8); 2]>,
}

impl KeyframeRequests {
    /// A picture was lost to the peer, or we want a keyframe ourselves.
    pub(super) fn request(&mut self) {
        self.wanted = true;
    }

    /// A command of the peer; whether it counts. A repetition is about the same keyframe, which is on its way for two
    /// round trips (RFC 5104 §3.5.1.1).
    pub(super) fn command(
        &mut self,
        now: Instant,
        requester: Ssrc,
        number: u8,
        round_trip: Duration,
    ) -> bool {
        let known = self.commands.iter_mut().find(|(source, _)| *source == requester);
        let repeated = match known {
            Some((_, last)) => std::mem::replace(last, number) == number,
            None => {
                if self.commands.len() == MAX_REQUESTERS {
                    self.commands.remove(0);
                }
                self.commands.push((requester, number));
                false
            }
        };
        let answered = self.told.max(self.keyframe_sent);
        let recent = answered.is_some_and(|at| now.saturating_duration_since(at) < 2 * round_trip);
        let counts = !(repeated && recent);
        self.wanted |= counts;
        counts
    }

    /// A keyframe leaves: it answers all that was asked for.
    pub(super) fn keyframe_sent(&mut self, now: Instant) {
        self.wanted = false;
        self.keyframe_sent = Some(now);
    }

    /// When the application is to be told; `None` while nothing is wanted.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.told.map_or(now, |told| now.max(told + INTERVAL)))
    }

    /// The application is told now, if it is time.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = self.due(now).is_some_and(|due| due <= now);
        if due {
            self.wanted = false;
            self.told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const ROUND_TRIP: Duration = Duration::from_millis(100);

    #[test]
    fn requests_that_come_too_soon_are_put_off() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(!requests.take(start));
        requests.request();
        assert!(requests.take(start));
        for ms in 1..100 {
            requests.request();
            assert!(!requests.take(start + MS(ms)));
        }
        assert_eq!(requests.due(start + MS(100)), Some(start + INTERVAL));
        assert!(requests.take(start + INTERVAL), "not lost");
        assert_eq!(requests.due(start + INTERVAL), None);
    }

    #[test]
    fn a_keyframe_answers_what_was_asked_for_before_it() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.request();
        assert!(requests.take(start));
        requests.request();
        requests.keyframe_sent(start + MS(20));
        assert!(!requests.take(start + MS(500)));
        requests.request();
        assert!(requests.take(start + MS(500)));
    }

    #[test]
    fn a_repeated_command_counts_once_in_two_round_trips() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(requests.command(start, Ssrc(1), 7, ROUND_TRIP));
        assert!(requests.take(start));
        requests.keyframe_sent(start + MS(50));
        assert!(!requests.command(start + MS(100), Ssrc(1), 7, ROUND_TRIP));
        assert!(requests.command(start + MS(100), Ssrc(2), 7, ROUND_TRIP), "another's");
        assert!(requests.command(start + MS(100), Ssrc(1), 8, ROUND_TRIP), "another one");
        assert!(!requests.command(start + MS(100), Ssrc(1), 8, ROUND_TRIP));
        assert!(requests.command(start + MS(250), Ssrc(1), 8, ROUND_TRIP), "the keyframe was lost");
    }

    #[test]
    fn requesters_are_bounded() {
        let now = Instant::now();
        let mut requests = KeyframeRequests::default();
        for source in 0..1_000 {
            requests.command(now, Ssrc(source), 0, ROUND_TRIP);
        }
        assert_eq!(requests.commands.len(), MAX_REQUESTERS);
    }
}
