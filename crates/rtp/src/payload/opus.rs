//! Opus payloads (RFC 7587): the payload is one Opus packet, whose table-of-contents byte (RFC 6716 §3.1) tells its
//! duration; and the format parameters of SDP.

use std::{fmt, time::Duration};

use super::format::fmtp_parameter;

/// How an Opus packet is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpusMode {
    /// SILK only: speech, up to wideband.
    Silk,
    /// SILK below, CELT above.
    Hybrid,
    /// CELT only: music, low delay.
    Celt,
}

/// What the first bytes of an Opus packet tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusPacket {
    /// How it is coded.
    pub mode: OpusMode,
    /// Whether it is coded as stereo.
    pub stereo: bool,
    /// Frames in the packet, 0 to 48.
    pub frames: u8,
    /// Duration of each frame, in samples at 48 kHz, which is the RTP clock (RFC 7587 §4.1).
    pub samples_per_frame: u16,
    /// The packet only says that there is silence: at most two bytes, no coded audio
    /// (discontinuous transmission, RFC 7587 §3.1.3).
    pub is_silence: bool,
}

/// RFC 6716 §3.2.5 (R5): no more audio than this in one packet, in samples at 48 kHz (120 ms).
const MAX_SAMPLES: u32 = 5760;

impl OpusPacket {
    /// Reads the table of contents. `None` for an empty packet, one whose frame count is missing, and one longer than
    /// 120 ms, which no decoder accepts.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let &toc = packet.first()?;
        let config = toc >> 3;
        // RFC 6716 table 2, durations in samples at 48 kHz.
        let (mode, samples_per_frame) = match config {
            0..=11 => (OpusMode::Silk, [480, 960, 1920, 2880][usize::from(config & 3)]),
            12..=15 => (OpusMode::Hybrid, [480, 960][usize::from(config & 1)]),
            _ => (OpusMode::Celt, [120, 240, 480, 960][usize::from(config & 3)]),
        };
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => packet.get(1)? & 0x3F,
        };
        if frames == 0 || u32::from(frames) * u32::from(samples_per_frame) > MAX_SAMPLES {
            return None;
        }
        let stereo = toc & 4 != 0;
        Some(Self { mode, stereo, frames, samples_per_frame, is_silence: packet.len() <= 2 })
    }

    /// Duration of the whole packet in RTP clock units (48 kHz).
    pub fn samples(&self) -> u32 {
        u32::from(self.frames) * u32::from(self.samples_per_frame)
    }

    /// Duration of the whole packet.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(u64::from(self.samples()) * 1_000_000_000 / 48_000)
    }
}

/// Format parameters of Opus (RFC 7587 §6.1). All of them say what their author wants to receive, but `sprop_stereo`,
/// which says what it will send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusParameters {
    /// Highest useful sampling rate, Hz: 8,000 to 48,000.
    pub max_playback_rate: u32,
    /// Prefers stereo.
    pub stereo: bool,
    /// Likely to send stereo.
    pub sprop_stereo: bool,
    /// Highest average bitrate, bit/s: 6,000 to 510,000; `None` leaves it to the sender.
    pub max_average_bitrate: Option<u32>,
    /// Prefers constant bitrate.
    pub constant_bitrate: bool,
    /// Can use forward error correction in the stream.
    pub use_inband_fec: bool,
    /// Prefers discontinuous transmission.
    pub use_dtx: bool,
    /// Shortest packet it wants, ms (`minptime`).
    pub min_packet_time: u32,
}

impl Default for OpusParameters {
    fn default() -> Self {
        Self {
            max_playback_rate: 48_000,
            stereo: false,
            sprop_stereo: false,
            max_average_bitrate: None,
            constant_bitrate: false,
            use_inband_fec: false,
            use_dtx: false,
            min_packet_time: 3,
        }
    }
}

impl OpusParameters {
    /// Reads the parameters of an `a=fmtp` line. What is missing, malformed or out of range has its default.
    pub fn from_fmtp(fmtp: &str) -> Self {
        let number = |name, range: std::ops::RangeInclusive<u32>| {
            fmtp_parameter(fmtp, name)?.parse().ok().filter(|value| range.contains(value))
        };
        let flag = |name| fmtp_parameter(fmtp, name) == Some("1");
        let default = Self::default();
        Self {
            max_playback_rate: number("maxplaybackrate", 8_000..=48_000)
                .unwrap_or(default.max_playback_rate),
            stereo: flag("stereo"),
            sprop_stereo: flag("sprop-stereo"),
            max_average_bitrate: number("maxaveragebitrate", 6_000..=510_000),
            constant_bitrate: flag("cbr"),
            use_inband_fec: flag("useinbandfec"),
            use_dtx: flag("usedtx"),
            min_packet_time: number("minptime", 3..=120).unwrap_or(default.min_packet_time),
        }
    }
}

impl fmt::Display for OpusParameters {
    /// As the value of `a=fmtp`, without parameters that have their default; empty if all have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Self::default();
        let mut separator = "";
        let mut write = |name: &str, value: u32, differs: bool| {
            if differs {
                write!(f, "{separator}{name}={value}")?;
                separator = ";";
            }
            Ok(())
        };
        let rate = self.max_playback_rate;
        write("maxplaybackrate", rate, rate != default.max_playback_rate)?;
        write("stereo", 1, self.stereo)?;
        write("sprop-stereo", 1, self.sprop_stereo)?;
        let bitrate = self.max_average_bitrate;
        write("maxaveragebitrate", bitrate.unwrap_or(0), bitrate.is_some())?;
        write("cbr", 1, self.constant_bitrate)?;
        write("useinbandfec", 1, self.use_inband_fec)?;
        write("usedtx", 1, self.use_dtx)?;
        let time = self.min_packet_time;
        write("minptime", time, time != default.min_packet_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_contents_tells_the_duration() {
        let ms = |packet: &[u8]| OpusPacket::read(packet).map(|p| p.duration().as_micros());
        assert_eq!(ms(&[0x78, 0, 0]), Some(20_000)); // config 15, hybrid fullband 20 ms, one frame
        assert_eq!(ms(&[0xFC, 1, 2, 3]), Some(20_000)); // config 31, CELT 20 ms, stereo
        assert_eq!(ms(&[0x80, 1, 2]), Some(2_500)); // config 16
        assert_eq!(ms(&[0x19, 1, 2]), Some(120_000)); // config 3, SILK 60 ms, two frames
        assert_eq!(ms(&[0x1B, 3, 2]), None); // three of them: too long
        assert_eq!(ms(&[0x83, 48, 2]), Some(120_000));
        assert_eq!(ms(&[0x83]), None);
        assert_eq!(ms(&[]), None);
        assert!(OpusPacket::read(&[0x78]).unwrap().is_silence);
        assert!(OpusPacket::read(&[0xFC, 1, 2, 3]).unwrap().stereo);
    }

    #[test]
    fn parameters_survive_text() {
        let text =
            "stereo=1;sprop-stereo=1;maxaveragebitrate=64000;useinbandfec=1;usedtx=1;minptime=10";
        let parameters = OpusParameters::from_fmtp(text);
        assert_eq!(parameters.to_string(), text);
        assert_eq!(OpusParameters::default().to_string(), "");
        let odd =
            OpusParameters::from_fmtp("maxplaybackrate=1; UseInbandFec = 1;maxaveragebitrate=x");
        assert_eq!(odd, OpusParameters { use_inband_fec: true, ..OpusParameters::default() });
    }
}
