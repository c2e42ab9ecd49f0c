//! The thread that encodes the sound of a track.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use peerage_media::audio::resample::{ResampleError, Resampler};
use peerage_media::audio::vad::VoiceDetector;
use peerage_media::audio::{AudioBlock, Level, mix_channels};
use peerage_media::codec::{AudioEncoder, AudioTarget, CodecError, CodecFactory};
use peerage_media::track::SinkError;
use peerage_peerconnection::media::RtpCodec;
use peerage_peerconnection::{EncodingTarget, Frame};
use peerage_rtp::extension::AudioLevel;

use super::captured::CapturedSound;
use super::codecs;
use super::failures::Failures;
use super::frames::FrameOutlet;
use super::redundancy::Redundancy;
use super::sender::{Input, Shared};
use super::silence::{Instead, Silence};
use super::timeline::Timeline;
use crate::{EncoderRequests, TargetBitrate};

/// How long the thread rests at most before it looks whether it is still wanted.
const REST: Duration = Duration::from_millis(100);

/// How far the time of a block may be from what the samples before it make it, before they are believed to have a gap.
const MAX_DEVIATION: Duration = Duration::from_millis(60);

/// Blocks of silence that are sent of a track that was disabled, so that what the peer makes up for what is missing goes on from
/// silence: 100 ms. Then nothing is sent (webrtc-pc §5.2, `RTCRtpSender.track`).
const SILENCE: u32 = 10;

/// What packets last where the peer says nothing.
const PACKET: Duration = Duration::from_millis(20);

/// An encoder, what it was made for, and what waits to be encoded.
struct Current {
    encoder: Box<dyn AudioEncoder>,
    target: EncodingTarget,
    wanted: AudioTarget,
    /// What has come of the next packet.
    pending: AudioBlock,
    filled: usize,
    /// Where the source has another rate.
    resampler: Option<Resampler>,
    /// The block in the encoder's channels.
    mixed: AudioBlock,
    /// When it begins.
    begins: Duration,
    /// What decides on comfort noise, where the peer takes it and the codec has none of its own.
    silence: Option<Silence>,
}

/// Encodes until the sender is dropped or the connection is gone.
pub(super) fn run(
    shared: &Arc<Shared>,
    outlet: &FrameOutlet,
    requests: &EncoderRequests,
    rates: &TargetBitrate,
    codecs: &dyn CodecFactory,
) {
    let (mut input, mut removals) = (Input::None, requests.removals());
    let mut current: Option<Current> = None;
    let (mut packet, mut payloads) = (Vec::new(), BytesMut::new());
    let mut timeline = Timeline::new();
    let mut redundancy = Redundancy::default();
    let captured = Arc::new(CapturedSound::default());
    outlet.set_capture(captured.clone());
    // Whether somebody spoke in what the next packet is made of (RFC 6464's V bit).
    let (mut detector, mut voice) = (VoiceDetector::default(), false);
    let mut silent = 0;
    let mut failures: Failures<EncodingTarget> = Failures::default();
    let mut untold: Option<String> = None;
    let counters = &shared.counters;
    while !shared.is_over() && !outlet.is_closed() && !requests.is_over() {
        if let Some(next) = shared.take_next(requests, &mut removals) {
            input = next;
            timeline.begin_source();
            captured.begin();
            failures.clear();
        }
        if let Some(reason) = untold.take_if(|reason| outlet.fail(0, reason.clone())) {
            tracing::debug!(reason, "the application knows");
        }
        let Input::Audio { track, sink } = &mut input else {
            std::thread::sleep(REST);
            continue;
        };
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(SinkError::Ended) => {
                input = Input::None;
                continue;
            }
            Err(_) => continue,
        };
        let now = Instant::now();
        let time = timeline.place(frame.time, now);
        counters.captured.add(1);
        captured.block(&frame.block);
        voice |= detector.detect(&frame.block).active;
        counters.too_slow.set(sink.dropped());
        counters.refused.set(outlet.refused());
        let target = requests.shared_target(0).filter(|target| target.active);
        let (Some(target), Some(bitrate @ 1..)) = (target, rates.get(0)) else {
            counters.left_out.add(1);
            current = None;
            sink.recycle(frame);
            continue;
        };
        silent = if track.enabled() { 0 } else { silent + 1 };
        if silent > SILENCE {
            counters.left_out.add(1);
            sink.recycle(frame);
            continue;
        }
        if failures.is_known(|known| same_encoder(known, &target)) {
            counters.failed.add(1);
            sink.recycle(frame);
            continue;
        }
        let loss = outlet.loss();
        let twice = match (&target.carried, target.redundant) {
            (Some(_), _) => true,
            (None, redundant) => redundant.is_some() && redundancy.decide(bitrate, loss),
        };
        let wanted = wanted(encoded(&target), if twice { bitrate / 2 } else { bitrate }, loss);
        // The block has ended now; where it began is where its time is.
        let began = now.checked_sub(frame.block.duration()).unwrap_or(now);
        match prepare(&mut current, codecs, &target, wanted) {
            Ok(current) => {
                let target = &current.target;
                let clock = u128::from(encoded(target).clock_rate);
                let payload_type = match target.redundant {
                    Some(redundant) if twice => redundant,
                    _ => target.payload_type,
                };
                let noise = target.comfort_noise;
                let taken = current.take(&frame.block, time, |encoder, silence, block, begins| {
                    packet.clear();
                    let instead = match silence {
                        Some(silence) => silence.decide(block, begins, voice, &mut packet),
                        None => Instead::Encode,
                    };
                    let (made, payload_type) = match (instead, noise) {
                        (Instead::Noise, Some(noise)) => (Ok(true), noise),
                        (Instead::Nothing, Some(_)) => (Ok(false), payload_type),
                        _ => (encoder.encode(block, &mut packet), payload_type),
                    };
                    match made {
                        Ok(true) => {
                            counters.encoded.add(1);
                            let ticks = begins.as_nanos() * clock / 1_000_000_000;
                            let payload = share(&packet, &mut payloads);
                            let mut encoded =
                                Frame::new(payload, ticks as u32).with_payload_type(payload_type);
                            let level = Level::of(block).negative_dbov();
                            let voice = std::mem::take(&mut voice);
                            encoded.extensions.audio_level = Some(AudioLevel { level, voice });
                            encoded.captured = began.checked_sub(time.saturating_sub(begins));
                            outlet.post(0, encoded);
                        }
                        Ok(false) => counters.left_out.add(1),
                        Err(error) => {
                            tracing::debug!(%error, "sound was not encoded");
                            counters.failed.add(1);
                        }
                    }
                });
                if let Err(error) = taken {
                    tracing::warn!(%error, "the sound of a track cannot be brought to the codec's rate");
                    counters.failed.add(1);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a track cannot be encoded");
                counters.failed.add(1);
                failures.note(Arc::unwrap_or_clone(target));
                untold = Some(error.to_string());
            }
        }
        sink.recycle(frame);
    }
}

