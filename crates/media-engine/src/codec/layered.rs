//! What encoders that make layers have in common: their clock, how much a decoder's buffer is thought to hold, and which part of
//! the rate each layer gets.

use std::time::Duration;

use super::CodecError;

/// The clock that encoders are given, of RTP video (RFC 7741 §4.1, AV1 RTP specification §4.1).
const CLOCK: u64 = 90_000;
/// A longer time between two pictures counts as this one: after a pause the next picture must not get the rate of all of it.
const LONGEST_STEP: Duration = Duration::from_millis(250);

/// Milliseconds of the target rate that the decoder's buffer is thought to hold, hold at first, and ideally hold. libwebrtc has
/// 1000, 500 and 600; with those, the second after a fall from 800 to 250 kbit/s of VP9 still has 30 % too much, with these 6 %.
pub(super) const BUFFER: (u32, u32, u32) = (600, 300, 400);

/// Percent of the rate that the spatial layers get, by how many there are.
const SPATIAL_SHARES: [&[u64]; 3] = [&[100], &[25, 75], &[8, 25, 67]];
/// The same of temporal layers.
const TEMPORAL_SHARES: [&[u64]; 3] = [&[100], &[60, 40], &[40, 20, 40]];

/// When pictures are, on an encoder's clock.
#[derive(Debug, Default)]
pub(super) struct EncoderClock {
    /// The time of the last picture on its source's clock.
    last: Option<Duration>,
    /// The same on the encoder's.
    time: u64,
}

impl EncoderClock {
    /// When a picture is, and how long it lasts.
    pub(super) fn advance(&mut self, time: Duration, framerate: f32) -> (i64, u32) {
        let nominal = (CLOCK as f64 / f64::from(framerate)) as u32;
        if let Some(last) = self.last.replace(time) {
            let step = time.saturating_sub(last).min(LONGEST_STEP);
            self.time += ((step.as_micros() as u64 * CLOCK) / 1_000_000).max(1);
        }
        (self.time as i64, nominal.max(1))
    }
}

/// How large keyframes may be: half of what the buffer ideally holds, in percent of the average picture.
pub(super) fn most_of_keyframes(framerate: f32) -> u32 {
    let (_, _, ideally) = BUFFER;
    ((f64::from(ideally) * 0.5 * f64::from(framerate) / 10.0) as u32).max(300)
}

/// Kilobits a second of each temporal layer of each spatial layer.
pub(super) fn rates<const TEMPORAL: usize, const SPATIAL: usize>(
    bitrate: u64,
    (temporal_layers, spatial_layers): (u8, u8),
) -> [[u32; TEMPORAL]; SPATIAL] {
    let shares = |all: [&'static [u64]; 3], layers: u8| all[usize::from(layers.clamp(1, 3)) - 1];
    let temporal = shares(TEMPORAL_SHARES, temporal_layers);
    let spatial = shares(SPATIAL_SHARES, spatial_layers);
    let mut rates = [[0; TEMPORAL]; SPATIAL];
    for (rates, spatial) in rates.iter_mut().zip(spatial) {
        for (rate, temporal) in rates.iter_mut().zip(temporal) {
            let share = u128::from(bitrate) * u128::from(spatial * temporal);
            let kilobits = (share / 10_000_000).clamp(1, 1_000_000);
            *rate = u32::try_from(kilobits).unwrap_or(1);
        }
    }
    rates
}

/// Refuses layers that a codec does not have; `most` are how many temporal and spatial ones it has.
pub(super) fn check_layers(
    codec: &'static str,
    (temporal, spatial): (u8, u8),
    most: (usize, usize),
) -> Result<(), CodecError> {
    for (what, value, most) in [
        ("the number of temporal layers", temporal, most.0),
        ("the number of spatial layers", spatial, most.1),
    ] {
        if !(1..=most).contains(&usize::from(value)) {
            let (value, expected) = (value.to_string(), format!("1 to {most}"));
            return Err(CodecError::Argument { codec, what, value, expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layers_together_have_the_rate() {
        for temporal in 1..=3 {
            for spatial in 1..=3 {
                let rates: [[u32; 3]; 3] = rates(1_000_000, (temporal, spatial));
                assert_eq!(rates.as_flattened().iter().sum::<u32>(), 1_000, "{rates:?}");
                let there = rates.as_flattened().iter().filter(|rate| **rate > 0).count();
                assert_eq!(there, usize::from(temporal) * usize::from(spatial));
            }
        }
    }

    #[test]
    fn a_pause_is_no_room_for_a_large_picture() {
        let mut clock = EncoderClock::default();
        let mut at = |ms: u64| clock.advance(Duration::from_millis(ms), 30.0);
        assert_eq!(
            (at(7_000), at(7_040), at(60_000)),
            ((0, 3_000), (3_600, 3_000), (26_100, 3_000))
        );
        // A clock that goes back still goes on.
        assert_eq!(at(5), (26_101, 3_000));
    }
}
