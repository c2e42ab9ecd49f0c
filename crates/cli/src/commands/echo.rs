//! `peerage echo`: answers offers over HTTP and sends every message and all media back. `peerage serve` adds a page to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use hyper::{Method, StatusCode};
use peerage::{DataChannel, Endpoint, Message, SdpType};
use tokio::task::JoinSet;

use crate::blob;
use crate::http::server::{self, Reply, Request};
use crate::options::{Common, ServeArgs};
use crate::peer::{Channels, Peer};
use crate::report::{Event, Report};

const USAGE: &str = "This is `peerage echo`: POST an offer to /offer as {\"type\":\"offer\",\"sdp\":\"...\"}.\n\
    Every data-channel message comes back, and so do sound and pictures. `peerage serve` has a page for browsers.\n";

pub(crate) async fn run(options: &Common, args: &ServeArgs, report: &Report) -> Result<()> {
    serve(options, args, *report, "text/plain; charset=utf-8", USAGE).await
}

/// What all requests share.
struct Server {
    endpoint: Endpoint,
    options: Common,
    report: Report,
    max_connections: usize,
    connections: AtomicUsize,
    content_type: &'static str,
    page: &'static str,
}

/// Serves `page` at `/` and answers offers at `/offer`, until interrupted.
pub(crate) async fn serve(
    options: &Common,
    args: &ServeArgs,
    report: Report,
    content_type: &'static str,
    page: &'static str,
) -> Result<()> {
    let (listener, address) = server::bind(args.http).await?;
    let server = Arc::new(Server {
        endpoint: crate::peer::endpoint(options).await?,
        options: options.clone(),
        report,
        max_connections: args.max_connections as usize,
        connections: AtomicUsize::new(0),
        content_type,
        page,
    });
    report.event(&Event::Listening { url: format!("http://{address}") });
    server::run(listener, move |request| handle(Arc::clone(&server), request)).await;
    Ok(())
}

async fn handle(server: Arc<Server>, request: Request) -> Reply {
    let reply = match (&request.method, request.path.as_str()) {
        (&Method::GET | &Method::HEAD, "/") => {
            server::reply(StatusCode::OK, server.content_type, server.page)
        }
        (&Method::POST, "/offer") => answer(server, &request.body).await,
        (&Method::OPTIONS, _) => server::reply(StatusCode::NO_CONTENT, "text/plain", ""),
        (_, "/" | "/offer") => {
            server::error(StatusCode::METHOD_NOT_ALLOWED, "GET / or POST /offer")
        }
        _ => server::error(StatusCode::NOT_FOUND, "there is only / and /offer here"),
    };
    server::allow_any_origin(reply)
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<Server>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn answer(server: Arc<Server>, body: &[u8]) -> Reply {
    let offer = match blob::from_json(body, SdpType::Offer) {
        Ok(offer) => offer,
        Err(error) => return server::error(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    };
    if server.connections.fetch_add(1, Ordering::AcqRel) >= server.max_connections {
        server.connections.fetch_sub(1, Ordering::AcqRel);
        let message = "all connections are taken; try again later";
        return server::error(StatusCode::SERVICE_UNAVAILABLE, message);
    }
    let counted = Counted(Arc::clone(&server));
    let report = server.report;
    let mut peer = match Peer::new(&server.endpoint, &server.options, report).await {
        Ok(peer) => peer,
        Err(error) => {
            report.warning(format_args!("{error:#}"));
            return server::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}"));
        }
    };
    match peer.answer_and_mirror(offer).await {
        Ok(answer) => {
            tokio::spawn(async move {
                if let Err(error) = echo(&peer, report).await {
                    report.warning(format_args!("connection {}: {error:#}", peer.number));
                }
                peer.close().await;
                drop(counted);
            });
            server::reply(StatusCode::OK, "application/json", blob::to_json(&answer))
        }
        Err(error) => {
            report.warning(format_args!("connection {}: {error:#}", peer.number));
            server::error(StatusCode::BAD_REQUEST, &format!("{error:#}"))
        }
    }
}

/// Echoes on all channels until the connection ends.
async fn echo(peer: &Peer, report: Report) -> Result<()> {
    let connection = peer.number;
    peer.run(async |mut channels: Channels| {
        // Nobody else would notice a peer that never comes.
        peer.connected().await?;
        let mut tasks = JoinSet::new();
        while let Some(channel) = channels.recv().await {
            tasks.spawn(echo_channel(channel, connection, report));
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    })
    .await
}

async fn echo_channel(channel: DataChannel, connection: u64, report: Report) {
    let (mut messages, mut bytes) = (0, 0);
    let label = channel.label();
    while let Some(message) = channel.recv().await {
        messages += 1;
        bytes += message.len() as u64;
        let kind = if matches!(message, Message::Text(_)) { "text" } else { "binary" };
        report.event(&Event::Message { connection, label, kind, bytes: message.len() });
        if let Err(error) = channel.send(message).await {
            report.warning(format_args!("connection {connection}: channel {label:?}: {error}"));
            break;
        }
    }
    report.event(&Event::ChannelClosed { connection, label, messages, bytes });
}
