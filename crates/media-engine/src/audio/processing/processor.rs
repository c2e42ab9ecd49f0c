//! The stages in their order, each switchable while sound goes through.

use std::time::Duration;

use sonora::config::{
    AdaptiveDigital, GainController2, HighPassFilter, MaxProcessingRate, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::EchoDelay;
use super::echo::EchoCanceller;
use super::gain::GainController;
use crate::audio::AudioBlock;
use crate::audio::vad::{Voice, VoiceDetector};

/// Which suppressor of noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoiseSuppression {
    /// None.
    Off,
    /// About 6 dB.
    Low,
    /// About 12 dB.
    #[default]
    Moderate,
    /// About 18 dB.
    High,
    /// About 21 dB.
    VeryHigh,
    /// The network of [`Denoiser`](crate::audio::Denoiser), at 48 kHz; [`High`](Self::High) at other rates.
    #[cfg(feature = "denoise")]
    Neural,
    /// The network of [`DeepDenoiser`](crate::audio::DeepDenoiser), which takes out voices in the background too, at the rates
    /// that it takes; [`High`](Self::High) at others. Sound comes out 30 ms later.
    #[cfg(feature = "denoise-deep")]
    Deep,
}

impl NoiseSuppression {
    fn level(self) -> Option<sonora::config::NoiseSuppressionLevel> {
        use sonora::config::NoiseSuppressionLevel as Level;
        match self {
            Self::Off => None,
            Self::Low => Some(Level::Low),
            Self::Moderate => Some(Level::Moderate),
            Self::High => Some(Level::High),
            Self::VeryHigh => Some(Level::VeryHigh),
            #[cfg(feature = "denoise")]
            Self::Neural => None,
            #[cfg(feature = "denoise-deep")]
            Self::Deep => None,
        }
    }
}

/// Which canceller of echo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EchoCancellation {
    /// None.
    Off,
    /// Our own.
    #[default]
    Own,
    /// Sonora's, which is libwebrtc's AEC3.
    Aec3,
}

/// Which control of the voice's level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GainControl {
    /// None.
    Off,
    /// Our own: the voice comes to -20 dBFS, with a gain of -12 to 30 dB that does not bring noise above -50 dBFS, and changes while
    /// somebody speaks alone.
    #[default]
    Own,
    /// Sonora's, which is libwebrtc's AGC2.
    Agc2,
}

/// Which stages are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioProcessorConfig {
    /// Cuts off what is below speech: hum and bumps. The echo canceller does it in any case.
    pub high_pass: bool,
    /// Takes out what the speaker plays.
    pub echo_cancellation: EchoCancellation,
    /// Takes out noise.
    pub noise_suppression: NoiseSuppression,
    /// Brings the voice to an even level.
    pub gain_control: GainControl,
}

impl Default for AudioProcessorConfig {
    /// What a call wants: all of it.
    fn default() -> Self {
        Self {
            high_pass: true,
            echo_cancellation: EchoCancellation::Own,
            noise_suppression: NoiseSuppression::Moderate,
            gain_control: GainControl::Own,
        }
    }
}

impl AudioProcessorConfig {
    /// Nothing: sound goes through as it is.
    pub fn off() -> Self {
        Self {
            high_pass: false,
            echo_cancellation: EchoCancellation::Off,
            noise_suppression: NoiseSuppression::Off,
            gain_control: GainControl::Off,
        }
    }
}

/// Why a block was not processed; it is left as it is then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessingError {
    /// A rate that the stages do not have.
    #[error("{0} samples a second, must be whole hundreds from 8,000 to 192,000")]
    Rate(u32),
    /// A block that is not 10 ms, or (of the microphone) of another rate or number of channels than was said.
    #[error(
        "a block of {frames} samples at {rate} a second in {channels} channels is not what was said"
    )]
    Block {
        /// Its rate.
        rate: u32,
        /// Its channels.
        channels: usize,
        /// Its samples in each channel.
        frames: usize,
    },
    /// The library refused it.
    #[error("the library refused it: {0}")]
    Library(String),
}

