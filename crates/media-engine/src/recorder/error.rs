//! Why nothing can be recorded.

use std::path::PathBuf;

use crate::audio::resample::ResampleError;
use crate::codec::CodecError;
use crate::files;

/// Why a recording cannot be made, or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be made.
    #[error("{}: {error}", .path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The name of the file does not say what it is to be.
    #[error("{}: the name must end with .webm, .mkv, .ivf, .ogg, .opus, .wav or .y4m", .0.display())]
    Name(PathBuf),
    /// The container has no place for it.
    #[error("{container} holds no {what}; .webm and .mkv hold both sound and pictures")]
    Container {
        /// The container.
        container: &'static str,
        /// What was to go in.
        what: &'static str,
    },
    /// There is nothing to be recorded.
    #[error("there is no track to be recorded")]
    NoTrack,
    /// Nothing came before the end: there is no file.
    #[error("nothing came of the tracks, so there is nothing in the file")]
    Nothing,
    /// A rate of pictures that is none, or beyond what anybody shows.
    #[error("{0} pictures a second, must be 1 to {most}", most = super::options::MAX_FRAME_RATE)]
    FrameRate(u32),
    /// What went wrong while a file was written. What came before is in it, as far as it could be ended.
    #[error("{}: {error}", .path.display())]
    BrokeOff {
        /// The file.
        path: PathBuf,
        /// What it was.
        #[source]
        error: Box<RecordError>,
    },
    /// The thread panicked: an encoder of the application did, or there is a defect.
    #[error("the recorder's thread panicked: what it wrote may be incomplete")]
    Panicked,
    /// It cannot be encoded.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// Its sound cannot be brought to the rate of the file.
    #[error("{0}")]
    Rate(#[from] ResampleError),
    /// It cannot be written.
    #[error("{0}")]
    File(#[from] files::Error),
    /// No thread can be begun.
    #[error("no thread can be begun: {0}")]
    Thread(std::io::Error),
}
