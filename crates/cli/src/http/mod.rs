//! HTTP/1.1, as little as signalling needs: a server with one handler, and a client for one POST.

pub(crate) mod client;
pub(crate) mod server;

/// The largest body taken, either way, in bytes.
const MAX_BODY: usize = 1 << 20;
