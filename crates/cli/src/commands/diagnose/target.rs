//! What to ask, by `stun:`, `turn:` and `turns:` URLs (RFC 7064, RFC 7065).

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    Udp,
    Tcp,
    Tls,
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// One server by one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) by: By,
    /// It is a TURN server.
    pub(crate) relays: bool,
}

impl Target {
    /// The URL that means this transport and no other.
    pub(crate) fn exact_url(&self) -> String {
        let Self { host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let scheme = if self.relays { "turn" } else { "stun" };
        match self.by {
            By::Udp => format!("{scheme}:{host}:{port}?transport=udp"),
            By::Tcp => format!("{scheme}:{host}:{port}?transport=tcp"),
            By::Tls => format!("{scheme}s:{host}:{port}?transport=tcp"),
        }
    }

    /// Its addresses.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found = found.with_context(|| format!("cannot find {}", self.host))?;
        Ok(found.collect())
    }
}

/// Reads a URL. One that leaves the transport open is tried by UDP and by TCP.
pub(crate) fn parse(url: &str) -> Result<Vec<Target>> {
    let (scheme, rest) = url.split_once(':').context("it lacks `stun:`, `turn:` or `turns:`")?;
    let (tls, relays) = match scheme.to_ascii_lowercase().as_str() {
        "stun" => (false, false),
        "stuns" => (true, false),
        "turn" => (false, true),
        "turns" => (true, true),
        other => bail!("`{other}:` is none of stun:, stuns:, turn:, turns:"),
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']').context("`[` without `]`")?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
        }
        None => {
            let (host, port) = place.split_once(':').unwrap_or((place, ""));
            (host, Some(port))
        }
    };
    let port = port.context("after `]` only `:PORT` may stand")?;
    if host.is_empty() || host.contains('/') {
        bail!("it names no host: write {scheme}:HOST or {scheme}:HOST:PORT");
    }
    let port = match port {
        "" if tls => 5349,
        "" => 3478,
        port => port.parse().with_context(|| format!("`{port}` is no port"))?,
    };
    let transports = match (query, tls) {
        ("", false) => vec![By::Udp, By::Tcp],
        ("transport=udp", false) => vec![By::Udp],
        ("transport=tcp", false) => vec![By::Tcp],
        ("" | "transport=tcp", true) => vec![By::Tls],
        ("transport=udp", true) => bail!("TURN over DTLS is not tried yet: use ?transport=tcp"),
        (other, _) => bail!("`?{other}` is neither ?transport=udp nor ?transport=tcp"),
    };
    let target = |by| Target { url: url.to_owned(), host: host.to_owned(), port, by, relays };
    Ok(transports.into_iter().map(target).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_wrong_ones_say_why() {
        let read = |url: &str| -> Vec<(String, u16, By, bool)> {
            let targets = parse(url).unwrap().into_iter();
            targets.map(|t| (t.host, t.port, t.by, t.relays)).collect()
        };
        assert_eq!(
            read("stun:example.org"),
            [
                ("example.org".into(), 3478, By::Udp, false),
                ("example.org".into(), 3478, By::Tcp, false)
            ]
        );
        assert_eq!(
            read("turn:[2001:db8::1]:443?transport=tcp"),
            [("2001:db8::1".into(), 443, By::Tcp, true)]
        );
        assert_eq!(read("turns:example.org"), [("example.org".into(), 5349, By::Tls, true)]);
        for (url, why) in [
            ("example.org", "lacks"),
            ("http:example.org", "`http:`"),
            ("turn:", "no host"),
            ("turn://example.org", "no host"),
            ("turn:example.org:x", "`x` is no port"),
            ("turn:example.org?transport=sctp", "transport=sctp"),
            ("turn:[::1", "without"),
            ("turn:[::1]x", "only `:PORT`"),
        ] {
            let error = format!("{:#}", parse(url).unwrap_err());
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
