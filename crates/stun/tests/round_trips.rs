//! What is written is read back the same, and no input makes the parser panic.

use std::net::{IpAddr, SocketAddr};

use peerage_crypto::default_provider;
use peerage_stun::{
    AddressFamily, Attribute, AttributeType, Class, Error, ErrorCode, IntegrityAlgorithm,
    IntegrityKey, Message, MessageBuilder, Method, PasswordAlgorithm, PasswordAlgorithms,
    TransactionId, UnknownAttributes,
};
use proptest::prelude::*;

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![
        Just(Class::Request),
        Just(Class::Indication),
        Just(Class::SuccessResponse),
        Just(Class::ErrorResponse)
    ]
}

/// Every attribute once, with the given material.
#[allow(clippy::too_many_arguments, reason = "one for each kind of material")]
fn attributes<'a>(
    a: SocketAddr,
    text: &'a str,
    data: &'a [u8],
    even: &'a [u8],
    long: u64,
    hash: &'a [u8; 32],
    token: &'a [u8; 8],
) -> Vec<Attribute<'a>> {
    let (int, short, byte) = (long as u32, long as u16, long as u8);
    let family = AddressFamily::from(a.ip());
    let error = ErrorCode::new(300 + short % 400, text).unwrap();
    vec![
        Attribute::MappedAddress(a),
        Attribute::XorMappedAddress(a),
        Attribute::Username(text),
        Attribute::UserHash(hash),
        Attribute::ErrorCode(error),
        Attribute::Realm(text),
        Attribute::Nonce(text),
        Attribute::PasswordAlgorithms(PasswordAlgorithms::new(&[0, 2, 0, 0, 0, 1, 0, 0]).unwrap()),
        Attribute::PasswordAlgorithm(PasswordAlgorithm::from_number(short)),
        Attribute::UnknownAttributes(UnknownAttributes::new(even).unwrap()),
        Attribute::Software(text),
        Attribute::AlternateServer(a),
        Attribute::AlternateDomain(text),
        Attribute::Priority(int),
        Attribute::UseCandidate,
        Attribute::IceControlled(long),
        Attribute::IceControlling(long),
        Attribute::Nomination(int & 0x00FF_FFFF),
        Attribute::ChannelNumber(short),
        Attribute::Lifetime(int),
        Attribute::XorPeerAddress(a),
        Attribute::Data(data),
        Attribute::XorRelayedAddress(a),
        Attribute::RequestedAddressFamily(family),
        Attribute::EvenPort(long & 1 == 1),
        Attribute::RequestedTransport(byte),
        Attribute::DontFragment,
        Attribute::ReservationToken(token),
        Attribute::AdditionalAddressFamily(family),
        Attribute::AddressErrorCode(family, error),
        Attribute::Icmp { kind: byte & 0x7F, code: short & 0x1FF, data: int },
        Attribute::ConnectionId(int),
        Attribute::ChangeRequest { ip: long & 1 == 1, port: long & 2 == 2 },
        Attribute::Padding(data),
        Attribute::ResponsePort(short),
        Attribute::ResponseOrigin(a),
        Attribute::OtherAddress(a),
        Attribute::GoogNetworkInfo { id: short, cost: byte.into() },
        Attribute::Raw(AttributeType::MOBILITY_TICKET, data),
        Attribute::Raw(AttributeType(0xC0FF), data),
    ]
}

proptest! {
    #[test]
    fn every_attribute_round_trips(
        class in class(),
        method in 0u16..=0xFFF,
        id in any::<[u8; 12]>(),
        a in address(),
        text in "[ -~\u{e9}\u{4e2d}]{0,80}",
        data in prop::collection::vec(any::<u8>(), 0..60),
        numbers in prop::collection::vec(any::<u8>(), 0..10),
        long in any::<u64>(),
        hash in any::<[u8; 32]>(),
        token in any::<[u8; 8]>(),
        sha256 in any::<bool>(),
        prefix in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let id = TransactionId(id);
        let method = Method::new(method).unwrap();
        let even = &numbers[..numbers.len() & !1];
        let attributes = attributes(a, &text, &data, even, long, &hash, &token);
        let algorithm = if sha256 { IntegrityAlgorithm::HmacSha256 } else { IntegrityAlgorithm::HmacSha1 };
        let key = IntegrityKey::short_term(&*default_provider(), algorithm, "a password of some length");

        let mut buf = prefix.clone();
        let mut builder = MessageBuilder::new(&mut buf, class, method, id);
        for attribute in &attributes {
            builder = builder.attribute(attribute);
        }
        let size = builder.integrity(&key).fingerprint();
        prop_assert_eq!(prefix.len() + size, buf.len());

        let message = Message::parse(&buf[prefix.len()..]).unwrap();
        prop_assert_eq!((message.class(), message.method(), message.transaction_id()), (class, method, id));
        prop_assert_eq!(message.verify_integrity(&key), Ok(()));
        prop_assert_eq!(message.verify_fingerprint(), Ok(()));
        let read: Vec<_> = message.attributes().map(|raw| raw.decode(id).unwrap()).collect();
        prop_assert_eq!(&read[..attributes.len()], &attributes[..]);
        prop_assert_eq!(read.len(), attributes.len() + 2);
    }

    #[test]
    fn no_bytes_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&data) {
            for attribute in message.attributes() {
                let _ = attribute.decode(message.transaction_id());
            }
        }
    }
}

