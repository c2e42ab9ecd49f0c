//! Bodies of the fuzz targets.

use crate::{Candidate, Limits, SessionDescription};

/// Whatever parses is written back as it was, and what is written parses to the same.
pub fn session_description(data: &[u8]) {
    let Ok(session) = SessionDescription::parse_bytes(data, &Limits::default()) else { return };
    let written = session.to_string();
    let again = SessionDescription::parse(&written).expect("what was written parses");
    assert_eq!(again, session);
    assert_eq!(again.to_string(), written);
    assert_eq!(sorted_lines(&written), sorted_lines(std::str::from_utf8(data).expect("it parsed")));
    // Everything that is decoded on access must not panic either.
    for section in session.sections() {
        let _ = (section.direction(), section.fingerprints().count(), section.is_rejected());
        let _ = section.line.payload_types().count();
        for fmtp in section.fmtps() {
            let _ = (fmtp.payload_type(), fmtp.parameters().count());
        }
        for rid in section.rids() {
            let _ = (rid.payload_types().count(), rid.restrictions().count());
        }
        for image in section.image_attrs() {
            for sets in [&image.send, &image.recv].into_iter().flatten() {
                let _ = sets.iter().count();
            }
        }
        for candidate in section.candidates() {
            let _ = candidate.extensions().count();
        }
        if let Some(simulcast) = section.simulcast() {
            for streams in [&simulcast.send, &simulcast.recv].into_iter().flatten() {
                let _ = streams.iter().map(Iterator::count).sum::<usize>();
            }
        }
    }
}

/// The lines in an order of their own, since lines out of order are put in order; without spaces at
/// their ends, which are not kept behind flags.
fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').map(str::trim_end).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort_unstable();
    lines
}

/// A candidate that parses is written as a line that parses to the same.
pub fn candidate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(candidate) = text.parse::<Candidate>() else { return };
    let written = candidate.to_string();
    assert_eq!(written.parse::<Candidate>().as_ref(), Ok(&candidate));
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces from which random descriptions get further than random bytes would.
    const PIECES: &[&str] = &[
        "v=0\r\n",
        "o=- 1 1 IN IP4 127.0.0.1\n",
        "s=-\r\n",
        "t=0 0\r\n",
        "m=audio 9 RTP/AVP 0 96\r\n",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "a=",
        "mid:",
        "candidate:",
        "1 1 udp 1 ",
        "192.0.2.1 ",
        "2001:DB8::1 ",
        "1 typ host",
        " raddr ",
        " rport ",
        " tcptype ",
        "active",
        "\r\n",
        "\n",
        " ",
        "  ",
        "\t",
        "ssrc:",
        "ssrc-group:FID ",
        "simulcast:",
        "send ",
        "recv ",
        "1;2,~3",
        "rid:1 send pt=96;max-br=1",
        "imageattr:96 ",
        "[x=[320:16:640],y=[240,480],q=0.5] ",
        "*",
        "fmtp:",
        "96 ",
        "rtpmap:96 VP8/90000/2",
        "rtcp-fb:",
        "nack pli",
        "trr-int 5",
        "extmap:1/sendonly urn:x ",
        "fingerprint:md5 ",
        "AB:",
        "cd",
        "dcmap:0 ",
        "label=\"",
        "\";",
        "ordered=true",
        "dcsa:0 x:y",
        "sctp-init:AQAA",
        "setup:actpass",
        "group:BUNDLE 0",
        "msid-semantic: WMS",
        "msid:a b",
        "ptime:0.1",
        "rtcp:9 ",
        "IN IP6 ::1",
        "r=7d 1h 0\r\n",
        "z=1 -1h\r\n",
        "b=AS:64\r\n",
        "k=prompt\r\n",
        "sctpmap:5000 webrtc-datachannel 16",
        "=",
        ":",
        "\0",
        "\r",
        "é",
        "99999999999",
    ];

    /// A small generator of pseudo-random numbers, enough to choose pieces by.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }
    }

    #[test]
    fn random_descriptions_do_not_break_the_rules() {
        let mut random = Random(0x5eed);
        for round in 0..20_000 {
            let mut text = String::new();
            if round % 2 == 0 {
                PIECES[..4].iter().for_each(|piece| text.push_str(piece));
            }
            for _ in 0..random.below(24) {
                text.push_str(PIECES[random.below(PIECES.len())]);
            }
            session_description(text.as_bytes());
        }
    }

    #[test]
    fn attributes_with_pieces_for_values_do_not_break_the_rules() {
        let mut random = Random(0xa77);
        for _ in 0..20_000 {
            let mut text: String = PIECES[..4].concat();
            text.push_str(PIECES[4 + random.below(2)]);
            for _ in 0..2 {
                text.push_str("a=");
                for _ in 0..1 + random.below(5) {
                    text.push_str(PIECES[random.below(PIECES.len())]);
                }
                text.push_str("\r\n");
            }
            session_description(text.as_bytes());
        }
    }

    #[test]
    fn random_bytes_and_candidates_do_not_break_the_rules() {
        let mut random = Random(0xb17e5);
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.below(64)).map(|_| random.below(256) as u8).collect();
            session_description(&bytes);
            candidate(&bytes);
            let mut text = String::from("candidate:1 1 udp 1 192.0.2.1 1 typ host");
            for _ in 0..random.below(6) {
                text.push_str(PIECES[random.below(PIECES.len())]);
            }
            candidate(text.as_bytes());
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("sdp_candidate", candidate);
        inputs::run("sdp_session_description", session_description);
    }
}
