//! Which of two streams is held back, and by how much.

use std::time::{Duration, Instant};

use super::clock::{SenderClock, seconds};

/// A greater skew is not believed: the sender's reports are wrong.
pub const MAX_SKEW: Duration = Duration::from_secs(5);
/// Skews below this are left alone, seconds.
const TOLERATED: f64 = 0.010;
/// A delay changes at most by this much in a step, seconds: more would be heard and seen.
const LARGEST_STEP: f64 = 0.100;
/// The first step is as large as the skew, up to this, seconds: the buffers have only begun, and nobody is used to anything yet.
const FIRST_STEP: f64 = 0.250;
/// How much of the skew a later step takes away.
const STEP: f64 = 0.6;
/// Measurements before the first.
const ENOUGH: u32 = 5;
/// How much of the mean a new measurement is.
const SHARE: f64 = 0.25;
/// From one step to the next: a buffer must have followed before it is judged again.
const INTERVAL: Duration = Duration::from_millis(700);

/// What is played of a stream: this timestamp at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playing {
    /// RTP timestamp.
    pub timestamp: u32,
    /// When it is heard or seen.
    pub at: Instant,
    /// The delay that the stream's buffer holds now.
    pub delay: Duration,
}

/// The least delay that each buffer must hold; zero leaves it to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncDelays {
    /// For [`set_synchronised_delay`](crate::audio::jitter::JitterBuffer::set_synchronised_delay) of sound.
    pub audio: Duration,
    /// For [`set_synchronised_delay`](crate::video::jitter::VideoJitterBuffer::set_synchronised_delay) of pictures.
    pub video: Duration,
}

/// What sound and pictures that belong together have to hold back, by how far they are apart.
#[derive(Clone, Debug, Default)]
pub(super) struct PairDelays {
    /// How much later pictures are than sound, in seconds: the mean since the last step.
    skew: Option<f64>,
    /// Of so many measurements.
    measured: u32,
    stepped: Option<Instant>,
    delays: SyncDelays,
}

impl PairDelays {
    /// What each is to hold.
    pub(super) fn held(&self) -> SyncDelays {
        self.delays
    }

    /// Takes in how much later pictures are than sound, in seconds, several times a second, and what both buffers hold.
    pub(super) fn update(&mut self, now: Instant, skew: f64, audio: Duration, video: Duration) {
        let mean = self.skew.map_or(skew, |mean| mean + SHARE * (skew - mean));
        self.skew = Some(mean);
        self.measured = self.measured.saturating_add(1);
        let waits =
            self.measured < ENOUGH || self.stepped.is_some_and(|last| now < last + INTERVAL);
        if mean.abs() < TOLERATED || waits {
            return;
        }
        let step = match self.stepped.replace(now) {
            None => mean.abs().min(FIRST_STEP),
            Some(_) => (mean.abs() * STEP).min(LARGEST_STEP),
        };
        (self.skew, self.measured) = (None, 0);
        let step = Duration::from_secs_f64(step);
        let SyncDelays { audio: sound, video: pictures } = &mut self.delays;
        if mean > 0.0 {
            move_apart(step, (pictures, video), (sound, audio));
        } else {
            move_apart(step, (sound, audio), (pictures, video));
        }
    }
}

/// Keeps sound and pictures of one source together.
#[derive(Clone, Debug)]
pub struct Synchroniser {
    audio: SenderClock,
    video: SenderClock,
    delays: PairDelays,
}

impl Synchroniser {
    /// For sound of so many ticks a second, and pictures (90,000).
    pub fn new(audio_clock_rate: u32) -> Self {
        Self {
            audio: SenderClock::new(audio_clock_rate),
            video: SenderClock::new(90_000),
            delays: PairDelays::default(),
        }
    }

    /// The clock of sound's timestamps, to be told of sender reports.
    pub fn audio_clock(&mut self) -> &mut SenderClock {
        &mut self.audio
    }

    /// The clock of the pictures' timestamps.
    pub fn video_clock(&mut self) -> &mut SenderClock {
        &mut self.video
    }

    /// How much later pictures are shown than the sound that belongs to them, in seconds; `None` before both streams have had a
    /// report, or where reports cannot be right.
    pub fn measure(&self, audio: Playing, video: Playing) -> Option<f64> {
        let heard = self.audio.time(audio.timestamp)?;
        let seen = self.video.time(video.timestamp)?;
        let later = if video.at >= audio.at {
            (video.at - audio.at).as_secs_f64()
        } else {
            -(audio.at - video.at).as_secs_f64()
        };
        let skew = later - seconds(seen, heard);
        (skew.abs() < MAX_SKEW.as_secs_f64()).then_some(skew)
    }

