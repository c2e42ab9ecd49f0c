//! The receiving side of a transfer.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use peerage::{DataChannel, Message};

use super::control::Control;
use super::part::{self, Part};
use super::progress::Progress;
use crate::options::ReceiveArgs;
use crate::report::{Event, Report};
use crate::wait::within;

/// How long the sender may take to hang up once it has our confirmation.
const GOODBYE: Duration = Duration::from_secs(5);

/// Receives one file.
pub(crate) async fn receive(
    channel: &DataChannel,
    args: &ReceiveArgs,
    limit: Duration,
    report: Report,
) -> Result<()> {
    let result = receive_file(channel, args, limit, report).await;
    if let Err(error) = &result {
        // So that the sender can say why, too; if the channel is gone, nobody needs to know.
        let reason = format!("{error:#}");
        let _ = Control::Refuse { reason }.send(channel, GOODBYE).await;
    }
    // Our last message must reach the sender before the connection goes; that it closes the channel shows it did.
    let _ =
        within(GOODBYE, "the sender to hang up", async { while channel.recv().await.is_some() {} })
            .await;
    result
}

async fn receive_file(
    channel: &DataChannel,
    args: &ReceiveArgs,
    limit: Duration,
    report: Report,
) -> Result<()> {
    let what = "the other side to announce the file";
    let Control::File { name, size, sha256 } = Control::receive(channel, limit, what).await? else {
        bail!("the other side announced no file");
    };
    if let Some(limit) = args.max_size.filter(|limit| size > *limit) {
        bail!("the file has {size} bytes, more than --max-size {limit}");
    }
    let destination = part::destination(&args.output, &name, &sha256, args.overwrite).await?;
    let shown = destination.display().to_string();
    let mut part = Part::open(destination, size, sha256.clone()).await?;
    let offset = part.written();
    Control::Accept { offset }.send(channel, limit).await?;
    report.event(&Event::File { name: &shown, size, sha256: &sha256, offset });

    let mut progress = Progress::new(offset, size, report);
    while !part.is_complete() {
        let received = within(limit, "more of the file", channel.recv())
            .await
            .and_then(|message| message.context("the channel closed in the middle of the file"));
        let appended = match received {
            Ok(Message::Binary(data)) => part.append(&data).await,
            Ok(text) => {
                Control::read(&text).and_then(|_| bail!("the other side spoke out of turn"))
            }
            Err(error) => Err(error.context(format!(
                "{} of {size} bytes are kept; the same commands resume the transfer",
                part.written()
            ))),
        };
        if let Err(error) = appended {
            part.flush().await?;
            return Err(error);
        }
        progress.set(part.written());
    }
    drop(progress);
    part.finish().await?;
    Control::Received {}.send(channel, limit).await?;
    report.event(&Event::Complete { name: &shown, size, sha256: &sha256 });
    Ok(())
}
