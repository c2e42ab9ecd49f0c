//! Published vectors, under `vectors/`: key derivation, keystreams, AES-GCM, header extension elements and cryptex.

use std::sync::Arc;

use peerage_crypto::{AeadAlgorithm, CryptoProvider, default_provider};
use zeroize::Zeroizing;

use crate::{
    Config, Cryptex, MasterKey, ProtectionProfile, Receiver, Rejected, Sender,
    header_extension::HeaderCipher,
    kdf::{Label, derive},
    session::{Session, Transform, counter_block, nonce},
};

struct Vector(Vec<(&'static str, &'static str)>);

impl Vector {
    fn text(&self, field: &str) -> &'static str {
        let found = self.0.iter().find(|(name, _)| *name == field);
        found.unwrap_or_else(|| panic!("{:?} has no {field}", self.0)).1
    }

    fn name(&self) -> &'static str {
        self.text("name")
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        let (pairs, rest) = self.text(field).as_bytes().as_chunks::<2>();
        assert!(rest.is_empty(), "{}: odd number of digits in {field}", self.name());
        let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
        pairs.iter().map(|digits| pair(digits).expect("hex")).collect()
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap_or_else(|_| panic!("{}: {field}", self.name()))
    }

    fn profile(&self) -> ProtectionProfile {
        match self.text("profile") {
            "aes-128-cm" => ProtectionProfile::Aes128CmHmacSha1_80,
            "aes-192-cm" => ProtectionProfile::Aes192CmHmacSha1_80,
            "aes-256-cm" => ProtectionProfile::Aes256CmHmacSha1_80,
            "aead-aes-128-gcm" => ProtectionProfile::AeadAes128Gcm,
            other => panic!("unknown profile {other}"),
        }
    }

    fn master_key(&self) -> MasterKey {
        let key = MasterKey::new(self.profile(), &self.bytes("key"), &self.bytes("salt"));
        key.expect("lengths of the profile")
    }
}

fn read(file: &'static str, expected: usize) -> Vec<Vector> {
    let vectors: Vec<_> = file
        .split("\n\n")
        .map(|block| {
            let lines = block.lines().filter(|line| !line.starts_with('#'));
            Vector(lines.map(|line| line.split_once(" = ").expect("`name = value`")).collect())
        })
        .filter(|vector| !vector.0.is_empty())
        .collect();
    assert_eq!(vectors.len(), expected);
    vectors
}

#[test]
fn session_keys_are_derived_as_published() {
    const LABELS: [Label; 8] = [
        Label::RtpEncryption,
        Label::RtpAuthentication,
        Label::RtpSalt,
        Label::RtcpEncryption,
        Label::RtcpAuthentication,
        Label::RtcpSalt,
        Label::HeaderEncryption,
        Label::HeaderSalt,
    ];
    for vector in read(include_str!("../vectors/key_derivation.txt"), 13) {
        let label = LABELS[usize::from(vector.bytes("label")[0])];
        let expected = vector.bytes("output");
        let output = derive::<94>(&*default_provider(), &vector.master_key(), label);
        assert_eq!(output.expect("derived")[..expected.len()], expected, "{}", vector.name());
    }
}

#[test]
fn keystreams_are_those_published() {
    for vector in read(include_str!("../vectors/keystream.txt"), 3) {
        let mut key = default_provider().aes_counter_mode(&vector.bytes("key")).expect("a key");
        let mut stream = vec![0; 65_282 * 16];
        let counter = counter_block(&vector.array("salt"), 0, 0);
        key.apply(&counter, &mut stream).expect("applied");
        assert!(stream.starts_with(&vector.bytes("first")), "{}", vector.name());
        assert!(stream.ends_with(&vector.bytes("last")), "{}", vector.name());
    }
}

/// A session whose keys are given rather than derived, the same for RTP and RTCP.
fn session(provider: &Arc<dyn CryptoProvider>, vector: &Vector) -> (Session, ProtectionProfile) {
    let key = vector.bytes("key");
    let (profile, algorithm) = match key.len() {
        16 => (ProtectionProfile::AeadAes128Gcm, AeadAlgorithm::Aes128Gcm),
        _ => (ProtectionProfile::AeadAes256Gcm, AeadAlgorithm::Aes256Gcm),
    };
    let transform = || Transform::Aead {
        key: provider.aead(algorithm, &key).expect("a key"),
        salt: Zeroizing::new(vector.array("salt")),
    };
    let session =
        Session { mki: Box::default(), rtp: transform(), rtcp: transform(), header: None };
    (session, profile)
}

