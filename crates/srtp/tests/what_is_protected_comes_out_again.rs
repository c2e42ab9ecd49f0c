//! Round trips of every profile with every mixture of header fields and options.

mod support;

use peerage_srtp::{Config, Cryptex, Error, HeaderExtensionIds, ProtectionProfile, Rejected};
use proptest::prelude::*;
use support::{key, pair, provider, rtcp, rtp};

fn profile() -> impl Strategy<Value = ProtectionProfile> {
    prop::sample::select(ProtectionProfile::ALL.to_vec())
}

/// A header extension with its four bytes of header: elements of RFC 8285, or anything under another number.
fn extension() -> impl Strategy<Value = Vec<u8>> {
    let element = (1..15u8, prop::collection::vec(any::<u8>(), 1..=16));
    let one_byte = prop::collection::vec(element, 0..4).prop_map(|elements| {
        let mut body = Vec::new();
        for (id, value) in elements {
            body.push(id << 4 | (value.len() - 1) as u8);
            body.extend(value);
        }
        (0xbede, body)
    });
    let element = (1..=255u8, prop::collection::vec(any::<u8>(), 0..40));
    let two_byte = prop::collection::vec(element, 0..4).prop_map(|elements| {
        let mut body = Vec::new();
        for (id, value) in elements {
            body.extend([id, value.len() as u8]);
            body.extend(value);
        }
        (0x1000, body)
    });
    let other = prop::collection::vec(any::<u8>(), 0..20).prop_map(|body| (0x1234, body));
    prop_oneof![one_byte, two_byte, other].prop_map(|(profile, mut body): (u16, Vec<u8>)| {
        body.resize(body.len().next_multiple_of(4), 0);
        let mut extension = profile.to_be_bytes().to_vec();
        extension.extend(((body.len() / 4) as u16).to_be_bytes());
        extension.extend(body);
        extension
    })
}

prop_compose! {
    fn packet()(
        first in any::<u8>(),
        sequence_number in any::<u16>(),
        ssrc in any::<u32>(),
        sources in prop::collection::vec(any::<u32>(), 0..=15),
        extension in prop::option::of(extension()),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) -> Vec<u8> {
        let mut packet = rtp(ssrc, sequence_number, &[]);
        packet[0] |= first & 0x20 | sources.len() as u8;
        packet[1] = first;
        for source in sources {
            packet.extend(source.to_be_bytes());
        }
        if let Some(extension) = extension {
            packet[0] |= 0x10;
            packet.extend(extension);
        }
        packet.extend(payload);
        packet
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn rtp_of_every_shape(
        profile in profile(),
        plain in packet(),
        before in prop::collection::vec(any::<u8>(), 0..20),
        ids in prop::collection::vec(any::<u8>(), 0..6),
        cryptex in any::<bool>(),
        mki in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let config = Config {
            cryptex: if cryptex { Cryptex::Enabled } else { Cryptex::Off },
            encrypted_header_extensions: ids.into_iter().collect::<HeaderExtensionIds>(),
            ..Config::default()
        };
        let key = key(profile, 1).with_mki(&mki).unwrap();
        let mut sender = peerage_srtp::Sender::new(&provider(), &key, config.clone()).unwrap();
        let mut receiver = peerage_srtp::Receiver::new(&provider(), &key, config).unwrap();

        let mut buffer = before.clone();
        buffer.extend(&plain);
        sender.protect_rtp(&mut buffer, before.len()).unwrap();
        prop_assert_eq!(&buffer[..before.len()], &before);
        let packet = &mut buffer[before.len()..];
        let sources_only = cryptex && plain[0] & 0x1f != 0 && plain[0] & 0x10 == 0;
        let added = profile.rtp_tag_len() + mki.len() + if sources_only { 4 } else { 0 };
        prop_assert_eq!(packet.len(), plain.len() + added);

        let mut damaged = packet.to_vec();
        let at = damaged.len() / 2;
        damaged[at] ^= 4;
        prop_assert!(receiver.unprotect_rtp(&mut damaged).is_err());
        let opened = receiver.unprotect_rtp(packet).unwrap();
        if sources_only {
            // RFC 9335 §5.2: the empty extension stays.
            let header = 12 + 4 * usize::from(plain[0] & 0x0f);
            prop_assert_eq!(opened[0], plain[0] | 0x10);
            prop_assert_eq!(&opened[1..header], &plain[1..header]);
            prop_assert_eq!(&opened[header..header + 4], &[0xbe, 0xde, 0, 0][..]);
            prop_assert_eq!(&opened[header + 4..], &plain[header..]);
        } else {
            prop_assert_eq!(opened, &plain);
        }
    }

    #[test]
    fn rtcp_of_every_length(
        profile in profile(),
        ssrc in any::<u32>(),
        rest in prop::collection::vec(any::<u8>(), 0..200),
        encrypt_rtcp in any::<bool>(),
        mki in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let config = Config { encrypt_rtcp, ..Config::default() };
        let key = key(profile, 1).with_mki(&mki).unwrap();
        let mut sender = peerage_srtp::Sender::new(&provider(), &key, config.clone()).unwrap();
        let mut receiver = peerage_srtp::Receiver::new(&provider(), &key, config).unwrap();
        let plain = rtcp(ssrc, &rest);
        for _ in 0..3 {
            let mut packet = plain.clone();
            sender.protect_rtcp(&mut packet, 0).unwrap();
            prop_assert_eq!(packet.len(), plain.len() + sender.rtcp_overhead());
            let as_it_was = packet[..plain.len()] == plain;
            if !encrypt_rtcp || rest.is_empty() {
                prop_assert!(as_it_was);
            } else if rest.len() >= 8 {
                // One byte in 256 is encrypted to itself.
                prop_assert!(!as_it_was);
            }
            for at in 0..packet.len() {
                let mut damaged = packet.clone();
                damaged[at] ^= 0x40;
                prop_assert!(receiver.unprotect_rtcp(&mut damaged).is_err());
            }
            let mut again = packet.clone();
            prop_assert_eq!(receiver.unprotect_rtcp(&mut packet).unwrap(), &plain);
            prop_assert_eq!(receiver.unprotect_rtcp(&mut again), Err(Rejected::Replayed));
        }
    }

    #[test]
    fn noise_is_dropped(profile in profile(), mut noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, mut receiver) = pair(profile, &Config::default());
        prop_assert!(receiver.unprotect_rtp(&mut noise.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut noise).is_err());
        prop_assert_eq!(receiver.streams(), (0, 0));
        prop_assert_eq!(receiver.statistics().rejected(), 2);
    }
}

