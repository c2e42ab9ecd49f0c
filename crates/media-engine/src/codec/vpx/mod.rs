//! VP8 and VP9 by libvpx, set up for conversations: one pass without lag, constant bitrate, keyframes when they are asked for,
//! temporal and (VP9) spatial layers. `peerage-vpx` has the calls of the library, this has the decisions.

mod decoder;
mod encoder;
mod temporal;

pub use decoder::VpxDecoder;
pub use encoder::{VpxConfig, VpxEncoder};
pub use peerage_vpx::Codec as VpxCodec;

use super::CodecError;
pub use super::{Content, MAX_LUMA};

fn error(error: peerage_vpx::Error) -> CodecError {
    use peerage_vpx::Error;
    let text = error.to_string();
    // The name of the codec is told once.
    let reason = text.split_once(": ").map_or(text.clone(), |(_, reason)| reason.to_owned());
    match error {
        Error::Argument { codec, what, value, expected } => CodecError::Argument {
            codec,
            what,
            value: value.to_string(),
            expected: expected.to_owned(),
        },
        Error::Damaged { codec, .. }
        | Error::TooLarge { codec, .. }
        | Error::Format { codec, .. } => CodecError::Damaged { codec, reason },
        Error::Library { codec, .. } => CodecError::Library { codec, reason },
        _ => CodecError::Library { codec: "libvpx", reason: text },
    }
}
