//! Whatever an application builds of the crate's types, parsing what was written gives it back.

use peerage_sdp::*;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn word() -> impl Strategy<Value = Word> {
    "[a-zA-Z0-9!#$%&'*+.^_`{|}~-]{1,40}".prop_map(|text| Word::new(&text).expect("a token"))
}

fn words() -> impl Strategy<Value = Words> {
    prop::collection::vec(word(), 1..5).prop_map(|words| Words::join(&words))
}

/// Text within a value: what begins or ends with spaces would not be told from what separates.
fn text() -> impl Strategy<Value = Text> {
    "[!-~é]([ -~é]{0,40}[!-~])?".prop_map(|text| Text::new(&text).expect("one line"))
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<u32>().prop_map(|ip| Host::Ip(Ipv4Addr::from(ip).into())),
        any::<u128>().prop_map(|ip| Host::Ip(Ipv6Addr::from(ip).into())),
        "[a-z][a-z0-9-]{0,30}\\.local"
            .prop_map(|name| Host::Name(Word::new(&name).expect("a word"))),
    ]
}

fn address() -> impl Strategy<Value = NetworkAddress> {
    prop_oneof![
        any::<u32>().prop_map(|ip| NetworkAddress::Ip(IpAddr::V4(ip.into()))),
        any::<u128>().prop_map(|ip| NetworkAddress::Ip(IpAddr::V6(ip.into()))),
        (word(), word()).prop_map(|(kind, address)| NetworkAddress::Other {
            network: Word::from_static("XX"),
            kind,
            address
        }),
    ]
}

fn tcp_type() -> impl Strategy<Value = TcpType> {
    prop_oneof![Just(TcpType::Active), Just(TcpType::Passive), Just(TcpType::SimultaneousOpen)]
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let kind = prop_oneof![
        Just(CandidateKind::Host),
        Just(CandidateKind::ServerReflexive),
        Just(CandidateKind::PeerReflexive),
        Just(CandidateKind::Relay),
    ];
    let transport = prop_oneof![Just(CandidateTransport::Udp), Just(CandidateTransport::Tcp)];
    let extensions = prop_oneof![
        Just(String::new()),
        "generation [0-9] network-id [0-9]".boxed(),
        "ufrag [a-z]{4}".boxed(),
    ];
    (
        ("[a-zA-Z0-9+/]{1,32}", 1..=256u16, transport, any::<u32>(), host(), any::<u16>(), kind),
        (option::of(host()), option::of(any::<u16>()), option::of(tcp_type()), extensions),
    )
        .prop_map(|((foundation, component, transport, priority, host, port, kind), rest)| {
            let (related_host, related_port, tcp_type, extensions) = rest;
            Candidate {
                foundation: Word::new(&foundation).expect("a word"),
                component,
                transport,
                priority,
                host,
                port,
                kind,
                related_host,
                related_port,
                tcp_type,
                extensions: Text::new(&extensions).expect("one line"),
            }
        })
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive),
    ]
}

fn feedback() -> impl Strategy<Value = Feedback> {
    prop_oneof![
        Just(Feedback::Nack),
        Just(Feedback::NackPli),
        Just(Feedback::CcmFir),
        Just(Feedback::GoogRemb),
        Just(Feedback::TransportCc),
        Just(Feedback::AckCcfb),
        any::<u32>().prop_map(Feedback::TrrInt),
        "x[a-z]{1,9}( [a-z]{1,9})?"
            .prop_map(|text| Feedback::Other(Text::new(&text).expect("text"))),
    ]
}

fn msid() -> impl Strategy<Value = Msid> {
    (word(), option::of(word())).prop_map(|(stream, track)| Msid { stream, track })
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    let sized = |hash: HashFunction, length| {
        prop::collection::vec(any::<u8>(), length)
            .prop_map(move |digest| Fingerprint { hash: hash.clone(), digest })
    };
    prop_oneof![
        sized(HashFunction::Sha256, 32),
        sized(HashFunction::Sha1, 20),
        sized(HashFunction::Sha512, 64),
        sized(HashFunction::Other(Word::from_static("sha3-224")), 28),
    ]
}