/// Payloads share memory of so many bytes, some seconds of speech, so that not each of them asks for its own.
const SHARED: usize = 8 * 1024;

/// A payload that lives as long as it is needed, in memory that serves again when all before it are gone.
fn share(packet: &[u8], payloads: &mut BytesMut) -> Bytes {
    if payloads.capacity() < packet.len() {
        payloads.reserve(packet.len().max(SHARED));
    }
    payloads.extend_from_slice(packet);
    payloads.split().freeze()
}

/// Bits a second that speech has no use for more of: what is left is for pictures.
const ENOUGH: u64 = 64_000;

/// What is encoded: inside of redundant audio where that was chosen.
fn encoded(target: &EncodingTarget) -> &RtpCodec {
    target.carried.as_ref().unwrap_or(&target.codec)
}

/// Whether one encoder serves for both.
fn same_encoder(one: &EncodingTarget, other: &EncodingTarget) -> bool {
    encoded(one) == encoded(other) && packet_duration(one) == packet_duration(other)
}

/// How long packets are to last: what the peer prefers, within what it takes at most.
fn packet_duration(target: &EncodingTarget) -> Duration {
    let times = &target.packet_times;
    let preferred = times.preferred.unwrap_or(PACKET);
    times.max.map_or(preferred, |max| preferred.min(max))
}

/// What the path has room for, as far as the peer wants it (RFC 7587 §6.1).
fn wanted(codec: &RtpCodec, bitrate: u64, loss: f32) -> AudioTarget {
    let spec = codecs::spec(codec);
    let parameter = |name: &str| spec.as_ref().and_then(|spec| spec.parameter(name));
    let most = parameter("maxaveragebitrate").and_then(|most| most.parse().ok());
    let bitrate = bitrate.min(most.unwrap_or(ENOUGH));
    let dtx = parameter("usedtx") == Some("1");
    // In steps, so that the encoder is not set anew with each report.
    let loss = (loss * 50.0).round() / 50.0;
    AudioTarget::default().with_bitrate(bitrate.min(510_000) as u32).with_dtx(dtx).with_loss(loss)
}

