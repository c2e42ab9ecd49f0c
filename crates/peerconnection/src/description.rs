//! Session descriptions and candidates as the application exchanges them (webrtc-pc §4.6, §4.8.1).

use std::fmt;

/// `RTCSdpType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SdpType {
    /// `offer`.
    Offer,
    /// `pranswer`: an answer that a later one may replace.
    PrAnswer,
    /// `answer`.
    Answer,
    /// `rollback`: gives up the offer that is pending.
    Rollback,
}

impl SdpType {
    /// The W3C spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        }
    }

    /// From the W3C spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Offer, Self::PrAnswer, Self::Answer, Self::Rollback]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `RTCSessionDescription`: a type and its SDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// What the SDP is.
    pub kind: SdpType,
    /// The SDP; empty for a rollback.
    pub sdp: String,
}

impl SessionDescription {
    /// An offer.
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Offer, sdp: sdp.into() }
    }

    /// A provisional answer.
    pub fn pranswer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::PrAnswer, sdp: sdp.into() }
    }

    /// An answer.
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Answer, sdp: sdp.into() }
    }

    /// A rollback.
    pub fn rollback() -> Self {
        Self { kind: SdpType::Rollback, sdp: String::new() }
    }
}

/// `RTCOfferOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferOptions {
    /// Ask for new ICE credentials (RFC 9429 §5.2.3.1).
    pub ice_restart: bool,
}

/// `RTCIceCandidateInit`: a trickled candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceCandidateInit {
    /// The `candidate` attribute's text, `candidate:1 1 udp ...`; empty means that no more candidates of this
    /// generation come.
    pub candidate: String,
    /// The mid of the m-section it belongs to.
    pub sdp_mid: Option<String>,
    /// The index of the m-section it belongs to; read only when there is no mid.
    pub sdp_m_line_index: Option<u16>,
    /// The ICE user name fragment, which tells the generation.
    pub username_fragment: Option<String>,
}