fn streams() -> impl Strategy<Value = SimulcastStreams> {
    "~?[a-z0-9_-]{1,4}([;,]~?[a-z0-9_-]{1,4}){0,3}"
        .prop_map(|text| SimulcastStreams::new(&text).expect("streams"))
}

fn dcmap() -> impl Strategy<Value = Dcmap> {
    let label = || {
        option::of("[a-z ;=]{0,12}".prop_map(|text: String| Text::new(&text).expect("one line")))
    };
    let reliability = prop_oneof![
        Just((None, None)),
        any::<u32>().prop_map(|n| (Some(n), None)),
        any::<u32>().prop_map(|n| (None, Some(n)))
    ];
    (any::<u16>(), label(), label(), any::<Option<bool>>(), reliability, any::<Option<u16>>())
        .prop_map(|(stream, label, subprotocol, ordered, reliability, priority)| Dcmap {
            stream,
            label,
            subprotocol,
            ordered,
            max_retransmits: reliability.0,
            max_lifetime: reliability.1,
            priority,
        })
}

/// Attributes of which a section may have many.
fn repeatable() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        candidate().prop_map(Attribute::from),
        fingerprint().prop_map(Attribute::from),
        (0..128u8, word(), any::<u32>(), option::of(1..9u8)).prop_map(|(payload_type, name, clock_rate, channels)| {
            Rtpmap { payload_type, encoding: name, clock_rate, parameters: channels.map(Word::from) }.into()
        }),
        (word(), text()).prop_map(|(format, text)| Fmtp { format, text }.into()),
        (option::of(0..128u8), feedback())
            .prop_map(|(payload_type, feedback)| RtcpFb { payload_type, feedback }.into()),
        (1..=u16::MAX, option::of(direction()), word()).prop_map(|(id, direction, uri)| {
            Extmap { id, direction, uri, attributes: Text::new("").expect("one line") }.into()
        }),
        (any::<u32>(), text()).prop_map(|(ssrc, name)| {
            Ssrc { ssrc, attribute: SsrcAttribute::Cname(name) }.into()
        }),
        (any::<u32>(), msid()).prop_map(|(ssrc, msid)| {
            Ssrc { ssrc, attribute: SsrcAttribute::Msid(msid) }.into()
        }),
        prop::collection::vec(any::<u32>(), 0..4).prop_map(|ssrcs| {
            SsrcGroup { semantics: SsrcGroupSemantics::FlowId, ssrcs }.into()
        }),
        msid().prop_map(Attribute::from),
        words().prop_map(|mids| Group { semantics: GroupSemantics::Bundle, mids }.into()),
        words().prop_map(|streams| MsidSemantic { semantic: Word::from_static("WMS"), streams }.into()),
        ("[a-z0-9_-]{1,8}", option::of(0..128u8)).prop_map(|(id, payload)| {
            let parameters = payload.map(|pt| format!("pt={pt};max-width=640")).unwrap_or_default();
            Rid {
                id: Word::new(&id).expect("a word"),
                direction: RidDirection::Send,
                parameters: Text::new(&parameters).expect("one line"),
            }
            .into()
        }),
        dcmap().prop_map(Attribute::from),
        (any::<u16>(), text()).prop_map(|(stream, attribute)| Dcsa { stream, attribute }.into()),
        ("x-[a-z]{1,9}", option::of(text())).prop_map(|(name, value)| Attribute::Unknown {
            name: Word::new(&name).expect("a word"),
            value,
        }),
        Just(Attribute::RtcpMux),
        Just(Attribute::EndOfCandidates),
        Just(Attribute::BundleOnly),
    ]
}