#[test]
fn aes_gcm_gives_the_published_packets() {
    let provider = default_provider();
    for vector in read(include_str!("../vectors/aes_gcm.txt"), 12) {
        let (plain, protected) = (vector.bytes("plain"), vector.bytes("protected"));
        let master = |profile: ProtectionProfile| {
            MasterKey::new(profile, &vec![0; profile.key_len()], &[0; 12]).expect("lengths fit")
        };
        let (session_out, profile) = session(&provider, &vector);
        let (session_in, _) = session(&provider, &vector);
        if vector.text("kind") == "srtp-tagged" {
            // Nothing negotiates AES-GCM without encryption of RTP; the vector still checks nonce and tag.
            let Transform::Aead { mut key, salt } = session_out.rtp else { unreachable!() };
            let mut tag = [0; 16];
            let nonce = nonce(&salt, 0x5501_a0b2, 0xf17b);
            key.seal_in_place(&nonce, &plain, &mut [], &mut tag).expect("sealed");
            assert_eq!([&plain[..], &tag].concat(), protected, "{}", vector.name());
            continue;
        }
        let encrypt_rtcp = vector.text("kind") == "srtcp";
        let config = Config { encrypt_rtcp, ..Config::default() };
        let mut sender = Sender::new(&provider, &master(profile), config).expect("a sender");
        let mut receiver =
            Receiver::new(&provider, &master(profile), Config::default()).expect("a receiver");
        sender.replace_session(session_out);
        receiver.replace_session(session_in);

        let mut packet = plain.clone();
        let mut received = protected.clone();
        let opened = if vector.text("kind") == "srtp" {
            sender.protect_rtp(&mut packet, 0).expect("protected");
            receiver.unprotect_rtp(&mut received)
        } else {
            let ssrc = u32::from_be_bytes([0x4d, 0x61, 0x72, 0x73]);
            sender.set_rtcp_index(ssrc, u64::from(u32::from_be_bytes(vector.array("index"))));
            sender.protect_rtcp(&mut packet, 0).expect("protected");
            receiver.unprotect_rtcp(&mut received)
        };
        assert_eq!(packet, protected, "{}", vector.name());
        assert_eq!(opened.map(|opened| opened.to_vec()), Ok(plain), "{}", vector.name());
        packet[9] ^= 1;
        let forged = if vector.text("kind") == "srtp" {
            Receiver::unprotect_rtp(&mut receiver, &mut packet).map(|_| ())
        } else {
            // The index was seen; a fresh context looks at the tag.
            let (session, _) = session(&provider, &vector);
            receiver = Receiver::new(&provider, &master(profile), Config::default()).expect("one");
            receiver.replace_session(session);
            receiver.unprotect_rtcp(&mut packet).map(|_| ())
        };
        assert!(matches!(forged, Err(Rejected::Authentication)), "{}", vector.name());
    }
}

#[test]
fn header_extension_elements_are_encrypted_as_published() {
    for vector in read(include_str!("../vectors/header_extension.txt"), 1) {
        let profile = ProtectionProfile::Aes128CmHmacSha1_80;
        let master = MasterKey::new(profile, &vector.bytes("key"), &vector.bytes("salt"));
        let mut cipher =
            HeaderCipher::new(&*default_provider(), &master.expect("lengths fit")).expect("keys");
        let ids = vector.bytes("ids").into_iter().collect();
        let ssrc = u32::from_be_bytes(vector.array("ssrc"));
        let index = u64::from(u16::from_be_bytes(vector.array("sequence")));
        let mut extension = vector.bytes("plain");
        cipher.apply(0xbede, &mut extension, &ids, ssrc, index).expect("encrypted");
        assert_eq!(extension, vector.bytes("protected"), "{}", vector.name());
        cipher.apply(0xbede, &mut extension, &ids, ssrc, index).expect("decrypted");
        assert_eq!(extension, vector.bytes("plain"), "{}", vector.name());
    }
}

#[test]
fn cryptex_gives_the_published_packets() {
    let provider = default_provider();
    for vector in read(include_str!("../vectors/cryptex.txt"), 12) {
        let (plain, protected) = (vector.bytes("plain"), vector.bytes("protected"));
        for cryptex in [Cryptex::Enabled, Cryptex::Required] {
            let config = Config { cryptex, ..Config::default() };
            let mut sender =
                Sender::new(&provider, &vector.master_key(), config.clone()).expect("a sender");
            let mut receiver =
                Receiver::new(&provider, &vector.master_key(), config).expect("a receiver");
            let mut packet = plain.clone();
            sender.protect_rtp(&mut packet, 0).expect("protected");
            assert_eq!(packet, protected, "{}", vector.name());
            let opened = receiver.unprotect_rtp(&mut packet).map(|opened| opened.to_vec());
            assert_eq!(opened.as_ref(), Ok(&plain), "{}", vector.name());
        }
    }
}
