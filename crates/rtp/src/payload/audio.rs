//! What the simple audio formats need beside their bytes: durations, comfort noise parameters (RFC 3389), and linear
//! samples in network byte order (RFC 3551 §4.5.11).

use arrayvec::ArrayVec;

use super::{error::Error, format::PayloadFormat, opus::OpusPacket};

impl PayloadFormat {
    /// Duration of an audio payload in units of the RTP clock, given the number of channels. `None` for formats whose
    /// payloads do not tell (video, RED, events, comfort noise) and for malformed Opus.
    ///
    /// G.722 packs two 16 kHz samples into a byte, but its RTP clock counts 8,000 a second, one per byte
    /// (RFC 3551 §4.5.2).
    pub fn payload_duration(self, payload: &[u8], channels: u8) -> Option<u32> {
        let channels = usize::from(channels.max(1));
        match self {
            Self::Opus => OpusPacket::read(payload).map(|packet| packet.samples()),
            Self::Pcmu | Self::Pcma | Self::G722 => u32::try_from(payload.len() / channels).ok(),
            Self::L16 => u32::try_from(payload.len() / 2 / channels).ok(),
            _ => None,
        }
    }
}

/// Comfort noise parameters (RFC 3389 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComfortNoise {
    /// Noise level, 0 to 127 dB below overload.
    pub level: u8,
    /// Quantised reflection coefficients of the noise's spectrum; none is white noise.
    pub coefficients: ArrayVec<u8, { Self::MAX_ORDER }>,
}

impl ComfortNoise {
    /// Highest model order read; coefficients beyond are left out, as §3.1 lets a receiver do.
    pub const MAX_ORDER: usize = 12;

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// The payload is empty.
    pub fn read(payload: &[u8]) -> Result<Self, Error> {
        let Some((&level, rest)) = payload.split_first() else {
            return Err(Error::Truncated {
                format: "CN",
                field: "the noise level",
                offset: 0,
                section: "RFC 3389 §3.1",
            });
        };
        let coefficients = rest.iter().copied().take(Self::MAX_ORDER).collect();
        Ok(Self { level: level & 0x7F, coefficients })
    }

    /// The payload: 1 byte and one per coefficient.
    pub fn write(&self) -> ArrayVec<u8, { Self::MAX_ORDER + 1 }> {
        std::iter::once(self.level & 0x7F).chain(self.coefficients.iter().copied()).collect()
    }
}

/// The samples of an L16 payload; a trailing odd byte is left out.
pub fn l16_samples(payload: &[u8]) -> impl ExactSizeIterator<Item = i16> + '_ {
    payload.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
}

/// Appends samples as an L16 payload.
pub fn write_l16(samples: &[i16], out: &mut Vec<u8>) {
    out.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_clock_units() {
        assert_eq!(PayloadFormat::Pcmu.payload_duration(&[0; 160], 1), Some(160));
        assert_eq!(PayloadFormat::G722.payload_duration(&[0; 160], 1), Some(160)); // 20 ms
        assert_eq!(PayloadFormat::L16.payload_duration(&[0; 1764], 2), Some(441));
        assert_eq!(PayloadFormat::Opus.payload_duration(&[0x78, 0, 0], 2), Some(960));
        assert_eq!(PayloadFormat::Vp8.payload_duration(&[0; 3], 1), None);
    }

    #[test]
    fn comfort_noise_survives() {
        let noise = ComfortNoise::read(&[0xFF, 1, 2]).unwrap();
        assert_eq!((noise.level, &noise.coefficients[..]), (127, &[1, 2][..]));
        assert_eq!(&noise.write()[..], [127, 1, 2]);
        assert_eq!(ComfortNoise::read(&[5; 40]).unwrap().coefficients.len(), 12);
        assert!(ComfortNoise::read(&[]).is_err());
    }

    #[test]
    fn samples_survive() {
        let mut payload = Vec::new();
        write_l16(&[0, -1, 258], &mut payload);
        assert_eq!(payload, [0, 0, 0xFF, 0xFF, 1, 2]);
        assert_eq!(l16_samples(&payload).collect::<Vec<_>>(), [0, -1, 258]);
    }
}
