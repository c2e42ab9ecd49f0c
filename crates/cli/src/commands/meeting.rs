//! How `send` and `receive` meet: whichever side offers opens the channel of the transfer, the other waits for it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use peerage::{DataChannel, DataChannelInit, SessionDescription};

use crate::options::Common;
use crate::peer::{Channels, Peer};
use crate::transfer::{LABEL, PROTOCOL};
use crate::wait::{try_within, within};

/// Offers; `exchange` brings the answer. Then `transfer` has the open channel.
pub(super) async fn offer(
    peer: &Peer,
    options: &Common,
    exchange: impl AsyncFnOnce(SessionDescription) -> Result<SessionDescription>,
    transfer: impl AsyncFnOnce(&DataChannel) -> Result<()>,
) -> Result<()> {
    let init = DataChannelInit { protocol: PROTOCOL.into(), ..DataChannelInit::default() };
    let channel = peer.pc.create_data_channel(LABEL, init).await?;
    let result = peer
        .run(async |_| {
            let answer = exchange(peer.offer().await?).await?;
            peer.accept(answer).await?;
            peer.connected().await?;
            opened(&channel, options).await?;
            transfer(&channel).await
        })
        .await;
    peer.close().await;
    result
}

/// Answers an offer; `reply` takes the answer to the other side, or why there is none. The connection has to come up
/// within `patience`. Then `transfer` has the open channel.
pub(super) async fn answer(
    peer: &Peer,
    options: &Common,
    offer: SessionDescription,
    reply: impl FnOnce(Result<SessionDescription, String>),
    patience: Duration,
    transfer: impl AsyncFnOnce(&DataChannel) -> Result<()>,
) -> Result<()> {
    let result = peer
        .run(async |mut channels: Channels| {
            let answer = peer.answer(offer).await;
            reply(answer.as_ref().map(Clone::clone).map_err(|error| format!("{error:#}")));
            answer?;
            try_within(patience, "the connection to come up", peer.pc.connected()).await?;
            let channel = within(options.timeout, "the other side's channel", channels.recv())
                .await?
                .context("the connection closed before a channel opened")?;
            if channel.protocol() != PROTOCOL {
                bail!("the other side's channel is {:?}, not {PROTOCOL:?}", channel.protocol());
            }
            opened(&channel, options).await?;
            transfer(&channel).await
        })
        .await;
    peer.close().await;
    result
}

async fn opened(channel: &DataChannel, options: &Common) -> Result<()> {
    try_within(options.timeout, "the data channel to open", channel.opened()).await
}
