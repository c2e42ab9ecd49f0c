//! Limits that the peer sets: its estimate of the path (REMB), and the most that it takes of a source (TMMBR), which is
//! answered (RFC 5104 §4.2.2).

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{self, FeedbackSources};

use super::RtpTransport;

/// Answers are sent this often at most, about so many sources: a peer that asks more often gets one for all.
const ANSWER_INTERVAL: Duration = Duration::from_millis(100);
const MAX_ANSWERS: usize = 16;

/// Sources whose limits are to be confirmed.
#[derive(Debug, Default)]
pub(super) struct Answers {
    sources: Vec<Ssrc>,
    last: Option<Instant>,
}

impl Answers {
    fn push(&mut self, source: Ssrc) {
        if self.sources.len() < MAX_ANSWERS && !self.sources.contains(&source) {
            self.sources.push(source);
        }
    }

    /// When they are due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.last.filter(|_| !self.sources.is_empty()).map(|last| last + ANSWER_INTERVAL)
    }
}

impl RtpTransport {
    /// Takes the limits of sources of ours.
    pub(super) fn limit_requested(&mut self, now: Instant, request: &rtcp::Tmmbr<'_>) {
        for limit in request.limits.iter() {
            if let Some(stream) = self.senders.get_mut(limit.ssrc) {
                stream.load.take_limit(request.sources.sender, limit);
                self.answers.push(limit.ssrc);
            }
        }
        self.answer_limits(now);
    }

    /// Says which limits are in force, if it is time.
    pub(super) fn answer_limits(&mut self, now: Instant) {
        if self.answers.sources.is_empty() || self.answers.due().is_some_and(|due| due > now) {
            return;
        }
        self.answers.last = Some(now);
        while let Some(source) = self.answers.sources.pop() {
            let limited = self.senders.get(source).and_then(|stream| stream.load.limited_by());
            let Some((owner, limit)) = limited else { continue };
            // Of one receiver the set of bounds is one (RFC 5104 §3.5.4.2), and names whose it is.
            let limits = [rtcp::BitrateLimit { ssrc: owner, ..limit }];
            let sources = FeedbackSources { sender: source, media: Ssrc(0) };
            let mut packet = Vec::with_capacity(64);
            rtcp::Tmmbn { sources, limits: (&limits).into() }.write(&mut packet);
            self.push_rtcp(packet);
        }
    }

    /// A source of the peer has said goodbye, and its limits end with it.
    pub(super) fn lift_limits_of(&mut self, requester: Ssrc) {
        for stream in self.senders.iter_mut() {
            stream.load.lift_limit_of(requester);
        }
    }
}