/// The encoder for what is wanted now.
fn prepare<'a>(
    current: &'a mut Option<Current>,
    codecs: &dyn CodecFactory,
    target: &EncodingTarget,
    wanted: AudioTarget,
) -> Result<&'a mut Current, CodecError> {
    if !current.as_ref().is_some_and(|current| same_encoder(&current.target, target)) {
        *current = None;
        let spec = codecs::spec(encoded(target)).ok_or_else(|| CodecError::Missing {
            codec: target.codec.name.to_string(),
            feature: None,
        })?;
        let spec = spec.with_packet_duration(packet_duration(target));
        let mut encoder = codecs.audio_encoder(&spec)?;
        encoder.set_target(wanted)?;
        let mut pending = AudioBlock::default();
        let samples =
            encoder.packet_duration().as_nanos() * u128::from(encoder.rate()) / 1_000_000_000;
        pending.reset(encoder.rate(), encoder.channels(), samples as usize);
        let begins = Duration::ZERO;
        *current = Some(Current {
            encoder,
            target: target.clone(),
            wanted,
            pending,
            filled: 0,
            resampler: None,
            mixed: AudioBlock::default(),
            begins,
            silence: None,
        });
    }
    let Some(current) = current else { unreachable!("it was made above") };
    if current.target != *target {
        current.target.clone_from(target);
    }
    let codec = encoded(target);
    // Opus has its own (RFC 7587 §3.1.3).
    let takes = target.comfort_noise.is_some() && !codec.is("opus");
    if takes != current.silence.is_some() {
        let counts_samples = codec.clock_rate == current.encoder.rate();
        current.silence = takes.then(|| Silence::new(counts_samples));
    }
    if current.wanted != wanted {
        current.encoder.set_target(wanted)?;
        current.wanted = wanted;
    }
    Ok(current)
}

impl Current {
    /// Takes a block of any rate and channels, and gives out each packet's worth that is whole, with the time at which it
    /// begins.
    fn take(
        &mut self,
        block: &AudioBlock,
        time: Duration,
        mut out: impl FnMut(&mut dyn AudioEncoder, Option<&mut Silence>, &AudioBlock, Duration),
    ) -> Result<(), ResampleError> {
        let (rate, channels) = (self.pending.rate(), self.pending.channels());
        // Packets follow each other without a gap, as the source's samples do, unless it has left some out.
        let here = self.begins + duration(self.filled, rate);
        if here.abs_diff(time) > MAX_DEVIATION {
            self.begins = time.saturating_sub(duration(self.filled, rate));
        }
        let mut mixed = std::mem::take(&mut self.mixed);
        mix_channels(block, channels, &mut mixed);
        if block.rate() == rate {
            self.fill(&mixed, &mut out);
        } else {
            let fits = |resampler: &&mut Resampler| resampler.input_rate() == block.rate();
            let resampler = match self.resampler.as_mut().filter(fits) {
                Some(resampler) => resampler,
                None => self.resampler.insert(Resampler::new(block.rate(), rate, channels)?),
            };
            resampler.push(&mixed)?;
            while self.resampler.as_mut().is_some_and(|resampler| resampler.pull(&mut mixed)) {
                self.fill(&mixed, &mut out);
            }
        }
        self.mixed = mixed;
        Ok(())
    }

    fn fill(
        &mut self,
        block: &AudioBlock,
        out: &mut impl FnMut(&mut dyn AudioEncoder, Option<&mut Silence>, &AudioBlock, Duration),
    ) {
        let channels = self.pending.channels();
        let mut rest = block.samples();
        while !rest.is_empty() {
            let place = &mut self.pending.samples_mut()[self.filled * channels..];
            let (now, later) = rest.split_at(rest.len().min(place.len()));
            place[..now.len()].copy_from_slice(now);
            self.filled += now.len() / channels;
            rest = later;
            if self.filled == self.pending.frames() {
                out(&mut *self.encoder, self.silence.as_mut(), &self.pending, self.begins);
                self.begins += duration(self.filled, self.pending.rate());
                self.filled = 0;
            }
        }
    }
}

/// Of so many samples.
fn duration(samples: usize, rate: u32) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(rate))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn payloads_keep_what_they_are_while_memory_serves_again() {
        let (mut payloads, mut kept, mut places) = (BytesMut::new(), VecDeque::new(), Vec::new());
        for number in 0..2_000usize {
            let packet = vec![number as u8; 1 + number * 7 % 120];
            let payload = share(&packet, &mut payloads);
            assert_eq!(payload, packet);
            places.push(payload.as_ptr());
            kept.push_back((payload, packet));
            if kept.len() > 10 {
                let (payload, packet) = kept.pop_front().unwrap();
                assert_eq!(payload, packet, "overwritten while it was held");
            }
        }
        places.sort_unstable();
        places.dedup();
        assert!(places.len() < 1_900, "no place has served twice");
        let large = vec![9; 3 * SHARED];
        assert_eq!(share(&large, &mut payloads), large);
    }
}
