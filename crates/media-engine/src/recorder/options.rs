//! What is recorded, and how.

use std::path::Path;

use peerage_rtp::payload::{PacketizationMode, PayloadFormat};

use super::error::RecordError;
use crate::files::{IvfHeader, MatroskaVideo};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// Pictures and Opus.
    WebM,
    /// The same, and H.264.
    Matroska,
    /// Pictures.
    Ivf,
    /// Opus.
    Ogg,
    /// Sound as it is, in 16 bits.
    Wav,
    /// Pictures as they are.
    Y4m,
}

impl Container {
    /// By the end of a file's name.
    ///
    /// # Errors
    ///
    /// [`RecordError::Name`] for any other.
    pub fn of(path: &Path) -> Result<Self, RecordError> {
        let end = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        Ok(match &*end {
            "webm" => Self::WebM,
            "mkv" => Self::Matroska,
            "ivf" => Self::Ivf,
            "ogg" | "opus" => Self::Ogg,
            "wav" => Self::Wav,
            "y4m" => Self::Y4m,
            _ => return Err(RecordError::Name(path.to_owned())),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WebM => "WebM",
            Self::Matroska => "Matroska",
            Self::Ivf => "IVF",
            Self::Ogg => "Ogg",
            Self::Wav => "WAV",
            Self::Y4m => "Y4M",
        }
    }

    pub(super) fn holds_pictures(self) -> bool {
        matches!(self, Self::WebM | Self::Matroska | Self::Ivf | Self::Y4m)
    }

    pub(super) fn holds_sound(self) -> bool {
        matches!(self, Self::WebM | Self::Matroska | Self::Ogg | Self::Wav)
    }
}

/// What pictures are encoded with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecordedVideo {
    /// VP8.
    #[default]
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// H.264: into Matroska only.
    H264,
}

impl RecordedVideo {
    pub(super) fn format(self) -> PayloadFormat {
        match self {
            Self::Vp8 => PayloadFormat::Vp8,
            Self::Vp9 => PayloadFormat::Vp9,
            Self::Av1 => PayloadFormat::Av1,
            Self::H264 => {
                PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved }
            }
        }
    }

    pub(super) fn matroska(self) -> MatroskaVideo {
        match self {
            Self::Vp8 => MatroskaVideo::Vp8,
            Self::Vp9 => MatroskaVideo::Vp9,
            Self::Av1 => MatroskaVideo::Av1,
            Self::H264 => MatroskaVideo::H264,
        }
    }

    pub(super) fn fourcc(self) -> Option<[u8; 4]> {
        match self {
            Self::Vp8 => Some(IvfHeader::VP8),
            Self::Vp9 => Some(IvfHeader::VP9),
            Self::Av1 => Some(IvfHeader::AV1),
            Self::H264 => None,
        }
    }
}

/// The most pictures a second that are recorded.
pub(super) const MAX_FRAME_RATE: u32 = 1_000;

/// How tracks are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecorderOptions {
    /// What pictures are encoded with.
    pub video: RecordedVideo,
    /// Bits a second of pictures.
    pub video_bitrate: u64,
    /// Bits a second of sound.
    pub audio_bitrate: u32,
    /// Pictures a second, 1 to 1,000: what encoders reckon with, and what containers want to know (Y4M), where the last picture is
    /// repeated, or some are left out.
    pub frame_rate: u32,
}

impl Default for RecorderOptions {
    /// VP8 at 2.5 Mbit/s, Opus at 96 kbit/s, 30 pictures a second.
    fn default() -> Self {
        let video = RecordedVideo::default();
        Self { video, video_bitrate: 2_500_000, audio_bitrate: 96_000, frame_rate: 30 }
    }
}

impl RecorderOptions {
    /// With pictures encoded by this.
    #[must_use]
    pub fn with_video(self, video: RecordedVideo) -> Self {
        Self { video, ..self }
    }

    /// With so many bits a second of pictures.
    #[must_use]
    pub fn with_video_bitrate(self, video_bitrate: u64) -> Self {
        Self { video_bitrate, ..self }
    }
}
