//! Who was heard in a received stream within the last seconds: `getSynchronizationSources` and `getContributingSources`
//! (webrtc-pc §5.3), with the levels of RFC 6464 and RFC 6465.

use std::time::{Duration, Instant};

use peerage_rtp::extension::{AudioLevel, MixerToClientAudioLevels};
use peerage_rtp::{ExtensionMap, RtpPacket, RtpTimestamp, Ssrc};

/// For how long a source is remembered (webrtc-pc §5.3).
pub(crate) const MEMORY: Duration = Duration::from_secs(10);
/// Contributing sources of one stream that are remembered; the one not heard for the longest time makes room.
const MAX_CONTRIBUTING_SOURCES: usize = 64;

/// A source as it was heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) source: u32,
    pub(crate) at: Instant,
    pub(crate) timestamp: RtpTimestamp,
    /// In -dBov, 127 being silence.
    pub(crate) level: Option<u8>,
}

impl Heard {
    pub(crate) fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) <= MEMORY
    }
}

/// Of one stream.
#[derive(Debug, Default)]
pub(super) struct Sources {
    own: Option<Heard>,
    contributing: Vec<Heard>,
}

impl Sources {
    /// Takes a packet. Those behind the newest by their timestamp change nothing.
    pub(super) fn hear(&mut self, now: Instant, packet: &RtpPacket<'_>, map: &ExtensionMap) {
        let timestamp = packet.timestamp();
        if self.own.is_some_and(|own| timestamp.distance_from(own.timestamp) < 0) {
            return;
        }
        let level = packet.extension::<AudioLevel>(map).map(|level| level.level);
        let source = packet.ssrc().0;
        self.own = Some(Heard { source, at: now, timestamp, level });
        let csrcs = packet.csrcs();
        if csrcs.len() == 0 {
            return;
        }
        let levels = packet.extension::<MixerToClientAudioLevels<'_>>(map);
        let mut levels = levels.iter().flat_map(MixerToClientAudioLevels::iter);
        for Ssrc(source) in csrcs {
            self.contribute(Heard { source, at: now, timestamp, level: levels.next() });
        }
    }

    fn contribute(&mut self, heard: Heard) {
        if let Some(known) = self.contributing.iter_mut().find(|h| h.source == heard.source) {
            *known = heard;
        } else if self.contributing.len() < MAX_CONTRIBUTING_SOURCES {
            self.contributing.push(heard);
        } else if let Some(oldest) = self.contributing.iter_mut().min_by_key(|h| h.at) {
            *oldest = heard;
        }
    }

    pub(super) fn own(&self) -> Option<Heard> {
        self.own
    }

    pub(super) fn contributing(&self) -> &[Heard] {
        &self.contributing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet mixed of two sources: RFC 3550 §5.1 with the extensions of RFC 6464 and RFC 6465 in one-byte form (RFC 8285
    /// §4.2).
    fn mixed(timestamp: u32, own: u8, levels: [u8; 2]) -> Vec<u8> {
        let mut packet = vec![0x92, 111, 0, 1];
        for word in [timestamp, 7, 100, 200] {
            packet.extend(word.to_be_bytes());
        }
        packet.extend([0xBE, 0xDE, 0, 2, 0x10, own, 0x21, levels[0], levels[1], 0, 0, 0]);
        packet.extend([1, 2, 3]);
        packet
    }

    #[test]
    fn a_mixed_packet_tells_who_is_heard_and_how_loud() {
        let (now, mut sources) = (Instant::now(), Sources::default());
        let mut map = ExtensionMap::new();
        map.insert(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level").unwrap();
        map.insert(2, "urn:ietf:params:rtp-hdrext:csrc-audio-level").unwrap();
        let packet = mixed(1000, 0x80 | 20, [30, 127]);
        sources.hear(now, &RtpPacket::parse(&packet).unwrap(), &map);
        let own = sources.own().unwrap();
        assert_eq!((own.source, own.timestamp, own.level), (7, RtpTimestamp(1000), Some(20)));
        let heard = |sources: &Sources| -> Vec<_> {
            sources.contributing().iter().map(|heard| (heard.source, heard.level)).collect()
        };
        assert_eq!(heard(&sources), [(100, Some(30)), (200, Some(127))]);
        // What comes late changes nothing; without the extensions no level is told.
        let late = mixed(500, 1, [1, 1]);
        sources.hear(now, &RtpPacket::parse(&late).unwrap(), &map);
        assert_eq!(sources.own(), Some(own));
        let next = mixed(2000, 1, [1, 1]);
        sources.hear(now, &RtpPacket::parse(&next).unwrap(), &ExtensionMap::new());
        assert_eq!(heard(&sources), [(100, None), (200, None)]);
    }

    #[test]
    fn a_peer_that_names_ever_new_sources_is_not_remembered_for_ever() {
        let (start, mut sources) = (Instant::now(), Sources::default());
        let heard = |source: u32| Heard {
            source,
            at: start + Duration::from_millis(u64::from(source)),
            timestamp: RtpTimestamp(source),
            level: None,
        };
        for source in 0..1000 {
            sources.contribute(heard(source));
        }
        assert_eq!(sources.contributing().len(), MAX_CONTRIBUTING_SOURCES);
        assert!(sources.contributing().contains(&heard(999)));
        assert!(!sources.contributing().contains(&heard(900)), "the oldest made room");
        let last = heard(999);
        assert!(last.is_recent(last.at + MEMORY));
        assert!(!last.is_recent(last.at + MEMORY + Duration::from_millis(1)));
    }
}
