//! `peerage connect`: posts an offer to an echo endpoint, sends, and compares what comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use peerage::{DataChannel, DataChannelInit, Message};

use crate::options::{Common, ConnectArgs};
use crate::peer::{self, Peer};
use crate::report::{Event, Report};
use crate::signal;
use crate::wait::{try_within, within};

pub(crate) async fn run(options: &Common, args: &ConnectArgs, report: &Report) -> Result<()> {
    let report = *report;
    let messages = messages(args);
    let endpoint = peer::endpoint(options).await?;
    let peer = Peer::new(&endpoint, options, report).await?;
    let channel = peer.pc.create_data_channel("echo", DataChannelInit::default()).await?;
    let result = peer
        .run(async |_| {
            let offer = peer.offer().await?;
            peer.accept(signal::post(&args.url, &offer, options.timeout).await?).await?;
            peer.connected().await?;
            try_within(options.timeout, "the data channel to open", channel.opened()).await?;
            check(&channel, &messages, args.count, options.timeout, report).await
        })
        .await;
    peer.close().await;
    result
}

/// The messages of one round: what was asked for, or a set that reaches every code path of a data channel.
fn messages(args: &ConnectArgs) -> Vec<Message> {
    if let Some(text) = &args.message {
        return vec![Message::text(text.clone())];
    }
    let binary = |length: usize| {
        Message::binary((0..length).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>())
    };
    match args.size {
        Some(size) => vec![binary(size as usize)],
        None => vec![
            Message::text("hello"),
            Message::text(""),
            Message::text("déjà vu \u{1f310}"),
            binary(0),
            binary(1),
            binary(1_200),
            binary(16_384),
            binary(65_536),
        ],
    }
}

async fn check(
    channel: &DataChannel,
    messages: &[Message],
    count: u32,
    limit: Duration,
    report: Report,
) -> Result<()> {
    let start = Instant::now();
    let (mut number, mut bytes) = (0u64, 0u64);
    for _ in 0..count {
        for message in messages {
            number += 1;
            bytes += message.len() as u64;
            let kind = if matches!(message, Message::Text(_)) { "text" } else { "binary" };
            let sent = Instant::now();
            let what = format!("message {number} ({} bytes of {kind}) to be sent", message.len());
            try_within(limit, &what, channel.send(message.clone())).await?;
            let what = format!("the echo of message {number} ({} bytes of {kind})", message.len());
            let echo = within(limit, &what, channel.recv())
                .await?
                .with_context(|| format!("the channel closed before {what} came"))?;
            compare(message, &echo).with_context(|| format!("message {number} came back wrong"))?;
            let milliseconds = sent.elapsed().as_secs_f64() * 1e3;
            report.event(&Event::Echoed { kind, bytes: message.len(), milliseconds });
        }
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    report.event(&Event::Checked { messages: number, bytes, milliseconds });
    Ok(())
}

fn compare(sent: &Message, echo: &Message) -> Result<()> {
    match (sent, echo) {
        (Message::Text(_), Message::Binary(_)) => bail!("text came back as binary"),
        (Message::Binary(_), Message::Text(_)) => bail!("binary came back as text"),
        _ if sent.len() != echo.len() => {
            bail!("{} bytes were sent, {} came back", sent.len(), echo.len())
        }
        _ => match sent.data().iter().zip(echo.data()).position(|(a, b)| a != b) {
            Some(at) => bail!("byte {at} differs"),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let text = Message::text("abc");
        assert!(compare(&text, &text).is_ok());
        for (echo, reason) in [
            (Message::binary("abc"), "text came back as binary"),
            (Message::text("abcd"), "3 bytes were sent, 4 came back"),
            (Message::text("abd"), "byte 2 differs"),
        ] {
            assert_eq!(compare(&text, &echo).expect_err(reason).to_string(), reason);
        }
    }
}
