//! Several master keys, told apart by their identifiers (RFC 3711 §8.1): packets under the old key still get in, counters
//! go on, and a key that was removed opens nothing.

mod support;

use peerage_srtp::{Config, Error, MAX_MASTER_KEYS, ProtectionProfile, Receiver, Rejected, Sender};
use support::{key, protected, provider, rtcp, rtp};

#[test]
fn packets_of_both_keys_are_accepted_in_any_order() {
    for profile in ProtectionProfile::ALL {
        let named = |seed| key(profile, seed).with_mki(&[0, seed]).expect("short");
        let mut sender = Sender::new(&provider(), &named(1), Config::default()).expect("a sender");
        let mut receiver =
            Receiver::new(&provider(), &named(1), Config::default()).expect("a receiver");
        let mut packets = Vec::new();
        for at in 0..30u16 {
            // The change falls together with a wrap of the sequence number.
            packets
                .push(protected(&mut sender, &rtp(7, 65_525u16.wrapping_add(at), &[at as u8; 9])));
            if at == 10 {
                receiver.add_key(&named(2)).expect("room");
                sender.set_key(&named(2)).expect("alike");
            }
        }
        assert_ne!(packets[10][21..23], packets[11][21..23]);
        // Old and new overtake each other.
        receiver.unprotect_rtp(&mut packets[0].clone()).expect("the first");
        for pair in packets[1..29].chunks(14).rev().flat_map(|half| half.chunks(2)) {
            for packet in pair.iter().rev() {
                receiver.unprotect_rtp(&mut packet.clone()).expect("either key");
            }
        }
        assert_eq!(receiver.roc(7), Some(1));
        for packet in &packets[..29] {
            assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Err(Rejected::Replayed));
        }
        assert!(receiver.remove_key(&[0, 1]));
        let mut late = packets[5].clone();
        assert_eq!(receiver.unprotect_rtp(&mut late), Err(Rejected::UnknownMki));
        receiver.unprotect_rtp(&mut packets[29].clone()).expect("the new key");
        assert!(!receiver.remove_key(&[0, 2]), "the last key stays");
    }
}

#[test]
fn rtcp_indices_go_on_under_the_new_key() {
    for profile in ProtectionProfile::ALL {
        let named = |seed| key(profile, seed).with_mki(&[seed]).expect("short");
        let mut sender = Sender::new(&provider(), &named(1), Config::default()).expect("a sender");
        let mut receiver =
            Receiver::new(&provider(), &named(1), Config::default()).expect("a receiver");
        receiver.add_key(&named(2)).expect("room");
        let mut indices = Vec::new();
        for at in 0..6 {
            if at == 3 {
                sender.set_key(&named(2)).expect("alike");
            }
            let mut packet = rtcp(7, b"report");
            sender.protect_rtcp(&mut packet, 0).expect("protected");
            // The index is followed by the identifier, and the tag if that is no part of the cipher text.
            let behind = 1 + if profile.is_aead() { 0 } else { profile.rtcp_tag_len() };
            let index_at = packet.len() - behind - 4;
            indices.push(packet[index_at..index_at + 4].to_vec());
            receiver.unprotect_rtcp(&mut packet).expect("either key");
        }
        // RFC 3711 §3.4: zero first, then one more each, and not reset by a new key.
        assert_eq!(indices, (0..6).map(|at| vec![0x80, 0, 0, at]).collect::<Vec<_>>());
    }
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let profile = ProtectionProfile::AeadAes128Gcm;
    let named = |seed| key(profile, seed).with_mki(&[0, seed]).expect("short");
    let mut sender = Sender::new(&provider(), &named(1), Config::default()).expect("a sender");
    let mut receiver = Receiver::new(&provider(), &named(1), Config::default()).expect("one");
    let other = key(ProtectionProfile::AeadAes256Gcm, 2).with_mki(&[0, 2]).expect("short");
    for unfit in [other, key(profile, 2), key(profile, 2).with_mki(&[2]).expect("short")] {
        assert!(matches!(sender.set_key(&unfit), Err(Error::KeyMismatch(_))));
        assert!(matches!(receiver.add_key(&unfit), Err(Error::KeyMismatch(_))));
    }
    assert_eq!(receiver.add_key(&named(1)), Err(Error::DuplicateMki));
    for seed in 2..=MAX_MASTER_KEYS as u8 {
        receiver.add_key(&named(seed)).expect("room");
    }
    assert_eq!(receiver.add_key(&named(99)), Err(Error::TooManyKeys(MAX_MASTER_KEYS)));
    // Without identifiers keys cannot be told apart.
    let mut nameless =
        Receiver::new(&provider(), &key(profile, 1), Config::default()).expect("a receiver");
    assert!(matches!(nameless.add_key(&key(profile, 2)), Err(Error::KeyMismatch(_))));
}
