//! `peerage send`: sends a file to `peerage receive`.

use anyhow::Result;
use peerage::{DataChannel, Endpoint, SdpType};

use super::meeting;
use crate::options::{Common, SendArgs};
use crate::peer::{self, Peer};
use crate::report::Report;
use crate::signal::{self, Listener, Rendezvous};
use crate::transfer::sender::Outgoing;

pub(crate) async fn run(options: &Common, args: &SendArgs, report: &Report) -> Result<()> {
    let report = *report;
    let file = Outgoing::open(&args.file).await?;
    let endpoint = peer::endpoint(options).await?;
    let transfer = async |channel: &DataChannel| file.send(channel, options.timeout, report).await;
    match &args.meeting.http {
        Some(Rendezvous::Listen(address)) => {
            let mut listener = Listener::bind(*address, report).await?;
            let mut visitor = listener.next(args.meeting.wait).await?;
            let peer = Peer::new(&endpoint, options, report).await?;
            let offer = visitor.take_offer();
            let reply = |answer| visitor.answer(answer);
            meeting::answer(&peer, options, offer, reply, options.timeout, transfer).await
        }
        other => offer(other.as_ref(), &endpoint, options, args, transfer, report).await,
    }
}

/// Makes the offer, by HTTP or printed.
async fn offer(
    rendezvous: Option<&Rendezvous>,
    endpoint: &Endpoint,
    options: &Common,
    args: &SendArgs,
    transfer: impl AsyncFnOnce(&DataChannel) -> Result<()>,
    report: Report,
) -> Result<()> {
    let peer = Peer::new(endpoint, options, report).await?;
    let exchange = async |offer| match rendezvous {
        Some(Rendezvous::Post(url)) => signal::post(url, &offer, options.timeout).await,
        _ => {
            report.hint("paste this into `peerage receive`, then paste its answer here:");
            signal::show(report, &offer);
            signal::pasted(SdpType::Answer, args.meeting.wait).await
        }
    };
    meeting::offer(&peer, options, exchange, transfer).await
}
