//! All stages one after another, switched on and off while pictures flow.

use std::convert::Infallible;
use std::time::Duration;

use super::config::{EnhanceConfig, EnhanceStatistics, Stage};
use super::governor::Governor;
use super::noise::NoiseMeter;
use super::{Denoiser, LowLight, Sharpener, WhiteBalance};
use crate::video::{I420, PicturePool, VideoFrame};

/// The share of noise that is left behind [`Denoiser`].
const LEFT: f32 = 0.35;
/// Pictures that are kept to be written again once nobody shows them.
const KEPT: usize = 8;

/// Enhances pictures of one source. Where it stands between a source and the tracks' sinks is the caller's to choose:
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use peerage_media::track::VideoSource;
/// use peerage_media::video::enhance::{EnhanceConfig, Enhancer};
/// use peerage_media::video::{I420, VideoFrame};
///
/// // What the camera gives, and what is made of it.
/// let (camera, enhanced) = (VideoSource::new("camera"), VideoSource::new("camera, enhanced"));
/// let (raw, track) = (camera.track(), enhanced.track());
/// let (mut pictures, mut sink) = (raw.sink(2), track.sink(2));
/// camera.push(&VideoFrame::new(I420::black(320, 180), Duration::ZERO));
///
/// // In a thread of its own, as long as the camera gives pictures.
/// let mut enhancer = Enhancer::new(EnhanceConfig::all().with_budget(Duration::from_millis(15)));
/// while let Ok(frame) = pictures.recv_timeout(Duration::from_millis(5)) {
///     let begin = Instant::now();
///     let frame = enhancer.process_frame(&frame);
///     enhancer.spent(begin.elapsed());
///     enhanced.push(&frame);
/// }
/// assert_eq!(sink.try_recv().unwrap().picture.width(), 320);
/// ```
#[derive(Debug)]
pub struct Enhancer {
    config: EnhanceConfig,
    denoiser: Denoiser,
    white_balance: WhiteBalance,
    low_light: LowLight,
    sharpener: Sharpener,
    meter: NoiseMeter,
    governor: Governor,
    statistics: EnhanceStatistics,
    /// Whether each stage saw the last picture.
    ran: [bool; 4],
    size: (u16, u16),
    pool: PicturePool,
}

impl Enhancer {
    /// One that does what is said.
    pub fn new(config: EnhanceConfig) -> Self {
        Self {
            config,
            denoiser: Denoiser::new(),
            white_balance: WhiteBalance::new(),
            low_light: LowLight::new(),
            sharpener: Sharpener::new(),
            meter: NoiseMeter::default(),
            governor: Governor::new(),
            statistics: EnhanceStatistics::default(),
            ran: [false; 4],
            size: (0, 0),
            pool: PicturePool::new(KEPT),
        }
    }

    /// What it does.
    pub fn config(&self) -> &EnhanceConfig {
        &self.config
    }

    /// Does something else from the next picture on.
    pub fn set_config(&mut self, config: EnhanceConfig) {
        if config.budget.is_none() {
            self.governor.reset();
        }
        self.config = config;
    }

    /// Enhances a picture in its place. Of the first of a size memory is taken, of those after it none.
    pub fn process(&mut self, picture: &mut I420) {
        self.statistics.pictures += 1;
        let size = (picture.width(), picture.height());
        if self.size != size {
            self.size = size;
            self.ran = [false; 4];
        }
        let runs = Stage::ALL.map(|stage| {
            let left_out = is_on(&self.config, stage) && self.governor.leaves_out(stage);
            self.statistics.bypassed[stage.index()] += u64::from(left_out);
            is_on(&self.config, stage) && !left_out
        });
        // What a stage knows of pictures before does not hold any more if it has missed some.
        for stage in Stage::ALL {
            if runs[stage.index()] && !self.ran[stage.index()] {
                self.reset(stage);
            }
        }
        self.ran = runs;
        let config = self.config;
        let [denoise, white_balance, low_light, sharpen] = runs;
        let mut noise = 0.0;
        if denoise {
            self.denoiser.process(picture, config.denoise);
            noise = LEFT * self.denoiser.noise();
        } else if low_light || sharpen {
            noise = self.meter.measure(picture);
        }
        if white_balance {
            self.white_balance.process(picture, config.white_balance);
        }
        if low_light {
            self.low_light.process(picture, config.low_light, noise);
        }
        if sharpen {
            self.sharpener.process(picture, config.sharpen, noise);
        }
    }

    /// The same of a frame, whose picture others may be showing: theirs stays as it is. Memory is taken only while more than
    /// eight of its pictures are held by others.
    pub fn process_frame(&mut self, frame: &VideoFrame) -> VideoFrame {
        if !Stage::ALL.iter().any(|stage| is_on(&self.config, *stage)) {
            self.statistics.pictures += 1;
            self.ran = [false; 4];
            return frame.clone();
        }
        let from = &frame.picture;
        let mut pool = std::mem::replace(&mut self.pool, PicturePool::new(1));
        let taken = pool.take(from.width(), from.height(), |ours| {
            let (to, from) = (ours.planes_mut(), from.planes());
            to.0.copy_from_slice(from.0);
            to.1.copy_from_slice(from.1);
            to.2.copy_from_slice(from.2);
            self.process(ours);
            Ok::<(), Infallible>(())
        });
        self.pool = pool;
        let Ok(picture) = taken;
        VideoFrame { picture, time: frame.time, rotation: frame.rotation }
    }

    /// The last picture took so long, with all that is done in the same thread. With a budget in the configuration, stages are left out
    /// while pictures take longer; see [`Governor`].
    pub fn spent(&mut self, took: Duration) {
        if let Some(budget) = self.config.budget {
            let config = self.config;
            self.governor.update(took, budget, |stage| is_on(&config, stage));
        }
    }

    /// Whether a stage that is on is left out for now.
    pub fn is_bypassed(&self, stage: Stage) -> bool {
        is_on(&self.config, stage) && self.governor.leaves_out(stage)
    }

    /// What was done so far.
    pub fn statistics(&self) -> EnhanceStatistics {
        self.statistics
    }

    fn reset(&mut self, stage: Stage) {
        match stage {
            Stage::Denoise => self.denoiser.reset(),
            Stage::WhiteBalance => self.white_balance.reset(),
            Stage::LowLight => self.low_light.reset(),
            Stage::Sharpen => self.sharpener.reset(),
        }
    }
}

impl Default for Enhancer {
    /// One that does nothing yet.
    fn default() -> Self {
        Self::new(EnhanceConfig::off())
    }
}

/// Nothing that is not above zero, which a number that is none is not.
fn is_on(config: &EnhanceConfig, stage: Stage) -> bool {
    config.strength(stage) > 0.0
}
