//! The HTTP server: accepts, reads one request with its body within bounds, and hands it to a handler.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::MAX_BODY;

/// TCP connections served at once; further ones wait to be accepted.
const MAX_CLIENTS: usize = 256;
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take for everything, the answer to an offer included.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);

/// A request, body read.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Without parameters, lower case.
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

pub(crate) type Reply = Response<Full<Bytes>>;

/// Binds `address`.
///
/// # Errors
/// Says what to do where the port is busy.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another program has the port; choose another with --http, or port 0 for any that is free"
            }
            std::io::ErrorKind::AddrNotAvailable => {
                ": no interface of this machine has the address"
            }
            std::io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges",
            _ => "",
        };
        anyhow::anyhow!("cannot listen on {address}: {error}{hint}")
    })?;
    let address = listener.local_addr().context("cannot tell the port")?;
    Ok((listener, address))
}

/// Serves until dropped.
pub(crate) async fn run<H, F>(listener: TcpListener, handle: H)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let handle = Arc::new(handle);
    let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
    // Dropping the set ends whatever is still being served.
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        // Never closed.
        let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for instance: to try again at once would only burn time.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let handle = Arc::clone(&handle);
        tasks.spawn(async move {
            let service = service_fn(move |request| serve_one(Arc::clone(&handle), request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // What a client does wrong ends its connection and nothing else.
            let _ = tokio::time::timeout(CLIENT_TIMEOUT, connection).await;
            drop(permit);
        });
    }
}

async fn serve_one<H, F>(
    handle: Arc<H>,
    request: hyper::Request<Incoming>,
) -> Result<Reply, Infallible>
where
    H: Fn(Request) -> F,
    F: Future<Output = Reply>,
{
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(error(StatusCode::PAYLOAD_TOO_LARGE, "the body exceeds 1 MiB or is cut short"));
    };
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        content_type: content_type.trim().to_ascii_lowercase(),
        body: body.to_bytes(),
    };
    Ok(handle(request).await)
}

/// A reply with a body of the given type.
pub(crate) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    reply
}

/// `{"error":"..."}`.
pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    let body = serde_json::json!({ "error": message }).to_string();
    reply(status, "application/json", body)
}

/// Lets pages of other origins use the reply (fetch standard, CORS).
pub(crate) fn allow_any_origin(mut reply: Reply) -> Reply {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
