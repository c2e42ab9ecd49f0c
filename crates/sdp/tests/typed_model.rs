//! Hand-written offers and answers, and what the types make of them.

use peerage_sdp::{
    Attribute, Candidate, Direction, Feedback, Fingerprint, Group, GroupSemantics, HashFunction,
    IcePwd, IceUfrag, MediaDescription, SessionDescription, Setup, Word, Words,
};

/// An offer of audio, simulcast video and data channels, in the style of RFC 9429 §7.
const OFFER: &str = "v=0\r\n\
    o=- 4962303333179871722 1 IN IP4 0.0.0.0\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=ice-options:trickle ice2\r\n\
    a=group:BUNDLE a1 v1 d1\r\n\
    a=group:LS a1 v1\r\n\
    a=fingerprint:sha-1 42:89:C5:C6:55:9D:6E:C8:E8:83:55:2A:39:F9:B6:EB:E9:A3:A9:E7\r\n\
    a=extmap-allow-mixed\r\n\
    m=audio 10100 UDP/TLS/RTP/SAVPF 96 0 8 97\r\n\
    c=IN IP4 203.0.113.100\r\n\
    a=mid:a1\r\n\
    a=sendrecv\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=rtpmap:97 telephone-event/8000\r\n\
    a=fmtp:97 0-15\r\n\
    a=maxptime:120\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:2/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\r\n\
    a=msid:47017fee-b6c1-4162-929c-a25110252400\r\n\
    a=ice-ufrag:ETEn\r\n\
    a=ice-pwd:OtSK0WpNtpUjkY4+86js7ZQl\r\n\
    a=setup:actpass\r\n\
    a=tls-id:1111111111111111111111111111\r\n\
    a=rtcp:10101 IN IP4 203.0.113.100\r\n\
    a=rtcp-mux\r\n\
    a=rtcp-rsize\r\n\
    a=candidate:1 1 udp 2113929471 203.0.113.100 10100 typ host\r\n\
    a=candidate:1 2 udp 2113929470 5b1d5b0c-5b7a-4f4e-8f0e-1a2b3c4d5e6f.local 10101 typ host\r\n\
    a=candidate:2 1 tcp 1518280447 2001:db8::1 9 typ srflx raddr 192.0.2.7 rport 9 tcptype active generation 0\r\n\
    a=end-of-candidates\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 100 101\r\n\
    c=IN IP4 203.0.113.100\r\n\
    b=TIAS:2500000\r\n\
    a=mid:v1\r\n\
    a=bundle-only\r\n\
    a=sendonly\r\n\
    a=rtpmap:100 VP8/90000\r\n\
    a=rtpmap:101 rtx/90000\r\n\
    a=fmtp:101 apt=100;rtx-time=200\r\n\
    a=imageattr:100 recv [x=[48:16:1920],y=[48,1080],q=0.75] [x=320,y=240,sar=1.1]\r\n\
    a=rtcp-fb:100 ccm fir\r\n\
    a=rtcp-fb:100 nack\r\n\
    a=rtcp-fb:100 nack pli\r\n\
    a=rtcp-fb:* transport-cc\r\n\
    a=rtcp-fb:100 trr-int 100\r\n\
    a=rtcp-fb:100 x-y z\r\n\
    a=ssrc:11 cname:EocUG1f0fcg/yvY7\r\n\
    a=ssrc:11 msid:s t\r\n\
    a=ssrc:12 fmtp:100 x=1\r\n\
    a=ssrc-group:FID 11 12\r\n\
    a=rid:1 send pt=100;max-width=1280;max-height=720\r\n\
    a=rid:2 send\r\n\
    a=simulcast:send 1,~2;2\r\n\
    a=x-google-flag:conference\r\n\
    a=cryptex\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:d1\r\n\
    a=sctp-port:5000\r\n\
    a=max-message-size:65536\r\n\
    a=sctp-init:AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA\r\n\
    a=dcmap:2 subprotocol=\"msrp\";ordered=false;max-retr=3;label=\"chat\"\r\n\
    a=dcsa:2 accept-types:text/plain\r\n";

fn offer() -> SessionDescription {
    let session = SessionDescription::parse(OFFER).expect("valid");
    assert_eq!(session.to_string(), OFFER);
    session
}

#[test]
fn of_an_offer() {
    insta::assert_debug_snapshot!(offer());
}

