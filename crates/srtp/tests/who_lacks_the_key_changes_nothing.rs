//! Forged, damaged and replayed packets leave no trace: no stream, no rollover counter, no replay window moves.

mod support;

use peerage_crypto::Rng;
use peerage_srtp::{Config, EVICTION_SILENCE, Error, ProtectionProfile, Rejected};
use support::{below, pair, protected, rtcp, rtp};

#[test]
fn forgeries_neither_make_streams_nor_move_them() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile, &Config::default());
        let mut rng = Rng::from_seed(1);
        receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 1000, b"media"))).expect("ours");
        for _ in 0..5000 {
            // Every sequence number of the known stream, and other streams.
            let ssrc = if below(&mut rng, 2) == 0 { 7 } else { below(&mut rng, 1 << 32) as u32 };
            let mut noise = [0; 40];
            rng.fill(&mut noise);
            let mut forged = rtp(ssrc, below(&mut rng, 1 << 16) as u16, &noise);
            assert!(receiver.unprotect_rtp(&mut forged).is_err());
            let mut forged = rtcp(ssrc, &noise);
            assert!(receiver.unprotect_rtcp(&mut forged).is_err());
        }
        assert_eq!(receiver.streams(), (1, 0));
        assert_eq!(receiver.roc(7), Some(0));
        assert_eq!(receiver.statistics().rejected(), 10_000);
        receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 999, b"media"))).expect("late");
        receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 1001, b"media"))).expect("next");
    }
}

#[test]
fn a_damaged_copy_does_not_spoil_the_packet() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile, &Config::default());
        for sequence_number in 0..3 {
            let packet = protected(&mut sender, &rtp(7, sequence_number, b"media"));
            for bit in 0..8 * packet.len() {
                let mut damaged = packet.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(receiver.unprotect_rtp(&mut damaged).is_err(), "bit {bit}");
            }
            for len in 0..packet.len() {
                assert!(receiver.unprotect_rtp(&mut packet[..len].to_vec()).is_err());
            }
            let opened = receiver.unprotect_rtp(&mut packet.clone()).map(|opened| opened.to_vec());
            assert_eq!(opened, Ok(rtp(7, sequence_number, b"media")));
            assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Err(Rejected::Replayed));
        }
    }
}

#[test]
fn a_full_table_keeps_the_streams_it_has() {
    let profile = ProtectionProfile::AeadAes128Gcm;
    let (mut sender, _) = pair(profile, &Config::default());
    let config = Config { max_streams: 3, ..Config::default() };
    let (mut small_sender, mut receiver) = pair(profile, &config);
    for ssrc in 0..3 {
        receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(ssrc, 1, b"x"))).expect("room");
    }
    for ssrc in 3..100 {
        let mut packet = protected(&mut sender, &rtp(ssrc, 1, b"x"));
        assert_eq!(receiver.unprotect_rtp(&mut packet), Err(Rejected::TooManyStreams));
    }
    receiver.remove_stream(0);
    receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(50, 2, b"x"))).expect("room again");

    // A stream may be forgotten once the others have sent enough.
    for at in 0..EVICTION_SILENCE / 2 + 1 {
        for ssrc in [1, 50] {
            let plain = rtp(ssrc, (at + 3) as u16, b"x");
            receiver.unprotect_rtp(&mut protected(&mut sender, &plain)).expect("known");
        }
    }
    receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(60, 2, b"x"))).expect("2 was silent");
    assert_eq!((receiver.roc(2), receiver.roc(60), receiver.streams()), (None, Some(0), (3, 0)));

    // A sender that forgot a stream would use its keystream again.
    for ssrc in 0..3 {
        protected(&mut small_sender, &rtp(ssrc, 1, b"x"));
    }
    let refused = small_sender.protect_rtp(&mut rtp(3, 1, b"x"), 0);
    assert_eq!(refused, Err(Error::TooManyStreams { limit: 3 }));
}
