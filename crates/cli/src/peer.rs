//! One connection of a command: set-up from the options, offer and answer with all candidates, events to the report.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
#[cfg(feature = "call")]
use peerage::DtlsState;
use peerage::{
    Configuration, ConnectionState, DataChannel, Endpoint, EndpointConfig, Event as PeerEvent,
    PeerConnection, SessionDescription,
};
use tokio::sync::mpsc;

use crate::mirror::Mirror;
use crate::options::Common;
use crate::report::{Event, Report};
use crate::wait::try_within;

/// Channels of the peer that may wait for the command to take them.
const CHANNEL_QUEUE: usize = 1024;

/// Binds the sockets that the options ask for.
pub(crate) async fn endpoint(options: &Common) -> Result<Endpoint> {
    for path in [&options.log, &options.pcap].into_iter().flatten() {
        check_place(path)?;
    }
    let mut config =
        if options.loopback { EndpointConfig::loopback() } else { EndpointConfig::default() };
    config.addresses.clone_from(&options.udp);
    Ok(Endpoint::bind(config).await?)
}

/// Whether a file can be made here: told now, and not when the first connection comes.
pub(crate) fn check_place(path: &Path) -> Result<()> {
    let shown = path.display();
    if path.is_dir() {
        bail!("{shown} is a folder: name a file in it");
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            bail!("cannot write {shown}: there is no folder {}", folder.display())
        }
        _ => Ok(()),
    }
}

/// The file of a connection: the first has the name that was given, `call.log`, the next `call-2.log`.
pub(crate) fn numbered(path: &Path, number: u64) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// A connection and what the command needs with it.
pub(crate) struct Peer {
    pub(crate) number: u64,
    pub(crate) pc: PeerConnection,
    step: Duration,
    report: Report,
    /// Media goes back, if there is one.
    mirror: Option<Mutex<Mirror>>,
    /// Where tracks of the peer go, if somebody plays them.
    #[cfg(feature = "call")]
    tracks: Mutex<Option<mpsc::Sender<peerage::RtpTransceiver>>>,
    /// Its statistics are told at the end.
    stats: bool,
}

/// The channels that the peer opened, in order.
pub(crate) type Channels = mpsc::Receiver<DataChannel>;

impl Peer {
    pub(crate) async fn new(endpoint: &Endpoint, options: &Common, report: Report) -> Result<Peer> {
        Peer::patient(endpoint, options, report, None).await
    }

    /// As [`new`](Peer::new), but ICE gives up only after `patience`: the other side may be slow to read our answer.
    pub(crate) async fn patient(
        endpoint: &Endpoint,
        options: &Common,
        report: Report,
        patience: Option<Duration>,
    ) -> Result<Peer> {
        Peer::configured(endpoint, options, report, |configuration| {
            if let Some(patience) = patience {
                configuration.settings.ice_timers.patience = patience;
                configuration.settings.ice_timers.give_up = patience;
            }
        })
        .await
    }

