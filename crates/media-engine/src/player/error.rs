//! Why a file cannot be played.

use std::path::{Path, PathBuf};

use crate::audio::resample::ResampleError;
use crate::codec::CodecError;
use crate::files;

/// Why a file cannot be played, or not be played on.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", .path.display())]
pub struct PlayError {
    path: PathBuf,
    #[source]
    kind: PlayErrorKind,
}

/// What it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayErrorKind {
    /// It cannot be opened or read.
    #[error("{0}")]
    Io(std::io::Error),
    /// It is of no kind that is played.
    #[error(
        "not a media file that is played: those are WebM and Matroska, IVF, Ogg with Opus, WAV with 16-bit samples, and Y4M"
    )]
    Unknown,
    /// It is damaged, or of a kind that is not read.
    #[error("{0}")]
    File(files::Error),
    /// It has no sound or pictures in a codec that is known.
    #[error("nothing in it can be played{}", .0.as_ref().map_or(String::new(), |name| format!(": it is coded with {name}")))]
    Nothing(Option<String>),
    /// There is no codec for it, or what is in it cannot be decoded.
    #[error("{0}")]
    Codec(CodecError),
    /// The rate of its sound cannot be brought to what is sent.
    #[error("{0}; convert it, for instance by: ffmpeg -i FILE -ar 48000 CONVERTED.wav")]
    Rate(ResampleError),
    /// No thread can be begun.
    #[error("no thread can be begun: {0}")]
    Thread(std::io::Error),
}

impl PlayError {
    pub(super) fn new(path: &Path, kind: PlayErrorKind) -> Self {
        Self { path: path.to_owned(), kind }
    }

    /// What it was.
    pub fn kind(&self) -> &PlayErrorKind {
        &self.kind
    }
}