fn with_key(algorithm: IntegrityAlgorithm) -> (IntegrityKey, Vec<u8>) {
    let key = IntegrityKey::short_term(&*default_provider(), algorithm, "secret");
    let mut buf = Vec::new();
    MessageBuilder::new(&mut buf, Class::Request, Method::BINDING, TransactionId([3; 12]))
        .attribute(&Attribute::Username("a:b"))
        .integrity(&key)
        .finish();
    (key, buf)
}

#[test]
fn attributes_after_the_integrity_are_ignored() {
    let (key, mut buf) = with_key(IntegrityAlgorithm::HmacSha1);
    // A PRIORITY that nobody signed, as an attacker on the path could append.
    buf.extend_from_slice(&[0, 0x24, 0, 4, 1, 2, 3, 4]);
    buf[3] += 8;
    let message = Message::parse(&buf).unwrap();
    message.verify_integrity(&key).unwrap();
    assert_eq!(message.priority(), None);
    assert_eq!(message.attributes().count(), 2);
}

#[test]
fn both_integrity_attributes_may_protect_one_message() {
    let sha1 =
        IntegrityKey::short_term(&*default_provider(), IntegrityAlgorithm::HmacSha1, "secret");
    let sha256 =
        IntegrityKey::short_term(&*default_provider(), IntegrityAlgorithm::HmacSha256, "secret");
    let mut buf = Vec::new();
    MessageBuilder::new(&mut buf, Class::Request, Method::BINDING, TransactionId([3; 12]))
        .integrity(&sha1)
        .integrity(&sha256)
        .fingerprint();
    let message = Message::parse(&buf).unwrap();
    message.verify_integrity(&sha1).unwrap();
    message.verify_integrity(&sha256).unwrap();
    message.verify_fingerprint().unwrap();
}

#[test]
fn sha256_may_be_truncated_to_sixteen_bytes_and_no_less() {
    let key =
        IntegrityKey::short_term(&*default_provider(), IntegrityAlgorithm::HmacSha256, "secret");
    for len in 0..40 {
        let mut buf = Vec::new();
        let builder =
            MessageBuilder::new(&mut buf, Class::Request, Method::BINDING, TransactionId([3; 12]));
        let fits = [16, 20, 24, 28, 32].contains(&len);
        match builder.truncated_integrity(&key, len) {
            Ok(builder) => {
                builder.fingerprint();
                assert!(fits);
                Message::parse(&buf).unwrap().verify_integrity(&key).unwrap();
            }
            Err(_) => assert!(!fits, "{len}"),
        }
    }
}

#[test]
fn malformed_messages_are_refused_with_a_reason() {
    let (_, good) = with_key(IntegrityAlgorithm::HmacSha1);
    assert_eq!(Message::parse(&good[..19]), Err(Error::Truncated { need: 20, have: 19 }));
    assert!(matches!(Message::parse(&good[..good.len() - 4]), Err(Error::Truncated { .. })));
    let mut trailing = good.clone();
    trailing.push(0);
    assert!(matches!(Message::parse(&trailing), Err(Error::InvalidLength { .. })));
    let mut odd = good.clone();
    odd[3] -= 1;
    assert!(matches!(Message::parse(&odd), Err(Error::InvalidLength { .. })));
    let mut cookie = good.clone();
    cookie[4] = 0;
    assert!(matches!(Message::parse(&cookie), Err(Error::NotStun { .. })));
    let mut overrun = good.clone();
    overrun[23] = 200;
    assert_eq!(Message::parse(&overrun), Err(Error::AttributeOverrun { offset: 20 }));
    let mut late = good;
    let size = late.len();
    late.extend_from_slice(&[0x80, 0x28, 0, 4, 0, 0, 0, 0, 0x80, 0x22, 0, 0]);
    late[3] += 12;
    assert_eq!(Message::parse(&late), Err(Error::AfterFingerprint { offset: size + 8 }));
}

#[test]
fn unknown_required_attributes_are_listed() {
    let mut buf = Vec::new();
    MessageBuilder::new(&mut buf, Class::Request, Method::BINDING, TransactionId([3; 12]))
        .attribute(&Attribute::Raw(AttributeType(0x7FFF), &[]))
        .attribute(&Attribute::Raw(AttributeType(0xC070), b"optional"))
        .attribute(&Attribute::Priority(1))
        .finish();
    let message = Message::parse(&buf).unwrap();
    assert!(message.unknown_required().eq([AttributeType(0x7FFF)]));
}
