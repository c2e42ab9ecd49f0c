//! `peerage send`: sends a file to `peerage receive`.

use anyhow::{Context, Result, bail};
use peerage::{DataChannel, DataChannelInit, Endpoint, SdpType};

use crate::options::{Common, SendArgs};
use crate::peer::{self, Channels, Peer};
use crate::report::Report;
use crate::signal::{self, Listener, Rendezvous};
use crate::transfer::sender::Outgoing;
use crate::transfer::{LABEL, PROTOCOL};
use crate::wait::{try_within, within};

pub(crate) async fn run(options: &Common, args: &SendArgs, report: &Report) -> Result<()> {
    let report = *report;
    let file = Outgoing::open(&args.file).await?;
    let endpoint = peer::endpoint(options).await?;
    match &args.meeting.http {
        Some(Rendezvous::Listen(address)) => {
            let mut listener = Listener::bind(*address, report).await?;
            let visitor = listener.next(args.meeting.wait).await?;
            answer(visitor, &endpoint, options, &file, report).await
        }
        other => offer(other.as_ref(), &endpoint, options, args, &file, report).await,
    }
}

/// Makes the offer, by HTTP or printed.
async fn offer(
    rendezvous: Option<&Rendezvous>,
    endpoint: &Endpoint,
    options: &Common,
    args: &SendArgs,
    file: &Outgoing,
    report: Report,
) -> Result<()> {
    let peer = Peer::new(endpoint, options, report).await?;
    let init = DataChannelInit { protocol: PROTOCOL.into(), ..DataChannelInit::default() };
    let channel = peer.pc.create_data_channel(LABEL, init).await?;
    let result = peer
        .run(async |_| {
            let offer = peer.offer().await?;
            let answer = match rendezvous {
                Some(Rendezvous::Post(url)) => signal::post(url, &offer, options.timeout).await?,
                _ => {
                    report.hint("paste this into `peerage receive`, then paste its answer here:");
                    signal::show(report, &offer);
                    signal::pasted(SdpType::Answer, args.meeting.wait).await?
                }
            };
            peer.accept(answer).await?;
            peer.connected().await?;
            transfer(&channel, options, file, report).await
        })
        .await;
    peer.pc.close().await;
    result
}

/// Answers the receiver's offer.
async fn answer(
    mut visitor: signal::Visitor,
    endpoint: &Endpoint,
    options: &Common,
    file: &Outgoing,
    report: Report,
) -> Result<()> {
    let peer = Peer::new(endpoint, options, report).await?;
    let result = peer
        .run(async |mut channels: Channels| {
            let answer = peer.answer(visitor.take_offer()).await;
            visitor.answer(answer.as_ref().map(Clone::clone).map_err(|error| format!("{error:#}")));
            answer?;
            peer.connected().await?;
            let channel = within(options.timeout, "the other side's channel", channels.recv())
                .await?
                .context("the connection closed before a channel opened")?;
            if channel.protocol() != PROTOCOL {
                bail!("the other side's channel is {:?}, not {PROTOCOL:?}", channel.protocol());
            }
            transfer(&channel, options, file, report).await
        })
        .await;
    peer.pc.close().await;
    result
}

async fn transfer(
    channel: &DataChannel,
    options: &Common,
    file: &Outgoing,
    report: Report,
) -> Result<()> {
    try_within(options.timeout, "the data channel to open", channel.opened()).await?;
    file.send(channel, options.timeout, report).await
}
