//! Each call of the library is made once with what it takes and with what it must refuse.

use super::*;

const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// A tone with overtones that rises, so that no mode of the codec finds it easy.
fn voice(rate: u32, channels: usize, frames: usize) -> Vec<f32> {
    let mut samples = Vec::with_capacity(frames * channels);
    for n in 0..frames {
        let t = n as f32 / rate as f32;
        let phase = std::f32::consts::TAU * (150.0 * t + 40.0 * t * t);
        let value = 0.3 * phase.sin() + 0.15 * (3.0 * phase).sin() + 0.05 * (7.0 * phase).sin();
        samples.extend((0..channels).map(|c| value * (1.0 - 0.3 * c as f32)));
    }
    samples
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

#[test]
fn the_library_is_the_one_that_is_meant() {
    assert!(version().starts_with("libopus 1.6"), "{}", version());
}

#[test]
fn what_is_encoded_is_decoded_with_the_same_range() {
    for rate in RATES {
        for channels in [1, 2] {
            for (ms, bitrate) in [(10, 64_000), (20, 24_000), (60, 24_000), (120, 32_000)] {
                let mut encoder = Encoder::new(rate, channels, Application::Voip).unwrap();
                encoder.set_bitrate(bitrate).unwrap();
                let mut decoder = Decoder::new(rate, channels).unwrap();
                let frames = rate as usize * ms / 1000;
                let sound = voice(rate, channels, frames * 10);
                let (mut packet, mut decoded) = ([0; 1500], vec![0.0; frames * channels]);
                for block in sound.chunks_exact(frames * channels) {
                    let length = encoder.encode(block, &mut packet).unwrap();
                    let packet = &packet[..length];
                    assert_eq!(packet::samples(packet), Ok(48 * ms));
                    assert_eq!(decoder.decode(packet, &mut decoded), Ok(frames));
                    assert_eq!(encoder.final_range(), decoder.final_range());
                    assert_eq!(decoder.last_duration(), frames);
                }
                let ratio = power(&decoded) / power(&sound);
                assert!((0.25..2.0).contains(&ratio), "{rate} {channels} {ms}: {ratio}");
            }
        }
    }
}

#[test]
fn a_lost_packet_is_in_the_next() {
    let mut encoder = Encoder::new(16_000, 1, Application::Voip).unwrap();
    encoder.set_bitrate(24_000).unwrap();
    encoder.set_inband_fec(InbandFec::On).unwrap();
    encoder.set_packet_loss(20).unwrap();
    let sound = voice(16_000, 1, 320 * 50);
    let packets: Vec<Vec<u8>> = sound
        .chunks_exact(320)
        .map(|block| {
            let mut packet = vec![0; 400];
            let length = encoder.encode(block, &mut packet).unwrap();
            packet.truncate(length);
            packet
        })
        .collect();
    assert_eq!(packet::has_redundancy(&packets[40]), Ok(true));
    assert_eq!(packet::frames(&packets[40]), Ok(1));
    assert_eq!(packet::channels(&packets[40]), Ok(1));
    assert_eq!(packet::bandwidth(&packets[40]), Ok(Bandwidth::Wideband));

    // What a decoder gives for the packet, for its redundancy and without either.
    let (mut whole, mut redundant, mut guessed) = ([0.0; 320], [0.0; 320], [0.0; 320]);
    let decoder = || {
        let mut decoder = Decoder::new(16_000, 1).unwrap();
        for packet in &packets[..39] {
            decoder.decode(packet, &mut [0.0; 320]).unwrap();
        }
        decoder
    };
    assert_eq!(decoder().decode(&packets[39], &mut whole), Ok(320));
    assert_eq!(decoder().decode_redundancy(&packets[40], &mut redundant), Ok(320));
    assert_eq!(decoder().conceal(&mut guessed), Ok(320));
    let off = |other: &[f32]| {
        whole.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / 320.0
    };
    assert!(off(&redundant) < power(&whole) / 2.0, "{} of {}", off(&redundant), power(&whole));
    assert!(off(&redundant) < off(&guessed), "{} and {}", off(&redundant), off(&guessed));
}

#[test]
fn silence_needs_no_packets() {
    let mut encoder = Encoder::new(48_000, 1, Application::Voip).unwrap();
    encoder.set_dtx(true).unwrap();
    let mut packet = [0; 1500];
    let lengths: Vec<usize> =
        (0..100).map(|_| encoder.encode(&[0.0; 960], &mut packet).unwrap()).collect();
    assert!(lengths.iter().filter(|&&length| length <= 2).count() > 80, "{lengths:?}");
    assert!(encoder.in_dtx());
    encoder.reset();
    assert!(encoder.encode(&voice(48_000, 1, 960), &mut packet).unwrap() > 10);
    assert!(!encoder.in_dtx());
}

#[test]
fn controls_take_what_they_may_and_nothing_else() {
    assert_eq!(Encoder::new(44_100, 1, Application::Audio).err(), Some(Error::BadArgument));
    assert_eq!(Encoder::new(48_000, 3, Application::Audio).err(), Some(Error::BadArgument));
    assert_eq!(Decoder::new(u32::MAX, 1).err(), Some(Error::BadArgument));
    assert_eq!(Decoder::new(48_000, 0).err(), Some(Error::BadArgument));

    let mut encoder = Encoder::new(48_000, 2, Application::RestrictedLowDelay).unwrap();
    assert_eq!((encoder.rate(), encoder.channels(), encoder.lookahead()), (48_000, 2, 120));
    encoder.set_bitrate(100_000).unwrap();
    assert_eq!(encoder.bitrate(), 100_000);
    assert_eq!(encoder.set_bitrate(u32::MAX), Err(Error::BadArgument));
    assert_eq!(encoder.set_complexity(11), Err(Error::BadArgument));
    assert_eq!(encoder.set_packet_loss(101), Err(Error::BadArgument));
    assert_eq!(encoder.set_force_channels(Some(3)), Err(Error::BadArgument));
    encoder.set_complexity(0).unwrap();
    encoder.set_vbr(false).unwrap();
    encoder.set_vbr_constraint(false).unwrap();
    encoder.set_max_bandwidth(Bandwidth::Narrowband).unwrap();
    encoder.set_force_channels(Some(1)).unwrap();
    encoder.set_force_channels(None).unwrap();
    for signal in [Signal::Voice, Signal::Music, Signal::Auto] {
        encoder.set_signal(signal).unwrap();
    }
    for fec in [InbandFec::On, InbandFec::OnWithoutSwitching, InbandFec::Off] {
        encoder.set_inband_fec(fec).unwrap();
    }
    let mut packet = [0; 100];
    assert_eq!(encoder.encode(&[0.0; 961], &mut packet), Err(Error::BadArgument));
    assert_eq!(encoder.encode(&[0.0; 962], &mut packet), Err(Error::BadArgument));
    assert_eq!(encoder.encode(&[], &mut packet), Err(Error::BadArgument));
    assert!(encoder.encode(&[0.0; 1920], &mut []).is_err());
    assert!(encoder.encode(&[f32::NAN; 1920], &mut packet).is_ok());
    assert!(encoder.encode(&[f32::INFINITY; 1920], &mut packet).is_ok());

    let mut decoder = Decoder::new(48_000, 2).unwrap();
    assert_eq!((decoder.rate(), decoder.channels(), decoder.pitch()), (48_000, 2, 0));
    decoder.set_complexity(10).unwrap();
    decoder.set_gain(-256).unwrap();
    assert_eq!(decoder.decode(&[], &mut [0.0; 100]), Err(Error::InvalidPacket));
    assert_eq!(decoder.decode_redundancy(&[], &mut [0.0; 100]), Err(Error::InvalidPacket));
    assert_eq!(decoder.decode(&[0xfc; 40], &mut [0.0; 100]), Err(Error::BufferTooSmall));
    assert_eq!(decoder.conceal(&mut [0.0; 7]), Err(Error::BadArgument));
    assert_eq!(decoder.conceal(&mut []), Err(Error::BadArgument));
    decoder.reset();
}

#[test]
fn packets_that_are_none_are_refused() {
    let decode = |packet: &[u8]| Decoder::new(48_000, 1).unwrap().decode(packet, &mut [0.0; 5760]);
    // 49 frames (RFC 6716 §3.4, R5), no count of frames (R6), and nothing.
    for packet in [&[3, 49, 0][..], &[3], &[]] {
        assert_eq!(packet::samples(packet).err(), Some(Error::InvalidPacket), "{packet:?}");
        assert_eq!(decode(packet).err(), Some(Error::InvalidPacket), "{packet:?}");
    }
    // Two frames of equal length in an odd number of bytes (R3): only a decoder looks at that.
    assert_eq!(packet::samples(&[1, 2, 3, 4]), Ok(960));
    assert_eq!(decode(&[1, 2, 3, 4]), Err(Error::InvalidPacket));
    assert_eq!(packet::has_redundancy(&[]), Err(Error::InvalidPacket));
    assert_eq!(packet::bandwidth(&[]), Err(Error::InvalidPacket));
}

#[test]
fn noise_is_decoded_or_refused() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut decoder = Decoder::new(48_000, 2).unwrap();
    let mut out = vec![0.0; 5760 * 2];
    for _ in 0..3000 {
        let packet: Vec<u8> = (0..next() % 200).map(|_| next() as u8).collect();
        let _ = packet::has_redundancy(&packet);
        let announced = packet::samples(&packet);
        let decoded = decoder.decode(&packet, &mut out);
        if let (Ok(announced), Ok(decoded)) = (announced, decoded) {
            assert_eq!(announced, decoded);
        }
        let _ = decoder.decode_redundancy(&packet, &mut out[..1920]);
        assert_eq!(decoder.conceal(&mut out[..240]), Ok(120));
        assert!(out.iter().all(|sample| sample.is_finite()));
    }
}

