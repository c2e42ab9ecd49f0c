//! What fills the places of sound that is not there: redundancy inside of packets, what the decoder or the expander makes up, noise.

use super::super::decision::Phase;
use super::super::play_buffer::HISTORY_MILLIS;
use super::JitterBuffer;
use crate::audio::AudioBlock;
use crate::codec::Concealment;

impl JitterBuffer {
    /// Plays the sound before the next packet, which that one has in it.
    pub(super) fn restore(&mut self, time: i64) {
        let Some(front) = self.packets.front() else { return };
        let (start, arrival) = (front.start, front.arrival);
        let missing = self.duration(front.length);
        let mut decoded = std::mem::take(&mut self.decoded);
        let result = self.decoder.decode_redundancy(&front.payload, missing, &mut decoded);
        let fits = (decoded.rate(), decoded.channels()) == (self.rate, self.channels);
        let gap = self.frames(start - self.end).max(1) as usize;
        if !matches!(result, Ok(true)) || !fits || decoded.frames() < gap {
            self.decoded = decoded;
            self.conceal(gap, true);
            return;
        }
        let skip = decoded.frames() - gap;
        self.count_played(time, arrival, gap);
        self.statistics.restored_samples += gap as u64;
        self.append(&decoded, skip);
        self.end = start;
        self.decoded = decoded;
    }

    /// Plays `frames` of what is lost before the next packet from its deep redundancy. False where it has none of it.
    pub(super) fn restore_deep(&mut self, time: i64, frames: usize) -> bool {
        let Some(front) = self.packets.front() else { return false };
        let (start, arrival) = (front.start, front.arrival);
        // It is read once for all gaps before a packet.
        let reach = match self.deep {
            Some((of, reach)) if of == start => reach,
            _ => {
                let reach = self.decoder.deep_redundancy(&front.payload);
                self.deep = Some((start, reach));
                reach
            }
        };
        let before = self.duration(start - self.end);
        if reach.is_zero() || before > reach {
            return false;
        }
        // In whole blocks, as the library has it.
        let blocks = frames.div_ceil(self.block()) as u32;
        let mut decoded = std::mem::take(&mut self.decoded);
        let missing = AudioBlock::DURATION * blocks;
        let result = self.decoder.decode_deep_redundancy(before, missing, &mut decoded);
        let fits = (decoded.rate(), decoded.channels()) == (self.rate, self.channels);
        let restored = matches!(result, Ok(true)) && fits && decoded.frames() >= frames;
        if restored {
            decoded.truncate(frames);
            self.count_played(time, arrival, frames);
            self.statistics.restored_samples += frames as u64;
            self.append(&decoded, 0);
            self.end += self.ticks(frames as i64).max(1);
        }
        self.decoded = decoded;
        restored
    }

    /// Makes up `frames`, in the place of what is lost or, where that is not `known`, may still come.
    pub(super) fn conceal(&mut self, frames: usize, known: bool) {
        let own = self.decoder.concealment() == Concealment::Own;
        if self.phase != Phase::Concealing {
            self.statistics.concealment_events += 1;
            self.codec_conceals = own;
            if !own {
                self.begin_expanding();
            }
            self.phase = Phase::Concealing;
        }
        let frames = frames.min(self.play.room()).max(1);
        let mut audible = true;
        if self.codec_conceals {
            audible = match self.codec_makes(frames) {
                Some(audible) => audible,
                None => {
                    self.codec_conceals = false;
                    self.begin_expanding();
                    true
                }
            };
        }
        if !self.codec_conceals {
            self.scratch.clear();
            let (background, noise) = (&mut self.background, &mut self.noise);
            audible = self.expander.produce(frames, background, noise, &mut self.scratch);
            self.play.push(&self.scratch);
        }
        self.statistics.concealed_samples += frames as u64;
        if !audible {
            self.statistics.silent_concealed_samples += frames as u64;
        }
        self.made += frames as i64;
        if known {
            let from = self.end;
            self.end += self.ticks(frames as i64).max(1);
            self.missing.add(from, self.end);
        } else {
            self.over += frames as i64;
        }
    }

    fn begin_expanding(&mut self) {
        let frames = self.rate as usize * HISTORY_MILLIS / 1_000;
        self.expander.begin(self.play.tail(frames), self.rate, self.channels);
    }

    /// Has the decoder go on by itself, in whole blocks of which what is too much is left out. `None` where it cannot;
    /// otherwise whether anything is to be heard of it.
    fn codec_makes(&mut self, frames: usize) -> Option<bool> {
        let blocks = frames.div_ceil(self.block()) as u32;
        let mut decoded = std::mem::take(&mut self.decoded);
        let made = self.decoder.conceal(AudioBlock::DURATION * blocks, &mut decoded).is_ok()
            && (decoded.rate(), decoded.channels()) == (self.rate, self.channels)
            && decoded.frames() >= frames;
        if made {
            self.play.push(&decoded.samples()[..frames * self.channels]);
        }
        let audible = decoded.samples().iter().any(|sample| sample.abs() > 1e-4);
        self.decoded = decoded;
        made.then_some(audible)
    }

    /// A block of comfort noise, or of silence where it has not begun.
    pub(super) fn make_noise(&mut self) {
        let frames = self.block();
        if self.begun {
            self.over += frames as i64;
        }
        if self.phase == Phase::Waiting && self.begun {
            // It stopped though nobody said so.
            self.statistics.concealed_samples += frames as u64;
            self.statistics.silent_concealed_samples += frames as u64;
        }
        let own = self.decoder.concealment() == Concealment::Own && self.begun && !self.described;
        if own && self.phase == Phase::Comfort && self.codec_makes(frames).is_some() {
            return;
        }
        if self.described && self.phase == Phase::Comfort {
            self.decoded.reset(self.rate, self.channels, frames);
            self.comfort.fill(&mut self.decoded);
            self.play.push(self.decoded.samples());
            return;
        }
        self.scratch.clear();
        for _ in 0..frames {
            for channel in 0..self.channels {
                self.scratch.push(self.background.next(channel, &mut self.noise));
            }
        }
        self.play.push(&self.scratch);
    }
}