#[test]
fn accessors_find_what_is_there() {
    let session = offer();
    assert_eq!(session.attributes.bundle().map(Words::as_str), Some("a1 v1 d1"));
    assert_eq!(session.attributes.groups().count(), 2);

    let audio = session.section("a1").expect("audio");
    assert_eq!(audio.line.payload_types().collect::<Vec<_>>(), [96, 0, 8, 97]);
    assert_eq!(audio.rtpmap(96).map(|map| map.channels()), Some(2));
    assert_eq!(audio.rtpmap(97).map(|map| map.channels()), Some(1));
    assert_eq!(audio.fmtp(97).map(|fmtp| fmtp.text.as_str()), Some("0-15"));
    assert_eq!(audio.direction(), Direction::SendRecv);
    assert_eq!(audio.msid().map(|msid| msid.track.is_none()), Some(true));
    assert!(audio.rtcp_mux() && audio.rtcp_rsize() && !audio.rtcp_mux_only());
    assert_eq!(audio.rtcp().map(|rtcp| rtcp.port), Some(10101));
    assert_eq!(audio.candidates().count(), 3);
    let hidden = audio.candidates().nth(1).expect("three candidates");
    assert_eq!(hidden.host.ip(), None);
    assert!(audio.end_of_candidates());

    let video = session.section("v1").expect("video");
    assert!(video.bundle_only() && !video.is_rejected());
    assert_eq!(video.fmtp(101).and_then(|fmtp| fmtp.parameter("APT")), Some("100"));
    assert_eq!(
        video.rtcp_fbs().nth(3).map(|fb| (fb.payload_type, &fb.feedback)),
        Some((None, &Feedback::TransportCc))
    );
    let rid = video.rids().next().expect("two rids");
    assert_eq!(rid.payload_types().collect::<Vec<_>>(), [100]);
    assert_eq!((rid.restriction("max-width"), rid.restriction("max-fps")), (Some(1280), None));
    let send = video.simulcast().and_then(|s| s.send.as_ref()).expect("streams sent");
    let streams: Vec<Vec<(&str, bool)>> =
        send.iter().map(|stream| stream.map(|f| (f.rid, f.paused)).collect()).collect();
    assert_eq!(streams, [vec![("1", false), ("2", true)], vec![("2", false)]]);
    assert_eq!(video.unknown("x-google-flag"), Some(Some("conference")));
    let image = video.image_attrs().next().and_then(|image| image.recv.clone()).expect("sizes");
    insta::assert_debug_snapshot!(image.iter().collect::<Vec<_>>());

    let data = session.section("d1").expect("data");
    assert!(data.is_data_channels());
    assert_eq!((data.sctp_port(), data.max_message_size()), (Some(5000), Some(65536)));
    assert_eq!(data.sctp_init().map(|init| init.0.len()), Some(30));
    let map = data.dcmaps().next().expect("a channel");
    assert_eq!((map.stream, map.ordered, map.max_retransmits), (2, Some(false), Some(3)));
    assert!(session.section("nobody").is_none());
}

#[test]
fn sections_inherit_from_the_session() {
    let text = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\na=ice-ufrag:sess\na=ice-pwd:ssssssssssssssssssssss\n\
        a=setup:active\na=recvonly\na=ice-lite\na=ice-options:ice2\na=fingerprint:md5 \
        00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\na=extmap-allow-mixed\n\
        m=audio 9 RTP/AVP 0\n\
        m=audio 9 RTP/AVP 0\na=ice-ufrag:own1\na=setup:passive\na=inactive\na=fingerprint:sha3 00\n";
    let session = SessionDescription::parse(text).expect("valid");
    let sections: Vec<_> = session.sections().collect();
    let summary = |i: usize| {
        let section = &sections[i];
        (
            section.ice_ufrag().map(|ufrag| ufrag.to_string()),
            section.setup(),
            section.direction(),
            section.fingerprints().map(|fingerprint| fingerprint.digest.len()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        summary(0),
        (Some("sess".into()), Some(Setup::Active), Direction::RecvOnly, vec![16])
    );
    assert_eq!(
        summary(1),
        (Some("own1".into()), Some(Setup::Passive), Direction::Inactive, vec![1])
    );
    for section in &sections {
        assert!(section.ice_lite() && section.extmap_allow_mixed());
        assert!(section.ice_options().is_some_and(|options| options.has("ice2")));
        assert!(section.ice_pwd().is_some());
    }
}

#[test]
fn an_answer_is_built_in_a_few_lines() {
    let offer = offer();
    let mut answer = SessionDescription::new(7, 1)
        .with(Group { semantics: GroupSemantics::Bundle, mids: Words::new("d1").expect("words") });
    for section in offer.sections() {
        let mid = Attribute::Mid(section.mid().expect("each has one").clone());
        answer.media.push(match section.is_data_channels() {
            false => section.rejected().with(mid),
            true => MediaDescription::data_channels()
                .with(
                    "candidate:1 1 udp 1 192.0.2.1 5000 typ host"
                        .parse::<Candidate>()
                        .expect("valid"),
                )
                .with(IceUfrag::new("abcd").expect("four characters"))
                .with(IcePwd::new("abcdefghijklmnopqrstuv").expect("twenty-two characters"))
                .with(Attribute::IceOptions(Words::join(&[Word::from_static("trickle")])))
                .with(Fingerprint { hash: HashFunction::Sha256, digest: vec![0xab; 32] })
                .with(Setup::Active)
                .with(mid)
                .with(Attribute::SctpPort(5000))
                .with(Attribute::MaxMessageSize(262_144)),
        });
    }
    insta::assert_snapshot!(answer.to_string().replace("\r\n", "\n"));
    assert!(answer.media[0].is_rejected());
}

#[test]
fn a_password_is_not_shown_by_debug() {
    let text = format!("{:?}", offer());
    assert!(!text.contains("OtSK0WpNtpUjkY4"), "{text}");
}