/// Attributes of which a section may have one.
fn single() -> impl Strategy<Value = Vec<Attribute>> {
    let all = (
        "[a-zA-Z0-9+/]{4,32}".prop_map(|text| IceUfrag::new(&text).expect("a fragment").into()),
        "[a-zA-Z0-9+/]{22,32}".prop_map(|text| IcePwd::new(&text).expect("a password").into()),
        words().prop_map(Attribute::IceOptions),
        any::<u16>().prop_map(Attribute::SctpPort),
        any::<u64>().prop_map(Attribute::MaxMessageSize),
        prop::collection::vec(any::<u8>(), 1..64).prop_map(|chunk| SctpInit(chunk).into()),
        direction().prop_map(Attribute::from),
        (any::<u16>(), option::of(address()))
            .prop_map(|(port, address)| Rtcp { port, address }.into()),
        (streams(), option::of(streams()))
            .prop_map(|(send, recv)| Simulcast { send: Some(send), recv }.into()),
        "[a-zA-Z0-9+/_-]{20,64}".prop_map(|text| TlsId::new(&text).expect("an id").into()),
    );
    let all = all.prop_map(|(a, b, c, d, e, f, g, h, i, j)| vec![a, b, c, d, e, f, g, h, i, j]);
    (all, any::<u16>()).prop_map(|(all, chosen): (Vec<Attribute>, u16)| {
        all.into_iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).map(|(_, a)| a).collect()
    })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    (single(), prop::collection::vec(repeatable(), 0..8)).prop_map(|(mut all, more)| {
        all.extend(more);
        all
    })
}

fn media() -> impl Strategy<Value = MediaDescription> {
    let line = prop_oneof![
        Just((MediaKind::Application, Protocol::UdpDtlsSctp, "webrtc-datachannel")),
        Just((MediaKind::Audio, Protocol::UdpTlsRtpSavpf, "111 0 8")),
        Just((MediaKind::Video, Protocol::RtpAvp, "96")),
        Just((MediaKind::Image, Protocol::Other(Word::from_static("udptl")), "t38")),
    ];
    (line, any::<u16>(), option::of(1..9u32), attributes(), option::of(text())).prop_map(
        |((kind, protocol, formats), port, port_count, attributes, title)| {
            let formats = Words::new(formats).expect("words");
            let mut media = MediaDescription::new(kind, port, protocol, formats);
            media.line.port_count = port_count;
            media.title = title;
            media.attributes.extend(attributes);
            media
        },
    )
}

fn session() -> impl Strategy<Value = SessionDescription> {
    (
        (any::<u64>(), any::<u64>(), address(), text(), option::of(text()), option::of(address())),
        option::of((word(), any::<u64>())),
        attributes(),
        prop::collection::vec(media(), 0..4),
    )
        .prop_map(
            |((id, version, origin, name, information, connection), bandwidth, all, media)| {
                let mut session = SessionDescription::new(id, version);
                session.origin.address = origin;
                session.name = name;
                session.information = information;
                session.connection = connection.map(Field::from);
                session
                    .bandwidths
                    .extend(bandwidth.map(|(kind, value)| Bandwidth { kind, value }.into()));
                session.attributes.extend(all);
                session.media = media;
                session
            },
        )
}

proptest! {
    #[test]
    fn of_descriptions(session in session()) {
        let text = session.to_string();
        let parsed = SessionDescription::parse(&text);
        prop_assert_eq!(parsed.as_ref(), Ok(&session), "{}", text);
        prop_assert_eq!(parsed.map(|parsed| parsed.to_string()), Ok(text));
    }

    #[test]
    fn of_candidates(candidate in candidate()) {
        let text = candidate.to_string();
        prop_assert_eq!(text.parse::<Candidate>(), Ok(candidate.clone()));
        prop_assert_eq!(format!("a={text}\r\n").parse::<Candidate>(), Ok(candidate));
    }

    #[test]
    fn of_nothing_that_panics(text in "\\PC{0,200}") {
        let _ = SessionDescription::parse(&text);
        let _ = text.parse::<Candidate>();
        let head = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\n";
        let _ = SessionDescription::parse(&format!("{head}{text}"));
    }
}
