//! The task of one stream: it connects, reads whole frames, and writes what the driver queued.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use openssl::ssl::ConnectConfiguration;
use peerage_ice::StreamEnd;
use peerage_ice::framing::{Frame, Framing, MAX_FRAME};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_openssl::SslStream;

use super::StreamId;

/// For TCP and TLS to be set up.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// For a frame that was begun to end, and for an accepted stream to say which connection it is for.
pub(super) const FRAME_TIME: Duration = Duration::from_secs(10);
/// For the far end to take what is written. Nothing that came later would be worth having.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// For what is left to say once the connection is closed.
const FAREWELL_TIME: Duration = Duration::from_secs(2);
/// What is asked of the socket at once.
const READ: usize = 16 << 10;
/// The queue has room again below this.
const LOW: usize = 16 << 10;

/// How a stream comes about.
pub(super) enum Opening {
    Connect { from: IpAddr, to: SocketAddr, tls: Option<(ConnectConfiguration, String)> },
    Accepted(TcpStream),
}

/// What a task tells.
#[derive(Debug)]
pub(crate) enum Report {
    Connected,
    Packets(Packets),
    Room,
    Closed(StreamEnd),
}

/// Whole frames as they came.
#[derive(Debug)]
pub(crate) struct Packets {
    bytes: BytesMut,
    framing: Framing,
    at: usize,
}

impl Packets {
    /// The next packet. Frames without one are left out.
    pub(crate) fn next(&mut self) -> Option<&mut [u8]> {
        loop {
            let Frame::Whole { packet, end } = self.framing.first(&self.bytes[self.at..]) else {
                return None;
            };
            let at = self.at;
            self.at += end;
            if !packet.is_empty() {
                return Some(&mut self.bytes[at + packet.start..at + packet.end]);
            }
        }
    }
}

/// Aborts a task that was not told to finish.
#[derive(Debug)]
pub(super) struct Task {
    handle: JoinHandle<()>,
    outbox: Arc<Outbox>,
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.outbox.lock().finished {
            self.handle.abort();
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Bytes that the task has taken and the socket has not.
    taken: usize,
    room_wanted: bool,
    finished: bool,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    changed: Notify,
    claimed: AtomicBool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the socket has not taken yet.
    pub(super) fn len(&self) -> usize {
        let queue = self.lock();
        queue.bytes.len() + queue.taken
    }

    /// Queues a packet; false if it fits into no frame.
    pub(super) fn push(&self, framing: Framing, packet: &[u8]) -> bool {
        let written = framing.write(packet, &mut self.lock().bytes);
        self.changed.notify_one();
        written
    }

    /// The task tells when there is room.
    pub(super) fn ask_for_room(&self) {
        self.lock().room_wanted = true;
        self.changed.notify_one();
    }

    /// An accepted stream has an owner: it may be silent from now on.
    pub(super) fn claimed(&self) {
        self.claimed.store(true, Ordering::Relaxed);
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) {
        self.lock().finished = true;
        self.changed.notify_one();
    }
}

/// Starts the task.
pub(super) fn spawn(
    id: StreamId,
    opening: Opening,
    framing: Framing,
    outbox: Arc<Outbox>,
    reports: mpsc::Sender<(StreamId, Report)>,
) -> Task {
    let pipe = Pipe { id, framing, outbox: Arc::clone(&outbox), reports };
    Task { handle: tokio::spawn(pipe.run(opening)), outbox }
}

trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

struct Pipe {
    id: StreamId,
    framing: Framing,
    outbox: Arc<Outbox>,
    reports: mpsc::Sender<(StreamId, Report)>,
}

impl Pipe {
    async fn run(self, opening: Opening) {
        if matches!(opening, Opening::Connect { .. }) {
            // Their first packet is ours.
            self.outbox.claimed();
        }
        let end = match timeout(CONNECT_TIME, open(opening)).await {
            Err(_) => StreamEnd::TimedOut,
            Ok(Err(end)) => end,
            Ok(Ok(io)) => {
                self.report(Report::Connected).await;
                let (read, write) = tokio::io::split(io);
                tokio::select! {
                    end = self.read(read) => end,
                    end = self.write(write) => end,
                }
            }
        };
        self.report(Report::Closed(end)).await;
    }

    async fn report(&self, report: Report) {
        // The endpoint may be gone.
        let _ = self.reports.send((self.id, report)).await;
    }

