//! The HTTP client: one POST of JSON over plain TCP.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::MAX_BODY;
use crate::wait::try_within;

/// An `http://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpUrl {
    /// Host without brackets, as the resolver wants it.
    host: String,
    /// Host and port, as the request wants them.
    authority: String,
    port: u16,
    path: String,
}

impl FromStr for HttpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<HttpUrl, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "https is not supported: use http://, or put a TLS proxy in between".into()
                );
            }
            _ => return Err(format!("expected a URL such as http://127.0.0.1:8080, not {text:?}")),
        }
        let authority = uri.authority().ok_or("the URL has no host")?;
        if authority.as_str().contains('@') {
            return Err("user names and passwords in URLs are not supported".into());
        }
        let host = authority.host();
        if host.is_empty() {
            return Err("the URL has no host".into());
        }
        let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            "/" => "/offer",
            path => path,
        };
        Ok(HttpUrl {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            authority: authority.to_string(),
            port: authority.port_u16().unwrap_or(80),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// Posts JSON and returns the body of a 200 reply.
///
/// # Errors
/// Says which step failed; for other statuses, what the server said.
pub(crate) async fn post(url: &HttpUrl, body: String, limit: Duration) -> Result<Bytes> {
    let address = (url.host.as_str(), url.port);
    let stream =
        try_within(limit, &format!("a TCP connection to {url}"), TcpStream::connect(address))
            .await
            .with_context(|| format!("cannot reach {url}"))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url.path)
        .header(HOST, &url.authority)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .context("cannot make the request")?;
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let reply = sender.send_request(request).await?;
        let status = reply.status();
        let body = Limited::new(reply.into_body(), MAX_BODY).collect().await;
        connection.abort();
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        anyhow::Ok((status, body))
    };
    let (status, body) = try_within(limit, &format!("the answer of {url}"), exchange)
        .await
        .with_context(|| format!("the request to {url} failed"))?;
    if !status.is_success() {
        let reason = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("error")?.as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(&body).chars().take(200).collect());
        bail!("{url} answered {status}: {}", reason.trim());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url: HttpUrl = "http://[::1]:8080".parse().expect("a URL");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 8080, "/offer"));
        let url: HttpUrl = "http://example.org/a?b=1".parse().expect("a URL");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("example.org", 80, "/a?b=1"));
        assert_eq!(url.to_string(), "http://example.org/a?b=1");
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        for (text, reason) in [
            ("https://example.org", "https is not supported"),
            ("example.org:80", "expected a URL such as http://"),
            ("127.0.0.1", "expected a URL such as http://"),
            ("http://", "is no URL"),
            ("http://user@host/", "user names and passwords"),
            ("http://exa mple/", "is no URL"),
        ] {
            let error = text.parse::<HttpUrl>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
