//! Every refusal names the line, the column where it helps, the attribute and the RFC section.

use peerage_sdp::{
    Candidate, Error, IcePwd, IceUfrag, Limits, SessionDescription, Text, Word, Words,
};

/// Parses a description whose data section has these further lines, from line 7 on.
fn refused(lines: &str) -> String {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n{lines}"
    );
    match SessionDescription::parse(&text) {
        Ok(session) => panic!("accepted {lines:?} as {session:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn of_an_attribute() {
    let pwd = "a".repeat(21);
    let long = "a".repeat(257);
    for (lines, message) in [
        ("a=mid:\r\n", "line 7, column 7: a=mid: expected a value (RFC 5888 §4)"),
        ("a=mid:0 1\r\n", "line 7, column 9: a=mid: expected the end of the line (RFC 5888 §4)"),
        (
            "a=ice-ufrag:abc\r\n",
            "line 7, column 13: a=ice-ufrag: expected a username fragment of 4 to 256 ICE characters (RFC 8839 §5.4)",
        ),
        (
            "a=ice-ufrag:ab\"cd\r\n",
            "line 7, column 13: a=ice-ufrag: expected a username fragment of 4 to 256 ICE characters (RFC 8839 §5.4)",
        ),
        (
            &format!("a=ice-ufrag:{long}\r\n"),
            "line 7, column 13: a=ice-ufrag: expected a username fragment of 4 to 256 ICE characters (RFC 8839 §5.4)",
        ),
        (
            &format!("a=ice-pwd:{pwd}\r\n"),
            "line 7, column 11: a=ice-pwd: expected a password of 22 to 256 ICE characters (RFC 8839 §5.4)",
        ),
        ("a=ice-ufrag\r\n", "line 7, column 3: a=ice-ufrag: expected a value (RFC 8839 §5.4)"),
        (
            "a=setup:both\r\n",
            "line 7, column 9: a=setup: expected active, passive, actpass or holdconn (RFC 4145 §4)",
        ),
        (
            "a=sctp-port:65536\r\n",
            "line 7, column 13: a=sctp-port: expected a number from 0 to 65535 (RFC 8841 §5.2)",
        ),
        (
            "a=sctp-port:-1\r\n",
            "line 7, column 13: a=sctp-port: expected a number from 0 to 65535 (RFC 8841 §5.2)",
        ),
        (
            "a=max-message-size:1e6\r\n",
            "line 7, column 20: a=max-message-size: expected a number below 2^64 (RFC 8841 §6.2)",
        ),
        (
            "a=fingerprint:sha-256 AB:CD\r\n",
            "line 7, column 23: a=fingerprint: the digest has not the length of its hash function (RFC 8122 §5)",
        ),
        (
            "a=fingerprint:sha-999 AB:CG\r\n",
            "line 7, column 26: a=fingerprint: expected bytes in hexadecimal with colons between (RFC 8122 §5)",
        ),
        (
            "a=fingerprint:sha-999 AB:C\r\n",
            "line 7, column 23: a=fingerprint: expected bytes in hexadecimal with colons between (RFC 8122 §5)",
        ),
        (
            "a=candidate:1 1 udp 1 192.0.2.1 65536 typ host\r\n",
            "line 7, column 33: a=candidate: expected a port from 0 to 65535 (RFC 8839 §5.1)",
        ),
        (
            "a=candidate:1 0 udp 1 192.0.2.1 1 typ host\r\n",
            "line 7, column 16: a=candidate: expected a component from 1 to 256 (RFC 8839 §5.1)",
        ),
        (
            "a=candidate:1 1 udp 4294967296 192.0.2.1 1 typ host\r\n",
            "line 7, column 21: a=candidate: expected a priority below 2^32 (RFC 8839 §5.1)",
        ),
        (
            "a=candidate:1 1 udp 1 192.0.2.1 1 host\r\n",
            "line 7, column 35: a=candidate: expected \"typ\" (RFC 8839 §5.1)",
        ),
        (
            "a=rtpmap:128 opus/48000\r\n",
            "line 7, column 10: a=rtpmap: expected a payload type from 0 to 127 (RFC 8866 §6.6)",
        ),
        (
            "a=rtpmap:111 opus\r\n",
            "line 7, column 18: a=rtpmap: expected \"/\" and a clock rate (RFC 8866 §6.6)",
        ),
        (
            "a=rtcp-fb:96\r\n",
            "line 7, column 13: a=rtcp-fb: expected a kind of feedback, such as nack (RFC 4585 §4.2)",
        ),
        (
            "a=extmap:0 urn:x\r\n",
            "line 7, column 10: a=extmap: expected an identifier from 1 to 65535 (RFC 8285 §5)",
        ),
        (
            "a=extmap:1/both urn:x\r\n",
            "line 7, column 12: a=extmap: expected sendrecv, sendonly, recvonly or inactive (RFC 8285 §5)",
        ),
        (
            "a=ssrc:4294967296 cname:x\r\n",
            "line 7, column 8: a=ssrc: expected an SSRC below 2^32 (RFC 5576 §4.1)",
        ),
        (
            "a=ssrc-group:FID 1 x\r\n",
            "line 7, column 20: a=ssrc-group: expected an SSRC below 2^32 (RFC 5576 §4.2)",
        ),
        (
            "a=simulcast:send 1;send\r\na=simulcast:recv 2\r\n",
            "line 8: a=simulcast appears a second time, the first is on line 7 (RFC 8853 §5.1)",
        ),
        (
            "a=simulcast:send 1 send 2\r\n",
            "line 7, column 20: a=simulcast: each direction may be given once (RFC 8853 §5.1)",
        ),
        (
            "a=sctp-init:AQ=A\r\n",
            "line 7, column 13: a=sctp-init: expected an INIT chunk in base64 (draft-hancke-tsvwg-snap)",
        ),
        (
            "a=tls-id:short\r\n",
            "line 7, column 10: a=tls-id: expected 20 to 255 letters, digits, +, /, - or _ (RFC 8842 §4)",
        ),
        (
            "a=dcmap:0 max-retr=1;max-time=1\r\n",
            "line 7, column 11: a=dcmap: max-retr and max-time exclude each other (RFC 8864 §5.1)",
        ),
        (
            "a=dcmap:0 label=\"x\r\n",
            "line 7, column 17: a=dcmap: expected a closing quote (RFC 8864 §5.1)",
        ),
        (
            "a=rtcp-mux:yes\r\n",
            "line 7, column 12: a=rtcp-mux: the attribute takes no value (RFC 5761 §5.1.1)",
        ),
        (
            "a=:x\r\n",
            "line 7, column 3: a=: expected the name of an attribute, and \":\" (RFC 8866 §5.13)",
        ),
        (
            "a=two words\r\n",
            "line 7, column 6: a=: expected the name of an attribute, and \":\" (RFC 8866 §5.13)",
        ),
        ("a=mid:a\u{7}b\r\n", "line 7, column 8: a=mid: control character (RFC 5888 §4)"),
    ] {
        assert_eq!(refused(lines), message, "{lines:?}");
    }
}

#[test]
fn of_a_second_attribute_where_one_is_the_limit() {
    for (lines, message) in [
        (
            "a=ice-ufrag:abcd\r\na=mid:0\r\na=ice-ufrag:abcd\r\n",
            "line 9: a=ice-ufrag appears a second time, the first is on line 7 (RFC 8839 §5.4)",
        ),
        (
            "a=sendrecv\na=inactive\n",
            "line 8: a direction attribute appears a second time, the first is on line 7 (RFC 8866 §6.7)",
        ),
        (
            "a=mid:0\na=mid:1\n",
            "line 8: a=mid appears a second time, the first is on line 7 (RFC 5888 §4)",
        ),
        (
            "a=setup:active\na=setup:active\n",
            "line 8: a=setup appears a second time, the first is on line 7 (RFC 4145 §4)",
        ),
        (
            "a=sctp-port:1\na=sctp-port:1\n",
            "line 8: a=sctp-port appears a second time, the first is on line 7 (RFC 8841 §5.2)",
        ),
        (
            "a=mid:0\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\n",
            "line 8: a=mid: \"0\" already names the media description of line 5 (RFC 5888 §4)",
        ),
        ("i=x\ni=y\n", "line 8: i= appears a second time, the first is on line 7 (RFC 8866 §5.4)"),
    ] {
        assert_eq!(refused(lines), message, "{lines:?}");
    }
}

#[test]
fn of_a_media_line() {
    for (line, message) in [
        ("m=audio", "line 7, column 8: m=: expected a port from 0 to 65535 (RFC 8866 §5.14)"),
        (
            "m=audio 65536 RTP/AVP 0",
            "line 7, column 9: m=: expected a port from 0 to 65535 (RFC 8866 §5.14)",
        ),
        (
            "m=audio 9/0 RTP/AVP 0",
            "line 7, column 11: m=: expected a number of ports (RFC 8866 §5.14)",
        ),
        (
            "m=audio 9 RTP//AVP 0",
            "line 7, column 11: m=: expected a protocol, such as UDP/TLS/RTP/SAVPF (RFC 8866 §5.14)",
        ),
        (
            "m=audio 9 RTP/AVP",
            "line 7, column 18: m=: expected at least one format (RFC 8866 §5.14)",
        ),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 0 128",
            "line 7, column 31: m=: expected payload types from 0 to 127 (RFC 8866 §5.14)",
        ),
        (
            "m=au/dio 9 RTP/AVP 0",
            "line 7, column 3: m=: expected a kind of media, such as audio (RFC 8866 §5.14)",
        ),
    ] {
        assert_eq!(refused(line), message, "{line:?}");
    }
}

