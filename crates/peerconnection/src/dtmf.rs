//! Tones of a telephone's keypad: what is asked for by `insertDTMF` (webrtc-pc §7) and what a peer reports
//! (RFC 4733). The RTP transport sends and receives them; the connection's API is in [`crate::connection`].

use std::time::Duration;

use peerage_rtp::payload::telephone_event::{DTMF_DIGITS, dtmf_event};

use crate::error::Error;
use crate::transceiver::TransceiverHandle;

/// How long one tone lasts (webrtc-pc §7.2, insertDTMF, steps 12 and 13).
const DURATION: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(6000));
/// How long the silence after it lasts (steps 14 and 15).
const GAP: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(6000));

/// Tones to be sent, as the arguments of `insertDTMF` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tones {
    /// `toneBuffer`, in capitals.
    pub(crate) buffer: String,
    pub(crate) duration: Duration,
    pub(crate) gap: Duration,
}

impl Tones {
    /// Checks the characters and brings the times into their ranges.
    pub(crate) fn new(tones: &str, duration: Duration, gap: Duration) -> Result<Self, Error> {
        let is_known = |tone: char| tone == ',' || dtmf_event(tone).is_some();
        if let Some(character) = tones.chars().find(|tone| !is_known(*tone)) {
            return Err(Error::InvalidCharacter { argument: "tones", character });
        }
        Ok(Self {
            buffer: tones.to_ascii_uppercase(),
            duration: duration.clamp(DURATION.0, DURATION.1),
            gap: gap.clamp(GAP.0, GAP.1),
        })
    }
}

/// A named event that the peer reports on an audio stream (RFC 4733 §2): a key of a telephone, mostly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtmfEvent {
    /// The transceiver that it came in on.
    pub transceiver: TransceiverHandle,
    /// The event code (RFC 4733 §3.2; 0 to 15 are the keys).
    pub code: u8,
    /// Power of a key's tone below 1 mW in 600 ohm, 0 to 63 dB.
    pub volume: u8,
    /// `None` when it begins; how long it lasted when it is over.
    pub duration: Option<Duration>,
}

impl DtmfEvent {
    /// The key: `0` to `9`, `*`, `#`, `A` to `D`; `None` for other events.
    pub fn tone(&self) -> Option<char> {
        DTMF_DIGITS.get(usize::from(self.code)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_checked_and_times_brought_into_range() {
        let ms = Duration::from_millis;
        let tones = Tones::new("12a,#", ms(1), ms(9000)).unwrap();
        assert_eq!(tones.buffer, "12A,#");
        assert_eq!((tones.duration, tones.gap), (ms(40), ms(6000)));
        let error = Tones::new("12E", ms(100), ms(70)).unwrap_err();
        assert_eq!(error.name(), "InvalidCharacterError");
        assert!(Tones::new("1 2", ms(100), ms(70)).is_err());
    }
}
