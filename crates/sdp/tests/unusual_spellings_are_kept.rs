//! What is valid, or accepted, though no Peerage would write it so, is written back as it was.

use peerage_sdp::{Attribute, SessionDescription, Setup, TcpType};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

fn parse(attribute: &str) -> (SessionDescription, Attribute) {
    let text = format!("{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n{attribute}\r\n");
    let session = SessionDescription::parse(&text).unwrap_or_else(|error| panic!("{text}{error}"));
    assert_eq!(session.to_string(), text);
    let attribute = session.media[0].attributes.iter().next().expect("one attribute").clone();
    (session, attribute)
}

#[test]
fn of_attributes() {
    for (unusual, usual) in [
        (
            "a=candidate:1 1 UDP 1 192.0.2.1 1 typ host",
            "a=candidate:1 1 udp 1 192.0.2.1 1 typ host",
        ),
        (
            "a=candidate:1 01 udp  001 2001:DB8::1 1 TYP HOST ",
            "a=candidate:1 1 udp 1 2001:db8::1 1 typ host",
        ),
        (
            "a=fingerprint:SHA-1 42:89:c5:c6:55:9d:6e:c8:e8:83:55:2a:39:f9:b6:eb:e9:a3:a9:e7",
            "a=fingerprint:sha-1 42:89:C5:C6:55:9D:6E:C8:E8:83:55:2A:39:F9:B6:EB:E9:A3:A9:E7",
        ),
        ("a=msid-semantic: WMS a  b", "a=msid-semantic:WMS a  b"),
        ("a=rtpmap:096  VP8/90000", "a=rtpmap:96 VP8/90000"),
        ("a=rtcp-fb:96  nack", "a=rtcp-fb:96 nack"),
        ("a=fmtp:96   minptime=10; useinbandfec=1 ", "a=fmtp:96 minptime=10; useinbandfec=1 "),
        ("a=extmap:01/SENDONLY urn:x", "a=extmap:1/sendonly urn:x"),
        ("a=ssrc:007 cname:x", "a=ssrc:7 cname:x"),
        ("a=ssrc-group:fid 1  2", "a=ssrc-group:FID 1 2"),
        ("a=group:bundle 0", "a=group:BUNDLE 0"),
        ("a=simulcast:recv 1 send 2", "a=simulcast:send 2 recv 1"),
        ("a=imageattr:96 recv * send [x=1,y=2]", "a=imageattr:96 send [x=1,y=2] recv *"),
        ("a=setup:ACTIVE", "a=setup:active"),
        ("a=sctp-port:05000", "a=sctp-port:5000"),
        ("a=mid: 0", "a=mid:0"),
        ("a=dcmap:1 label=\"x\";ordered=true", "a=dcmap:1 ordered=true;label=\"x\""),
        ("a=rtcp:9  IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0"),
        ("a=rid:1  send  pt=96", "a=rid:1 send pt=96"),
    ] {
        let (_, from_unusual) = parse(unusual);
        let (_, from_usual) = parse(usual);
        assert_eq!(from_unusual, from_usual, "{unusual}");
        // What an application takes out and puts elsewhere is written in the usual way.
        let (mut session, _) = parse("a=x");
        session.media[0].replace(0, from_unusual);
        assert!(session.to_string().ends_with(&format!("{usual}\r\n")), "{unusual}");
    }
}

#[test]
fn until_they_are_changed() {
    let (mut session, _) = parse("a=setup:ACTIVE");
    session.media[0].replace(0, Setup::Passive);
    session.origin.session_version += 1;
    let text = session.to_string();
    assert!(text.ends_with("a=setup:passive\r\n"), "{text}");
    assert!(text.contains("o=- 1 2 IN IP4 127.0.0.1\r\n"), "{text}");
}

#[test]
fn of_lines() {
    for text in [
        "v=0\r\no=jdoe 003724394400 3724394405 IN IP6 2001:DB8::1\r\ns= Call \r\ni=A Seminar\r\nu=http://x/\r\n\
         e=j.doe@example.com (Jane Doe)\r\np=+1 617 555-6011\r\nc=IN IP4 198.51.100.1/127/3\r\nb=AS: 64\r\n\
         t=3724394400 3724398000\r\nr=7d 1h 0 25h\r\nz=3730928400 -1h 3749680800 0\r\nt=0 0\r\nk=prompt\r\n",
        "v=0\r\no=- 340282366920938463463374607431768211455 1 IN IP4 0.0.0.0\r\ns=-\r\nb=AS:99999999999999999999\r\n",
        "v=0\r\no=- 1 1 TN RFC2543 +1-201-406-4090\r\ns=-\r\nt=0 0\r\nm=audio 49170/2 rtp/avp  0 \r\nc=IN IP4 a.example\r\n",
    ] {
        let session =
            SessionDescription::parse(text).unwrap_or_else(|error| panic!("{text}{error}"));
        assert_eq!(session.to_string(), text);
        let lines = text.replace("\r\n", "\n");
        assert_eq!(SessionDescription::parse(&lines), Ok(session.clone()));
        assert_eq!(SessionDescription::parse(lines.trim_end_matches('\n')), Ok(session.clone()));
        assert_eq!(SessionDescription::parse(&format!("{text}\r\n \n")), Ok(session));
    }
}

#[test]
fn of_numbers_larger_than_fit_only_the_text_is_right() {
    let text = "v=0\r\no=- 340282366920938463463374607431768211455 1 IN IP4 0.0.0.0\r\ns=-\r\n";
    let session = SessionDescription::parse(text).expect("valid");
    assert_eq!(session.origin.session_id, u64::MAX);
    assert_eq!(session.to_string(), text);
}

#[test]
fn of_a_tcp_type_behind_other_extensions() {
    let (session, _) =
        parse("a=candidate:1 1 tcp 1 192.0.2.1 9 typ host generation 0 tcptype passive");
    let candidate = session.media[0].candidates().next().expect("a candidate");
    assert_eq!(candidate.tcp_type, Some(TcpType::Passive));
    assert_eq!(candidate.extension("generation"), Some("0"));
}

#[test]
fn of_attributes_whose_rfc_says_to_ignore_what_is_malformed() {
    for text in [
        "a=rid:1,2 send",
        "a=rid:1 both",
        "a=imageattr:96 send [x=320]",
        "a=imageattr:96 sideways *",
        "a=ptime:twenty",
        "a=quality:high",
        "a=framerate:29,97",
    ] {
        let (_, attribute) = parse(text);
        assert!(matches!(attribute, Attribute::Unknown { .. }), "{text}: {attribute:?}");
    }
}
