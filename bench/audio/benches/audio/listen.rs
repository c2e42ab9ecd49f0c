//! Those who listen: our jitter buffer and the crate `neteq`, each with the same decoder.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket, JitterStatistics};
use peerage_media::codec::opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
use peerage_media::codec::{AudioDecoder, AudioEncoder, AudioTarget, CodecError};

/// Samples a second of everything here: what PESQ takes.
pub(crate) const RATE: u32 = 16_000;
/// Ticks of RTP in 20 ms.
const TICKS: u32 = 960;
/// When, within 10 ms, sound is asked for, in µs.
const PHASE: i64 = 3_000;

/// How sound is sent.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sent {
    /// Opus at 32 kbit/s with in-band redundancy.
    Opus,
    /// With the packet before in each one besides (RFC 2198).
    Red,
    /// With deep redundancy of half a second, in as many bits as RED takes: 64 kbit/s.
    Dred,
    /// Linear samples, of which a decoder makes up none.
    Linear,
}

/// The packets of `speech`, for a network that loses `loss`.
pub(crate) fn send(speech: &[f32], sent: Sent, loss: f64) -> Vec<Bytes> {
    let blocks = speech.chunks_exact(RATE as usize / 50);
    if sent == Sent::Linear {
        let bytes = |block: &[f32]| -> Vec<u8> {
            block.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect()
        };
        return blocks.map(|block| Bytes::from(bytes(block))).collect();
    }
    let mut config = OpusEncoderConfig::default();
    config.rate = RATE;
    if sent == Sent::Dred {
        config.deep_redundancy = Duration::from_millis(500);
    }
    let mut encoder = OpusEncoder::new(config).expect("an encoder");
    let mut target = AudioTarget::default();
    // What comes twice needs no redundancy inside: it would cost the sound its bits.
    target.loss = if sent == Sent::Red { 0.0 } else { loss as f32 };
    if sent == Sent::Dred {
        target.bitrate = 64_000;
    }
    encoder.set_target(target).expect("a target");
    let mut block = AudioBlock::default();
    blocks
        .map(|samples| {
            block.reset(RATE, 1, samples.len());
            block.samples_mut().copy_from_slice(samples);
            let mut packet = Vec::new();
            encoder.encode(&block, &mut packet).expect("a packet");
            Bytes::from(packet)
        })
        .collect()
}

/// What was heard.
pub(crate) struct Heard {
    pub(crate) sound: Vec<f32>,
    /// Mean delay in the buffer, in ms.
    pub(crate) delay: f64,
    /// Share made up.
    pub(crate) concealed: f64,
}

/// Listens with our jitter buffer.
pub(crate) fn ours(packets: &[Bytes], trace: &[Option<i64>], sent: Sent, complexity: u8) -> Heard {
    let decoder: Box<dyn AudioDecoder> = if sent == Sent::Linear {
        Box::new(Linear)
    } else {
        let mut decoder = OpusDecoder::new(RATE, 1).expect("a decoder");
        decoder.set_complexity(complexity).expect("a complexity");
        Box::new(decoder)
    };
    let mut config = JitterConfig::new(48_000);
    if let Some(cost) = setting("PEERAGE_DELAY_PER_PERCENT") {
        config.delay_per_percent = cost;
    }
    let mut buffer = JitterBuffer::new(config, decoder);
    let origin = Instant::now();
    let at = |micros: i64| origin + Duration::from_micros(micros as u64);
    let mut sound = Vec::new();
    let mut block = AudioBlock::default();
    let arrivals = in_order(trace);
    let mut arrivals = arrivals.iter().peekable();
    for call in 0..trace.len() as i64 * 2 {
        let now = call * 10_000 + PHASE;
        while let Some(&(arrival, index)) = arrivals.next_if(|&&(arrival, _)| arrival <= now) {
            let packet = |of: usize| JitterPacket {
                sequence: index as u64,
                timestamp: of as u32 * TICKS,
                payload: packets[of].clone(),
                redundant: of != index,
                comfort_noise: false,
            };
            if sent == Sent::Red && index > 0 {
                buffer.insert(at(arrival), packet(index - 1));
            }
            buffer.insert(at(arrival), packet(index));
        }
        buffer.get_audio(at(now), &mut block);
        // The sound of this call begins to be heard at `now`.
        if call == 0 {
            sound.resize((PHASE * i64::from(RATE) / 1_000_000) as usize, 0.0);
        }
        sound.extend_from_slice(block.samples());
    }
    let statistics: &JitterStatistics = buffer.statistics();
    Heard {
        sound,
        delay: statistics.mean_delay().as_secs_f64() * 1_000.0,
        concealed: statistics.concealed_share(),
    }
}

fn setting(name: &str) -> Option<f32> {
    std::env::var(name).ok()?.parse().ok()
}

