//! What both ends of the library ask of rates, channels and lengths, before anything is handed to it.

use crate::Error;

/// Rate and channels as the library wants them.
pub(crate) fn format(rate: u32, channels: usize) -> Result<(i32, i32), Error> {
    if !matches!(rate, 8_000 | 12_000 | 16_000 | 24_000 | 48_000) {
        return Err(Error::BadArgument);
    }
    match channels {
        1 | 2 => Ok((rate as i32, channels as i32)),
        _ => Err(Error::BadArgument),
    }
}

/// Samples in each channel of a buffer that has whole ones and no more of them than an `i32` counts, in all channels.
pub(crate) fn frames(samples: &[f32], channels: usize) -> Result<i32, Error> {
    if !samples.len().is_multiple_of(channels) || i32::try_from(samples.len()).is_err() {
        return Err(Error::BadArgument);
    }
    Ok((samples.len() / channels) as i32)
}

/// The length of a packet.
pub(crate) fn length(packet: &[u8]) -> Result<i32, Error> {
    i32::try_from(packet.len()).map_err(|_| Error::BadArgument)
}
