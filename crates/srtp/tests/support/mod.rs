//! Shared by the integration tests: keys, packets and a reproducible source of chance.
#![allow(dead_code, reason = "every test program uses its own part")]

use std::sync::Arc;

use peerage_crypto::{CryptoProvider, Rng, default_provider};
use peerage_srtp::{Config, MasterKey, ProtectionProfile, Receiver, Sender};

pub(crate) fn provider() -> Arc<dyn CryptoProvider> {
    default_provider()
}

/// A key that depends on `seed`.
pub(crate) fn key(profile: ProtectionProfile, seed: u8) -> MasterKey {
    let key: Vec<u8> = (0..profile.key_len() as u8).map(|at| at ^ seed).collect();
    let salt: Vec<u8> = (0..profile.salt_len() as u8).map(|at| at.wrapping_mul(7) ^ seed).collect();
    MasterKey::new(profile, &key, &salt).expect("lengths of the profile")
}

/// Both halves of one direction.
pub(crate) fn pair(profile: ProtectionProfile, config: &Config) -> (Sender, Receiver) {
    let key = key(profile, 0x5a);
    (
        Sender::new(&provider(), &key, config.clone()).expect("a sender"),
        Receiver::new(&provider(), &key, config.clone()).expect("a receiver"),
    )
}

/// An RTP packet without extras.
pub(crate) fn rtp(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence_number.to_be_bytes());
    packet.extend([0, 1, 2, 3]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A receiver report without blocks and something behind it.
pub(crate) fn rtcp(ssrc: u32, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(rest);
    packet
}

/// Protects a copy.
pub(crate) fn protected(sender: &mut Sender, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    sender.protect_rtp(&mut packet, 0).expect("protected");
    packet
}

/// A number below `bound`.
pub(crate) fn below(rng: &mut Rng, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    u64::from_be_bytes(bytes) % bound
}
