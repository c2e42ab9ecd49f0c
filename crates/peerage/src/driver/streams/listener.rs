//! A listening socket for passive candidates of ICE-TCP.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 128;
/// After an error that will not go at once: the process has too many files open, say.
const PAUSE: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct Listener {
    io: TcpListener,
    local: SocketAddr,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Listener {
    /// Binds to a specific address.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket =
            socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of before may still be in TIME-WAIT.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let io = TcpListener::from_std(socket.into())?;
        let local = io.local_addr()?;
        Ok(Self { io, local, pause: None })
    }

    /// The address of its candidate.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next connection.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(Future::poll(pause.as_mut(), cx));
                self.pause = None;
            }
            match std::task::ready!(self.io.poll_accept(cx)) {
                Ok(accepted) => return Poll::Ready(accepted),
                // One that gave up before its turn came is no trouble of the listener's.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::debug!(%error, local = %self.local, "accept");
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                }
            }
        }
    }
}
