//! Both causes joined: steps down and up, and what is told of them.

use std::time::{Duration, Instant};

use super::patience::Patience;
use super::quality::Quality;
use super::steps::{Bounds, Kind, Source, Step, Steps};
use super::usage::Usage;
use super::{DegradationPreference, Verdict};

/// Pictures of fewer pixels are not made for the network's or the machine's sake: 320x180.
const LEAST_PIXELS: u32 = 320 * 180;
/// Nor fewer pictures a second.
const LEAST_FRAMERATE: f32 = 5.0;
/// After a step the encoder begins anew with a keyframe, which tells nothing of those that follow.
const SETTLE: Duration = Duration::from_millis(500);
/// Of a rate that was not enough, so much more must be there before the same is tried again.
const MORE: (u64, u64) = (5, 4);
/// And so much where pictures are not very good yet, but not bad: more than the next step up has pixels.
const MUCH_MORE: (u64, u64) = (2, 1);
/// So long after a step it is tried even so: what is shown may have become simpler.
const EVEN_SO: Duration = Duration::from_secs(30);

/// Why pictures are smaller or fewer than those of the source (`RTCQualityLimitationReason`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitationReason {
    /// They are not.
    #[default]
    None,
    /// The rate would make them too coarse.
    Bandwidth,
    /// Encoding takes too long.
    Cpu,
}

/// What became of a picture that was given to an encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedReport {
    /// Its quantiser; `None` where the encoder does not tell it.
    pub quantizer: Option<u8>,
    /// The encoder left it out to keep to its rate.
    pub left_out: bool,
    /// How long encoding it took, in all its layers.
    pub encode_time: Duration,
    /// Pictures that were dropped before it because the encoder was not done.
    pub missed: u64,
}

impl EncodedReport {
    /// A picture that took so long.
    pub fn new(encode_time: Duration) -> Self {
        Self { encode_time, ..Self::default() }
    }

    /// With its quantiser.
    #[must_use]
    pub fn with_quantizer(self, quantizer: Option<u8>) -> Self {
        Self { quantizer, ..self }
    }

    /// Left out, or not.
    #[must_use]
    pub fn with_left_out(self, left_out: bool) -> Self {
        Self { left_out, ..self }
    }

    /// With so many dropped before it.
    #[must_use]
    pub fn with_missed(self, missed: u64) -> Self {
        Self { missed, ..self }
    }
}

/// Says what to encode of a source.
///
/// ```
/// use std::time::{Duration, Instant};
/// use peerage_media::video::adaptation::{Adapter, DegradationPreference, EncodedReport};
///
/// let mut adapter = Adapter::new(DegradationPreference::MaintainFramerate);
/// adapter.set_quantizer_range(Some((29, 95)));
/// let (start, frame) = (Instant::now(), Duration::from_millis(33));
/// for number in 0..60 {
///     adapter.set_source((1280, 720), 30.0);
///     // Coarse pictures: the rate is too low for this size.
///     let report = EncodedReport::new(Duration::from_millis(5)).with_quantizer(Some(120));
///     adapter.on_encoded(start + number * frame, report);
/// }
/// assert_eq!(adapter.size((1280, 720)), (960, 540));
/// ```
#[derive(Clone, Debug)]
pub struct Adapter {
    preference: DegradationPreference,
    bounds: Bounds,
    quantizers: Option<(u8, u8)>,
    source: Option<Source>,
    bitrate: u64,
    quality: Quality,
    usage: Usage,
    steps: Steps,
    /// For the rate, and for the machine.
    patience: [Patience; 2],
    changed: Option<Instant>,
    resolution_changes: u32,
}

impl Adapter {
    /// Nothing is given up yet.
    pub fn new(preference: DegradationPreference) -> Self {
        let seconds = Duration::from_secs;
        Self {
            preference,
            bounds: Bounds { least_pixels: LEAST_PIXELS, least_framerate: LEAST_FRAMERATE },
            quantizers: None,
            source: None,
            bitrate: 0,
            quality: Quality::default(),
            usage: Usage::default(),
            steps: Steps::default(),
            patience: [
                Patience::new(seconds(3), seconds(60)),
                Patience::new(seconds(5), seconds(240)),
            ],
            changed: None,
            resolution_changes: 0,
        }
    }

    /// What is given up first, from now on: what was given up by another preference is not any more.
    pub fn set_preference(&mut self, preference: DegradationPreference) {
        if self.preference != preference {
            self.preference = preference;
            self.restart();
        }
    }

    /// The fewest pixels and pictures a second that it goes down to; by default 320x180 and 5. What is less from the source is
    /// left as it is.
    pub fn set_bounds(&mut self, least_pixels: u32, least_framerate: f32) {
        self.bounds = Bounds { least_pixels, least_framerate: least_framerate.max(0.1) };
    }

