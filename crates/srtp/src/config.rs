//! What a context is told at birth.

/// Parameters of a [`Sender`](crate::Sender) or [`Receiver`](crate::Receiver). [`Config::default`] suits WebRTC.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many RTP packets back, per stream, a replay is told from a late packet (RFC 3711 §3.3.2), rounded up to a
    /// multiple of 64 and at most [`MAX_REPLAY_WINDOW`](Self::MAX_REPLAY_WINDOW). Default 1024: a second of 8 Mbit/s.
    ///
    /// A sender uses it to refuse a second packet under one sequence number, which would give away both (RFC 7714 §8.4).
    ///
    /// 0 turns the check off. That is right only where the caller makes the same check.
    pub rtp_replay_window: usize,
    /// The same for RTCP, received only. Default 128.
    pub rtcp_replay_window: usize,
    /// Header extension elements whose values are encrypted (RFC 6904), by the identifiers that were negotiated. Default
    /// none. A packet that cryptex encrypts ignores it (RFC 9335 §5).
    pub encrypted_header_extensions: HeaderExtensionIds,
    /// Whether contributing sources and header extensions are encrypted as a whole (RFC 9335). Default off.
    pub cryptex: Cryptex,
    /// Whether RTCP is encrypted when sent (RFC 3711 §3.4, the E flag); it is always authenticated. Default on. What is
    /// received says so itself.
    pub encrypt_rtcp: bool,
    /// How many streams (SSRCs) of RTP, and how many of RTCP, a context remembers. Default 4096. Only packets that
    /// authenticate count.
    ///
    /// A receiver whose table is full forgets the stream that was silent for longest, provided that
    /// [`EVICTION_SILENCE`](crate::EVICTION_SILENCE) other packets have been accepted since it was heard; otherwise it drops packets of new streams. A
    /// sender never forgets a stream, since one that came back would be encrypted with the same keystream again.
    pub max_streams: usize,
}

impl Config {
    /// The largest replay window, in packets: half of the sequence numbers, beyond which late and early look alike.
    pub const MAX_REPLAY_WINDOW: usize = 1 << 15;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rtp_replay_window: 1024,
            rtcp_replay_window: 128,
            encrypted_header_extensions: HeaderExtensionIds::default(),
            cryptex: Cryptex::Off,
            encrypt_rtcp: true,
            max_streams: 4096,
        }
    }
}

/// Encryption of contributing sources and header extensions as a whole (RFC 9335).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cryptex {
    /// Not used. A receiver treats it as an unknown kind of header extension.
    #[default]
    Off,
    /// A sender uses it on every packet that has something to encrypt; a receiver takes packets with and without.
    Enabled,
    /// As [`Enabled`](Self::Enabled), and a receiver drops packets whose contributing sources or extensions are in the
    /// clear; a sender refuses extensions that cryptex cannot encrypt.
    Required,
}

/// A set of header extension identifiers, 1 to 255 (RFC 8285 §4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderExtensionIds([u64; 4]);

impl HeaderExtensionIds {
    /// Adds an identifier. 0 is padding and is ignored.
    pub fn insert(&mut self, id: u8) {
        if id != 0 {
            self.0[usize::from(id / 64)] |= 1 << (id % 64);
        }
    }

    /// Whether `id` is in the set.
    pub fn contains(&self, id: u8) -> bool {
        self.0[usize::from(id / 64)] & 1 << (id % 64) != 0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }
}

impl FromIterator<u8> for HeaderExtensionIds {
    fn from_iter<I: IntoIterator<Item = u8>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}
