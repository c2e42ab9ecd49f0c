//! `getStats` (webrtc-pc §8): reads everything that is monitored and writes the dictionaries of [`crate::stats`]. Nothing is
//! kept for it beyond the counters; what it costs is paid by who asks.

mod ids;
mod streams;
mod transport;

use std::time::{Instant, SystemTime};

use self::ids::Ids;
use super::PeerConnection;
use crate::error::Error;
use crate::rtp::{Heard, RtpTransport};
use crate::stats::{DataChannelStats, PeerConnectionStats, Stats, StatsReport, StatsType};
use crate::transceiver::TransceiverHandle;
use crate::{ContributingSource, SynchronizationSource};

/// Whose statistics are wanted: `RTCRtpSender.getStats` and `RTCRtpReceiver.getStats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatsSelector {
    /// What the sender of this transceiver sends.
    Sender(TransceiverHandle),
    /// What the receiver of this transceiver receives.
    Receiver(TransceiverHandle),
}

impl PeerConnection {
    /// `getStats` of everything.
    pub fn get_stats(&self, now: Instant) -> StatsReport {
        self.gather(now).report
    }

    /// `getStats` of a sender or a receiver: its streams, and all that they refer to.
    ///
    /// # Errors
    /// `OperationError` if there is no such transceiver.
    pub fn get_stats_of(
        &self,
        now: Instant,
        selector: StatsSelector,
    ) -> Result<StatsReport, Error> {
        let (StatsSelector::Sender(handle) | StatsSelector::Receiver(handle)) = selector;
        self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        let Gathering { report, roots, .. } = self.gather(now);
        let of = roots.iter().filter(|(of, _)| *of == selector);
        Ok(report.select(of.map(|(_, id)| id.as_str())))
    }

    /// `getSynchronizationSources` of a transceiver's receiver: who sent within the last ten seconds, the last first.
    pub fn get_synchronization_sources(
        &self,
        now: Instant,
        handle: TransceiverHandle,
    ) -> Vec<SynchronizationSource> {
        self.heard(handle, |rtp| rtp.synchronization_sources(now, handle))
    }

    /// `getContributingSources` of a transceiver's receiver: whose media a mixer has put into packets within the last ten
    /// seconds (RFC 3550 §7.1), the last first.
    pub fn get_contributing_sources(
        &self,
        now: Instant,
        handle: TransceiverHandle,
    ) -> Vec<ContributingSource> {
        self.heard(handle, |rtp| rtp.contributing_sources(now, handle))
    }

    fn heard(
        &self,
        handle: TransceiverHandle,
        heard: impl Fn(&RtpTransport) -> Vec<Heard>,
    ) -> Vec<ContributingSource> {
        let mut heard = self.rtp_of(handle).map(heard).unwrap_or_default();
        let is_audio = self
            .transceivers
            .get(handle)
            .is_some_and(|transceiver| transceiver.kind == crate::media::MediaKind::Audio);
        heard.sort_by_key(|heard| std::cmp::Reverse(heard.at));
        let source = |heard: Heard| ContributingSource {
            timestamp: self.milliseconds(heard.at),
            source: heard.source,
            audio_level: heard.level.filter(|_| is_audio).map(linear_level),
            rtp_timestamp: heard.timestamp.0,
        };
        heard.into_iter().map(source).collect()
    }

    fn gather(&self, now: Instant) -> Gathering<'_> {
        let now = now.max(self.now);
        let timestamp = self.milliseconds(now);
        let ids = Ids { salt: self.cname.as_str() };
        let (report, roots) = (StatsReport::default(), Vec::new());
        let mut gathering = Gathering { pc: self, now, timestamp, ids, report, roots };
        gathering.connection();
        gathering.transports();
        gathering.streams();
        gathering.data_channels();
        gathering
    }

    /// An instant in milliseconds since 1970, by a clock that was set once and goes on evenly.
    fn milliseconds(&self, at: Instant) -> f64 {
        let set = self.config.wall_clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        (set + at.saturating_duration_since(self.started)).as_secs_f64() * 1e3
    }
}

/// A report in the making.
struct Gathering<'a> {
    pc: &'a PeerConnection,
    now: Instant,
    timestamp: f64,
    ids: Ids<'a>,
    report: StatsReport,
    /// Streams, and whose they are.
    roots: Vec<(StatsSelector, String)>,
}

impl Gathering<'_> {
    fn connection(&mut self) {
        let id = self.ids.of(StatsType::PeerConnection, ());
        let channels = &self.pc.channels;
        self.report.insert(Stats::PeerConnection(PeerConnectionStats {
            data_channels_opened: Some(clip(channels.opened)),
            data_channels_closed: Some(clip(channels.closed)),
            ..PeerConnectionStats::new(id, self.timestamp)
        }));
    }

    fn data_channels(&mut self) {
        for (handle, channel) in self.pc.channels.monitored() {
            let id = self.ids.of(StatsType::DataChannel, handle);
            self.report.insert(Stats::DataChannel(DataChannelStats {
                label: Some(channel.label.to_string()),
                protocol: Some(channel.protocol.to_string()),
                data_channel_identifier: channel.id,
                messages_sent: Some(clip(channel.messages_sent)),
                bytes_sent: Some(channel.bytes_sent),
                messages_received: Some(clip(channel.messages_received)),
                bytes_received: Some(channel.bytes_received),
                ..DataChannelStats::new(id, self.timestamp, channel.state)
            }));
        }
    }
}

/// A count in the 32 bits that the specification has for it.
fn clip(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// webrtc-pc §5.3, RTCRtpContributingSource: from -dBov to 0..1.
fn linear_level(level: u8) -> f64 {
    match level {
        127.. => 0.0,
        level => 10f64.powf(-f64::from(level) / 20.0),
    }
}

#[cfg(test)]
mod tests {
    use super::linear_level;

    #[test]
    fn levels_become_linear() {
        assert_eq!((linear_level(0), linear_level(127)), (1.0, 0.0));
        assert!((linear_level(6) - 0.501).abs() < 0.001, "about half");
        assert!(linear_level(126) > 0.0);
    }
}