#[test]
fn only_chosen_elements_are_hidden() {
    let extension = [0xbe, 0xde, 0, 2, 0x11, b'a', b'b', 0x22, b'c', b'd', b'e', 0];
    let mut plain = rtp(7, 1, &extension);
    plain[0] |= 0x10;
    plain.extend(b"payload");
    for profile in ProtectionProfile::ALL {
        let ids = [2].into_iter().collect();
        let config = Config { encrypted_header_extensions: ids, ..Config::default() };
        let (mut sender, _) = pair(profile, &config);
        let packet = support::protected(&mut sender, &plain);
        assert_eq!(packet[..20], plain[..20]);
        assert_ne!(packet[20..23], plain[20..23]);
        assert_eq!(packet[23], plain[23]);
    }
}

#[test]
fn required_cryptex_takes_nothing_in_the_clear() {
    for profile in ProtectionProfile::ALL {
        let required = Config { cryptex: Cryptex::Required, ..Config::default() };
        let (mut strict_sender, mut strict) = pair(profile, &required);
        let (mut sender, _) = pair(profile, &Config::default());
        // Nothing to encrypt: such a packet is as good as any.
        let bare = rtp(7, 1, b"payload");
        strict.unprotect_rtp(&mut support::protected(&mut sender, &bare)).expect("nothing to hide");

        let mut sources = rtp(7, 2, &[0, 0, 0, 9]);
        sources[0] |= 1;
        let mut extension = rtp(7, 3, &[0xbe, 0xde, 0, 1, 0x10, 1, 0, 0]);
        extension[0] |= 0x10;
        for plain in [&sources, &extension] {
            let mut clear = support::protected(&mut sender, plain);
            assert_eq!(strict.unprotect_rtp(&mut clear), Err(Rejected::CryptexMissing));
            let mut hidden = support::protected(&mut strict_sender, plain);
            strict.unprotect_rtp(&mut hidden).expect("encrypted");
        }
        let mut foreign = rtp(7, 4, &[0x12, 0x34, 0, 0]);
        foreign[0] |= 0x10;
        let refused = strict_sender.protect_rtp(&mut foreign, 0);
        assert!(matches!(refused, Err(Error::MalformedPacket(_))), "{refused:?}");
        let mut bits = rtp(7, 5, &[0x10, 0x03, 0, 0]);
        bits[0] |= 0x10;
        let refused = strict_sender.protect_rtp(&mut bits, 0);
        assert!(matches!(refused, Err(Error::MalformedPacket(_))), "{refused:?}");
    }
}

#[test]
fn what_is_no_packet_is_refused_before_anything_happens() {
    let (mut sender, _) = pair(ProtectionProfile::AeadAes128Gcm, &Config::default());
    let mut wrong_version = rtp(1, 1, b"x");
    wrong_version[0] = 0x40;
    let mut no_room_for_sources = rtp(1, 1, b"x");
    no_room_for_sources[0] |= 2;
    let mut no_room_for_extension = rtp(1, 1, &[0xbe, 0xde, 0, 2, 1, 2, 3, 4]);
    no_room_for_extension[0] |= 0x10;
    for bad in [vec![], vec![0x80; 11], wrong_version, no_room_for_sources, no_room_for_extension] {
        let mut packet = bad.clone();
        assert!(matches!(sender.protect_rtp(&mut packet, 0), Err(Error::MalformedPacket(_))));
        assert_eq!(packet, bad);
    }
    let mut beyond = rtp(1, 1, b"x");
    assert!(matches!(sender.protect_rtp(&mut beyond, 99), Err(Error::MalformedPacket(_))));
    let mut short = vec![0x80, 201, 0, 1, 0, 0, 0];
    assert!(matches!(sender.protect_rtcp(&mut short, 0), Err(Error::MalformedPacket(_))));
    let mut long = rtp(1, 1, &vec![0; 65_535 - 12 - 15]);
    assert!(matches!(sender.protect_rtp(&mut long, 0), Err(Error::PacketTooLong { .. })));
    let mut longest = rtp(1, 1, &vec![0; 65_535 - 12 - 16]);
    sender.protect_rtp(&mut longest, 0).expect("just short enough");
    assert_eq!(sender.statistics().rtp_packets, 1);
}
