//! Body of the fuzz target for the jitter buffer.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{JitterBuffer, JitterConfig, JitterPacket};
use crate::audio::AudioBlock;
use crate::codec::{AudioDecoder, CodecError, Concealment};

/// Packets that wait at most, in this body.
const MAX_PACKETS: usize = 20;

/// Whatever packets come, whenever: 10 ms come out of each call, and no more packets wait than may. Eight bytes are a step:
/// what, when, and a packet's sequence, timestamp and length.
pub fn jitter_buffer(data: &[u8]) {
    let mut config = JitterConfig::new(8_000);
    config.max_packets = MAX_PACKETS;
    config.stretch = !data.len().is_multiple_of(7);
    let own = data.len().is_multiple_of(2);
    let mut buffer = JitterBuffer::new(config, Box::new(Echo { rate: 8_000, channels: 1, own }));
    let mut now = Instant::now();
    let mut block = AudioBlock::default();
    let (mut timestamp, mut sequence) = (0u32, 0u64);
    for step in data.chunks_exact(8) {
        let value = u32::from_le_bytes([step[2], step[3], step[4], step[5]]);
        now += Duration::from_millis(match step[1] {
            255 => 60_000,
            millis => u64::from(millis % 64),
        });
        match step[0] {
            0 => buffer.set_target(Duration::from_millis(u64::from(value))),
            1 => buffer.reset(),
            2 => {
                let rate = [8_000, 16_000, 44_100, 48_000][step[2] as usize % 4];
                let channels = 1 + step[3] as usize % 2;
                let clock = [8_000, 48_000, 90_000][step[4] as usize % 3];
                buffer.set_decoder(clock, Box::new(Echo { rate, channels, own }));
            }
            3 => buffer.set_synchronised_delay(Duration::from_micros(u64::from(value))),
            what @ 4..=160 => {
                // Mostly one after the other, at times anywhere.
                let length = usize::from(step[6]) * 4;
                sequence = sequence.wrapping_add(1 + u64::from(step[7] % 4));
                timestamp = match what % 16 {
                    0 => value,
                    1 => timestamp.wrapping_sub(value % 4_000),
                    2 => timestamp.wrapping_add(value % 4_000),
                    _ => timestamp.wrapping_add(160),
                };
                let packet = JitterPacket {
                    sequence: if what % 16 == 3 { u64::from(value) << 32 } else { sequence },
                    timestamp,
                    payload: Bytes::from(vec![step[7]; length]),
                    redundant: what % 16 == 4,
                    comfort_noise: what % 16 == 5,
                };
                buffer.insert(now, packet);
            }
            _ => {
                buffer.get_audio(now, &mut block);
                assert_eq!(block.frames(), buffer.rate() as usize / 100);
                assert_eq!((block.rate(), block.channels()), (buffer.rate(), buffer.channels()));
                assert!(block.samples().iter().all(|sample| sample.is_finite()));
            }
        }
        assert!(buffer.packets() <= MAX_PACKETS);
        assert!(buffer.bytes() <= 1 << 20);
        assert!(buffer.target_delay() <= Duration::from_secs(2));
    }
}

/// Bytes are samples. Some it cannot decode, some have redundancy.
struct Echo {
    rate: u32,
    channels: usize,
    own: bool,
}

impl AudioDecoder for Echo {
    fn rate(&self) -> u32 {
        self.rate
    }
    fn channels(&self) -> usize {
        self.channels
    }
    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        (packet.first() != Some(&255)).then(|| Duration::from_micros(packet.len() as u64 * 125))
    }
    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        let frames = packet.len() * self.rate as usize / 8_000;
        match packet.first() {
            None | Some(254) => {
                let reason = String::new();
                return Err(CodecError::Damaged { codec: "echo", reason });
            }
            // Not what it said it would be.
            Some(253) => out.reset(self.rate, self.channels, frames / 3),
            Some(252) => out.reset(1_000, 3, frames),
            Some(&value) => {
                out.reset(self.rate, self.channels, frames);
                out.samples_mut().fill(f32::from(value) / 256.0);
            }
        }
        Ok(())
    }
    fn has_redundancy(&self, packet: &[u8]) -> bool {
        packet.first().is_some_and(|value| value % 3 == 0)
    }
    fn decode_redundancy(
        &mut self,
        packet: &[u8],
        missing: Duration,
        out: &mut AudioBlock,
    ) -> Result<bool, CodecError> {
        let frames = missing.as_micros() as usize * self.rate as usize / 1_000_000;
        out.reset(self.rate, self.channels, frames);
        Ok(packet.first().is_some_and(|value| value % 6 == 0))
    }
    fn deep_redundancy(&mut self, packet: &[u8]) -> Duration {
        Duration::from_millis(packet.first().map_or(0, |&value| u64::from(value % 5) * 40))
    }
    fn decode_deep_redundancy(
        &mut self,
        _before: Duration,
        missing: Duration,
        out: &mut AudioBlock,
    ) -> Result<bool, CodecError> {
        let frames = missing.as_micros() as usize * self.rate as usize / 1_000_000;
        out.reset(self.rate, self.channels, frames);
        Ok(true)
    }
    fn concealment(&self) -> Concealment {
        if self.own { Concealment::Own } else { Concealment::None }
    }
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_and_regressions_hold() {
        crate::files::fuzzing::inputs::run("media_audio_jitter", super::jitter_buffer);
    }

    #[test]
    fn any_bytes_are_survived() {
        super::jitter_buffer(&[]);
        let mut state = 0x1234_5678_9abc_def1u64;
        for round in 0..200 {
            let bytes: Vec<u8> = (0..4_000 + round)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 24) as u8
                })
                .collect();
            super::jitter_buffer(&bytes);
        }
    }
}
