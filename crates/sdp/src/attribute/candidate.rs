//! The candidate attribute of RFC 8839 §5.1, with the TCP type of RFC 6544.
//!
//! Also what a trickled candidate consists of: its [`Display`](std::fmt::Display) and
//! [`FromStr`](std::str::FromStr) are the `candidate` string of W3C `RTCIceCandidate`.

use crate::address::Host;
use crate::error::Error;
use crate::scan::{Scan, Scanner, is_token};
use crate::sink::Sink;
use crate::text::{Text, Word};
use crate::value::{Value, choice_type, keyword_type};
use std::fmt;
use std::str::FromStr;

/// One ICE candidate (RFC 8839 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Equal for candidates of like type, base and server; 1 to 32 characters.
    pub foundation: Word,
    /// 1 for RTP (and everything multiplexed with it), 2 for RTCP; 1 to 256.
    pub component: u16,
    /// The transport.
    pub transport: CandidateTransport,
    /// The priority, higher is better.
    pub priority: u32,
    /// Where the candidate listens: an address, or an mDNS name.
    pub host: Host,
    /// Its port; 9 for active TCP candidates (RFC 6544 §4.5).
    pub port: u16,
    /// How it was learned.
    pub kind: CandidateKind,
    /// The related address (`raddr`), for candidates other than host.
    pub related_host: Option<Host>,
    /// The related port (`rport`).
    pub related_port: Option<u16>,
    /// Which end opens the TCP connection (RFC 6544 §4.5).
    pub tcp_type: Option<TcpType>,
    /// Further `name value` pairs, as they came; see [`extension`](Candidate::extension).
    pub extensions: Text,
}

keyword_type! {
    /// The transport of a candidate; names are compared without regard to case.
    CandidateTransport, "expected a transport, such as udp";
    /// UDP.
    Udp = "udp",
    /// TCP (RFC 6544).
    Tcp = "tcp",
}

keyword_type! {
    /// How a candidate was learned (RFC 8445 §5.1.1).
    CandidateKind, "expected a candidate type, such as host";
    /// An address of the host itself.
    Host = "host",
    /// The address a STUN server saw.
    ServerReflexive = "srflx",
    /// The address the peer saw.
    PeerReflexive = "prflx",
    /// An address of a TURN server.
    Relay = "relay",
}

choice_type! {
    /// Which end opens a TCP connection (RFC 6544 §4.5).
    TcpType, "expected a TCP type: active, passive or so";
    /// This end opens it.
    Active = "active",
    /// The other end opens it.
    Passive = "passive",
    /// Both try at once.
    SimultaneousOpen = "so",
}

impl Candidate {
    /// The value of the extension `name`, such as `generation`, `ufrag` or `network-cost`.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All extensions, in order.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut words = self.extensions.split([' ', '\t']).filter(|word| !word.is_empty());
        std::iter::from_fn(move || Some((words.next()?, words.next().unwrap_or_default())))
    }
}

