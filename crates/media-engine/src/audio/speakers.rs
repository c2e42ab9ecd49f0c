//! Who speaks: from levels alone, so that it serves a mixer, and a forwarder that reads them from header extensions (RFC 6464).

use std::time::Duration;

use super::Level;

/// Finds the one that the others listen to, and does not let go at every pause or cough.
///
/// Each is judged over a moment and over seconds, above its own noise. Another takes over after it has been clearly more active for
/// [`PATIENCE`](Self::PATIENCE), and nobody within [`HOLD`](Self::HOLD) of the last change.
#[derive(Clone, Debug, Default)]
pub struct SpeakerDetector {
    voices: Vec<Voice>,
    dominant: Option<u32>,
    changed: Option<Duration>,
    /// Who is more active than the dominant one, and since when.
    challenger: Option<(u32, Duration)>,
}

#[derive(Clone, Debug)]
struct Voice {
    id: u32,
    heard: Duration,
    /// The level of its noise, in dBov.
    noise: f32,
    /// Activity, 0 to 1, over about 100 ms, 500 ms and 3 s.
    activity: [f32; 3],
}

impl Voice {
    const SPANS: [f32; 3] = [0.1, 0.5, 3.0];

    fn hear(&mut self, level: f32, now: Duration) {
        let elapsed = now.saturating_sub(self.heard).as_secs_f32().min(1.0);
        self.heard = now;
        // Noise is what is always there: the level sinks to a lower one soon, and rises by 2 dB a second.
        self.noise = if level < self.noise {
            self.noise + (level - self.noise) * (elapsed / 0.1).min(1.0)
        } else {
            (self.noise + 2.0 * elapsed).min(level)
        };
        self.noise = self.noise.clamp(-100.0, -45.0);
        // Nothing up to 8 dB above its noise or below -55 dBov, all of it from 25 dB up.
        let above = (level - self.noise - 8.0).min(level + 55.0);
        let active = (above / 17.0).clamp(0.0, 1.0);
        self.follow(active, elapsed);
    }

    fn follow(&mut self, active: f32, elapsed: f32) {
        for (activity, span) in self.activity.iter_mut().zip(Self::SPANS) {
            *activity += (active - *activity) * (1.0 - (-elapsed / span).exp());
        }
    }

    /// What it is compared by: mostly the middle span; the long one breaks ties in favour of who said more.
    fn score(&self) -> f32 {
        self.activity[1] + 0.3 * self.activity[2]
    }
}

impl SpeakerDetector {
    /// The most that are listened to; of more, the levels are ignored.
    pub const MAX_VOICES: usize = 1000;
    /// How long another has to be more active.
    pub const PATIENCE: Duration = Duration::from_millis(300);
    /// How long a dominant one stays at least.
    pub const HOLD: Duration = Duration::from_millis(1000);
    /// How much more active another has to be.
    const MARGIN: f32 = 0.2;
    /// After how long without levels one counts as silent: packets of 60 ms and some that were lost.
    const SILENT: Duration = Duration::from_millis(250);

    /// One that has heard nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a level at a time, which begins anywhere and goes forward: every 10 ms, or with each packet.
    pub fn hear(&mut self, id: u32, level: Level, now: Duration) {
        if let Some(voice) = self.voices.iter_mut().find(|voice| voice.id == id) {
            voice.hear(level.dbov(), now);
        } else if self.voices.len() < Self::MAX_VOICES {
            self.voices.push(Voice { id, heard: now, noise: -60.0, activity: [0.0; 3] });
        }
    }

    /// Forgets one that has left.
    pub fn remove(&mut self, id: u32) {
        self.voices.retain(|voice| voice.id != id);
        if self.dominant == Some(id) {
            (self.dominant, self.changed) = (None, None);
        }
    }