    /// As [`new`](Peer::new), with settings of the command's own.
    pub(crate) async fn configured(
        endpoint: &Endpoint,
        options: &Common,
        report: Report,
        adjust: impl FnOnce(&mut Configuration),
    ) -> Result<Peer> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let mut configuration = Configuration::default();
        options.ice(&mut configuration)?;
        adjust(&mut configuration);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let pc = endpoint.connect(configuration).await?;
        if let Some(path) = &options.log {
            pc.log_to(numbered(path, number)).await?;
        }
        if let Some(path) = &options.pcap {
            pc.capture_to(numbered(path, number)).await?;
        }
        let (step, stats) = (options.timeout, options.stats);
        Ok(Peer {
            number,
            pc,
            step,
            report,
            mirror: None,
            #[cfg(feature = "call")]
            tracks: Mutex::default(),
            stats,
        })
    }

    /// The tracks of the peer, as they come while [`run`](Peer::run) runs.
    #[cfg(feature = "call")]
    pub(crate) fn take_tracks(&self) -> mpsc::Receiver<peerage::RtpTransceiver> {
        let (tracks, taken) = mpsc::channel(CHANNEL_QUEUE);
        *self.tracks.lock().unwrap_or_else(PoisonError::into_inner) = Some(tracks);
        taken
    }

    /// The answer to the offer that was set, with all candidates.
    #[cfg(feature = "call")]
    pub(crate) async fn own_answer(&self) -> Result<SessionDescription> {
        self.describe("cannot answer the offer").await
    }

    /// Closes the connection; its statistics are told before that, if they were asked for.
    pub(crate) async fn close(&self) {
        if self.stats {
            match self.pc.get_stats().await {
                Ok(statistics) => {
                    let connection = self.number;
                    self.report.event(&Event::Statistics { connection, statistics: &statistics });
                }
                Err(error) => self.report.warning(format_args!("no statistics: {error}")),
            }
        }
        self.pc.close().await;
    }

    /// An offer with all candidates.
    pub(crate) async fn offer(&self) -> Result<SessionDescription> {
        self.describe("cannot make an offer").await
    }

    /// The answer to an offer, with all candidates.
    pub(crate) async fn answer(&self, offer: SessionDescription) -> Result<SessionDescription> {
        self.pc.set_remote_description(offer).await.context("the offer cannot be used")?;
        self.describe("cannot answer the offer").await
    }

    /// As [`answer`](Peer::answer), and whatever media the peer sends goes back to it.
    pub(crate) async fn answer_and_mirror(
        &mut self,
        offer: SessionDescription,
    ) -> Result<SessionDescription> {
        self.mirror = Some(Mutex::default());
        self.pc.set_remote_description(offer).await.context("the offer cannot be used")?;
        Mirror::prepare(&self.pc).await.context("cannot mirror the media that is offered")?;
        self.describe("cannot answer the offer").await
    }

    /// Takes the answer to our offer.
    pub(crate) async fn accept(&self, answer: SessionDescription) -> Result<()> {
        self.pc.set_remote_description(answer).await.context("the answer cannot be used")
    }

    async fn describe(&self, failure: &'static str) -> Result<SessionDescription> {
        self.pc.set_local_description(None).await.context(failure)?;
        try_within(self.step, "candidates to be gathered", self.pc.gathering_complete()).await?;
        self.pc.local_description().ok_or_else(|| anyhow!(failure))
    }

    /// Waits until the connection is up.
    pub(crate) async fn connected(&self) -> Result<()> {
        let up = try_within(self.step, "the connection to come up", self.pc.connected()).await;
        match up {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// Adds what was tried and what answered to the error of a connection that did not come up.
    async fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        match self.pc.connection_failure().await {
            Ok(Some(failure)) => anyhow!("{error:#}: {failure}"),
            _ => error,
        }
    }

    /// Runs `work` and, beside it, reports the connection's events; ends with an error when the connection fails.
    ///
    /// `work` gets the channels that the peer opens.
    pub(crate) async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        work: impl FnOnce(Channels) -> F,
    ) -> Result<T> {
        let (opened, channels) = mpsc::channel(CHANNEL_QUEUE);
        let mut work = std::pin::pin!(work(channels));
        loop {
            let event = tokio::select! {
                // What is done is done, even if the peer has hung up in the meantime.
                biased;
                result = &mut work => return result,
                event = self.pc.next_event() => event,
            };
            match event {
                // Closed: messages may be left to be read, and `work` learns the rest from its channels.
                None => {
                    #[cfg(feature = "call")]
                    self.tracks.lock().unwrap_or_else(PoisonError::into_inner).take();
                    return work.await;
                }
                Some(PeerEvent::DataChannel(channel)) => {
                    let (label, id) = (channel.label(), channel.id());
                    self.report.event(&Event::Channel { connection: self.number, label, id });
                    // A channel beyond the queue is dropped, which closes it.
                    let _ = opened.try_send(channel);
                }
                Some(PeerEvent::Track { transceiver, .. }) => {
                    #[cfg(feature = "call")]
                    if let Some(tracks) =
                        &*self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
                    {
                        // A track beyond the queue is not played.
                        let _ = tracks.try_send(transceiver);
                        continue;
                    }
                    if let Some(mirror) = &self.mirror {
                        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
                        mirror.reflect(&transceiver, self.number, self.report);
                    }
                }
                Some(PeerEvent::KeyframeRequested { transceiver, .. }) => {
                    // Who watches the mirror wants one, which only the source can make.
                    if self.mirror.is_some() {
                        transceiver.request_keyframe().await?;
                    }
                }
                // Goodbye. Who has channels learns it from them; who has media alone would wait for what never comes.
                #[cfg(feature = "call")]
                Some(PeerEvent::DtlsStateChange(DtlsState::Closed)) => {
                    self.tracks.lock().unwrap_or_else(PoisonError::into_inner).take();
                }
                Some(event) => {
                    let state = matches!(event, PeerEvent::ConnectionStateChange(_));
                    match self.note(&event) {
                        Err(error) if state => return Err(self.explained(error).await),
                        noted => noted?,
                    }
                }
            }
        }
    }

    fn note(&self, event: &PeerEvent) -> Result<()> {
        let connection = self.number;
        match event {
            PeerEvent::ConnectionStateChange(state) => {
                self.report.event(&Event::State { connection, state: state.name() });
                if *state == ConnectionState::Failed {
                    bail!("the connection failed");
                }
            }
            PeerEvent::SelectedCandidatePairChange { local, remote } => {
                let (local, remote) = (local.to_string(), remote.to_string());
                self.report.event(&Event::Path { connection, local, remote });
            }
            PeerEvent::IceCandidateError { url, text, .. } => {
                self.report.warning(format_args!("{url}: {text}"));
            }
            PeerEvent::HandshakeComplete(handshake) => self.report.event(&Event::Handshake {
                connection,
                version: handshake.version,
                group: handshake.group,
                cipher_suite: handshake.cipher_suite,
            }),
            PeerEvent::TransportError(reason) => {
                bail!("the handshake with the peer failed: {reason}")
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_a_file_of_its_own() {
        for (name, number, expected) in [
            ("a/call.log", 1, "a/call.log"),
            ("a/call.log", 2, "a/call-2.log"),
            ("call", 12, "call-12"),
            ("my.call.pcap", 3, "my.call-3.pcap"),
        ] {
            assert_eq!(numbered(Path::new(name), number), Path::new(expected));
        }
    }
}
