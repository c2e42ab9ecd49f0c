//! Sources of ours that the peer uses as well (RFC 3550 §8.2): a collision, or our own packets that come back. Which of both it is
//! cannot be known at first, so that the first time ours becomes another; after that the peer is known for it, and what comes is
//! only counted, or a loop would have us change for ever. Packets that come back are given out as any others: a server that
//! reflects media without another name for it is of use too.

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use rustc_hash::FxHashSet;

use super::{RtpEvent, RtpTransport};

/// For how long the peer is known for it: ten intervals of reports (RFC 3550 §8.2) of five seconds.
const MEMORY: Duration = Duration::from_secs(50);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Collisions {
    /// Sources of all streams of ours, paused ones too, with those of retransmissions and parity.
    own: FxHashSet<u32>,
    /// When the peer used one of them last.
    last: Option<Instant>,
}

impl RtpTransport {
    /// Takes which sources are ours, after each negotiation.
    pub(super) fn note_own_sources(&mut self) {
        let streams = self.senders.iter().chain(&self.paused);
        let all = streams.flat_map(|s| [s.ssrc(), s.rtx_ssrc(), s.fec_ssrc()]);
        self.collisions.own = all.map(|ssrc| ssrc.0).collect();
    }

    /// Looks at a source of the peer that was not known: once for each, and not for each packet.
    pub(super) fn check_source(&mut self, now: Instant, ssrc: Ssrc) {
        let of_stream = self.collisions.own.contains(&ssrc.0);
        if !of_stream && ssrc != self.report_ssrc {
            return;
        }
        self.statistics.ssrc_collisions += 1;
        if !self.may_change_source(now) {
            return;
        }
        if ssrc == self.report_ssrc {
            self.report_ssrc = Ssrc(self.rng.u32());
        }
        if of_stream {
            self.events.push_back(RtpEvent::SourceCollision(ssrc));
        }
    }

    /// The same of the name of a source. Under our own it is we that are heard.
    pub(super) fn check_named_source(&mut self, now: Instant, ssrc: Ssrc, name: Option<&[u8]>) {
        if name.is_some_and(|name| name != self.cname.as_bytes()) {
            self.check_source(now, ssrc);
        }
    }

    /// Whether a source of ours may become another now; notes that it has.
    pub(crate) fn may_change_source(&mut self, now: Instant) -> bool {
        let last = self.collisions.last.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= MEMORY)
    }

    /// Whether the peer uses one of these sources.
    pub(crate) fn hears_any(&self, sources: [u32; 3]) -> bool {
        sources.iter().any(|ssrc| self.by_ssrc.contains_key(ssrc) || self.report_ssrc.0 == *ssrc)
    }

    /// Ends the stream of a source of ours that has become another: it says goodbye, if it has sent.
    pub(crate) fn leave_source(&mut self, ssrc: u32) {
        let mut leaving = Vec::new();
        for mut stream in self.senders.take() {
            match stream.ssrc().0 == ssrc {
                true => leaving.extend(stream.leave()),
                false => self.senders.push(stream),
            }
        }
        self.paused.retain_mut(|stream| {
            let leaves = stream.ssrc().0 == ssrc;
            if leaves {
                leaving.extend(stream.leave());
            }
            !leaves
        });
        self.say_goodbye_of(&leaving);
        self.drop_waiting_of_ended();
    }

    /// The stream that has taken its place begins with a keyframe.
    pub(crate) fn begin_source(&mut self, now: Instant, ssrc: u32) {
        let ssrc = Ssrc(ssrc);
        if self.senders.get(ssrc).is_some_and(|stream| stream.is_video()) {
            self.want_keyframe(now, ssrc);
        }
    }
}