#[cfg(feature = "dred")]
#[test]
fn a_second_of_the_past_is_in_a_packet() {
    let mut encoder = Encoder::new(16_000, 1, Application::Voip).unwrap();
    encoder.set_bitrate(48_000).unwrap();
    encoder.set_packet_loss(25).unwrap();
    encoder.set_dred(100).unwrap();
    let sound = voice(16_000, 1, 320 * 100);
    let mut decoder = Decoder::new(16_000, 1).unwrap();
    decoder.set_complexity(5).unwrap();
    let mut dred = Dred::new().unwrap();
    assert_eq!(dred.decode(&mut decoder, 320, &mut [0.0; 320]), Err(Error::BadArgument));
    let mut packet = [0; 1500];
    let mut last = 0;
    for (index, block) in sound.chunks_exact(320).enumerate() {
        last = encoder.encode(block, &mut packet).unwrap();
        // The last 200 ms but for the last packet are lost.
        if index < 90 {
            decoder.decode(&packet[..last], &mut [0.0; 320]).unwrap();
        }
    }
    let before = dred.parse(&packet[..last], 48_000).unwrap();
    assert!(before >= 48 * 180, "{before}");
    let mut out = [0.0; 160 * 18];
    for (index, block) in out.chunks_exact_mut(160).enumerate() {
        assert_eq!(dred.decode(&mut decoder, 160 * (18 - index), block), Ok(160));
    }
    let ratio = power(&out) / power(&sound);
    assert!((0.2..3.0).contains(&ratio), "{ratio}");
    let beyond = before / 3 + 1;
    assert_eq!(dred.decode(&mut decoder, beyond, &mut [0.0; 320]), Err(Error::BadArgument));
    assert_eq!(dred.parse(&[], 100), Err(Error::InvalidPacket));
    for length in 0..last {
        let _ = dred.parse(&packet[..length], usize::MAX);
    }
}