/// Packets that come, by time.
fn in_order(trace: &[Option<i64>]) -> Vec<(i64, usize)> {
    let mut arrivals: Vec<(i64, usize)> = trace
        .iter()
        .enumerate()
        .filter_map(|(index, arrival)| Some(((*arrival)?, index)))
        .collect();
    arrivals.sort_unstable();
    arrivals
}

/// Listens with the crate `neteq`, which reads the clock itself: in real time.
pub(crate) fn neteq(packets: &[Bytes], trace: &[Option<i64>]) -> Heard {
    struct Decoder(OpusDecoder, AudioBlock);
    impl neteq::codec::AudioDecoder for Decoder {
        fn sample_rate(&self) -> u32 {
            RATE
        }
        fn channels(&self) -> u8 {
            1
        }
        fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
            self.0
                .decode(encoded, &mut self.1)
                .map_err(|error| neteq::NetEqError::DecoderError(error.to_string()))?;
            Ok(self.1.samples().to_vec())
        }
    }
    let config = neteq::NetEqConfig { sample_rate: RATE, channels: 1, ..Default::default() };
    let mut buffer = neteq::NetEq::new(config).expect("neteq");
    let decoder = Decoder(OpusDecoder::new(RATE, 1).expect("a decoder"), AudioBlock::default());
    buffer.register_decoder(111, Box::new(decoder));
    let origin = Instant::now();
    let arrivals = in_order(trace);
    let mut arrivals = arrivals.iter().peekable();
    let mut sound = vec![0.0; (PHASE * i64::from(RATE) / 1_000_000) as usize];
    let wait = |micros: i64| {
        std::thread::sleep(
            (origin + Duration::from_micros(micros as u64))
                .saturating_duration_since(Instant::now()),
        );
    };
    let (mut made, mut delay) = (0u64, 0u64);
    let calls = trace.len() as i64 * 2;
    for call in 0..calls {
        let now = call * 10_000 + PHASE;
        while let Some(&(arrival, index)) = arrivals.next_if(|&&(arrival, _)| arrival <= now) {
            wait(arrival);
            let header =
                neteq::RtpHeader::new(index as u16, index as u32 * RATE / 50, 1, 111, false);
            let packet = neteq::AudioPacket::new(header, packets[index].to_vec(), RATE, 1, 20);
            let _ = buffer.insert_packet(packet);
        }
        wait(now);
        match buffer.get_audio() {
            Ok(frame) => {
                made += u64::from(frame.speech_type == neteq::neteq::SpeechType::Expand);
                sound.extend_from_slice(&frame.samples);
            }
            Err(_) => sound.extend([0.0; RATE as usize / 100]),
        }
        delay += u64::from(buffer.current_buffer_size_ms());
    }
    Heard { sound, delay: delay as f64 / calls as f64, concealed: made as f64 / calls as f64 }
}

/// Linear samples of 16 bits.
struct Linear;

impl AudioDecoder for Linear {
    fn rate(&self) -> u32 {
        RATE
    }
    fn channels(&self) -> usize {
        1
    }
    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        Some(Duration::from_micros(packet.len() as u64 / 2 * 1_000_000 / u64::from(RATE)))
    }
    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        out.reset(RATE, 1, packet.len() / 2);
        for (sample, bytes) in out.samples_mut().iter_mut().zip(packet.chunks_exact(2)) {
            *sample = f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0;
        }
        Ok(())
    }
    fn reset(&mut self) {}
}

/// What 1,000 streams cost: the share of a core, and microseconds for 10 ms of one.
pub(crate) fn cost(
    streams: usize,
    seconds: usize,
    trace: &[Option<i64>],
    packets: &[Bytes],
    linear: bool,
) -> f64 {
    let mut buffers: Vec<JitterBuffer> = (0..streams)
        .map(|_| {
            let decoder: Box<dyn AudioDecoder> = if linear {
                Box::new(Linear)
            } else {
                Box::new(OpusDecoder::new(RATE, 1).expect("a decoder"))
            };
            JitterBuffer::new(JitterConfig::new(48_000), decoder)
        })
        .collect();
    let origin = Instant::now();
    let at = |micros: i64| origin + Duration::from_micros(micros as u64);
    let arrivals = in_order(trace);
    let ((), spent) = bench_measure::cpu_time(|| {
        let mut block = AudioBlock::default();
        let mut arrivals = arrivals.iter().peekable();
        for call in 0..seconds as i64 * 100 {
            let now = call * 10_000 + PHASE;
            while let Some(&(arrival, index)) = arrivals.next_if(|&&(arrival, _)| arrival <= now) {
                for buffer in &mut buffers {
                    let packet = JitterPacket {
                        sequence: index as u64,
                        timestamp: index as u32 * TICKS,
                        payload: packets[index].clone(),
                        redundant: false,
                        comfort_noise: false,
                    };
                    buffer.insert(at(arrival), packet);
                }
            }
            for buffer in &mut buffers {
                buffer.get_audio(at(now), &mut block);
            }
        }
    });
    spent.as_secs_f64() * 1e6 / (streams * seconds * 100) as f64
}
