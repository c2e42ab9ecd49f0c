//! Event logs and captures of connections, in files. What a connection reports is written into memory by the driver and
//! from there to the disk by a thread that may block, twice a second, so that no connection waits for a disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use peerage_log::{Direction, EventSink, LogWriter, PacketTap, Plaintext};
use peerage_media::files::RtpCapture;

use crate::{Error, PeerConnection};

/// How long what was recorded waits before it goes to the file.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// What waits for the disk at most; then the file ends where it is.
const MAX_WAITING: usize = 32 << 20;

impl PeerConnection {
    /// Writes the connection's event log into a file, which is replaced, from now until it is closed: states,
    /// descriptions, packets, reports, frames. `peerage inspect` makes a page of it. The log of a connection that was used
    /// before begins with its present states and descriptions.
    ///
    /// Descriptions hold addresses and ICE passwords; neither keys nor media are recorded. A disk that fails, or falls
    /// behind by 32 MiB, ends the log and nothing else.
    ///
    /// # Errors
    /// [`Error::Record`] if the file cannot be created, [`Error::ConnectionClosed`].
    pub async fn log_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (file, name) = create(path.as_ref()).await?;
        self.call(move |connection, now| {
            // Writing into memory does not fail.
            if let Ok(log) = LogWriter::new(Spool::new(file), now, SystemTime::now(), &name) {
                connection.pc.set_event_log(now, Some(Box::new(log)));
            }
            Ok(())
        })
        .await
    }

    /// Writes the connection's RTP and RTCP in the clear into a pcap file, which is replaced, from now until it is
    /// closed. `tshark -d udp.port==5004,rtp -d udp.port==5005,rtcp -r FILE` and Wireshark read it; 192.0.2.1 stands for
    /// this end. It gives away what is said: for debugging alone.
    ///
    /// # Errors
    /// [`Error::Record`] if the file cannot be created, [`Error::ConnectionClosed`].
    pub async fn capture_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let (file, _) = create(path.as_ref()).await?;
        self.call(move |connection, now| {
            if let Ok(capture) = RtpCapture::new(Spool::new(file)) {
                let clock = (now, SystemTime::now());
                connection.pc.set_packet_tap(Some(Box::new(Capture { capture, clock })));
            }
            Ok(())
        })
        .await
    }

    /// Hands the connection's events to a sink of the application from now on; `None` ends it. It is called from the
    /// driver and must not block.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn set_event_log(
        &self,
        sink: Option<Box<dyn EventSink + Send>>,
    ) -> Result<(), Error> {
        self.call(move |connection, now| {
            connection.pc.set_event_log(now, sink);
            Ok(())
        })
        .await
    }

    /// Hands RTP and RTCP in the clear to a tap of the application from now on; `None` ends it. It is called from the
    /// driver and must not block.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn set_packet_tap(
        &self,
        tap: Option<Box<dyn PacketTap + Send>>,
    ) -> Result<(), Error> {
        self.call(move |connection, _| {
            connection.pc.set_packet_tap(tap);
            Ok(())
        })
        .await
    }
}

/// Creates a file; its name without the folder.
async fn create(path: &Path) -> Result<(File, String), Error> {
    let path = path.to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let opened = path.clone();
    let file = tokio::task::spawn_blocking(move || File::create(opened))
        .await
        .map_err(|_| Error::ConnectionClosed)?;
    file.map(|file| (file, name)).map_err(|source| Error::Record { path, source })
}

/// A tap that writes a capture until that fails.
struct Capture {
    capture: RtpCapture<Spool>,
    clock: (Instant, SystemTime),
}

impl PacketTap for Capture {
    fn packet(&mut self, now: Instant, direction: Direction, kind: Plaintext, data: &[u8]) {
        let at = self.clock.1 + now.saturating_duration_since(self.clock.0);
        let time = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (sent, is_rtcp) = (direction == Direction::Sent, kind == Plaintext::Rtcp);
        // The spool has told why.
        let _ = self.capture.write_packet(time, sent, is_rtcp, data);
    }
}

/// A file that is written elsewhere: `write` takes into memory.
struct Spool(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// Locked before `waiting`, so that what was taken first is written first.
    file: Mutex<File>,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Somebody will write them.
    scheduled: bool,
    /// The beginning is in the file.
    begun: bool,
    failed: bool,
}

impl Spool {
    fn new(file: File) -> Self {
        Self(Arc::new(Shared { waiting: Mutex::default(), file: Mutex::new(file) }))
    }
}

impl Write for Spool {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut waiting = lock(&self.0.waiting);
        if !waiting.failed && waiting.bytes.len() + data.len() > MAX_WAITING {
            waiting.failed = true;
            tracing::warn!("a log or capture ends early: the disk does not keep up");
        }
        if waiting.failed {
            return Err(io::Error::other("the disk does not keep up, or has failed"));
        }
        waiting.bytes.extend_from_slice(data);
        if !waiting.scheduled
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            waiting.scheduled = true;
            // The beginning at once: a file that stays empty looks like a mistake.
            let wait = if waiting.begun { WRITE_INTERVAL } else { Duration::ZERO };
            waiting.begun = true;
            let shared = Arc::clone(&self.0);
            runtime.spawn(async move {
                tokio::time::sleep(wait).await;
                let _ = tokio::task::spawn_blocking(move || shared.drain()).await;
            });
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn drain(&self) {
        let mut file = lock(&self.file);
        let bytes = {
            let mut waiting = lock(&self.waiting);
            waiting.scheduled = false;
            std::mem::take(&mut waiting.bytes)
        };
        if let Err(error) = file.write_all(&bytes) {
            tracing::warn!(%error, "a log or capture ends early");
            lock(&self.waiting).failed = true;
        }
    }
}

impl Drop for Spool {
    /// What is left is half a second's: little enough to be written at once, and the runtime may be at its end, when
    /// nothing that is spawned runs any more.
    fn drop(&mut self) {
        self.0.drain();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
