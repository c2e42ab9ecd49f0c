//! Packets that are protected or opened together come out as they would one after the other, whatever is among them: several
//! streams, wraps, packets that are no packets, replays within one batch, forgeries.

mod support;

use peerage_crypto::Rng;
use peerage_srtp::{Burst, Config, Cryptex, ProtectionProfile, Rejected};
use support::{below, pair, rtp};

fn configs() -> [Config; 3] {
    let encrypted_elements =
        Config { encrypted_header_extensions: [1, 3].into_iter().collect(), ..Config::default() };
    [
        Config::default(),
        Config { cryptex: Cryptex::Enabled, ..Config::default() },
        encrypted_elements,
    ]
}

/// Packets of three streams around a wrap, some of them twice, some too short.
fn packets(rng: &mut Rng) -> Vec<Vec<u8>> {
    let count = below(rng, 21) as usize;
    let mut number = 0xfff0_u16;
    (0..count)
        .map(|_| {
            number = number.wrapping_add(below(rng, 4) as u16);
            let payload = vec![0x5a; below(rng, 1_200) as usize];
            let mut packet = rtp(below(rng, 3) as u32, number, &payload);
            if below(rng, 8) == 0 {
                packet.truncate(below(rng, 12) as usize);
            }
            packet
        })
        .collect()
}

#[test]
fn a_batch_is_protected_as_its_packets_are() {
    let mut rng = Rng::from_seed(1);
    for profile in ProtectionProfile::ALL {
        for config in configs() {
            let (mut alone, mut together) = (pair(profile, &config).0, pair(profile, &config).0);
            let mut results = Vec::new();
            for _ in 0..20 {
                let plain = packets(&mut rng);
                let mut batch = plain.clone();
                together.protect_rtp_batch(&mut batch, &mut results);
                assert_eq!(results.len(), plain.len());
                for ((mut packet, batched), result) in plain.into_iter().zip(batch).zip(&results) {
                    let one = alone.protect_rtp(&mut packet, 0);
                    assert_eq!(one.is_ok(), result.is_ok());
                    assert!(one.is_err() || packet == batched, "{profile:?}");
                }
            }
            assert_eq!(alone.statistics(), together.statistics());
        }
    }
}

#[test]
fn a_burst_in_one_buffer_is_protected_as_its_packets_are() {
    let mut rng = Rng::from_seed(3);
    for profile in ProtectionProfile::ALL {
        for config in configs() {
            let (mut alone, mut together) = (pair(profile, &config).0, pair(profile, &config).0);
            let (mut buffer, mut burst) = (Vec::new(), Burst::default());
            for round in 0..20 {
                // Something else of the application's lies before them.
                buffer.clear();
                buffer.resize(round, 0xee);
                let mut expected = buffer.clone();
                for mut packet in packets(&mut rng) {
                    let start = buffer.len();
                    buffer.extend_from_slice(&packet);
                    let result = together.protect_rtp_in_burst(&mut buffer, start, &mut burst);
                    let one = alone.protect_rtp(&mut packet, 0);
                    assert_eq!(one.is_ok(), result.is_ok());
                    match one {
                        Ok(()) => expected.extend_from_slice(&packet),
                        Err(_) => buffer.truncate(start),
                    }
                    assert_eq!(buffer.len(), expected.len(), "the room for a tag is there at once");
                }
                assert!(together.gains_from_bursts() || burst.is_empty(), "{profile:?}");
                together.finish_burst(&mut buffer, &mut burst);
                assert!(burst.is_empty());
                assert_eq!(buffer, expected, "{profile:?}");
            }
            assert_eq!(alone.statistics(), together.statistics());
        }
    }
}

#[test]
fn a_batch_is_opened_as_its_packets_are() {
    let mut rng = Rng::from_seed(2);
    for profile in ProtectionProfile::ALL {
        for config in configs() {
            let (mut sender, mut alone) = pair(profile, &config);
            let mut together = pair(profile, &config).1;
            let mut results = Vec::new();
            for _ in 0..40 {
                let mut datagrams = Vec::new();
                for mut packet in packets(&mut rng) {
                    if sender.protect_rtp(&mut packet, 0).is_err() {
                        continue;
                    }
                    match below(&mut rng, 10) {
                        // Twice in one batch, changed, cut, and lost.
                        0 => datagrams.push(packet.clone()),
                        1 => {
                            let mut forged = packet.clone();
                            let at = below(&mut rng, forged.len() as u64) as usize;
                            forged[at] ^= 1;
                            datagrams.push(forged);
                        }
                        2 => packet.truncate(below(&mut rng, 30) as usize),
                        3 => continue,
                        _ => {}
                    }
                    datagrams.push(packet);
                }
                let mut batch = datagrams.clone();
                let mut views: Vec<&mut [u8]> = batch.iter_mut().map(|d| &mut d[..]).collect();
                together.unprotect_rtp_batch(&mut views, &mut results);
                assert_eq!(results.len(), datagrams.len());
                for ((mut datagram, batched), result) in
                    datagrams.into_iter().zip(batch).zip(&results)
                {
                    let one = alone.unprotect_rtp(&mut datagram).map(|packet| packet.to_vec());
                    assert_eq!(one, result.map(|len| batched[..len].to_vec()), "{profile:?}");
                }
            }
            assert_eq!(alone.statistics(), together.statistics());
        }
    }
}

#[test]
fn a_replay_in_the_same_batch_is_dropped() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile, &Config::default());
        let packet = support::protected(&mut sender, &rtp(7, 1, b"once"));
        let mut copies = vec![packet; 8];
        let mut views: Vec<&mut [u8]> = copies.iter_mut().map(|d| &mut d[..]).collect();
        let mut results = Vec::new();
        receiver.unprotect_rtp_batch(&mut views, &mut results);
        assert_eq!(results[0], Ok(16));
        assert!(results[1..].iter().all(|result| *result == Err(Rejected::Replayed)));
    }
}

/// With two keys there is no guess at tags; the packets of both come in.
#[test]
fn a_batch_under_two_keys_is_opened() {
    let profile = ProtectionProfile::Aes128CmHmacSha1_80;
    let provider = support::provider();
    let key = |seed, mki: &[u8]| support::key(profile, seed).with_mki(mki).expect("short");
    let (first, second) = (key(1, b"a"), key(2, b"b"));
    let mut sender =
        peerage_srtp::Sender::new(&provider, &first, Config::default()).expect("a sender");
    let mut receiver =
        peerage_srtp::Receiver::new(&provider, &first, Config::default()).expect("a receiver");
    receiver.add_key(&second).expect("another");
    let mut packets: Vec<Vec<u8>> = (0..4).map(|number| rtp(7, number, b"payload")).collect();
    let mut results = Vec::new();
    sender.protect_rtp_batch(&mut packets[..2], &mut results);
    sender.set_key(&second).expect("of the same profile");
    sender.protect_rtp_batch(&mut packets[2..], &mut results);
    let mut views: Vec<&mut [u8]> = packets.iter_mut().map(|d| &mut d[..]).collect();
    let mut opened = Vec::new();
    receiver.unprotect_rtp_batch(&mut views, &mut opened);
    assert_eq!(opened, [Ok(19), Ok(19), Ok(19), Ok(19)]);
}
