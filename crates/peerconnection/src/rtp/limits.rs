//! The most that the peer takes of sources of ours (TMMBR), until it says otherwise, leaves or falls silent. Each change is
//! told (TMMBN, RFC 5104 §4.2.2).

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{self, FeedbackSources};

use super::{MAX_REPORT_LEN, RtpTransport, Target};

/// Answers are sent this often at most: a peer that asks more often gets one for all.
const ANSWER_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes of one: RFC 5104 §4.2.2.1, with one limit.
const ANSWER_LEN: usize = 20;
/// A limit ends if so long nothing was heard of whose it is: five intervals (RFC 5104 §4.2.1.2) of five seconds, which count
/// here though ours are shorter, so that nobody is given up who keeps to them (RFC 3550 §6.2).
const SILENCE: Duration = Duration::from_secs(25);
/// Sources of the peer whose limits are taken. One would do.
const MAX_OWNERS: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Who limits, and when it was heard last.
    owners: Vec<(Ssrc, Instant)>,
    /// Sources of ours, each once, whose limits are to be told.
    unanswered: Vec<Ssrc>,
    answered: Option<Instant>,
}

impl Limits {
    /// When there is something to be told, or an owner would be gone.
    pub(super) fn due(&self) -> Option<Instant> {
        let answer = self.answered.filter(|_| !self.unanswered.is_empty());
        let silent = self.owners.iter().map(|(_, heard)| *heard + SILENCE).min();
        answer.map(|last| last + ANSWER_INTERVAL).into_iter().chain(silent).min()
    }

    /// Whether there is room for the limits of a source.
    fn admits(&mut self, now: Instant, owner: Ssrc) -> bool {
        let known = self.owners.iter().any(|(known, _)| *known == owner);
        if !known && self.owners.len() < MAX_OWNERS {
            self.owners.push((owner, now));
            return true;
        }
        known
    }

    /// Notes whose RTCP came: each packet names its sender first (RFC 3550 §6.4, RFC 4585 §6.1).
    pub(super) fn heard(&mut self, now: Instant, mut compound: &[u8]) {
        if self.owners.is_empty() {
            return;
        }
        while let Some(&[_, _, high, low, a, b, c, d]) = compound.first_chunk() {
            let sender = Ssrc(u32::from_be_bytes([a, b, c, d]));
            if let Some((_, heard)) = self.owners.iter_mut().find(|(owner, _)| *owner == sender) {
                *heard = now;
            }
            let len = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
            compound = compound.get(len..).unwrap_or_default();
        }
    }
}

impl RtpTransport {
    /// Takes the limits of sources of ours.
    pub(super) fn limit_requested(&mut self, now: Instant, request: &rtcp::Tmmbr<'_>) {
        let requester = request.sources.sender;
        for limit in request.limits.iter() {
            let Some(stream) = self.senders.get_mut(limit.ssrc) else { continue };
            if self.limits.admits(now, requester) {
                stream.load.take_limit(requester, limit);
            }
            // RFC 5104 §4.2.2.2: answered even if it is not taken.
            if stream.load.owes_answer() {
                self.limits.unanswered.push(limit.ssrc);
            }
        }
        self.answer_limits(now);
    }

    /// Says which limits are in force, if it is time.
    pub(super) fn answer_limits(&mut self, now: Instant) {
        let limits = &mut self.limits;
        let recent = |last: Instant| now.saturating_duration_since(last) < ANSWER_INTERVAL;
        if limits.unanswered.is_empty() || limits.answered.is_some_and(recent) {
            return;
        }
        limits.answered = Some(now);
        // More sources than one datagram has room for wait for the next.
        let rest = limits.unanswered.len().saturating_sub(MAX_REPORT_LEN / ANSWER_LEN);
        let mut packet = Vec::with_capacity(64);
        for source in limits.unanswered.drain(rest..) {
            let Some(stream) = self.senders.get_mut(source) else { continue };
            stream.load.answered();
            // Of one receiver the set of bounds is one (RFC 5104 §3.5.4.2), and names whose it is.
            let limit = stream
                .load
                .limited_by()
                .map(|(owner, limit)| rtcp::BitrateLimit { ssrc: owner, ..limit });
            let sources = FeedbackSources { sender: source, media: Ssrc(0) };
            rtcp::Tmmbn { sources, limits: limit.as_slice().into() }.write(&mut packet);
        }
        if !packet.is_empty() {
            self.push_rtcp(packet);
        }
    }

    /// A source of the peer is gone, and its limits end with it, which is told (RFC 5104 §4.2.2.2).
    pub(super) fn lift_limits_of(&mut self, owner: Ssrc) {
        let limits = &mut self.limits;
        // Goodbyes come for sources that never limited anything, many at once.
        let Some(place) = limits.owners.iter().position(|(known, _)| *known == owner) else {
            return;
        };
        limits.owners.swap_remove(place);
        for stream in &mut self.paused {
            stream.load.lift_limit_of(owner);
        }
        for stream in self.senders.iter_mut() {
            if stream.load.lift_limit_of(owner) && stream.load.owes_answer() {
                limits.unanswered.push(stream.ssrc());
            }
        }
    }

    /// Ends the limits of sources that have fallen silent.
    pub(super) fn expire_limits(&mut self, now: Instant) {
        let is_silent = |heard: Instant| now.saturating_duration_since(heard) >= SILENCE;
        let mut index = 0;
        while let Some((owner, heard)) = self.limits.owners.get_mut(index) {
            let owner = *owner;
            // Media counts as well (RFC 3550 §6.2.1).
            let media = match self.by_ssrc.get(&owner.0) {
                Some(&Target::Media(index)) if is_silent(*heard) => {
                    self.receivers[index].last_packet()
                }
                _ => None,
            };
            *heard = media.unwrap_or(*heard).max(*heard);
            match is_silent(*heard) {
                true => self.lift_limits_of(owner),
                false => index += 1,
            }
        }
    }
}
