//! The sending side of a transfer.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use peerage::{DataChannel, Message};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::control::Control;
use super::digest;
use super::progress::Progress;
use crate::report::{Event, Report};
use crate::wait::{try_within, within};

/// Bytes per message: well below what any peer refuses, large enough that the count of messages does not matter.
const CHUNK: usize = 65_536;

/// A file that is ready to be sent.
pub(crate) struct Outgoing {
    path: PathBuf,
    name: String,
    size: u64,
    sha256: String,
}

impl Outgoing {
    /// Reads the file once, for its digest.
    pub(crate) async fn open(path: &Path) -> Result<Outgoing> {
        let metadata = tokio::fs::metadata(path)
            .await
            .with_context(|| format!("cannot read {}", path.display()))?;
        if !metadata.is_file() {
            bail!("{} is no file", path.display());
        }
        let name = path.file_name().context("the path has no file name")?;
        let (size, sha256) = digest::of_file(path).await?;
        let name = name.to_string_lossy().into_owned();
        Ok(Outgoing { path: path.to_owned(), name, size, sha256 })
    }

    /// Sends the file and waits until the other side has all of it.
    pub(crate) async fn send(
        &self,
        channel: &DataChannel,
        limit: Duration,
        report: Report,
    ) -> Result<()> {
        let (name, size, sha256) = (self.name.clone(), self.size, self.sha256.clone());
        Control::File { name, size, sha256 }.send(channel, limit).await?;
        let what = "the other side to accept the file";
        let Control::Accept { offset } = Control::receive(channel, limit, what).await? else {
            bail!("the other side neither accepted nor refused the file");
        };
        if offset > size {
            bail!("the other side wants the file from byte {offset} on, but it has {size}");
        }
        report.event(&Event::File { name: &self.name, size, sha256: &self.sha256, offset });
        self.send_from(offset, channel, limit, report).await?;
        match Control::receive(channel, limit, "the other side to confirm the file").await? {
            Control::Received {} => {}
            _ => bail!("the other side did not confirm the file"),
        }
        report.event(&Event::Complete { name: &self.name, size, sha256: &self.sha256 });
        Ok(())
    }

    async fn send_from(
        &self,
        offset: u64,
        channel: &DataChannel,
        limit: Duration,
        report: Report,
    ) -> Result<()> {
        let cannot_read = || format!("cannot read {}", self.path.display());
        let mut file = File::open(&self.path).await.with_context(cannot_read)?;
        file.seek(SeekFrom::Start(offset)).await.with_context(cannot_read)?;
        let mut progress = Progress::new(offset, self.size, report);
        let mut sent = offset;
        while sent < self.size {
            let length = CHUNK.min(usize::try_from(self.size - sent).unwrap_or(CHUNK));
            let mut chunk = vec![0; length];
            if let Err(error) = file.read_exact(&mut chunk).await {
                let reason = format!("{}: {error}; it has changed?", cannot_read());
                let _ = Control::Refuse { reason: reason.clone() }.send(channel, limit).await;
                bail!(reason);
            }
            // The other side may give up meanwhile; then nothing would ever make room.
            tokio::select! {
                sent = try_within(limit, "the other side to take data", channel.send(Message::binary(chunk))) => sent?,
                message = channel.recv() => {
                    let message = message.context("the channel closed in the middle of the file")?;
                    Control::read(&message)?;
                    bail!("the other side spoke out of turn");
                }
            }
            sent += length as u64;
            progress.set(sent - (channel.buffered_amount() as u64).min(sent));
        }
        // What is queued still has to go out; as long as it moves, the other side is there.
        loop {
            let queued = channel.buffered_amount();
            progress.set(self.size - (queued as u64).min(self.size));
            if queued == 0 {
                return Ok(());
            }
            channel.set_buffered_amount_low_threshold(queued.saturating_sub(1 << 18));
            within(limit, "the other side to take data", channel.buffered_amount_low()).await?;
        }
    }
}
