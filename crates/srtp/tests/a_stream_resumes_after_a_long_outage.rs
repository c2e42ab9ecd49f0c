//! An outage of more than 2^15 packets defeats the guess of RFC 3711 §3.3.1: the rollover counter is off from then on. The
//! receiver looks for it, and forgers gain nothing by that.

mod support;

use peerage_srtp::{Config, ProtectionProfile, Rejected};
use support::{pair, protected, rtp};

/// Packets that may be lost before the stream is found again.
const PATIENCE: u64 = 80;

#[test]
fn media_resumes_whatever_was_lost() {
    for profile in ProtectionProfile::ALL {
        for first in [0u64, 500, 32_767, 32_768, 40_000, 65_000] {
            for lost in
                [10, 30_000, 32_768, 33_000, 50_000, 65_536, 70_000, 140_000, 200_000, 262_000]
            {
                let (mut sender, mut receiver) = pair(profile, &Config::default());
                let mut send = |index: u64| {
                    // The sender was never interrupted.
                    sender.set_roc(7, (index >> 16) as u32).expect("forward");
                    protected(&mut sender, &rtp(7, index as u16, &index.to_be_bytes()))
                };
                let before: Vec<_> = (first..first + 20).map(&mut send).collect();
                for packet in &before {
                    receiver.unprotect_rtp(&mut packet.clone()).expect("in order");
                }
                let after = first + 20 + lost;
                let mut resumed = None;
                for index in after..after + 200 {
                    let mut packet = send(index);
                    match receiver.unprotect_rtp(&mut packet) {
                        Ok(plain) => {
                            assert_eq!(plain[12..], index.to_be_bytes());
                            resumed.get_or_insert(index - after);
                        }
                        Err(rejected) => assert_eq!(resumed, None, "{index}: {rejected}"),
                    }
                }
                assert!(
                    resumed.is_some_and(|waited| waited <= PATIENCE),
                    "{profile:?}: {lost} lost after {first}: {resumed:?}"
                );
                assert_eq!(receiver.roc(7), Some(((after + 199) >> 16) as u32));
                for packet in &before {
                    assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err());
                }
            }
        }
    }
}

#[test]
fn a_flood_of_forgeries_hinders_nobody() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile, &Config::default());
        let mut sent = Vec::new();
        for index in 0..50u64 {
            let packet = protected(&mut sender, &rtp(7, (65_500 + index) as u16, b"media"));
            for at in 0..70 {
                let mut forged = packet.clone();
                forged[2 + at % 2] ^= 1 << (at % 8);
                assert!(receiver.unprotect_rtp(&mut forged).is_err());
            }
            receiver.unprotect_rtp(&mut packet.clone()).expect("genuine");
            sent.push(packet);
        }
        assert_eq!(receiver.roc(7), Some(1));
        for packet in &sent {
            assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Err(Rejected::Replayed));
        }
        // Old packets again and again: none finds a round that fits.
        for _ in 0..20 {
            for packet in &sent[..30] {
                assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err());
            }
        }
        receiver.unprotect_rtp(&mut protected(&mut sender, &rtp(7, 14, b"next"))).expect("next");
    }
}

#[test]
fn a_stream_that_began_before_a_wrap_is_found_behind_it() {
    for profile in ProtectionProfile::ALL {
        for lost in [1u64, 5, 7, 100, 4000] {
            let (mut sender, mut receiver) = pair(profile, &Config::default());
            let first = 65_530u64;
            let mut send = |index: u64| protected(&mut sender, &rtp(7, index as u16, b"media"));
            let early: Vec<_> = (first..first + lost).map(&mut send).collect();
            for index in first + lost..first + lost + 10 {
                receiver.unprotect_rtp(&mut send(index)).expect("of either round");
            }
            assert_eq!(receiver.roc(7), Some(u32::from(first + lost + 9 >= 1 << 16)));
            let late = early.last().expect("at least one");
            receiver.unprotect_rtp(&mut late.clone()).expect("late, of either round");
        }
        let (_, mut receiver) = pair(profile, &Config::default());
        assert!(receiver.unprotect_rtp(&mut rtp(7, 3, &[7; 40])).is_err());
        assert_eq!(receiver.streams(), (0, 0));
    }
}
