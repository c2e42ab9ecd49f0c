//! `peerage receive`: receives a file from `peerage send`.

use anyhow::Result;
use peerage::{DataChannel, Endpoint, SdpType, SessionDescription};

use super::meeting;
use crate::http::client::HttpUrl;
use crate::options::{Common, ReceiveArgs};
use crate::peer::{self, Peer};
use crate::report::Report;
use crate::signal::{self, Listener, Rendezvous};
use crate::transfer::receiver;

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
    let patience = paste.unwrap_or(options.timeout);
    let transfer = async |channel: &DataChannel| {
        receiver::receive(channel, args, options.timeout, report).await
    };
    meeting::answer(&peer, options, offer, reply, patience, transfer).await
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
    let exchange = async |offer| signal::post(url, &offer, options.timeout).await;
    let transfer = async |channel: &DataChannel| {
        receiver::receive(channel, args, options.timeout, report).await
    };
    meeting::offer(&peer, options, exchange, transfer).await
}
