//! After 2^48 RTP packets of a stream both ends say that new keys are needed, and nothing is ever encrypted twice under one
//! index.

mod support;

use peerage_srtp::{Config, Error, ProtectionProfile, Receiver, Rejected, Sender};
use support::{key, pair, protected, provider, rtp};

#[test]
fn the_last_index_is_used_and_no_other_after_it() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile, &Config::default());
        let mut first = protected(&mut sender, &rtp(7, 0, b"first"));
        sender.set_roc(7, u32::MAX).expect("forward");
        receiver.set_roc(7, u32::MAX).expect("known from signalling");
        for sequence_number in [65_533, 65_535, 65_534] {
            let mut packet = protected(&mut sender, &rtp(7, sequence_number, b"last"));
            receiver.unprotect_rtp(&mut packet).expect("in the last round");
        }
        let refused = sender.protect_rtp(&mut rtp(7, 0, b"one too many"), 0);
        assert_eq!(refused, Err(Error::IndexExhausted { ssrc: 7, kind: "SRTP" }));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("rekeying is needed (RFC 3711 §9.2)"), "{message}");
        // The very first packet again: its rollover counter would be right, were counters taken modulo 2^32.
        assert_eq!(receiver.unprotect_rtp(&mut first), Err(Rejected::IndexExhausted));
        // Other streams go on.
        let mut other = protected(&mut sender, &rtp(8, 0, b"other"));
        receiver.unprotect_rtp(&mut other).expect("another stream");
    }
}

#[test]
fn a_sequence_number_is_protected_once() {
    let (mut sender, _) = pair(ProtectionProfile::AeadAes128Gcm, &Config::default());
    let mut plain = rtp(7, 5000, b"once");
    protected(&mut sender, &plain);
    plain[12] = b'x';
    let refused = sender.protect_rtp(&mut plain, 0);
    assert_eq!(refused, Err(Error::SequenceNumberReused { ssrc: 7, sequence_number: 5000 }));
    // Out of order is fine, as far back as the window reaches.
    protected(&mut sender, &rtp(7, 4000, b"late"));
    let refused = sender.protect_rtp(&mut rtp(7, 5000 - 1024, b"later"), 0);
    assert_eq!(refused, Err(Error::SequenceNumberReused { ssrc: 7, sequence_number: 3976 }));
    protected(&mut sender, &rtp(7, 5000 - 1023, b"late"));
    // The round before the present one is closed as well.
    for sequence_number in [40_000, 3000] {
        protected(&mut sender, &rtp(7, sequence_number, b"next round"));
    }
    assert_eq!(sender.roc(7), Some(1));
    assert!(sender.protect_rtp(&mut rtp(7, 40_000, b"twice"), 0).is_err());
    assert_eq!(
        sender.set_roc(7, 0),
        Err(Error::RolloverCounterBackwards { ssrc: 7, current: 1, asked: 0 })
    );
}

#[test]
fn who_checks_by_itself_may_repeat_a_packet() {
    let config = Config { rtp_replay_window: 0, ..Config::default() };
    let (mut sender, mut receiver) = pair(ProtectionProfile::Aes128CmHmacSha1_80, &config);
    let plain = rtp(7, 5000, b"twice");
    let mut once = protected(&mut sender, &plain);
    let mut twice = protected(&mut sender, &plain);
    assert_eq!(once, twice);
    receiver.unprotect_rtp(&mut once).expect("first");
    receiver.unprotect_rtp(&mut twice).expect("the window is off");
}

#[test]
fn a_receiver_that_joins_late_is_told_the_counter() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut early) = pair(profile, &Config::default());
        let sent: Vec<_> = (0..12u64)
            .map(|at| protected(&mut sender, &rtp(7, (at * 20_000) as u16, b"media")))
            .collect();
        for packet in &sent {
            early.unprotect_rtp(&mut packet.clone()).expect("from the beginning");
        }
        assert_eq!((sender.roc(7), early.roc(7)), (Some(3), Some(3)));
        let mut late =
            Receiver::new(&provider(), &key(profile, 0x5a), Config::default()).expect("a receiver");
        assert_eq!(late.unprotect_rtp(&mut sent[11].clone()), Err(Rejected::Authentication));
        late.set_roc(7, sender.roc(7).expect("sending")).expect("room");
        late.unprotect_rtp(&mut sent[11].clone()).expect("told");
        // From there on it follows by itself, and a packet from before the wrap is still found.
        late.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 54_000, b"on"))).expect("on");
        late.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 3, b"wrapped"))).expect("wrapped");
        assert_eq!(late.roc(7), Some(4));
        // What the counter is already does not disturb the window.
        late.set_roc(7, 4).expect("known");
        let mut again = protected(&mut sender, &rtp(7, 4, b"x"));
        late.unprotect_rtp(&mut again.clone()).expect("new");
        assert_eq!(late.unprotect_rtp(&mut again), Err(Rejected::Replayed));
    }
}

#[test]
fn a_stream_that_moves_to_another_sender_goes_on() {
    let profile = ProtectionProfile::AeadAes256Gcm;
    let (mut first, mut receiver) = pair(profile, &Config::default());
    for sequence_number in [60_000, 10_000] {
        let mut packet = protected(&mut first, &rtp(7, sequence_number, b"from here"));
        receiver.unprotect_rtp(&mut packet).expect("in order");
    }
    let mut second = Sender::new(&provider(), &key(profile, 0x5a), Config::default()).expect("one");
    second.set_roc(7, first.roc(7).expect("sent")).expect("a new stream");
    let mut packet = protected(&mut second, &rtp(7, 10_001, b"from there"));
    receiver.unprotect_rtp(&mut packet).expect("the same stream");
}
