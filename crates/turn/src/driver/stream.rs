//! TCP and TLS streams: of clients, and of peers of TCP allocations (RFC 6062).

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use openssl::ssl::{ErrorCode, Ssl, SslAcceptor, SslFiletype, SslMethod, SslStream};

use super::StartError;
use crate::types::FiveTuple;

/// What waits to be written to a client; messages beyond are dropped, as a full socket drops datagrams.
const MAX_OUTPUT: usize = 256 << 10;
/// Above this, the other end of a joined pair is not read from.
const HIGH_WATER: usize = 64 << 10;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A client's messages.
    Client,
    /// To a peer, not there yet.
    Connecting { connection: u32 },
    /// With a peer; nothing is read until a client's stream is joined to it.
    Peer { connection: u32 },
    /// Bytes go to the stream in this place, whatever they are.
    Joined { other: usize, connection: u32, peer: bool },
}

enum Io {
    Plain(TcpStream),
    Tls(SslStream<TcpStream>),
}

/// A stream and what waits in it.
pub(crate) struct Stream {
    io: Io,
    pub(crate) tuple: FiveTuple,
    pub(crate) role: Role,
    /// The beginning of a message whose end has not come.
    pub(crate) input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// Closes when all is written.
    pub(crate) closing: bool,
    pub(crate) active: Instant,
}

/// How far a reading came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// So many bytes; there may be more.
    Bytes(usize),
    /// Nothing more for now.
    Blocked,
    /// Over.
    Ended,
}

impl Stream {
    pub(crate) fn plain(io: TcpStream, tuple: FiveTuple, role: Role, now: Instant) -> Self {
        Self::new(Io::Plain(io), tuple, role, now)
    }

    pub(crate) fn tls(
        io: TcpStream,
        acceptor: &SslAcceptor,
        tuple: FiveTuple,
        now: Instant,
    ) -> io::Result<Self> {
        let mut ssl = Ssl::new(acceptor.context())?;
        // The handshake is done by the first readings.
        ssl.set_accept_state();
        Ok(Self::new(Io::Tls(SslStream::new(ssl, io)?), tuple, Role::Client, now))
    }

    fn new(io: Io, tuple: FiveTuple, role: Role, now: Instant) -> Self {
        Self {
            io,
            tuple,
            role,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            closing: false,
            active: now,
        }
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match &mut self.io {
            Io::Plain(io) => io,
            Io::Tls(io) => io.get_mut(),
        }
    }

    /// The peer of an outgoing connection, once it is there; an error where it will not be.
    pub(crate) fn connected(&mut self) -> io::Result<Option<SocketAddr>> {
        let socket = self.socket();
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(peer) => Ok(Some(peer)),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Progress {
        loop {
            let result = match &mut self.io {
                Io::Plain(io) => io.read(buffer),
                Io::Tls(io) => io.ssl_read(buffer).or_else(|error| match error.code() {
                    ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    ErrorCode::ZERO_RETURN => Ok(0),
                    _ => Err(io::ErrorKind::ConnectionAborted.into()),
                }),
            };
            return match result {
                Ok(0) => Progress::Ended,
                Ok(count) => Progress::Bytes(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Progress::Ended,
            };
        }
    }

    /// Appends a message; `false` where there is no room for it.
    pub(crate) fn push(&mut self, parts: [&[u8]; 2], padding: u8) -> bool {
        let size = parts[0].len() + parts[1].len() + usize::from(padding);
        if self.output.len() - self.written + size > MAX_OUTPUT {
            return false;
        }
        self.output.extend_from_slice(parts[0]);
        self.output.extend_from_slice(parts[1]);
        self.output.extend_from_slice(&[0; 3][..usize::from(padding)]);
        true
    }

    /// Whether a joined stream shall wait before it reads more for this one.
    pub(crate) fn is_full(&self) -> bool {
        self.output.len() - self.written > HIGH_WATER
    }

    pub(crate) fn has_output(&self) -> bool {
        self.written < self.output.len()
    }

    /// Writes what waits, as far as it goes; an error ends the stream.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            let rest = &self.output[self.written..];
            let result = match &mut self.io {
                Io::Plain(io) => io.write(rest),
                Io::Tls(io) => io.ssl_write(rest).map_err(|error| match error.code() {
                    ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => {
                        io::ErrorKind::WouldBlock.into()
                    }
                    _ => io::ErrorKind::ConnectionAborted.into(),
                }),
            };
            match result {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What is written goes, so that the buffer holds what waits and no more.
                    if self.written > HIGH_WATER {
                        self.output.drain(..self.written);
                        self.written = 0;
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        // An idle client shall not hold what a busy second needed.
        if self.output.capacity() > HIGH_WATER {
            self.output = Vec::new();
        }
        Ok(())
    }
}

/// A listening socket; several workers have one each.
pub(crate) fn listen(address: SocketAddr, several: bool) -> io::Result<mio::net::TcpListener> {
    let socket = tcp_socket(address, several)?;
    socket.listen(1024)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

/// A connection from a relayed address, on which a listener is too.
pub(crate) fn connect(address: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(address, true)?;
    match socket.connect(&peer.into()) {
        Ok(()) => {}
        Err(error) if in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn in_progress(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

fn tcp_socket(address: SocketAddr, several: bool) -> io::Result<socket2::Socket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    if several {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// TLS as it is set up for all connections: 1.2 and 1.3, with a certificate and its chain.
pub(crate) fn acceptor(certificate: &super::Identity) -> Result<SslAcceptor, StartError> {
    let wrong = |what: &'static str, path: &std::path::Path| {
        let path = path.display().to_string();
        move |source: openssl::error::ErrorStack| StartError::Certificate { what, path, source }
    };
    let (chain, key) = (&certificate.chain, &certificate.key);
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())
        .map_err(wrong("set up TLS for", chain))?;
    builder.set_certificate_chain_file(chain).map_err(wrong("read the certificate", chain))?;
    builder.set_private_key_file(key, SslFiletype::PEM).map_err(wrong("read the key", key))?;
    builder
        .check_private_key()
        .map_err(wrong("use, as it is not the certificate's, the key", key))?;
    Ok(builder.build())
}
