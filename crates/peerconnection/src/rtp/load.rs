//! What congestion control keeps of a stream that is sent: whether its packets are reported on, how large they are, what the
//! peer allows it, and whether its frames are left out for now.

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::BitrateLimit;
use peerage_sdp::Feedback;

use super::packet::Packet;
use crate::jsep::AgreedMedia;
use crate::media::uri;

/// What headers and payloads take before the first packet, in bytes.
const USUAL_HEADER: u64 = 24;
const USUAL_PAYLOAD: f64 = 1_000.0;
/// Over how many packets the size is averaged.
const AVERAGED_PACKETS: f64 = 32.0;
/// Packets of audio a second that are reckoned with.
const AUDIO_PACKETS: u64 = 50;

/// See the module.
#[derive(Debug)]
pub(super) struct Load {
    /// The peer reports on packets by transport-wide numbers.
    pub(super) numbered: bool,
    /// It does so by stream (RFC 8888).
    pub(super) by_stream: bool,
    header_len: u64,
    /// Of a packet on average.
    payload_len: f64,
    /// So much waited that frames are left out until the next keyframe.
    halted: bool,
    /// What waited and what was missed were given up as well, and no keyframe has been sent since.
    anew: bool,
    /// The application sends frames, not packets.
    frames: bool,
    keyframe_wanted: Option<Instant>,
    /// The most that the peer takes, and which of its sources says so (RFC 5104 §4.2.1).
    limit: Option<(Ssrc, BitrateLimit)>,
    /// The peer is to be told which limit is in force.
    unanswered: bool,
    /// The most payload that its description allows the section.
    described: Option<u64>,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            numbered: false,
            by_stream: false,
            header_len: USUAL_HEADER,
            payload_len: 0.0,
            halted: false,
            anew: false,
            frames: false,
            keyframe_wanted: None,
            limit: None,
            unanswered: false,
            described: None,
        }
    }

    /// Takes what was agreed on for the section.
    pub(super) fn configure(&mut self, media: &AgreedMedia) {
        let agreed_on = |wanted: Feedback| {
            let mut codecs = media.agreement.codecs.iter();
            codecs.any(|codec| codec.codec.rtcp_feedback.contains(&wanted))
        };
        let mut extensions = media.agreement.extensions.iter();
        self.numbered = agreed_on(Feedback::TransportCc)
            && extensions.any(|e| {
                e.direction.sends()
                    && [uri::TRANSPORT_CC, uri::TRANSPORT_CC_02].contains(&e.uri.as_str())
            });
        self.by_stream = agreed_on(Feedback::AckCcfb);
        self.described = media.remote.bandwidth;
        // While it was held nobody looked for it.
        self.unanswered = false;
    }

    /// Whether the peer reports on single packets.
    pub(super) fn is_reported(&self) -> bool {
        self.numbered || self.by_stream
    }

    /// Notes a packet's size.
    pub(super) fn count(&mut self, packet: &Packet) {
        self.header_len = packet.header.len() as u64;
        let payload = packet.payload_len() as f64;
        self.payload_len = match self.payload_len {
            0.0 => payload,
            average => average + (payload - average) * (1.0 / AVERAGED_PACKETS),
        };
    }

    /// Whether a frame is to be sent though this much waits. Once one is not, those after it could not be decoded, so
    /// that all are left out until a keyframe comes and little waits.
    pub(super) fn admits(&mut self, behind: bool, recovered: bool, is_keyframe: bool) -> bool {
        self.halted |= behind;
        if self.halted && recovered && is_keyframe {
            (self.halted, self.anew) = (false, false);
        }
        !self.halted
    }

    /// Packets of the application take the place of frames: nothing is left out of them.
    pub(super) fn resume(&mut self) {
        (self.halted, self.anew, self.frames) = (false, false, false);
    }

    /// The application sends frames.
    pub(super) fn carries_frames(&mut self) {
        self.frames = true;
    }

    /// Whether what is sent can be given up for a keyframe: packets of the application are another's picture.
    pub(super) fn can_begin_anew(&self) -> bool {
        self.frames && !self.anew
    }

    /// Frames are left out until a keyframe comes.
    pub(super) fn begin_anew(&mut self) {
        (self.halted, self.anew) = (true, true);
    }

    /// Whether frames are left out.
    pub(super) fn is_halted(&self) -> bool {
        self.halted
    }

    /// Whether the application is to be asked for a keyframe now.
    pub(super) fn keyframe_due(&mut self, now: Instant, interval: Duration) -> bool {
        let asked = self.keyframe_wanted;
        let due = asked.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if due {
            self.keyframe_wanted = Some(now);
        }
        due
    }

    /// Takes a limit of the peer: any of the source that limits now, and a lower one of another (RFC 5104 §3.5.4.2).
    pub(super) fn take_limit(&mut self, requester: Ssrc, limit: BitrateLimit) {
        let counts = |(owner, old): &(Ssrc, BitrateLimit)| {
            *owner == requester || limit.bitrate < old.bitrate
        };
        if self.limit.as_ref().is_none_or(counts) {
            self.limit = Some((requester, limit));
        }
    }

    /// Which source of the peer limits it, and to what.
    pub(super) fn limited_by(&self) -> Option<(Ssrc, BitrateLimit)> {
        self.limit
    }

    /// The source that limits is gone. Whether it did limit.
    pub(super) fn lift_limit_of(&mut self, requester: Ssrc) -> bool {
        self.limit.take_if(|(owner, _)| *owner == requester).is_some()
    }

    /// The limits of it are to be told; whether that is news.
    pub(super) fn owes_answer(&mut self) -> bool {
        !std::mem::replace(&mut self.unanswered, true)
    }

    /// They are told.
    pub(super) fn answered(&mut self) {
        self.unanswered = false;
    }

    /// Bits a second of payload at most for all encodings of the section together (`b=`, RFC 9429 §5.10).
    pub(super) fn described(&self) -> Option<u64> {
        self.described
    }

    /// Bits a second at most.
    pub(super) fn limit(&self) -> u64 {
        self.limit.map_or(u64::MAX, |(_, limit)| limit.bitrate)
    }

    /// The share of payload in what loads the path, if packets have so many bytes beside RTP.
    fn payload_share(&self, overhead: u64) -> f64 {
        let payload = if self.payload_len > 0.0 { self.payload_len } else { USUAL_PAYLOAD };
        payload / (payload + (self.header_len + overhead) as f64)
    }

    /// From a rate with headers to that of the payload.
    pub(super) fn without_headers(&self, bitrate: u64, overhead: u64) -> u64 {
        (bitrate as f64 * self.payload_share(overhead)) as u64
    }

    /// From a rate of the payload to that with headers.
    pub(super) fn with_headers(&self, bitrate: u64, overhead: u64) -> u64 {
        (bitrate as f64 / self.payload_share(overhead)) as u64
    }

    /// Bits a second of audio's headers, which do not depend on its rate.
    pub(super) fn audio_headers(&self, overhead: u64) -> u64 {
        8 * AUDIO_PACKETS * (self.header_len + overhead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_left_out_until_a_keyframe_finds_room() {
        let mut load = Load::new();
        assert!(load.admits(false, false, false));
        assert!(!load.admits(true, false, true), "too much waits");
        assert!(!load.admits(false, false, true), "still much");
        assert!(!load.admits(false, true, false), "it could not be decoded");
        assert!(load.admits(false, true, true));
        assert!(load.admits(false, true, false));
    }

    #[test]
    fn headers_are_reckoned_both_ways() {
        let load = Load::new();
        let payload = load.without_headers(1_000_000, 38);
        assert!((940_000..945_000).contains(&payload), "{payload}");
        assert!(load.with_headers(payload, 38).abs_diff(1_000_000) < 10);
        assert_eq!(load.audio_headers(38), 24_800);
    }

    #[test]
    fn the_lowest_limit_counts_and_its_owner_may_raise_it() {
        let mut load = Load::new();
        let limit = |bitrate| BitrateLimit { ssrc: Ssrc(1), bitrate, overhead: 40 };
        load.take_limit(Ssrc(7), limit(500));
        load.take_limit(Ssrc(8), limit(900));
        assert_eq!(load.limit(), 500);
        load.take_limit(Ssrc(7), limit(1_000));
        assert_eq!(load.limit(), 1_000);
        load.lift_limit_of(Ssrc(8));
        assert_eq!(load.limit(), 1_000);
        load.lift_limit_of(Ssrc(7));
        assert_eq!(load.limit(), u64::MAX);
    }
}
