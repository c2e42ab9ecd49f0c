//! Bodies of fuzz targets for the decoders of sound and of pictures.

use std::time::Duration;

use super::AudioDecoder;
use super::comfort_noise::ComfortNoise;
use crate::audio::AudioBlock;

/// Decodes packets as the codec that the first byte chooses. Each packet has its length before it, whose upper bits say whether it
/// is decoded, is the one after a lost one, or is lost. What comes out is as long as was said, within bounds, and a number.
pub fn audio_decoders(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    match choice % 6 {
        #[cfg(feature = "g711")]
        0 | 1 => {
            use super::g711::{G711Decoder, Law};
            let law = if choice.is_multiple_of(6) { Law::Mu } else { Law::A };
            let channels = usize::from(choice / 6 % 8) + 1;
            drive(&mut G711Decoder::new(law, channels).expect("1 to 8 channels"), data);
        }
        #[cfg(feature = "g722")]
        2 => drive(&mut super::g722::G722Decoder::new(), data),
        #[cfg(feature = "opus")]
        3 | 4 => {
            let rate = [8_000, 12_000, 16_000, 24_000, 48_000][usize::from(choice / 6 % 5)];
            let channels = usize::from(choice % 6) - 2;
            let decoder = super::opus::OpusDecoder::new(rate, channels);
            let mut decoder = decoder.expect("a format of Opus");
            // With and without the networks, where there are any.
            let _ = decoder.set_complexity(choice / 30);
            drive(&mut decoder, data);
        }
        _ => {
            let mut noise = ComfortNoise::new(u64::from(choice));
            let mut block = AudioBlock::silence(8_000, 2, 80);
            for payload in data.chunks(20) {
                noise.update(payload).expect("a payload that is not empty");
                noise.fill(&mut block);
                assert!(block.samples().iter().all(|sample| sample.abs() <= 1.0));
            }
        }
    }
}

#[cfg_attr(
    not(any(feature = "g711", feature = "g722", feature = "opus")),
    allow(dead_code, reason = "each codec is a feature")
)]
fn drive(decoder: &mut impl AudioDecoder, mut data: &[u8]) {
    const LONGEST: Duration = Duration::from_millis(200);
    const MISSING: Duration = Duration::from_millis(20);
    let mut out = AudioBlock::default();
    while let Some((&first, rest)) = data.split_first() {
        let (packet, after) = rest.split_at(usize::from(first & 0x3f).min(rest.len()));
        data = after;
        let announced = decoder.packet_duration(packet);
        match first >> 6 {
            0 | 1 => match decoder.decode(packet, &mut out) {
                Ok(()) => assert_eq!(announced, Some(out.duration())),
                Err(_) => assert_eq!(out.frames(), 0),
            },
            2 => {
                let deep = decoder.deep_redundancy(packet);
                assert!(deep <= Duration::from_secs(2));
                let _ = decoder.decode_deep_redundancy(deep, MISSING, &mut out);
                if decoder.decode_redundancy(packet, MISSING, &mut out).is_ok_and(|had| had) {
                    assert_eq!(out.duration(), MISSING);
                }
            }
            _ => {
                let missing = Duration::from_micros(packet.len() as u64 * 700);
                decoder.conceal(missing, &mut out).expect("any duration is filled");
                assert!(out.duration() <= missing);
            }
        }
        assert!(out.duration() <= LONGEST);
        assert!(out.samples().iter().all(|sample| sample.is_finite()));
    }
    decoder.reset();
}

/// Decodes frames as the codec of pictures that the first byte chooses; where that is not built in, nothing is done. Each frame has its
/// length before it, in two bytes. What comes out is no larger than what is allowed, and what failed does no harm to what follows.
pub fn video_decoders(data: &[u8]) {
    use peerage_rtp::payload::{PacketizationMode, PayloadFormat};

    use super::{BuiltIn, CodecFactory, CodecSpec};
    const MOST: u64 = 4096 * 2304;
    let Some((&choice, mut data)) = data.split_first() else { return };
    let packetization_mode = PacketizationMode::NonInterleaved;
    let format = match choice % 4 {
        0 => PayloadFormat::Vp8,
        1 => PayloadFormat::Vp9,
        2 => PayloadFormat::H264 { packetization_mode },
        _ => PayloadFormat::Av1,
    };
    let Ok(mut decoder) = BuiltIn.video_decoder(&CodecSpec::new(format, 90_000, 1)) else {
        return;
    };
    // So few that even the largest pictures take no minute.
    for _ in 0..16 {
        let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (frame, after) = rest.split_at(length);
        data = after;
        if let Ok(Some(shown)) = decoder.decode(frame) {
            let (width, height) = (shown.picture.width(), shown.picture.height());
            assert!(width > 0 && height > 0);
            assert!(u64::from(width) * u64::from(height) <= MOST, "{width}x{height}");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bodies_hold_on_noise() {
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        for round in 0..2_000usize {
            let mut data = vec![round as u8];
            data.extend((0..next()).map(|_| next()));
            super::audio_decoders(&data);
        }
    }

    #[test]
    fn frames_of_noise_do_no_harm() {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        for round in 0..200usize {
            let mut data = vec![round as u8];
            for _ in 0..4 {
                let length = next();
                data.extend([0, length]);
                data.extend((0..length).map(|_| next()));
            }
            super::video_decoders(&data);
        }
    }

    #[test]
    fn seeds_and_regressions_of_pictures_hold() {
        crate::files::fuzzing::inputs::run("media_video_decoders", super::video_decoders);
    }

    #[test]
    fn seeds_and_regressions_hold() {
        crate::files::fuzzing::inputs::run("media_audio_decoders", super::audio_decoders);
    }
}