    /// Below and above which quantisers pictures are better and worse than they need to be
    /// ([`VideoEncoderInfo::quantizer_range`](crate::codec::VideoEncoderInfo::quantizer_range)); `None` where nothing is to be
    /// concluded from them, as with several layers, each of which has another rate.
    pub fn set_quantizer_range(&mut self, range: Option<(u8, u8)>) {
        if self.quantizers != range {
            self.quantizers = range;
            self.quality.reset();
            while range.is_none() && self.steps.last_of(LimitationReason::Bandwidth).is_some() {
                self.steps.take_back(LimitationReason::Bandwidth);
            }
        }
    }

    /// What the source gives: width, height, and pictures a second before any are left out. Another size begins anew, but for
    /// one turned by a quarter.
    pub fn set_source(&mut self, size: (u16, u16), framerate: f32) {
        let framerate = if framerate.is_finite() { framerate.clamp(0.1, 1_000.0) } else { 30.0 };
        let before = self.source.map(|source| source.size);
        if before.is_some_and(|before| before != size && before != (size.1, size.0)) {
            self.restart();
        }
        self.source = Some(Source { size, framerate });
    }

    /// What the encoder may make now, in bits a second.
    pub fn set_bitrate(&mut self, bitrate: u64) {
        self.bitrate = bitrate;
    }

    /// Another encoder, or another source: all is tried anew.
    pub fn restart(&mut self) {
        self.steps.clear();
        self.quality.reset();
        self.usage.reset();
        self.changed = None;
    }

    /// Takes what became of a picture. Whether what is to be encoded has changed.
    pub fn on_encoded(&mut self, now: Instant, report: EncodedReport) -> bool {
        let Some(source) = self.source else { return false };
        let settles = self.changed.is_some_and(|at| now.saturating_duration_since(at) < SETTLE);
        if settles {
            return false;
        }
        self.usage.missed(report.missed);
        let more = self.steps.more_without(LimitationReason::Cpu);
        let usage = self.usage.update(now, report.encode_time, more);
        let told = report.quantizer.is_some() || report.left_out;
        let quality = match self.quantizers.filter(|_| told) {
            Some(range) => {
                let quantizer = report.quantizer.filter(|_| !report.left_out);
                self.quality.update(now, quantizer, range)
            }
            None => Verdict::Stay,
        };
        for (reason, verdict) in
            [(LimitationReason::Cpu, usage), (LimitationReason::Bandwidth, quality)]
        {
            let changed = match verdict {
                Verdict::Down => self.step_down(now, source, reason),
                Verdict::Up => self.step_up(now, reason, MORE, EVEN_SO),
                Verdict::UpIfRisen => self.step_up(now, reason, MUCH_MORE, Duration::MAX),
                Verdict::Stay => false,
            };
            if changed {
                return true;
            }
        }
        false
    }

    fn patience(&mut self, reason: LimitationReason) -> &mut Patience {
        &mut self.patience[usize::from(reason == LimitationReason::Cpu)]
    }

    fn step_down(&mut self, now: Instant, source: Source, reason: LimitationReason) -> bool {
        let Some(kind) = self.steps.next(self.preference, source, self.bounds) else {
            return false;
        };
        self.steps.push(Step { kind, reason, bitrate: self.bitrate });
        self.patience(reason).fell(now);
        self.note_change(now, kind);
        true
    }

    /// Takes a step back. For the rate's sake, it must be `more` than what was not enough, or the last step `long` ago.
    fn step_up(
        &mut self,
        now: Instant,
        reason: LimitationReason,
        more: (u64, u64),
        long: Duration,
    ) -> bool {
        let Some(step) = self.steps.last_of(reason) else { return false };
        if !self.patience(reason).may_rise(now) {
            return false;
        }
        let enough = self.bitrate.saturating_mul(more.1) >= step.bitrate.saturating_mul(more.0);
        let even_so = self.changed.is_none_or(|at| now.saturating_duration_since(at) >= long);
        if reason == LimitationReason::Bandwidth && !enough && !even_so {
            return false;
        }
        self.steps.take_back(reason);
        self.patience(reason).rose(now);
        self.note_change(now, step.kind);
        true
    }

    fn note_change(&mut self, now: Instant, kind: Kind) {
        self.changed = Some(now);
        self.resolution_changes += u32::from(kind == Kind::Size);
        self.quality.reset();
        self.usage.reset();
    }

    /// The size that pictures of this size are to be encoded in.
    pub fn size(&self, size: (u16, u16)) -> (u16, u16) {
        self.steps.size(size)
    }

    /// Pictures a second that are to be encoded at most; `None`: all.
    pub fn max_framerate(&self) -> Option<f32> {
        self.steps.framerate(self.source?, self.bounds)
    }

    /// Why it is less than the source gives, by the last step.
    pub fn reason(&self) -> LimitationReason {
        self.steps.last().map(|step| step.reason).unwrap_or_default()
    }

    /// How often the size has changed for that.
    pub fn resolution_changes(&self) -> u32 {
        self.resolution_changes
    }
}
