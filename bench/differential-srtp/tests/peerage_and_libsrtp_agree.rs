//! Both implementations on the same input: the same bytes, the same verdicts.

use std::path::{Path, PathBuf};

use differential_srtp::{Ends, PROFILES, below, random_rtcp, random_rtp, verdict};
use peerage_crypto::Rng;
use peerage_srtp::{Error, ProtectionProfile, Rejected};

/// Both protect a copy; what comes out, or what both say.
fn protect(ends: &mut Ends, plain: &[u8]) -> Result<Vec<u8>, Rejected> {
    let (mut ours, mut theirs) = (plain.to_vec(), plain.to_vec());
    let our_verdict = ends.ours.0.protect_rtp(&mut ours, 0);
    let their_verdict = verdict(ends.theirs.0.protect(&mut theirs));
    match (our_verdict, their_verdict) {
        (Ok(()), Ok(())) => {
            assert_eq!(ours, theirs, "of {plain:02x?}");
            Ok(ours)
        }
        (Err(Error::SequenceNumberReused { .. }), Err(their))
            if matches!(their, Rejected::Replayed | Rejected::TooOld) =>
        {
            Err(their)
        }
        (Err(Error::MalformedPacket(_)), Err(Rejected::Malformed)) => Err(Rejected::Malformed),
        (ours, theirs) => panic!("{ours:?}, but {theirs:?}, of {plain:02x?}"),
    }
}

/// Both open a copy; what comes out, or what both say.
fn unprotect(ends: &mut Ends, packet: &[u8]) -> Result<Vec<u8>, Rejected> {
    let (mut ours, mut theirs) = (packet.to_vec(), packet.to_vec());
    let our_verdict = ends.ours.1.unprotect_rtp(&mut ours).map(|opened| opened.to_vec());
    let their_verdict = verdict(ends.theirs.1.unprotect(&mut theirs)).map(|()| theirs);
    assert_eq!(our_verdict, their_verdict, "of {packet:02x?}");
    our_verdict
}

fn unprotect_rtcp(ends: &mut Ends, packet: &[u8]) -> Result<Vec<u8>, Rejected> {
    let (mut ours, mut theirs) = (packet.to_vec(), packet.to_vec());
    let our_verdict = ends.ours.1.unprotect_rtcp(&mut ours).map(|opened| opened.to_vec());
    let their_verdict = verdict(ends.theirs.1.unprotect_rtcp(&mut theirs)).map(|()| theirs);
    assert_eq!(our_verdict, their_verdict, "of {packet:02x?}");
    our_verdict
}

#[test]
fn rtp_of_every_shape() {
    for profile in PROFILES {
        for elements in [false, true] {
            let mut ends = Ends::new(profile, elements);
            let mut rng = Rng::from_seed(1);
            for sequence_number in 0..1500 {
                let ssrc = 7 + u32::from(sequence_number % 3);
                let plain = random_rtp(&mut rng, ssrc, sequence_number, !elements);
                let protected = protect(&mut ends, &plain).expect("each number once");
                let mut damaged = protected.clone();
                damaged[below(&mut rng, protected.len() as u64) as usize] ^= 1;
                assert!(unprotect_damaged(&mut ends, &damaged).is_err());
                let opened = unprotect(&mut ends, &protected);
                assert_eq!(opened, Ok(plain), "{profile:?}, elements {elements}");
            }
        }
    }
}

/// A damaged packet may be called many names; what counts is that neither takes it.
fn unprotect_damaged(ends: &mut Ends, packet: &[u8]) -> Result<(), ()> {
    let ours = ends.ours.1.unprotect_rtp(&mut packet.to_vec()).is_ok();
    let theirs = ends.theirs.1.unprotect(&mut packet.to_vec()).is_ok();
    assert_eq!(ours, theirs, "of {packet:02x?}");
    if ours { Ok(()) } else { Err(()) }
}

#[test]
fn rtcp_of_every_length() {
    for profile in PROFILES {
        let mut ends = Ends::new(profile, false);
        let mut rng = Rng::from_seed(2);
        // libsrtp's first index is one, ours zero (RFC 3711 §3.4).
        for ssrc in 7..10 {
            let mut packet = random_rtcp(&mut rng, ssrc);
            ends.ours.0.protect_rtcp(&mut packet, 0).expect("protected");
            unprotect_rtcp(&mut ends, &packet).expect("index zero is as good as any");
        }
        for at in 0..1000u32 {
            let plain = random_rtcp(&mut rng, 7 + at % 3);
            let (mut ours, mut theirs) = (plain.clone(), plain.clone());
            ends.ours.0.protect_rtcp(&mut ours, 0).expect("protected");
            ends.theirs.0.protect_rtcp(&mut theirs).expect("protected");
            assert_eq!(ours, theirs, "{profile:?}");
            assert_eq!(unprotect_rtcp(&mut ends, &ours), Ok(plain), "{profile:?}");
            assert_eq!(unprotect_rtcp(&mut ends, &ours), Err(Rejected::Replayed));
        }
    }
}

