//! Every codec that stands on C, as briefly as it gets, with all that its wrapper can be asked: layers, odd sizes, another size, other
//! rates, damage, and the end of it in the midst of work. `cargo xtask sanitize` runs it under valgrind, which is fifty times slower.
#![cfg(any(feature = "av1", feature = "h264", feature = "opus", feature = "vpx"))]

#[cfg(any(feature = "av1", feature = "h264", feature = "vpx"))]
mod codecs;

#[cfg(any(feature = "av1", feature = "h264", feature = "vpx"))]
mod pictures {
    use std::time::Duration;

    use peerage_media::codec::{PictureRequest, VideoDecoder, VideoEncoder, VideoTarget};
    use peerage_media::video::{VideoFrame, pattern::colour_bars};

    use crate::codecs::{Noise, all};

    /// Encodes six pictures and decodes them, the fourth damaged, the last in another size.
    fn go_through(encoder: &mut dyn VideoEncoder, decoder: &mut dyn VideoDecoder, odd: bool) {
        let mut noise = Noise(0x2545_F491_4F6C_DD1D);
        let mut shown = 0;
        for number in 0..6u32 {
            let (width, height) = if number == 5 { (64, 48) } else { (98, 66) };
            let mut picture = colour_bars(width + u16::from(odd), height + u16::from(odd));
            let at = 300 * number as usize;
            picture.planes_mut().0[at..at + 500].fill(220);
            let frame = VideoFrame::new(picture, number * Duration::from_millis(33));
            if number == 2 {
                encoder.set_target(VideoTarget::new(90_000, 20.0)).unwrap();
            }
            let request = PictureRequest::default().with_keyframe(number == 4);
            let mut out = Vec::new();
            encoder.encode(&frame, request, &mut out).unwrap();
            let mut data: Vec<u8> = out.iter().flat_map(|one| one.data.to_vec()).collect();
            if data.is_empty() {
                continue;
            }
            if number == 3 {
                for _ in 0..8 {
                    let at = noise.below(data.len());
                    data[at] ^= noise.next() as u8;
                }
                // Whatever comes of it.
                let _ = decoder.decode(&data);
                let _ = decoder.decode(&data[..data.len() / 2]);
                continue;
            }
            shown += usize::from(decoder.decode(&data).unwrap().is_some());
        }
        assert!(shown >= 3, "{shown}");
        assert!(decoder.decode(&[]).is_err());
    }

    #[test]
    fn as_negotiation_makes_them() {
        for codec in all::all() {
            go_through(&mut *codec.encoder(), &mut *codec.decoder(), false);
            go_through(&mut *codec.encoder(), &mut *codec.decoder(), true);
        }
    }

    #[cfg(feature = "vpx")]
    #[test]
    fn layers_of_vp8_and_vp9() {
        use peerage_media::codec::vpx::{Content, VpxCodec, VpxConfig, VpxDecoder, VpxEncoder};
        for (codec, temporal, spatial) in
            [(VpxCodec::Vp8, 3, 1), (VpxCodec::Vp9, 3, 1), (VpxCodec::Vp9, 2, 2)]
        {
            let mut config = VpxConfig::new(codec);
            (config.temporal_layers, config.spatial_layers) = (temporal, spatial);
            config.content = if temporal == 3 { Content::Screen } else { Content::Camera };
            config.drop_frames = false;
            let mut encoder = VpxEncoder::new(config).unwrap();
            go_through(&mut encoder, &mut VpxDecoder::new(codec, 2).unwrap(), false);
        }
    }

    #[cfg(feature = "vpx")]
    #[test]
    fn the_smallest_pictures_of_vp9() {
        use peerage_media::codec::vpx::{VpxCodec, VpxConfig, VpxDecoder, VpxEncoder};
        use peerage_media::video::I420;
        for (width, height) in [(1, 1), (7, 3), (15, 40)] {
            let mut encoder = VpxEncoder::new(VpxConfig::new(VpxCodec::Vp9)).unwrap();
            let mut decoder = VpxDecoder::new(VpxCodec::Vp9, 1).unwrap();
            for number in 0..2u32 {
                let time = number * Duration::from_millis(33);
                let frame = VideoFrame::new(I420::black(width, height), time);
                let mut out = Vec::new();
                encoder.encode(&frame, PictureRequest::default(), &mut out).unwrap();
                for one in out {
                    decoder.decode(&one.data).unwrap().unwrap();
                }
            }
        }
    }

    #[cfg(feature = "av1")]
    #[test]
    fn layers_of_av1() {
        use peerage_media::codec::Content;
        use peerage_media::codec::av1::{Av1Config, Av1Decoder, Av1Encoder};
        for (temporal, spatial) in [(3, 1), (2, 2)] {
            let mut config = Av1Config::default();
            (config.temporal_layers, config.spatial_layers) = (temporal, spatial);
            config.content = if temporal == 3 { Content::Screen } else { Content::Camera };
            config.drop_frames = false;
            let mut encoder = Av1Encoder::new(config).unwrap();
            go_through(&mut encoder, &mut Av1Decoder::new(2).unwrap(), false);
        }
    }
}

#[cfg(feature = "opus")]
#[test]
fn opus_with_redundancy_and_gaps() {
    use peerage_media::audio::AudioBlock;
    use peerage_media::codec::opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
    use peerage_media::codec::{AudioDecoder, AudioEncoder};
    use std::time::Duration;

    let config = OpusEncoderConfig::default().with_inband_fec(true);
    let mut encoder = OpusEncoder::new(config).unwrap();
    let mut decoder = OpusDecoder::new(48_000, 2).unwrap();
    let (mut packet, mut out) = (Vec::new(), AudioBlock::default());
    let mut block = AudioBlock::silence(48_000, 1, 960);
    for number in 0..20 {
        for (at, sample) in block.samples_mut().iter_mut().enumerate() {
            *sample = ((number * 960 + at) as f32 * 0.06).sin() * 0.3;
        }
        packet.clear();
        encoder.encode(&block, &mut packet).unwrap();
        match number {
            7 => decoder.conceal(Duration::from_millis(20), &mut out).unwrap(),
            9 => drop(decoder.decode_redundancy(&packet, Duration::from_millis(20), &mut out)),
            11 => drop(decoder.decode(&packet[..packet.len() / 2], &mut out)),
            _ => decoder.decode(&packet, &mut out).unwrap(),
        }
    }
    decoder.reset();
}
