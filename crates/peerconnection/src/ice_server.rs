//! ICE servers and the grammar of their URLs (RFC 7064, RFC 7065; webrtc-pc "validate an ICE server URL").

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::error::Error;

/// `RTCIceServer`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `stuns:`, `turn:` or `turns:` URLs of one server.
    pub urls: Vec<String>,
    /// User name, for TURN.
    pub username: Option<String>,
    /// Password, for TURN.
    pub credential: Option<String>,
}

impl IceServer {
    /// A server that needs no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { urls: vec![url.into()], username: None, credential: None }
    }

    /// Parses and checks all URLs.
    pub(crate) fn parse(&self) -> Result<Vec<IceServerUrl>, Error> {
        if self.urls.is_empty() {
            return Err(Error::IceServerUrl {
                url: String::new(),
                reason: "the list of URLs is empty",
            });
        }
        self.urls
            .iter()
            .map(|url| {
                let parsed = IceServerUrl::parse(url)?;
                let needs_credentials = matches!(parsed.scheme, Scheme::Turn | Scheme::Turns);
                if needs_credentials && (self.username.is_none() || self.credential.is_none()) {
                    return Err(Error::IceServerCredentials { url: url.clone() });
                }
                let credentials = match needs_credentials {
                    true => self.username.clone().zip(self.credential.clone()),
                    false => None,
                };
                Ok(IceServerUrl { credentials, ..parsed })
            })
            .collect()
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The credential is a secret and stays out of logs.
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Scheme of an ICE server URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Stun,
    Stuns,
    Turn,
    Turns,
}

/// A parsed ICE server URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IceServerUrl {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether it is reached by TCP: what the URL says, else UDP for `turn:` and TCP for `turns:` (RFC 7065 §3.2).
    pub(crate) tcp: bool,
    /// User name and password, for TURN.
    pub(crate) credentials: Option<(String, String)>,
    /// As it was configured.
    pub(crate) text: String,
}

impl fmt::Debug for IceServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The credentials stay out of logs.
        f.debug_struct("IceServerUrl").field("text", &self.text).finish_non_exhaustive()
    }
}

impl IceServerUrl {
    /// The address, if the host is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let fail = |reason| Error::IceServerUrl { url: url.to_owned(), reason };
        let (scheme, rest) = url.split_once(':').ok_or_else(|| fail("there is no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "stun" => Scheme::Stun,
            "stuns" => Scheme::Stuns,
            "turn" => Scheme::Turn,
            "turns" => Scheme::Turns,
            _ => return Err(fail("the scheme is none of stun, stuns, turn, turns")),
        };
        if rest.contains(['/', '@', '#']) {
            return Err(fail("'/', '@' and '#' are not allowed (RFC 7064 §3.1)"));
        }
        let (host_port, query) = match rest.split_once('?') {
            Some((host_port, query)) => (host_port, Some(query)),
            None => (rest, None),
        };
        match (scheme, query) {
            (_, None) | (Scheme::Turn | Scheme::Turns, Some("transport=udp" | "transport=tcp")) => {
            }
            (Scheme::Stun | Scheme::Stuns, Some(_)) => {
                return Err(fail("a STUN URL has no query (RFC 7064 §3.1)"));
            }
            _ => {
                return Err(fail(
                    "the query is neither transport=udp nor transport=tcp (RFC 7065 §3.1)",
                ));
            }
        }
        let (host, port) = split_host_port(host_port).map_err(fail)?;
        let default_port = if matches!(scheme, Scheme::Stun | Scheme::Turn) { 3478 } else { 5349 };
        let (host, text) = (host.to_owned(), url.to_owned());
        let tcp = match query {
            Some(query) => query == "transport=tcp",
            None => matches!(scheme, Scheme::Stuns | Scheme::Turns),
        };
        let port = port.unwrap_or(default_port);
        Ok(Self { scheme, host, port, tcp, credentials: None, text })
    }
}

fn split_host_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("'[' without ']'")?;
        host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is no IPv6 address")?;
        match after {
            "" => (host, None),
            _ => (host, Some(after.strip_prefix(':').ok_or("only a port may follow ']'")?)),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return Err("the host is missing");
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)) {
        return Err("the host holds a character that no name or address has");
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port != 0 => Some(port),
            _ => return Err("the port is not a number from 1 to 65535"),
        },
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn urls_of_rfc_7064_and_7065_parse() {
        for (url, scheme, host, port, tcp) in [
            ("stun:example.org", Scheme::Stun, "example.org", 3478, false),
            ("stuns:example.org", Scheme::Stuns, "example.org", 5349, true),
            ("stun:example.org:8000", Scheme::Stun, "example.org", 8000, false),
            ("turn:192.0.2.1", Scheme::Turn, "192.0.2.1", 3478, false),
            ("turn:192.0.2.1?transport=udp", Scheme::Turn, "192.0.2.1", 3478, false),
            ("turns:192.0.2.1?transport=udp", Scheme::Turns, "192.0.2.1", 5349, false),
            ("turns:192.0.2.1", Scheme::Turns, "192.0.2.1", 5349, true),
            ("TURNS:[2001:db8::1]:443?transport=tcp", Scheme::Turns, "2001:db8::1", 443, true),
        ] {
            let (host, credentials) = (host.to_owned(), None);
            assert_eq!(
                IceServerUrl::parse(url).unwrap(),
                IceServerUrl { scheme, host, port, tcp, credentials, text: url.into() },
                "{url}"
            );
        }
    }

    #[test]
    fn malformed_urls_are_syntax_errors() {
        for url in [
            "",
            "example.org",
            "http:example.org",
            "stun:",
            "stun://example.org",
            "stun:a@b",
            "stun:a?transport=udp",
            "turn:a?transport=sctp",
            "stun:a:0",
            "stun:a:65536",
            "stun:a:b",
            "stun:[::1",
            "stun:[::1]x",
            "stun:[a]",
            "stun:a b",
        ] {
            assert_eq!(IceServerUrl::parse(url).unwrap_err().kind(), ErrorKind::Syntax, "{url}");
        }
    }

    #[test]
    fn turn_needs_credentials() {
        let server = IceServer::new("turn:example.org");
        assert_eq!(server.parse().unwrap_err().name(), "InvalidAccessError");
        let server =
            IceServer { username: Some("u".into()), credential: Some("p".into()), ..server };
        assert_eq!(server.parse().unwrap().len(), 1);
    }

    #[test]
    fn credentials_are_not_printed() {
        let server = IceServer { credential: Some("hunter2".into()), ..IceServer::new("turn:a") };
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}
