//! Seeds of the targets of peerage-stun: one message for each attribute, and those of an ICE check and a TURN allocation.

use std::net::SocketAddr;

use peerage_stun::{
    AddressFamily, Attribute, AttributeType, ChannelData, Class, ErrorCode, IntegrityAlgorithm, IntegrityKey,
    MessageBuilder, Method, PasswordAlgorithms, TransactionId,
};

use crate::Sink;

const ID: TransactionId = TransactionId(*b"seed message");

pub(crate) fn write(sink: &Sink) {
    attributes(sink);
    ice_check(sink);
    for (name, channel, payload) in [("empty", 0x4000, &b""[..]), ("odd", 0x4fff, b"12345"), ("full", 0x4001, &[7; 1_200])] {
        for stream in [false, true] {
            let mut out = Vec::new();
            ChannelData { channel, data: payload }.write(stream, &mut out).expect("a channel in range");
            sink.seed("stun_channel_data", &format!("{name}_{}", if stream { "stream" } else { "datagram" }), &out);
        }
    }
}

fn message(class: Class, method: Method, attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut builder = MessageBuilder::new(&mut buf, class, method, ID);
    for attribute in attributes {
        builder = builder.attribute(attribute);
    }
    builder.fingerprint();
    buf
}

fn attributes(sink: &Sink) {
    let v4: SocketAddr = "192.0.2.1:32853".parse().expect("an address");
    let v6: SocketAddr = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().expect("an address");
    let algorithms = PasswordAlgorithms::new(&[0, 2, 0, 0, 0, 1, 0, 0]).expect("a list");
    let error = |code, reason| ErrorCode::new(code, reason).expect("an error code");
    let all = [
        ("mapped", vec![Attribute::MappedAddress(v4), Attribute::MappedAddress(v6)]),
        ("xor_mapped", vec![Attribute::XorMappedAddress(v4), Attribute::XorMappedAddress(v6)]),
        ("credentials", vec![
            Attribute::Username("user:name"),
            Attribute::UserHash(&[9; 32]),
            Attribute::Realm("example.org"),
            Attribute::Nonce("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"),
            Attribute::PasswordAlgorithms(algorithms),
        ]),
        ("integrity", vec![
            Attribute::MessageIntegritySha256(&[3; 32]),
            Attribute::MessageIntegrity(&[3; 20]),
        ]),
        ("error", vec![
            Attribute::ErrorCode(error(487, "Role Conflict")),
            Attribute::Software("peerage"),
            Attribute::AlternateServer(v6),
            Attribute::AlternateDomain("turn.example.org"),
        ]),
        ("ice", vec![
            Attribute::Priority(0x7eff_ffff),
            Attribute::UseCandidate,
            Attribute::IceControlled(1),
            Attribute::IceControlling(2),
            Attribute::Nomination(3),
            Attribute::GoogNetworkInfo { id: 1, cost: 10 },
        ]),
        ("turn", vec![
            Attribute::ChannelNumber(0x4000),
            Attribute::Lifetime(600),
            Attribute::XorPeerAddress(v4),
            Attribute::XorRelayedAddress(v6),
            Attribute::Data(b"payload"),
            Attribute::RequestedAddressFamily(AddressFamily::Ipv6),
            Attribute::EvenPort(true),
            Attribute::RequestedTransport(17),
            Attribute::DontFragment,
            Attribute::ReservationToken(&[1; 8]),
            Attribute::AdditionalAddressFamily(AddressFamily::Ipv6),
            Attribute::AddressErrorCode(AddressFamily::Ipv4, error(440, "no")),
            Attribute::Icmp { kind: 3, code: 4, data: 1_280 },
            Attribute::ConnectionId(77),
        ]),
        ("discovery", vec![
            Attribute::ChangeRequest { ip: true, port: false },
            Attribute::Padding(&[0; 12]),
            Attribute::ResponsePort(3_478),
            Attribute::ResponseOrigin(v4),
            Attribute::OtherAddress(v6),
            Attribute::Raw(AttributeType(0xC0DE), b"unknown"),
        ]),
    ];
    for (name, list) in &all {
        sink.seed("stun_message", name, &message(Class::SuccessResponse, Method::BINDING, list));
    }
}

fn ice_check(sink: &Sink) {
    let provider = peerage_crypto::default_provider();
    let key = IntegrityKey::short_term(&*provider, IntegrityAlgorithm::HmacSha1, "VOkJxbRl1RmTxUk/WvJxBt");
    for (name, class) in [
        ("check", Class::Request),
        ("response", Class::SuccessResponse),
        ("refusal", Class::ErrorResponse),
        ("indication", Class::Indication),
    ] {
        let mut buf = Vec::new();
        MessageBuilder::new(&mut buf, class, Method::BINDING, ID)
            .attribute(&Attribute::Username("evtj:h6vY"))
            .attribute(&Attribute::Priority(0x6e00_01ff))
            .attribute(&Attribute::IceControlling(0x932f_f9b1_5126_3b36))
            .integrity(&key)
            .fingerprint();
        sink.seed("stun_message", name, &buf);
    }
}