    /// Whole frames to the driver, which is waited for.
    async fn read(&self, mut io: impl AsyncRead + Unpin) -> StreamEnd {
        let mut buffer = BytesMut::new();
        let mut deadline = Instant::now() + FRAME_TIME;
        loop {
            // Room grows with what comes, not with what a length announces.
            buffer.reserve(READ);
            let hurry = !buffer.is_empty() || !self.outbox.claimed.load(Ordering::Relaxed);
            let reading = io.read_buf(&mut buffer);
            let read = if hurry {
                match timeout_at(deadline, reading).await {
                    Ok(read) => read,
                    // Claimed meanwhile, and silent at the border of frames.
                    Err(_) if buffer.is_empty() && self.outbox.claimed.load(Ordering::Relaxed) => {
                        continue;
                    }
                    Err(_) => return StreamEnd::TimedOut,
                }
            } else {
                let read = reading.await;
                deadline = Instant::now() + FRAME_TIME;
                read
            };
            match read {
                Ok(0) => return StreamEnd::Closed,
                Ok(_) => {}
                Err(error) => return end_of(&error),
            }
            let (whole, valid) = self.framing.whole(&buffer);
            if whole > 0 {
                let packets =
                    Packets { bytes: buffer.split_to(whole), framing: self.framing, at: 0 };
                self.report(Report::Packets(packets)).await;
                deadline = Instant::now() + FRAME_TIME;
            }
            if !valid || buffer.len() > MAX_FRAME {
                return StreamEnd::Framing;
            }
        }
    }

    /// What is queued to the socket.
    async fn write(&self, mut io: impl AsyncWrite + Unpin) -> StreamEnd {
        let mut bytes = Vec::new();
        loop {
            let (finished, room) = {
                let mut queue = self.outbox.lock();
                std::mem::swap(&mut bytes, &mut queue.bytes);
                queue.taken = bytes.len();
                // Once it is below the mark there is always room for one who asks later.
                let room = bytes.is_empty() && std::mem::take(&mut queue.room_wanted);
                (queue.finished, room)
            };
            if room {
                self.report(Report::Room).await;
            }
            if bytes.is_empty() {
                if finished {
                    let _ = timeout(FAREWELL_TIME, io.shutdown()).await;
                    return StreamEnd::Closed;
                }
                self.outbox.changed.notified().await;
                continue;
            }
            let patience = if finished { FAREWELL_TIME } else { WRITE_TIME };
            let deadline = Instant::now() + patience;
            let mut written = 0;
            while written < bytes.len() {
                match timeout_at(deadline, io.write(&bytes[written..])).await {
                    Ok(Ok(0)) => return StreamEnd::Closed,
                    Ok(Ok(count)) => written += count,
                    Ok(Err(error)) => return end_of(&error),
                    Err(_) => return StreamEnd::TimedOut,
                }
                let room = {
                    let mut queue = self.outbox.lock();
                    queue.taken = bytes.len() - written;
                    queue.taken + queue.bytes.len() < LOW && std::mem::take(&mut queue.room_wanted)
                };
                if room {
                    self.report(Report::Room).await;
                }
            }
            if timeout_at(deadline, io.flush()).await.is_err() {
                return StreamEnd::TimedOut;
            }
            bytes.clear();
        }
    }
}

async fn open(opening: Opening) -> Result<Pin<Box<dyn Io>>, StreamEnd> {
    let (tcp, tls) = match opening {
        Opening::Accepted(tcp) => (tcp, None),
        Opening::Connect { from, to, tls } => {
            let tcp = connect(from, to).await.map_err(|error| {
                tracing::debug!(%error, %from, %to, "connect");
                match error.kind() {
                    io::ErrorKind::TimedOut => StreamEnd::TimedOut,
                    _ => StreamEnd::Refused,
                }
            })?;
            (tcp, tls)
        }
    };
    // Packets are small, and late is as bad as lost.
    let _ = tcp.set_nodelay(true);
    let Some((configuration, server)) = tls else { return Ok(Box::pin(tcp)) };
    let failed = |error: &dyn std::fmt::Display| {
        tracing::debug!(%error, server, "TLS");
        StreamEnd::Tls
    };
    let ssl = configuration.into_ssl(&server).map_err(|error| failed(&error))?;
    let mut stream = SslStream::new(ssl, tcp).map_err(|error| failed(&error))?;
    Pin::new(&mut stream).connect().await.map_err(|error| failed(&error))?;
    Ok(Box::pin(stream))
}

async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !from.is_unspecified() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(to).await
}

fn end_of(error: &io::Error) -> StreamEnd {
    match error.kind() {
        io::ErrorKind::TimedOut => StreamEnd::TimedOut,
        _ => StreamEnd::Closed,
    }
}