/// What the stages say about themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ProcessingStats {
    /// `echoReturnLoss` of webrtc-stats, in dB.
    pub echo_return_loss: Option<f64>,
    /// `echoReturnLossEnhancement` of webrtc-stats, in dB.
    pub echo_return_loss_enhancement: Option<f64>,
    /// The delay of the echo that the canceller has found.
    pub echo_delay: Option<Duration>,
}

/// Processes a microphone's blocks of 10 ms.
///
/// Each stage can be switched while sound goes through. Our echo canceller and gain control and the networks are by themselves; sonora's
/// high-pass filter, canceller and suppressor are one chain: switching one of them on or off makes that canceller learn the room anew,
/// which takes it about a second; another strength does not.
pub struct AudioProcessor {
    rate: u32,
    channels: usize,
    config: AudioProcessorConfig,
    /// High-pass filter, echo canceller, suppressor.
    front: AudioProcessing,
    /// Gain control, which comes after the network: ours or sonora's.
    gain: Option<GainController>,
    agc2: Option<Box<AudioProcessing>>,
    #[cfg(feature = "denoise")]
    denoiser: Option<crate::audio::Denoiser>,
    echo: Option<Box<EchoCanceller>>,
    #[cfg(feature = "denoise-deep")]
    deep: Option<crate::audio::DeepDenoiser>,
    detector: VoiceDetector,
    voice: Voice,
    capture: Planes,
    render: Planes,
}

impl std::fmt::Debug for AudioProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioProcessor")
            .field("rate", &self.rate)
            .field("channels", &self.channels)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A block with each channel by itself, before and after.
#[derive(Default)]
struct Planes {
    input: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
}

impl Planes {
    fn fill(&mut self, block: &AudioBlock) {
        let (channels, frames) = (block.channels(), block.frames());
        for planes in [&mut self.input, &mut self.output] {
            planes.resize_with(channels, Vec::new);
            planes.iter_mut().for_each(|plane| plane.resize(frames, 0.0));
        }
        for (channel, plane) in self.input.iter_mut().enumerate() {
            let samples = block.samples().iter().skip(channel).step_by(channels);
            for (value, &sample) in plane.iter_mut().zip(samples) {
                // What is no number would stay in the filters for good.
                *value = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
            }
        }
    }

    fn write(&self, block: &mut AudioBlock) {
        let channels = block.channels();
        for (channel, plane) in self.output.iter().enumerate() {
            let samples = block.samples_mut().iter_mut().skip(channel).step_by(channels);
            for (sample, &value) in samples.zip(plane) {
                *sample = value;
            }
        }
    }

    /// Hands both to the library, without taking memory for the lists of channels.
    fn run<R>(&mut self, work: impl FnOnce(&[&[f32]], &mut [&mut [f32]]) -> R) -> R {
        let count = self.input.len();
        let mut input: [&[f32]; AudioBlock::MAX_CHANNELS] = Default::default();
        for (slot, plane) in input.iter_mut().zip(&self.input) {
            *slot = plane;
        }
        let mut output: [&mut [f32]; AudioBlock::MAX_CHANNELS] = Default::default();
        for (slot, plane) in output.iter_mut().zip(&mut self.output) {
            *slot = plane;
        }
        work(&input[..count], &mut output[..count])
    }
}

fn pipeline() -> Pipeline {
    // All of the band, so that nothing is resampled on its way through.
    Pipeline {
        maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
        ..Pipeline::default()
    }
}

impl AudioProcessor {
    /// One of a microphone of `rate` and `channels`.
    ///
    /// # Errors
    ///
    /// [`ProcessingError::Rate`], and [`ProcessingError::Block`] for channels that no block has.
    pub fn new(
        rate: u32,
        channels: usize,
        config: AudioProcessorConfig,
    ) -> Result<Self, ProcessingError> {
        if !(8_000..=AudioBlock::MAX_RATE).contains(&rate) || !rate.is_multiple_of(100) {
            return Err(ProcessingError::Rate(rate));
        }
        if !(1..=AudioBlock::MAX_CHANNELS).contains(&channels) {
            return Err(ProcessingError::Block { rate, channels, frames: rate as usize / 100 });
        }
        let mut this = Self {
            rate,
            channels,
            config: AudioProcessorConfig::off(),
            front: library_stages(front_config(config, rate), rate, channels),
            gain: None,
            agc2: None,
            #[cfg(feature = "denoise")]
            denoiser: None,
            echo: None,
            #[cfg(feature = "denoise-deep")]
            deep: None,
            detector: VoiceDetector::default(),
            voice: Voice::default(),
            capture: Planes::default(),
            render: Planes::default(),
        };
        this.set_config(config);
        Ok(this)
    }