impl Value for Candidate {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Candidate> {
        let foundation = scanner.word("expected a foundation")?;
        // Browsers stay within ice-char, other software does not; what counts is that it is a
        // token of bounded length.
        if foundation.len() > 32 || !is_foundation(foundation) {
            return scanner.fault_at(foundation, "expected a foundation of 1 to 32 ICE characters");
        }
        const COMPONENT: &str = "expected a component from 1 to 256";
        let component = scanner.number(256, COMPONENT)? as u16;
        if component == 0 {
            return scanner.fault(COMPONENT);
        }
        let transport = CandidateTransport::parse(scanner)?;
        let priority = scanner.number_u32("expected a priority below 2^32")?;
        let host = Host::parse(scanner)?;
        let port = scanner.number_u16("expected a port from 0 to 65535")?;
        if !scanner.eat_word("typ") {
            scanner.skip_spaces();
            return scanner.fault("expected \"typ\"");
        }
        let kind = CandidateKind::parse(scanner)?;
        let related_host = match scanner.eat_word("raddr") {
            true => Some(Host::parse(scanner)?),
            false => None,
        };
        let related_port = match scanner.eat_word("rport") {
            true => Some(scanner.number_u16("expected a port from 0 to 65535")?),
            false => None,
        };
        let mut tcp_type = match scanner.eat_word("tcptype") {
            true => Some(TcpType::parse(scanner)?),
            false => None,
        };
        let extensions = scanner.take_rest();
        let extensions = extensions.trim_end_matches([' ', '\t']);
        // Some software puts the TCP type behind other extensions; the pair then stays among them.
        if tcp_type.is_none() {
            tcp_type = tcp_type_among(extensions);
        }
        Ok(Candidate {
            foundation: Word::checked(foundation),
            component,
            transport,
            priority,
            host,
            port,
            kind,
            related_host,
            related_port,
            tcp_type,
            extensions: Text::checked(extensions),
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.foundation);
        out.put(" ");
        out.number(self.component.into());
        out.put(" ");
        out.put(self.transport.as_str());
        out.put(" ");
        out.number(self.priority.into());
        out.put(" ");
        self.host.write(out);
        out.put(" ");
        out.number(self.port.into());
        out.put(" typ ");
        out.put(self.kind.as_str());
        if let Some(host) = &self.related_host {
            out.put(" raddr ");
            host.write(out);
        }
        if let Some(port) = self.related_port {
            out.put(" rport ");
            out.number(port.into());
        }
        if let Some(kind) = self.tcp_type
            && tcp_type_among(&self.extensions) != Some(kind)
        {
            out.put(" tcptype ");
            out.put(kind.as_str());
        }
        if !self.extensions.is_empty() {
            out.put(" ");
            out.put(&self.extensions);
        }
    }
}

/// The TCP type that stands among extensions; the last one counts.
fn tcp_type_among(extensions: &str) -> Option<TcpType> {
    if !extensions.contains("tcptype ") {
        return None;
    }
    let mut found = None;
    let mut words = extensions.split(' ').filter(|word| !word.is_empty());
    while let Some(name) = words.next() {
        let value = words.next().unwrap_or_default();
        if name == "tcptype" {
            found = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen]
                .into_iter()
                .find(|kind| kind.as_str() == value);
        }
    }
    found
}

fn is_foundation(text: &str) -> bool {
    text.bytes().all(|b| b == b'/' || is_token(std::str::from_utf8(&[b]).unwrap_or_default()))
}

impl fmt::Display for Candidate {
    /// `candidate:...`, without `a=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("candidate:");
        self.write(&mut text);
        f.pad(&text)
    }
}

impl FromStr for Candidate {
    type Err = Error;

    /// Takes `candidate:...`, with or without `a=` before it and a line end behind it.
    fn from_str(text: &str) -> Result<Candidate, Error> {
        let malformed = |column, reason| Error::Malformed {
            line: 1,
            column,
            field: "a=candidate",
            reason,
            section: "RFC 8839 §5.1",
        };
        let line = text.trim_end_matches(['\r', '\n', ' ']);
        if let Some(at) = line.find(['\0', '\r', '\n']) {
            return Err(malformed(at + 1, "expected one line"));
        }
        if line.len() > Candidate::MAX_LENGTH {
            return Err(malformed(1, "expected at most 4096 bytes"));
        }
        let value = line.strip_prefix("a=").unwrap_or(line);
        let value = value
            .strip_prefix("candidate:")
            .ok_or_else(|| malformed(1, "expected \"candidate:\""))?;
        let start = line.len() - value.len();
        Candidate::parse(&mut Scanner::new(value))
            .map_err(|fault| malformed(start + fault.offset + 1, fault.reason))
    }
}

impl Candidate {
    /// The longest candidate string that [`FromStr`] looks at, in bytes.
    pub const MAX_LENGTH: usize = 4096;
}
