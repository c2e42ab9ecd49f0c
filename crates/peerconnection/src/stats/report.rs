//! The report: dictionaries by id, in the order they were made (webrtc-pc §8.3, §8.4).

use rustc_hash::FxHashMap;

use super::{
    AudioPlayoutStats, CertificateStats, CodecStats, DataChannelStats, IceCandidatePairStats,
    InboundRtpStreamStats, MediaSourceStats, OutboundRtpStreamStats, RemoteInboundRtpStreamStats,
    RemoteOutboundRtpStreamStats, Stats, StatsType, TransportStats,
};

/// `RTCStatsReport`: a snapshot of a connection, or of what a sender or receiver concerns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatsReport {
    list: Vec<Stats>,
    by_id: FxHashMap<String, usize>,
}

/// The dictionaries of one type.
macro_rules! of_type {
    ($($(#[$doc:meta])* $name:ident: $variant:ident($stats:ty),)+) => {
        $($(#[$doc])* pub fn $name(&self) -> impl Iterator<Item = &$stats> {
            self.list.iter().filter_map(|stats| match stats {
                Stats::$variant(stats) => Some(stats),
                _ => None,
            })
        })+
    };
}

impl StatsReport {
    /// The dictionary with this id.
    pub fn get(&self, id: &str) -> Option<&Stats> {
        self.by_id.get(id).map(|&index| &self.list[index])
    }

    /// All dictionaries.
    pub fn iter(&self) -> std::slice::Iter<'_, Stats> {
        self.list.iter()
    }

    /// All dictionaries of a type.
    pub fn of_type(&self, stats_type: StatsType) -> impl Iterator<Item = &Stats> {
        self.list.iter().filter(move |stats| stats.stats_type() == stats_type)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    of_type! {
        /// Streams of the peer.
        inbound_rtp: InboundRtp(InboundRtpStreamStats),
        /// Streams of ours.
        outbound_rtp: OutboundRtp(OutboundRtpStreamStats),
        /// What the peer reports of streams of ours.
        remote_inbound_rtp: RemoteInboundRtp(RemoteInboundRtpStreamStats),
        /// What the peer reports of its own streams.
        remote_outbound_rtp: RemoteOutboundRtp(RemoteOutboundRtpStreamStats),
        /// Codecs in use.
        codecs: Codec(CodecStats),
        /// Tracks of ours.
        media_sources: MediaSource(MediaSourceStats),
        /// What plays sound.
        media_playouts: MediaPlayout(AudioPlayoutStats),
        /// Data channels.
        data_channels: DataChannel(DataChannelStats),
        /// Candidate pairs.
        candidate_pairs: CandidatePair(IceCandidatePairStats),
        /// Transports.
        transports: Transport(TransportStats),
        /// Certificates.
        certificates: Certificate(CertificateStats),
    }

    /// The transport, the first of several; `None` before there are descriptions.
    pub fn transport(&self) -> Option<&TransportStats> {
        self.list.iter().find_map(|stats| match stats {
            Stats::Transport(stats) => Some(stats),
            _ => None,
        })
    }

    /// The candidate pair over which data go.
    pub fn selected_candidate_pair(&self) -> Option<&IceCandidatePairStats> {
        match self.get(self.transport()?.selected_candidate_pair_id.as_deref()?)? {
            Stats::CandidatePair(pair) => Some(pair),
            _ => None,
        }
    }

    /// Adds a dictionary unless there is one with its id.
    pub(crate) fn insert(&mut self, stats: Stats) {
        let index = self.list.len();
        if let std::collections::hash_map::Entry::Vacant(entry) =
            self.by_id.entry(stats.id().to_owned())
        {
            entry.insert(index);
            self.list.push(stats);
        }
    }

    /// Only these and what they refer to, directly or not (webrtc-pc §8.6, "the stats selection algorithm").
    pub(crate) fn select<'a>(&self, roots: impl IntoIterator<Item = &'a str>) -> Self {
        let mut wanted = vec![false; self.list.len()];
        let mut open: Vec<usize> =
            roots.into_iter().filter_map(|id| self.by_id.get(id).copied()).collect();
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut wanted[index], true) {
                continue;
            }
            let referenced = self.list[index].references();
            open.extend(referenced.filter_map(|id| self.by_id.get(id).copied()));
        }
        let mut selected = Self::default();
        for (stats, _) in self.list.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            selected.insert(stats.clone());
        }
        selected
    }
}

impl<'a> IntoIterator for &'a StatsReport {
    type Item = &'a Stats;
    type IntoIter = std::slice::Iter<'a, Stats>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