    /// Which stages are on.
    pub fn config(&self) -> AudioProcessorConfig {
        self.config
    }

    /// Switches stages on and off.
    pub fn set_config(&mut self, config: AudioProcessorConfig) {
        if config == self.config {
            return;
        }
        self.front.apply_config(front_config(config, self.rate));
        let own = config.gain_control == GainControl::Own;
        if own != self.gain.is_some() {
            self.gain = own.then(GainController::new);
        }
        let agc2 = config.gain_control == GainControl::Agc2;
        if agc2 != self.agc2.is_some() {
            let make = || Box::new(library_stages(gain_config(), self.rate, self.channels));
            self.agc2 = agc2.then(make);
        }
        let own = config.echo_cancellation == EchoCancellation::Own;
        if own != self.echo.is_some() {
            self.echo = own.then(|| Box::new(EchoCanceller::new(self.rate, self.channels)));
        }
        #[cfg(feature = "denoise")]
        {
            let wanted = config.noise_suppression == NoiseSuppression::Neural
                && self.rate == crate::audio::Denoiser::RATE;
            if wanted != self.denoiser.is_some() {
                self.denoiser = wanted.then(|| crate::audio::Denoiser::new(self.channels));
            }
        }
        #[cfg(feature = "denoise-deep")]
        {
            let wanted = config.noise_suppression == NoiseSuppression::Deep;
            if wanted != self.deep.is_some() {
                self.deep = wanted
                    .then(|| crate::audio::DeepDenoiser::new(self.rate, self.channels))
                    .flatten();
            }
        }
        self.config = config;
    }

    /// Takes in 10 ms that are about to be played, of any rate and number of channels, before the microphone's block that may
    /// have an echo of them. As many as the microphone has, on average: a bridge between clocks keeps it so.
    ///
    /// # Errors
    ///
    /// [`ProcessingError`].
    pub fn render(&mut self, block: &AudioBlock) -> Result<(), ProcessingError> {
        if self.config.echo_cancellation == EchoCancellation::Off {
            return Ok(());
        }
        check(block, None)?;
        if let Some(echo) = &mut self.echo {
            echo.render(block);
            return Ok(());
        }
        self.render.fill(block);
        let stream = StreamConfig::new(block.rate(), block.channels() as u16);
        let front = &mut self.front;
        let result = self.render.run(|input, output| {
            front.process_render_f32_with_config(input, &stream, &stream, output)
        });
        result.map_err(library)
    }

    /// Processes 10 ms of the microphone, whose echo is of what was [rendered](Self::render) `delay` ago: see
    /// [`EchoDelay`]. The canceller finds the delay by itself; what it is told helps it to begin.
    ///
    /// # Errors
    ///
    /// [`ProcessingError`]; the block is left as it is.
    pub fn capture(
        &mut self,
        block: &mut AudioBlock,
        delay: Duration,
    ) -> Result<(), ProcessingError> {
        check(block, Some((self.rate, self.channels)))?;
        let config = self.config;
        if let Some(echo) = &mut self.echo {
            echo.capture(block, delay);
        }
        let aec3 = config.echo_cancellation == EchoCancellation::Aec3;
        if config.high_pass || aec3 || config.noise_suppression.level().is_some() {
            if aec3 {
                // Held within what the library takes, so that it has nothing to say.
                let delay = delay.min(EchoDelay::MAX).as_millis() as i32;
                let _ = self.front.set_stream_delay_ms(delay);
            }
            run(&mut self.capture, &mut self.front, block)?;
        }
        #[cfg(feature = "denoise")]
        let heard = self.denoiser.as_mut().and_then(|denoiser| denoiser.process(block));
        #[cfg(not(feature = "denoise"))]
        let heard = None;
        #[cfg(feature = "denoise-deep")]
        if let Some(deep) = &mut self.deep {
            deep.process(block);
        }
        // The network has heard more voices than we can say in numbers.
        self.voice = match heard {
            Some(probability) => self.detector.decide(probability),
            None => self.detector.detect(block),
        };
        if let Some(gain) = &mut self.gain {
            let echo = self.echo.as_ref().is_some_and(|echo| echo.dominates());
            gain.process(block, self.voice, echo);
        }
        if let Some(agc2) = &mut self.agc2 {
            run(&mut self.capture, agc2, block)?;
        }
        Ok(())
    }

