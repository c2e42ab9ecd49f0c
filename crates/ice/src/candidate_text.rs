//! The text form of a candidate: `candidate-attribute` of RFC 8839 §5.1, as SDP and `RTCIceCandidate` carry it.
//!
//! Reading is lenient where browsers are (case of the transport, names for addresses), strict where a wrong guess would
//! send packets to a wrong place. Extensions come back out as they went in.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::candidate::{Candidate, CandidateAddress, CandidateKind, CandidateTransport};
use crate::error::Error;

/// Longest candidate text that is read, in bytes, after the `candidate:` in front.
pub const MAX_CANDIDATE_LEN: usize = 2048;

/// Most extension attributes that are kept.
pub const MAX_EXTENSIONS: usize = 32;

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "candidate:{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport.as_str(),
            self.priority,
            self.address,
            self.port,
            self.kind
        )?;
        if let Some((address, port)) = &self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        for (name, value) in &self.extensions {
            write!(f, " {name} {value}")?;
        }
        Ok(())
    }
}

impl FromStr for Candidate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut fields = Fields { text: text.trim_end_matches(['\r', '\n', ' ']), position: 0 };
        fields.skip("a=");
        fields.skip("candidate:");
        // The prefixes do not count: they may be absent here, and are always written.
        let limit = fields.position + MAX_CANDIDATE_LEN;
        if fields.text.len() > limit {
            return Err(Error::InvalidCandidate { offset: limit, reason: "the line is too long" });
        }
        fields.candidate()
    }
}

struct Fields<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Fields<'a> {
    fn skip(&mut self, prefix: &str) {
        if self.text[self.position..].starts_with(prefix) {
            self.position += prefix.len();
        }
    }

    /// The next space-separated field and its offset.
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let rest = &self.text[self.position..];
        let start = self.position + (rest.len() - rest.trim_start_matches(' ').len());
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let end = start + rest.find(' ').unwrap_or(rest.len());
        self.position = end;
        Some((start, &self.text[start..end]))
    }

    fn need(&mut self, missing: &'static str) -> Result<(usize, &'a str), Error> {
        let offset = self.text.len();
        self.next().ok_or(Error::InvalidCandidate { offset, reason: missing })
    }

    fn number<T: FromStr>(
        &mut self,
        missing: &'static str,
        invalid: &'static str,
    ) -> Result<(usize, T), Error> {
        let (offset, field) = self.need(missing)?;
        // `parse` alone would take a sign.
        let digits = field.bytes().all(|b| b.is_ascii_digit());
        match field.parse() {
            Ok(value) if digits => Ok((offset, value)),
            _ => Err(Error::InvalidCandidate { offset, reason: invalid }),
        }
    }

    fn address(&mut self, missing: &'static str) -> Result<CandidateAddress, Error> {
        let (offset, field) = self.need(missing)?;
        address(field).ok_or(Error::InvalidCandidate {
            offset,
            reason: "the connection address is neither an IP address nor a name",
        })
    }

    fn candidate(&mut self) -> Result<Candidate, Error> {
        let fail = |offset, reason| Err(Error::InvalidCandidate { offset, reason });

        let (offset, foundation) = self.need("the foundation is missing")?;
        // RFC 8839 §5.1: foundation = 1*32ice-char.
        if foundation.len() > 32 || !foundation.bytes().all(is_foundation_char) {
            return fail(offset, "the foundation is not 1 to 32 ice-chars");
        }
        let (offset, component) =
            self.number::<u16>("the component id is missing", "the component id is not a number")?;
        if !(1..=256).contains(&component) {
            return fail(offset, "the component id is not in 1 to 256");
        }
        let (offset, transport) = self.need("the transport is missing")?;
        if !is_token(transport) {
            return fail(offset, "the transport is not a token");
        }
        let transport = match transport.to_ascii_lowercase() {
            t if t == "udp" => CandidateTransport::Udp,
            t if t == "tcp" => CandidateTransport::Tcp,
            t => CandidateTransport::Other(t),
        };
        let (_, priority) =
            self.number::<u32>("the priority is missing", "the priority is not a 32-bit number")?;
        let address = self.address("the connection address is missing")?;
        let (_, port) =
            self.number::<u16>("the port is missing", "the port is not in 0 to 65535")?;
        let (offset, typ) = self.need("\"typ\" is missing")?;
        if typ != "typ" {
            return fail(offset, "\"typ\" was expected");
        }
        let (offset, kind) = self.need("the candidate type is missing")?;
        let kind = match kind {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relayed,
            _ => return fail(offset, "the candidate type is unknown"),
        };

        let mut related = None;
        let mut extensions = Vec::new();
        while let Some((offset, name)) = self.next() {
            if name == "raddr" && related.is_none() && extensions.is_empty() {
                let address = self.address("the related address is missing")?;
                let (offset, keyword) = self.need("\"rport\" is missing")?;
                if keyword != "rport" {
                    return fail(offset, "\"rport\" was expected");
                }
                let (_, port) = self.number::<u16>(
                    "the related port is missing",
                    "the related port is not in 0 to 65535",
                )?;
                related = Some((address, port));
                continue;
            }
            if extensions.len() == MAX_EXTENSIONS {
                return fail(offset, "there are more than 32 extensions");
            }
            // Chromium writes nothing after a last "ufrag" of empty value; a name alone is an error all the same.
            let (_, value) = self.need("an extension has no value")?;
            extensions.push((name.to_owned(), value.to_owned()));
        }
        Ok(Candidate {
            foundation: foundation.to_owned(),
            component,
            transport,
            priority,
            address,
            port,
            kind,
            related,
            extensions,
        })
    }
}

