//! libsrtp 2.3 beside peerage-srtp, over the same keys: what both make of the same packets. `srtp`, the crate that wraps it,
//! has no master key identifiers, and that libsrtp has no cryptex; neither is compared here.

use peerage_crypto::{Rng, default_provider};
use peerage_srtp::{Config, MasterKey, ProtectionProfile, Receiver, Rejected, Sender};
use srtp::{CryptoPolicy, Session, StreamPolicy};

/// Every profile that both have. AES-192 is missing: this libsrtp derives its session keys with AES-256, where RFC 6188 §3 and
/// its vectors have AES-192.
pub const PROFILES: [ProtectionProfile; 6] = [
    ProtectionProfile::AeadAes128Gcm,
    ProtectionProfile::AeadAes256Gcm,
    ProtectionProfile::Aes128CmHmacSha1_80,
    ProtectionProfile::Aes128CmHmacSha1_32,
    ProtectionProfile::Aes256CmHmacSha1_80,
    ProtectionProfile::Aes256CmHmacSha1_32,
];

/// Packets that replay windows reach back.
pub const WINDOW: usize = 128;

/// Header extension elements that are encrypted, if any are.
pub const ENCRYPTED: [u8; 3] = [1, 4, 200];

/// Four ends of one direction: each implementation's sender and receiver.
pub struct Ends {
    pub ours: (Sender, Receiver),
    pub theirs: (Session, Session),
}

impl Ends {
    /// Ends with a key of the profile, and with or without encrypted header extension elements.
    pub fn new(profile: ProtectionProfile, elements: bool) -> Self {
        let key: Vec<u8> = (0..profile.key_len() as u8).map(|at| at ^ 0x5a).collect();
        let salt: Vec<u8> = (0..profile.salt_len() as u8).map(|at| at ^ 0xc3).collect();
        let master = MasterKey::new(profile, &key, &salt).expect("lengths of the profile");
        let config = Config {
            rtp_replay_window: WINDOW,
            rtcp_replay_window: WINDOW,
            encrypted_header_extensions: ENCRYPTED.into_iter().filter(|_| elements).collect(),
            ..Config::default()
        };
        let sender = Sender::new(&default_provider(), &master, config.clone());
        let receiver = Receiver::new(&default_provider(), &master, config);
        let (rtp, rtcp) = policies(profile);
        let ids = ENCRYPTED.map(i32::from);
        let joined = [key, salt].concat();
        let policy = StreamPolicy {
            rtp,
            rtcp,
            key: &joined,
            window_size: WINDOW as u64,
            allow_repeat_tx: false,
            encrypt_extension_headers: if elements { &ids } else { &[] },
        };
        Self {
            ours: (sender.expect("a sender"), receiver.expect("a receiver")),
            theirs: (
                Session::with_outbound_template(policy).expect("a sender"),
                Session::with_inbound_template(policy).expect("a receiver"),
            ),
        }
    }
}

/// What libsrtp calls a profile, for RTP and for RTCP.
fn policies(profile: ProtectionProfile) -> (CryptoPolicy, CryptoPolicy) {
    type P = ProtectionProfile;
    type C = CryptoPolicy;
    let both = |policy| (policy, policy);
    match profile {
        P::Aes128CmHmacSha1_80 => both(C::aes_cm_128_hmac_sha1_80()),
        P::Aes128CmHmacSha1_32 => (C::aes_cm_128_hmac_sha1_32(), C::aes_cm_128_hmac_sha1_80()),
        P::Aes256CmHmacSha1_80 => both(C::aes_cm_256_hmac_sha1_80()),
        P::Aes256CmHmacSha1_32 => (C::aes_cm_256_hmac_sha1_32(), C::aes_cm_256_hmac_sha1_80()),
        P::AeadAes128Gcm => both(C::aes_gcm_128_16_auth()),
        P::AeadAes256Gcm => both(C::aes_gcm_256_16_auth()),
        other => panic!("{other:?} is not compared"),
    }
}

/// libsrtp's verdict in our words.
pub fn verdict(result: Result<(), srtp::Error>) -> Result<(), Rejected> {
    result.map_err(|error| match error {
        srtp::Error::AUTH_FAIL => Rejected::Authentication,
        srtp::Error::REPLAY_FAIL => Rejected::Replayed,
        srtp::Error::REPLAY_OLD => Rejected::TooOld,
        srtp::Error::BAD_PARAM | srtp::Error::PARSE_ERR => Rejected::Malformed,
        other => panic!("libsrtp says {other}"),
    })
}

/// A number below `bound`.
pub fn below(rng: &mut Rng, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    u64::from_be_bytes(bytes) % bound
}

/// An RTP packet with a random mixture of contributing sources, header extension elements, padding and payload.
///
/// Where elements are encrypted (without `all_extensions`) header extensions have one-byte elements only, and no padding
/// between them. This libsrtp refuses two-byte elements then, as it looks for 0x0100 where they have 0x100n; and it does not
/// count padding in the keystream, where RFC 6904 §3 does.
pub fn random_rtp(rng: &mut Rng, ssrc: u32, sequence_number: u16, all_extensions: bool) -> Vec<u8> {
    let mut bytes = [0; 300];
    rng.fill(&mut bytes);
    let sources = if below(rng, 3) == 0 { below(rng, 16) as u8 } else { 0 };
    let mut packet = vec![0x80 | bytes[0] & 0x20 | sources, bytes[1]];
    packet.extend(sequence_number.to_be_bytes());
    packet.extend(&bytes[2..6]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(&bytes[10..10 + 4 * usize::from(sources)]);
    let kind = below(rng, if all_extensions { 4 } else { 2 });
    if kind != 0 {
        packet[0] |= 0x10;
        let mut elements = Vec::new();
        for _ in 0..below(rng, 5) {
            let len = 1 + below(rng, 16) as usize;
            match kind {
                1 => elements.push((1 + below(rng, 14) as u8) << 4 | (len - 1) as u8),
                _ => elements.extend([[1, 2, 4, 200, 255][below(rng, 5) as usize], len as u8]),
            }
            elements.extend(&bytes[100..100 + len]);
            if all_extensions && below(rng, 4) == 0 {
                elements.extend([0, 0]);
            }
        }
        elements.resize(elements.len().next_multiple_of(4), 0);
        let profile: u16 = [0, 0xbede, 0x1000, 0x1234][kind as usize];
        packet.extend(profile.to_be_bytes());
        packet.extend(((elements.len() / 4) as u16).to_be_bytes());
        packet.extend(elements);
    }
    let len = below(rng, 150) as usize;
    packet.extend(&bytes[150..150 + len]);
    packet
}

/// An RTCP packet with anything behind its first eight bytes.
pub fn random_rtcp(rng: &mut Rng, ssrc: u32) -> Vec<u8> {
    let mut bytes = [0; 200];
    rng.fill(&mut bytes);
    let mut packet = vec![0x81, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(&bytes[..4 * below(rng, 40) as usize]);
    packet
}
