//! `peerage receive`: receives a file from `peerage send`.

use anyhow::{Context, Result, bail};
use peerage::{DataChannelInit, Endpoint, SdpType, SessionDescription};

use crate::http::client::HttpUrl;
use crate::options::{Common, ReceiveArgs};
use crate::peer::{self, Channels, Peer};
use crate::report::Report;
use crate::signal::{self, Listener, Rendezvous};
use crate::transfer::{LABEL, PROTOCOL, receiver};
use crate::wait::{try_within, within};

pub(crate) async fn run(options: &Common, args: &ReceiveArgs, report: &Report) -> Result<()> {
    let report = *report;
    let endpoint = peer::endpoint(options).await?;
    match &args.meeting.http {
        None => {
            report.hint("paste the offer of `peerage send`:");
            let offer = signal::pasted(SdpType::Offer, args.meeting.wait).await?;
            let show = |answer: Result<SessionDescription, String>| {
                if let Ok(answer) = answer {
                    report.hint("paste this into `peerage send`:");
                    signal::show(report, &answer);
                }
            };
            answer(offer, show, &endpoint, options, args, report).await
        }
        Some(Rendezvous::Post(url)) => offer(url, &endpoint, options, args, report).await,
        Some(Rendezvous::Listen(address)) => {
            let mut listener = Listener::bind(*address, report).await?;
            loop {
                let mut visitor = listener.next(args.meeting.wait).await?;
                let offer = visitor.take_offer();
                let reply = |answer| visitor.answer(answer);
                // A transfer that breaks off is resumed by the next visit.
                match answer(offer, reply, &endpoint, options, args, report).await {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        report.warning(format_args!("{error:#}; waiting for another offer"));
                    }
                }
            }
        }
    }
}

/// Answers the sender's offer; the sender opens the channel.
async fn answer(
    offer: SessionDescription,
    reply: impl FnOnce(Result<SessionDescription, String>),
    endpoint: &Endpoint,
    options: &Common,
    args: &ReceiveArgs,
    report: Report,
) -> Result<()> {
    // Without HTTP somebody has to paste the answer first.
    let paste = args.meeting.http.is_none().then_some(args.meeting.wait);
    let peer = Peer::patient(endpoint, options, report, paste).await?;
    let answer = peer.answer(offer).await;
    reply(answer.as_ref().map(Clone::clone).map_err(|error| format!("{error:#}")));
    answer?;
    let patience = paste.unwrap_or(options.timeout);
    let result = peer
        .run(async |mut channels: Channels| {
            try_within(patience, "the connection to come up", peer.pc.connected()).await?;
            let channel = within(options.timeout, "the sender's channel", channels.recv())
                .await?
                .context("the connection closed before a channel opened")?;
            if channel.protocol() != PROTOCOL {
                bail!("the sender's channel is {:?}, not {PROTOCOL:?}", channel.protocol());
            }
            receiver::receive(&channel, args, options.timeout, report).await
        })
        .await;
    peer.pc.close().await;
    result
}

/// Posts an offer to the sender.
async fn offer(
    url: &HttpUrl,
    endpoint: &Endpoint,
    options: &Common,
    args: &ReceiveArgs,
    report: Report,
) -> Result<()> {
    let peer = Peer::new(endpoint, options, report).await?;
    let init = DataChannelInit { protocol: PROTOCOL.into(), ..DataChannelInit::default() };
    let channel = peer.pc.create_data_channel(LABEL, init).await?;
    let result = peer
        .run(async |_| {
            let offer = peer.offer().await?;
            peer.accept(signal::post(url, &offer, options.timeout).await?).await?;
            peer.connected().await?;
            try_within(options.timeout, "the data channel to open", channel.opened()).await?;
            receiver::receive(&channel, args, options.timeout, report).await
        })
        .await;
    peer.pc.close().await;
    result
}