/// Sequence numbers that walk, leap, turn back and wrap: senders and receivers agree on every index.
#[test]
fn wraps_leaps_and_replays() {
    let (mut total, mut found_again) = (0, 0);
    for (at, profile) in [ProtectionProfile::AeadAes128Gcm, ProtectionProfile::Aes128CmHmacSha1_80]
        .into_iter()
        .cycle()
        .take(40)
        .enumerate()
    {
        let mut ends = Ends::new(profile, false);
        let mut rng = Rng::from_seed(at as u64);
        let mut sequence_number = below(&mut rng, 1 << 16) as u16;
        let mut sent: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        'stream: for _ in 0..1500 {
            let step = match below(&mut rng, 1000) {
                0..30 => below(&mut rng, 1 << 13) as u16,
                30..130 => 0u16.wrapping_sub(below(&mut rng, 200) as u16),
                130..132 => below(&mut rng, 1 << 16) as u16,
                _ => 1 + below(&mut rng, 3) as u16,
            };
            sequence_number = sequence_number.wrapping_add(step);
            let plain = random_rtp(&mut rng, 7, sequence_number, true);
            let Ok(protected) = protect(&mut ends, &plain) else { continue };
            sent.push((plain, protected));
            // Some are lost, some repeated, some come late.
            for _ in 0..below(&mut rng, 3) {
                let back = (below(&mut rng, 20) * below(&mut rng, 20)) as usize;
                let (plain, packet) = sent[sent.len().saturating_sub(1 + back)].clone();
                let mut theirs = packet.clone();
                let their_verdict = verdict(ends.theirs.1.unprotect(&mut theirs)).map(|()| theirs);
                let mut ours = packet;
                let our_verdict =
                    ends.ours.1.unprotect_rtp(&mut ours).map(|opened| opened.to_vec());
                if our_verdict.is_ok() && their_verdict.is_err() {
                    // We find the rollover counter again after too long an outage; libsrtp has lost the stream.
                    assert_eq!(our_verdict, Ok(plain));
                    found_again += 1;
                    break 'stream;
                }
                assert_eq!(our_verdict, their_verdict);
            }
            let (ours, theirs) = (ends.ours.0.roc(7), ends.theirs.0.get_stream_roc(7).ok());
            assert_eq!(ours, theirs);
            let (ours, theirs) = (ends.ours.1.roc(7), ends.theirs.1.get_stream_roc(7).ok());
            assert_eq!(ours, theirs);
        }
        total += sent.len();
    }
    println!("{total} sent, {found_again} of 40 streams found again");
    assert!(total > 15_000 && found_again < 10);
}

/// Who joins late is told the rollover counter.
#[test]
fn a_given_rollover_counter() {
    for profile in PROFILES {
        for (roc, sequence_number) in [(0, 9u16), (1, 65_535), (77, 0), (u32::MAX - 1, 40_000)] {
            let mut ends = Ends::new(profile, false);
            let mut rng = Rng::from_seed(3);
            // libsrtp knows a stream from its first packet on.
            let first = protect(&mut ends, &random_rtp(&mut rng, 7, 0, true)).expect("fresh");
            unprotect(&mut ends, &first).expect("in order");
            ends.ours.0.set_roc(7, roc).expect("forward");
            ends.ours.1.set_roc(7, roc).expect("known");
            ends.theirs.1.set_stream_roc(7, roc).expect("known");
            // This libsrtp forgets what its sender was told when the cipher is AES-GCM.
            if !profile.is_aead() {
                ends.theirs.0.set_stream_roc(7, roc).expect("known");
            }
            for step in 1..5u16 {
                let plain = random_rtp(&mut rng, 7, sequence_number.wrapping_add(step), true);
                let protected = if profile.is_aead() {
                    let mut packet = plain.clone();
                    ends.ours.0.protect_rtp(&mut packet, 0).expect("fresh");
                    packet
                } else {
                    protect(&mut ends, &plain).expect("fresh")
                };
                assert_eq!(unprotect(&mut ends, &protected), Ok(plain));
            }
        }
    }
}

fn corpus() -> PathBuf {
    std::env::var_os("PEERAGE_CORPORA")
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
            PathBuf::from,
        )
        .join("libsrtp/corpus")
}

/// What fuzzing libsrtp collected, as packets that arrive and as packets to protect, under every profile that both have. The
/// files are scripts of libsrtp's fuzzer, with keys and lengths before their packets; nothing here reads them as such, so any
/// part of one may be a packet.
#[test]
fn the_corpus_of_libsrtps_fuzzer() {
    let Ok(entries) = std::fs::read_dir(corpus()) else {
        println!("skipped: no corpus at {}", corpus().display());
        return;
    };
    let (mut files, mut protected, mut refused) = (0, 0, 0);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for (index, path) in paths.iter().enumerate() {
        let data = std::fs::read(path).expect("a readable file");
        files += 1;
        let parts = PROFILES.into_iter().flat_map(|profile| {
            // From another byte on in each file, so that words and parts of words begin packets.
            (index % 4..data.len()).step_by(29).map(move |start| (profile, start))
        });
        let mut ends = Ends::new(PROFILES[0], false);
        let mut current = PROFILES[0];
        for (profile, start) in parts {
            if profile != current {
                (ends, current) = (Ends::new(profile, false), profile);
            }
            let mut part = data[start..].to_vec();
            assert!(unprotect_damaged(&mut ends, &part).is_err());
            let ours = ends.ours.1.unprotect_rtcp(&mut part.clone()).is_ok();
            let theirs = ends.theirs.1.unprotect_rtcp(&mut part.clone()).is_ok();
            assert!(!ours && !theirs);
            // libsrtp does not look at the version; we take packets of version 2 only.
            part[0] = part[0] & 0x3f | 0x80;
            match protect(&mut ends, &part) {
                Ok(packet) => {
                    protected += 1;
                    let _ = unprotect(&mut ends, &packet);
                    assert!(unprotect(&mut ends, &packet).is_err());
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{files} files, {protected} packets, {refused} that are none");
    assert!(files > 2000 && protected > 6000 && refused > 600);
}