fn address(field: &str) -> Option<CandidateAddress> {
    if let Ok(ip) = field.parse::<IpAddr>() {
        return Some(CandidateAddress::Ip(ip));
    }
    // 253 is the longest domain name in text (RFC 1035 §2.3.4).
    let named = !field.is_empty()
        && field.len() <= 253
        && field.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        // A number with dots that is no address is a mistake, not a name.
        && field.bytes().any(|b| b.is_ascii_alphabetic());
    if !named {
        return None;
    }
    let is_local =
        field.len() > 6 && field.as_bytes()[field.len() - 6..].eq_ignore_ascii_case(b".local");
    Some(if is_local {
        CandidateAddress::Mdns(field.to_owned())
    } else {
        CandidateAddress::Fqdn(field.to_owned())
    })
}

/// `ice-char`, and what deployed peers put into foundations beside.
fn is_foundation_char(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=' | b'.' | b':')
}

/// `token` of RFC 8866 §9.
fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Candidate {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn candidates_of_browsers_come_back_as_they_went_in() {
        for text in [
            "candidate:1 1 udp 2130706431 203.0.113.141 8998 typ host",
            "candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
            "candidate:3098175849 1 udp 2113937151 4e6a1c6c-5f0c-4e3e-9c8a-2f3a5f0f4b11.local 56321 typ host generation 0 ufrag xY+/ network-cost 999",
            "candidate:842163049 1 tcp 1518280447 192.0.2.4 9 typ host tcptype active generation 0 ufrag abcd",
            "candidate:0 1 udp 2122252543 2001:db8::1 50000 typ host",
            "candidate:7 256 udp 0 host.example.org 0 typ relay raddr :: rport 9",
        ] {
            assert_eq!(parse(text).to_string(), text);
            assert_eq!(parse(&format!("a={text}\r\n")).to_string(), text);
        }
    }

    #[test]
    fn firefox_writes_the_transport_in_capitals() {
        let c = parse("candidate:0 1 UDP 2122252543 192.168.1.2 49203 typ host");
        assert_eq!(c.transport, CandidateTransport::Udp);
        assert_eq!(
            parse("1 1 ssltcp 5 10.0.0.1 443 typ host").transport,
            CandidateTransport::Other("ssltcp".into())
        );
    }

    #[test]
    fn local_names_are_told_from_other_names() {
        assert_eq!(
            parse("1 1 udp 5 A.LOCAL 443 typ host").address,
            CandidateAddress::Mdns("A.LOCAL".into())
        );
        assert_eq!(
            parse("1 1 udp 5 a.example 443 typ host").address,
            CandidateAddress::Fqdn("a.example".into())
        );
    }

    #[test]
    fn errors_name_the_place() {
        for (text, at) in [
            ("", 0),
            ("candidate:", 10),
            ("candidate:1 0 udp 1 10.0.0.1 1 typ host", 12),
            ("candidate:1 1 udp 4294967296 10.0.0.1 1 typ host", 18),
            ("candidate:1 1 udp 1 10.0.0.256 1 typ host", 20),
            ("candidate:1 1 udp 1 10.0.0.1 65536 typ host", 29),
            ("candidate:1 1 udp 1 10.0.0.1 1 type host", 31),
            ("candidate:1 1 udp 1 10.0.0.1 1 typ hosts", 35),
            ("candidate:1 1 udp 1 10.0.0.1 1 typ host generation", 50),
            ("candidate:1 1 udp +1 10.0.0.1 1 typ host", 18),
        ] {
            match text.parse::<Candidate>() {
                Err(Error::InvalidCandidate { offset, .. }) => assert_eq!(offset, at, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