#[test]
fn of_lines_that_have_no_place() {
    for (lines, message) in [
        ("x=1\r\n", "line 7: expected a line type of RFC 8866, found \"x=1\" (RFC 8866 §5)"),
        (
            "t=0 0\r\n",
            "line 7: expected a line type of media descriptions, found \"t=0 0\" (RFC 8866 §5)",
        ),
        ("hello\r\n", "line 7: expected <letter>=<value>, found \"hello\" (RFC 8866 §5)"),
        (
            "\r\na=mid:0\r\n",
            "line 7: expected <letter>=<value>, not a blank line, found \"\" (RFC 8866 §5)",
        ),
        (
            "a=mid:0\ra=x\r\n",
            "line 7, column 8: a carriage return that no line feed follows (RFC 8866 §9)",
        ),
        ("a=mid:\0\r\n", "line 7, column 7: NUL (RFC 8866 §9)"),
    ] {
        assert_eq!(refused(lines), message, "{lines:?}");
    }
}

#[test]
fn of_the_head() {
    for (text, message) in [
        ("", "line 1: expected a v= line before this point (RFC 8866 §5.1)"),
        ("hello", "line 1: expected <letter>=<value>, found \"hello\" (RFC 8866 §5)"),
        (
            "o=- 1 1 IN IP4 127.0.0.1\r\n",
            "line 1: expected a v= line before this point (RFC 8866 §5.1)",
        ),
        ("v=1\r\n", "line 1, column 3: v=: expected version 0 (RFC 8866 §5.1)"),
        ("v=0\r\ns=-\r\n", "line 2: expected a o= line before this point (RFC 8866 §5.2)"),
        (
            "v=0\r\no=- x 1 IN IP4 127.0.0.1\r\n",
            "line 2, column 5: o=: expected a numeric session identifier (RFC 8866 §5.2)",
        ),
        ("v=0\r\no=- 1 1 IN IP4\r\n", "line 2, column 15: o=: expected an address (RFC 8866 §5.2)"),
        (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nt=0 0\r\n",
            "line 3: expected a s= line before this point (RFC 8866 §5.3)",
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nz=0 0\r\n",
            "line 4: expected a t= line before r= and z=, found \"z=0 0\" (RFC 8866 §5)",
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\ns=-\r\n",
            "line 4: s= appears a second time, the first is on line 3 (RFC 8866 §5)",
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nb=AS\r\n",
            "line 4, column 5: b=: expected \":\" and a bandwidth (RFC 8866 §5.8)",
        ),
    ] {
        let error = SessionDescription::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
}

#[test]
fn of_text_that_is_not_utf8() {
    let error = SessionDescription::parse_bytes(b"v=0\r\no=\xff", &Limits::default());
    assert_eq!(error, Err(Error::NotUtf8 { line: 2, column: 3 }));
}

#[test]
fn of_limits() {
    let text =
        "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 0 RTP/AVP 0\nm=audio 0 RTP/AVP 0\n";
    let limits = Limits { max_size: text.len(), max_lines: 6, max_media: 2 };
    assert!(SessionDescription::parse_within(text, &limits).is_ok());
    for (limits, message) in [
        (
            Limits { max_size: text.len() - 1, ..limits },
            "the description has 79 bytes, more than the limit of 78",
        ),
        (
            Limits { max_lines: 5, ..limits },
            "the description has 6 lines, more than the limit of 5",
        ),
        (
            Limits { max_media: 1, ..limits },
            "the description has 2 media descriptions, more than the limit of 1",
        ),
    ] {
        let error = SessionDescription::parse_within(text, &limits).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn of_a_trickled_candidate() {
    for (text, message) in [
        ("", "line 1, column 1: a=candidate: expected \"candidate:\" (RFC 8839 §5.1)"),
        (
            "candidate:1 1 udp",
            "line 1, column 18: a=candidate: expected a priority below 2^32 (RFC 8839 §5.1)",
        ),
        (
            "candidate:1 1 udp 1 ::1 1 typ host\r\na=x",
            "line 1, column 35: a=candidate: expected one line (RFC 8839 §5.1)",
        ),
    ] {
        let error = text.parse::<Candidate>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
}

#[test]
fn of_text_that_an_application_wants_written() {
    assert!(Text::new("a\r\nb").is_err());
    assert!(Text::new("a\0b").is_err());
    assert!(Word::new("a b").is_err());
    assert!(Word::new("").is_err());
    assert!(Word::new("a\u{7f}").is_err());
    assert!(Words::new("a\nb").is_err());
    assert!(IceUfrag::new("abc").is_err());
    assert!(IceUfrag::new("ab d").is_err());
    assert!(IcePwd::new("abcdefghijklmnopqrstu").is_err());
    assert!(IcePwd::new("abcdefghijklmnopqrstuv").is_ok());
    let error = Text::new("evil\r\na=fingerprint:x").expect_err("it has two lines");
    assert_eq!(
        error.to_string(),
        "\"evil\\r\\na=fingerprint:x\" cannot be written: it contains a NUL or a line end (RFC 8866 §9)"
    );
}