    /// Whether somebody spoke in the last block that was captured: by RNNoise where it is on, else by
    /// [`VoiceDetector`], after echo and noise were taken out and before gain control.
    pub fn voice(&self) -> Voice {
        self.voice
    }

    /// What the stages say about themselves.
    pub fn stats(&self) -> ProcessingStats {
        if let Some(echo) = &self.echo {
            return ProcessingStats {
                echo_return_loss: None,
                echo_return_loss_enhancement: echo.enhancement(),
                echo_delay: echo.delay(),
            };
        }
        let stats = self.front.statistics();
        let echo_delay = stats.delay_ms.and_then(|millis| u64::try_from(millis).ok());
        ProcessingStats {
            echo_return_loss: stats.echo_return_loss,
            echo_return_loss_enhancement: stats.echo_return_loss_enhancement,
            echo_delay: echo_delay.map(Duration::from_millis),
        }
    }
}

fn front_config(config: AudioProcessorConfig, rate: u32) -> Config {
    let level = match config.noise_suppression {
        #[cfg(feature = "denoise")]
        NoiseSuppression::Neural if rate != crate::audio::Denoiser::RATE => {
            NoiseSuppression::High.level()
        }
        #[cfg(feature = "denoise-deep")]
        NoiseSuppression::Deep if !crate::audio::DeepDenoiser::takes(rate) => {
            NoiseSuppression::High.level()
        }
        other => other.level(),
    };
    #[cfg(not(any(feature = "denoise", feature = "denoise-deep")))]
    let _ = rate;
    Config {
        pipeline: pipeline(),
        high_pass_filter: config.high_pass.then(HighPassFilter::default),
        echo_canceller: (config.echo_cancellation == EchoCancellation::Aec3)
            .then(sonora::config::EchoCanceller::default),
        noise_suppression: level.map(|level| sonora::config::NoiseSuppression {
            level,
            ..sonora::config::NoiseSuppression::default()
        }),
        ..Config::default()
    }
}

fn gain_config() -> Config {
    let controller = GainController2 {
        adaptive_digital: Some(AdaptiveDigital::default()),
        ..GainController2::default()
    };
    Config { pipeline: pipeline(), gain_controller2: Some(controller), ..Config::default() }
}

fn library_stages(config: Config, rate: u32, channels: usize) -> AudioProcessing {
    let stream = StreamConfig::new(rate, channels as u16);
    let builder = AudioProcessing::builder().config(config);
    builder.capture_config(stream).render_config(stream).build()
}

fn check(block: &AudioBlock, wanted: Option<(u32, usize)>) -> Result<(), ProcessingError> {
    let (rate, channels, frames) = (block.rate(), block.channels(), block.frames());
    let usable = rate >= 8_000 && rate.is_multiple_of(100) && frames == rate as usize / 100;
    if usable && wanted.is_none_or(|wanted| wanted == (rate, channels)) {
        return Ok(());
    }
    Err(ProcessingError::Block { rate, channels, frames })
}

fn run(
    planes: &mut Planes,
    stage: &mut AudioProcessing,
    block: &mut AudioBlock,
) -> Result<(), ProcessingError> {
    planes.fill(block);
    let stream = StreamConfig::new(block.rate(), block.channels() as u16);
    let result = planes.run(|input, output| {
        stage.process_capture_f32_with_config(input, &stream, &stream, output)
    });
    result.map_err(library)?;
    planes.write(block);
    Ok(())
}

fn library(error: sonora::Error) -> ProcessingError {
    ProcessingError::Library(error.to_string())
}