    /// Decides; to be called every 10 to 100 ms. Returns whether another is dominant now.
    pub fn update(&mut self, now: Duration) -> bool {
        for voice in &mut self.voices {
            let elapsed = now.saturating_sub(voice.heard);
            if elapsed > Self::SILENT {
                voice.follow(0.0, elapsed.as_secs_f32().min(1.0));
                voice.heard = now;
            }
        }
        let current = self.dominant.and_then(|id| self.voices.iter().find(|voice| voice.id == id));
        let bar = current.map_or(0.0, Voice::score) + Self::MARGIN;
        let best = self
            .voices
            .iter()
            // Only who speaks at this moment.
            .filter(|voice| Some(voice.id) != self.dominant && voice.activity[0] > 0.2)
            .max_by(|a, b| a.score().total_cmp(&b.score()))
            .filter(|voice| voice.score() > bar);
        let Some(best) = best else {
            self.challenger = None;
            return false;
        };
        let since = match self.challenger {
            Some((id, since)) if id == best.id => since,
            _ => now,
        };
        self.challenger = Some((best.id, since));
        let held = self.changed.is_none_or(|changed| now.saturating_sub(changed) >= Self::HOLD);
        // The first to speak need not wait.
        let patient = self.dominant.is_none() || now.saturating_sub(since) >= Self::PATIENCE;
        if !held || !patient {
            return false;
        }
        (self.dominant, self.changed) = (Some(best.id), Some(now));
        self.challenger = None;
        true
    }

    /// Who is dominant: the last one who was, while nobody speaks; nobody before the first has spoken.
    pub fn dominant(&self) -> Option<u32> {
        self.dominant
    }

    /// Whether one speaks at this moment.
    pub fn is_speaking(&self, id: u32) -> bool {
        self.voices.iter().any(|voice| voice.id == id && voice.activity[0] > 0.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays levels of 10 ms by second and speaker, and returns who became dominant when, in hundredths of a second.
    fn play(length: usize, level: impl Fn(u32, f32) -> f32) -> Vec<(usize, u32)> {
        let mut detector = SpeakerDetector::new();
        let mut changes = Vec::new();
        for n in 0..length {
            let now = Duration::from_millis(n as u64 * 10);
            for id in 0..3 {
                let dbov = level(id, n as f32 / 100.0);
                detector.hear(id, Level::of_power(10.0_f32.powf(dbov / 10.0)), now);
            }
            if detector.update(now) {
                changes.push((n, detector.dominant().unwrap()));
            }
        }
        changes
    }

    /// Speech with pauses between words.
    fn speech(t: f32) -> f32 {
        if t % 0.6 < 0.4 { -25.0 } else { -65.0 }
    }

    #[test]
    fn the_turn_is_taken_within_a_second() {
        let changes = play(1000, |id, t| match id {
            0 if t < 5.0 => speech(t),
            1 if t >= 5.0 => speech(t),
            _ => -65.0,
        });
        assert_eq!(changes.iter().map(|change| change.1).collect::<Vec<_>>(), [0, 1]);
        assert!(changes[0].0 < 30, "{changes:?}");
        assert!((520..620).contains(&changes[1].0), "{changes:?}");
    }

    #[test]
    fn a_cough_and_noise_change_nothing() {
        let changes = play(2000, |id, t| match id {
            0 => speech(t),
            // A cough of 150 ms every three seconds, louder than the speech.
            1 if t % 3.0 < 0.15 => -10.0,
            // A fan, as loud as a quiet speaker.
            2 => -45.0,
            _ => -65.0,
        });
        let last = changes.last().unwrap().1;
        assert_eq!(last, 0, "{changes:?}");
        assert!(changes.len() <= 2, "{changes:?}");
    }

    #[test]
    fn nobody_is_dominant_in_silence_and_the_last_one_stays() {
        assert_eq!(play(500, |_, _| -70.0), []);
        assert_eq!(play(1000, |id, t| if id == 2 && t < 3.0 { speech(t) } else { -70.0 }).len(), 1);
    }

    #[test]
    fn two_at_once_do_not_alternate() {
        let changes = play(3000, |id, t| match id {
            0 => speech(t),
            1 => speech(t + 0.3),
            _ => -70.0,
        });
        assert_eq!(changes.len(), 1, "{changes:?}");
    }

    #[test]
    fn who_leaves_is_forgotten_and_the_number_is_bounded() {
        let mut detector = SpeakerDetector::new();
        for n in 0..100 {
            let now = Duration::from_millis(n * 10);
            detector.hear(7, Level::of_power(0.01), now);
            detector.update(now);
        }
        assert_eq!(detector.dominant(), Some(7));
        assert!(detector.is_speaking(7));
        // No packets any more: silent.
        detector.update(Duration::from_secs(3));
        assert!(!detector.is_speaking(7));
        detector.remove(7);
        assert_eq!(detector.dominant(), None);
        for id in 0..5000 {
            detector.hear(id, Level::SILENCE, Duration::ZERO);
        }
        assert_eq!(detector.voices.len(), SpeakerDetector::MAX_VOICES);
    }
}