    /// Takes in what is played at about `now`, several times a second, and gives the delays to be held.
    pub fn update(&mut self, now: Instant, audio: Playing, video: Playing) -> SyncDelays {
        if let Some(skew) = self.measure(audio, video) {
            self.delays.update(now, skew, audio.delay, video.delay);
        }
        self.delays.held()
    }
}

/// Takes delay off the stream that is late, where it was put there by this, or else puts it on the other. Each is what is asked for
/// and what is held.
fn move_apart(step: Duration, late: (&mut Duration, Duration), early: (&mut Duration, Duration)) {
    if !late.0.is_zero() {
        // What is asked for below what the network makes it hold changes nothing.
        *late.0 = late.1.min(*late.0).saturating_sub(step);
        return;
    }
    *early.0 = (early.1.max(*early.0) + step).min(MAX_SKEW);
}

#[cfg(test)]
mod tests {
    use peerage_rtp::NtpTime;

    use super::*;

    /// Two streams whose networks make them hold so much, 50 times a second; the skew at the end of each second, in ms.
    fn run(seconds: u32, natural: impl Fn(u32) -> (f64, f64)) -> Vec<f64> {
        let start = Instant::now();
        let wall = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let mut sync = Synchroniser::new(48_000);
        let mut delays = SyncDelays::default();
        let mut held = (natural(0).0, natural(0).1);
        let mut skews = Vec::new();
        for step in 0..seconds * 50 {
            let time = Duration::from_millis(u64::from(step) * 20) + Duration::from_secs(20);
            let now = start + time;
            if step % 250 == 0 {
                let ticks = |rate: f64| (time.as_secs_f64() * rate) as u32;
                sync.audio_clock().report(wall.plus(time), ticks(48_000.0).wrapping_add(77));
                sync.video_clock().report(wall.plus(time), ticks(90_000.0).wrapping_sub(7));
            }
            // Buffers follow by at most 2 ms in 20.
            let natural = natural(step / 50);
            let follow = |held: f64, natural: f64, asked: Duration| {
                let target = natural.max(asked.as_secs_f64() * 1000.0);
                held + (target - held).clamp(-2.0, 2.0)
            };
            held =
                (follow(held.0, natural.0, delays.audio), follow(held.1, natural.1, delays.video));
            let playing = |held: f64, rate: f64, offset: u32| {
                let captured = time.as_secs_f64() - held / 1000.0;
                let timestamp = ((captured * rate) as u32).wrapping_add(offset);
                Playing { timestamp, at: now, delay: Duration::from_secs_f64(held / 1000.0) }
            };
            let audio = playing(held.0, 48_000.0, 77);
            let video = playing(held.1, 90_000.0, 0u32.wrapping_sub(7));
            delays = sync.update(now, audio, video);
            if step % 50 == 49 {
                skews.push(held.1 - held.0);
            }
        }
        skews
    }

    #[test]
    fn the_early_stream_is_held_back() {
        for natural in [(60.0, 200.0), (200.0, 60.0), (20.0, 900.0), (100.0, 100.0)] {
            let skews = run(40, |_| natural);
            let worst = skews[20..].iter().fold(0f64, |worst, skew| worst.max(skew.abs()));
            assert!(worst < 15.0, "{natural:?}: {skews:?}");
        }
    }

    #[test]
    fn delay_is_taken_away_again_when_it_is_not_needed() {
        let skews = run(80, |second| if second < 20 { (60.0, 300.0) } else { (60.0, 80.0) });
        assert!(skews[60..].iter().all(|skew| skew.abs() < 25.0), "{skews:?}");
    }

    #[test]
    fn nothing_is_done_without_reports_or_with_wrong_ones() {
        let now = Instant::now();
        let playing = Playing { timestamp: 0, at: now, delay: Duration::ZERO };
        let mut sync = Synchroniser::new(48_000);
        assert_eq!(sync.update(now, playing, playing), SyncDelays::default());
        sync.audio_clock().report(NtpTime(1 << 32), 0);
        sync.video_clock().report(NtpTime(100 << 32), 0);
        assert_eq!(sync.measure(playing, playing), None);
        assert_eq!(sync.update(now, playing, playing), SyncDelays::default());
    }
}
