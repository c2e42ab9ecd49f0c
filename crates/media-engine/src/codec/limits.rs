//! What every encoder of pictures refuses, in the same words.

use super::{CodecError, VideoTarget};

/// Samples of luma that a picture may have: 4096x2304. A peer cannot have more memory taken by a decoder, and an encoder makes nothing
/// that our decoders would refuse.
pub const MAX_LUMA: u32 = 4096 * 2304;

fn wrong<T>(
    codec: &'static str,
    what: &'static str,
    value: String,
    expected: &str,
) -> Result<T, CodecError> {
    Err(CodecError::Argument { codec, what, value, expected: expected.to_owned() })
}

/// A rate that can be encoded with: below a kilobit a second there is no picture, and what is no number is no rate.
pub(super) fn check_target(
    codec: &'static str,
    target: VideoTarget,
    fastest: f32,
) -> Result<(), CodecError> {
    if target.bitrate < 1000 {
        let bitrate = target.bitrate.to_string();
        return wrong(codec, "the bitrate", bitrate, "1000 bits a second and more");
    }
    if !(1.0..=fastest).contains(&target.framerate) {
        let framerate = target.framerate.to_string();
        return wrong(codec, "the rate of pictures", framerate, &format!("1 to {fastest}"));
    }
    Ok(())
}

/// A size that can be encoded: `least` and more in both directions, and not more than [`MAX_LUMA`].
pub(super) fn check_size(
    codec: &'static str,
    width: u16,
    height: u16,
    least: u16,
) -> Result<(), CodecError> {
    let area = u32::from(width) * u32::from(height);
    if width < least || height < least || area > MAX_LUMA {
        let expected =
            format!("{least}x{least} and more, with at most {MAX_LUMA} samples (4096x2304)");
        return wrong(codec, "the size", format!("{width}x{height}"), &expected);
    }
    Ok(())
}
