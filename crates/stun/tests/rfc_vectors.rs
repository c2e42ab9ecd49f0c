//! Test vectors of RFC 5769 and RFC 8489 appendix B, kept as data under `vectors/stun`.

use std::net::SocketAddr;
use std::path::PathBuf;

use peerage_crypto::{HashAlgorithm, default_provider};
use peerage_stun::{
    Attribute, AttributeType, Class, Error, IntegrityAlgorithm, IntegrityKey, LongTermCredentials,
    Message, MessageBuilder, Method, PasswordAlgorithm,
};

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/stun").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .flat_map(|line| line.split('#').next().unwrap_or("").split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

fn ice_key() -> IntegrityKey {
    IntegrityKey::short_term(
        &*default_provider(),
        IntegrityAlgorithm::HmacSha1,
        "VOkJxbRl1RmTxUk/WvJxBt",
    )
}

const MATRIX: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";

#[test]
fn sample_request() {
    let bytes = vector("rfc5769-2.1-request.hex");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    message.verify_fingerprint().unwrap();
    message.verify_integrity(&ice_key()).unwrap();
    assert_eq!(message.username(), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(
        message.decode(AttributeType::ICE_CONTROLLED),
        Some(Ok(Attribute::IceControlled(0x932f_f9b1_5126_3b36)))
    );
    assert_eq!(
        message.decode(AttributeType::SOFTWARE),
        Some(Ok(Attribute::Software("STUN test client")))
    );
    assert_eq!(message.unknown_required().count(), 0);
}

#[test]
fn sample_responses() {
    for (name, mapped) in [
        ("rfc5769-2.2-ipv4-response.hex", "192.0.2.1:32853"),
        ("rfc5769-2.3-ipv6-response.hex", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let bytes = vector(name);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::SuccessResponse);
        message.verify_fingerprint().unwrap();
        message.verify_integrity(&ice_key()).unwrap();
        assert_eq!(message.mapped_address(), Some(mapped.parse::<SocketAddr>().unwrap()));
    }
}

#[test]
fn sample_long_term_request() {
    let provider = default_provider();
    let bytes = vector("rfc5769-2.4-long-term-request.hex");
    let message = Message::parse(&bytes).unwrap();
    let credentials = LongTermCredentials::new(MATRIX, "example.org", "TheMatrIX").unwrap();
    let key = credentials.key(&*provider, PasswordAlgorithm::Md5).unwrap();
    let key = IntegrityKey::from_bytes(&*provider, IntegrityAlgorithm::HmacSha1, key.as_ref());
    message.verify_integrity(&key).unwrap();
    assert_eq!(message.decode(AttributeType::USERNAME), Some(Ok(Attribute::Username(MATRIX))));
    assert_eq!(message.decode(AttributeType::REALM), Some(Ok(Attribute::Realm("example.org"))));
}

/// The vector as printed announces 156 bytes where 136 follow, and its HMAC covers that wrong length: so it is no message
/// that may be accepted, but it does prove the key, the USERHASH and the HMAC.
#[test]
fn sample_sha256_request_with_userhash() {
    let provider = default_provider();
    let printed = vector("rfc8489-b.1-sha256-request.hex");
    assert_eq!(Message::parse(&printed), Err(Error::Truncated { need: 176, have: 156 }));

    let credentials = LongTermCredentials::new(MATRIX, "example.org", "TheMatrIX").unwrap();
    let key = credentials.key(&*provider, PasswordAlgorithm::Sha256).unwrap();
    let (text, tag) = (&printed[..120], &printed[124..]);
    assert!(provider.hmac(HashAlgorithm::Sha256, key.as_ref()).verify(&[text], tag));

    let mut mended = printed.clone();
    mended[3] = 136;
    let message = Message::parse(&mended).unwrap();
    let userhash = credentials.userhash(&*provider);
    assert_eq!(message.decode(AttributeType::USERHASH), Some(Ok(Attribute::UserHash(&userhash))));
    assert_eq!(
        message.decode(AttributeType::NONCE),
        Some(Ok(Attribute::Nonce("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")))
    );
}

#[test]
fn the_key_of_the_rfc_s_example() {
    let credentials = LongTermCredentials::new("user", "realm", "pass").unwrap();
    let key = credentials.key(&*default_provider(), PasswordAlgorithm::Md5).unwrap();
    assert_eq!(key.as_ref(), 0x8493_fbc5_3ba5_82fb_4c04_4c45_6bdc_40eb_u128.to_be_bytes());
}

/// The builder makes the RFC's own bytes, where the RFC pads by zero (2.4) and up to padding otherwise.
#[test]
fn builder_makes_the_bytes_of_the_rfc() {
    let provider = default_provider();
    let bytes = vector("rfc5769-2.4-long-term-request.hex");
    let message = Message::parse(&bytes).unwrap();
    let credentials = LongTermCredentials::new(MATRIX, "example.org", "TheMatrIX").unwrap();
    let key = credentials.key(&*provider, PasswordAlgorithm::Md5).unwrap();
    let key = IntegrityKey::from_bytes(&*provider, IntegrityAlgorithm::HmacSha1, key.as_ref());
    let mut out = Vec::new();
    MessageBuilder::new(&mut out, Class::Request, Method::BINDING, message.transaction_id())
        .attribute(&Attribute::Username(MATRIX))
        .attribute(&Attribute::Nonce("f//499k954d6OL34oL9FSTvy64sA"))
        .attribute(&Attribute::Realm("example.org"))
        .integrity(&key)
        .finish();
    assert_eq!(out, bytes);
}

#[test]
fn any_flipped_bit_is_noticed() {
    let bytes = vector("rfc5769-2.1-request.hex");
    let key = ice_key();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let whole =
            Message::parse(&bad).and_then(|m| m.verify_fingerprint().and(m.verify_integrity(&key)));
        assert!(whole.is_err(), "bit {bit}");
    }
}
