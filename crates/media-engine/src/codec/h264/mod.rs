//! H.264 by OpenH264: constrained baseline out, what OpenH264 decodes in. Access units are in Annex B form.

mod decoder;
mod encoder;

pub use decoder::H264Decoder;
pub use encoder::H264Encoder;

const CODEC: &str = "H264";

/// What the two are.
fn implementation() -> String {
    "OpenH264".to_owned()
}
