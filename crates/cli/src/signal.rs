//! How the two sides of a file transfer meet: by an HTTP request from one to the other, or by pasted text.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hyper::{Method, StatusCode};
use peerage::{SdpType, SessionDescription};
use tokio::io::BufReader;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::blob;
use crate::http::client::{self, HttpUrl};
use crate::http::server::{self, Reply, Request};
use crate::report::{Event, Report};
use crate::wait::{try_within, within};

/// The value of `--http`: listen, or post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rendezvous {
    Listen(SocketAddr),
    Post(HttpUrl),
}

impl FromStr for Rendezvous {
    type Err = String;

    fn from_str(text: &str) -> Result<Rendezvous, String> {
        if text.contains("://") {
            return Ok(Rendezvous::Post(text.parse()?));
        }
        text.parse().map(Rendezvous::Listen).map_err(|_| {
            format!(
                "expected ADDRESS:PORT to listen on, or http://HOST:PORT to post to, not {text:?}"
            )
        })
    }
}

/// Prints a description for the other side.
pub(crate) fn show(report: Report, description: &SessionDescription) {
    let blob = blob::encode(description);
    report.event(&Event::Description {
        kind: description.kind.name(),
        sdp: &description.sdp,
        blob: &blob,
    });
}

/// Reads a pasted description.
pub(crate) async fn pasted(kind: SdpType, limit: Duration) -> Result<SessionDescription> {
    let mut input = BufReader::new(tokio::io::stdin());
    let what = format!("the {kind} to be pasted");
    try_within(limit, &what, blob::read(&mut input, kind)).await
}

/// Posts an offer and returns the answer.
pub(crate) async fn post(
    url: &HttpUrl,
    offer: &SessionDescription,
    limit: Duration,
) -> Result<SessionDescription> {
    let body = client::post(url, blob::to_json(offer), limit).await?;
    blob::from_json(&body, SdpType::Answer).with_context(|| format!("the answer of {url}"))
}

/// An offer that came by HTTP, and where its answer goes.
pub(crate) struct Visitor {
    offer: SessionDescription,
    reply: oneshot::Sender<Result<SessionDescription, String>>,
}

impl Visitor {
    pub(crate) fn take_offer(&mut self) -> SessionDescription {
        std::mem::replace(&mut self.offer, SessionDescription::rollback())
    }

    pub(crate) fn answer(self, answer: Result<SessionDescription, String>) {
        // Gone if the client has hung up.
        let _ = self.reply.send(answer);
    }
}

/// Takes one offer after the other by HTTP.
pub(crate) struct Listener {
    visitors: mpsc::Receiver<Visitor>,
    server: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr, report: Report) -> Result<Listener> {
        let (listener, address) = server::bind(address).await?;
        let (sender, visitors) = mpsc::channel(1);
        let handle = move |request| handle(sender.clone(), request);
        let server = tokio::spawn(server::run(listener, handle));
        report.event(&Event::Listening { url: format!("http://{address}/offer") });
        Ok(Listener { visitors, server })
    }

    /// The next offer.
    pub(crate) async fn next(&mut self, limit: Duration) -> Result<Visitor> {
        let visitor = within(limit, "the other side's offer", self.visitors.recv()).await?;
        visitor.ok_or_else(|| anyhow!("the HTTP server has stopped"))
    }
}

async fn handle(visitors: mpsc::Sender<Visitor>, request: Request) -> Reply {
    if request.path != "/offer" {
        return server::error(StatusCode::NOT_FOUND, "there is only /offer here");
    }
    if request.method != Method::POST {
        return server::error(StatusCode::METHOD_NOT_ALLOWED, "offers are to be POSTed");
    }
    // A page in somebody's browser can post without asking only what is not JSON; it must not get at files.
    if request.content_type != "application/json" {
        let message = "the content type must be application/json";
        return server::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    }
    let offer = match blob::from_json(&request.body, SdpType::Offer) {
        Ok(offer) => offer,
        Err(error) => return server::error(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    };
    let (reply, answer) = oneshot::channel();
    if visitors.try_send(Visitor { offer, reply }).is_err() {
        return server::error(StatusCode::SERVICE_UNAVAILABLE, "busy with another transfer");
    }
    match answer.await {
        Ok(Ok(answer)) => server::reply(StatusCode::OK, "application/json", blob::to_json(&answer)),
        Ok(Err(message)) => server::error(StatusCode::BAD_REQUEST, &message),
        Err(_) => server::error(StatusCode::SERVICE_UNAVAILABLE, "the transfer is over"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_http_is_an_address_or_a_url() {
        assert!(matches!("127.0.0.1:0".parse(), Ok(Rendezvous::Listen(_))));
        assert!(matches!("[::1]:80".parse(), Ok(Rendezvous::Listen(_))));
        assert!(matches!("http://localhost:80".parse(), Ok(Rendezvous::Post(_))));
        for text in ["localhost", "127.0.0.1", "ftp://x", "https://x"] {
            assert!(text.parse::<Rendezvous>().is_err(), "{text}");
        }
    }
}
