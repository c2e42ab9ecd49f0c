//! The handle of a connection: the W3C's `RTCPeerConnection` with futures in place of promises and one event stream.

use std::sync::Arc;
use std::time::Instant;

use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::stats::StatsReport;
use peerage_peerconnection::{
    ConnectionFailure, ConnectionState, DataChannelInit, DtlsTransportInfo, IceCandidateInit,
    IceConnectionState, IceGatheringState, IceTransportInfo, OfferOptions, SctpTransportInfo,
    SessionDescription, SignalingState, Statistics, TransceiverInit,
};
use tokio::sync::{Mutex, mpsc, watch};

use crate::driver::Connection;
use crate::endpoint::{Endpoint, EndpointConfig};
use crate::lifeline::Lifeline;
use crate::rtp_transceiver::RtpTransceiver;
use crate::{Configuration, DataChannel, Error, Estimate, Event};

/// What can be read of a connection without asking the driver.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) signaling: SignalingState,
    pub(crate) gathering: IceGatheringState,
    pub(crate) ice: IceConnectionState,
    pub(crate) connection: ConnectionState,
    pub(crate) local: Option<SessionDescription>,
    pub(crate) remote: Option<SessionDescription>,
}

/// A connection to one peer.
///
/// Cheap to clone; all clones are the same connection, and each event goes to one of those that wait for it. When the
/// last clone and the last [`DataChannel`] are dropped, the connection closes.
#[derive(Clone, Debug)]
pub struct PeerConnection {
    lifeline: Arc<Lifeline>,
    events: Arc<Mutex<mpsc::Receiver<Event>>>,
    snapshot: watch::Receiver<Snapshot>,
}

impl PeerConnection {
    pub(crate) fn from_parts(
        lifeline: Arc<Lifeline>,
        events: mpsc::Receiver<Event>,
        snapshot: watch::Receiver<Snapshot>,
    ) -> Self {
        Self { lifeline, events: Arc::new(Mutex::new(events)), snapshot }
    }

    /// A connection with an endpoint of its own. Applications with many connections share an [`Endpoint`].
    ///
    /// # Errors
    /// As [`Endpoint::bind`] and [`Endpoint::connect`].
    pub async fn new(configuration: Configuration) -> Result<Self, Error> {
        Endpoint::bind(EndpointConfig::default()).await?.connect(configuration).await
    }

    /// Runs `call` on the connection in the driver and waits for its result.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Connection, Instant) -> Result<T, peerage_peerconnection::Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        self.lifeline.call(call).await
    }

    /// Makes an offer (webrtc-pc §4.4.2, RFC 9429 §5.2); it takes effect with
    /// [`set_local_description`](Self::set_local_description).
    ///
    /// # Errors
    /// InvalidStateError if a remote offer is pending or the connection is closed.
    pub async fn create_offer(&self, options: OfferOptions) -> Result<SessionDescription, Error> {
        self.call(move |connection, now| connection.pc.create_offer(now, options)).await
    }

    /// Makes an answer to the pending remote offer (RFC 9429 §5.3).
    ///
    /// # Errors
    /// InvalidStateError if no remote offer is pending.
    pub async fn create_answer(&self) -> Result<SessionDescription, Error> {
        self.call(|connection, now| connection.pc.create_answer(now)).await
    }

    /// Applies a local description; `None` makes the one that the state calls for, as in browsers.
    ///
    /// # Errors
    /// By their W3C names: InvalidStateError, InvalidModificationError, ...
    pub async fn set_local_description(
        &self,
        description: impl Into<Option<SessionDescription>>,
    ) -> Result<(), Error> {
        let description = description.into();
        self.call(move |connection, now| connection.pc.set_local_description(now, description))
            .await
    }

    /// Applies the peer's description. An offer that meets our own pending offer rolls ours back (perfect negotiation).
    ///
    /// # Errors
    /// By their W3C names; a malformed SDP is told by line, column and attribute.
    pub async fn set_remote_description(
        &self,
        description: SessionDescription,
    ) -> Result<(), Error> {
        self.call(move |connection, now| connection.pc.set_remote_description(now, description))
            .await
    }

    /// Adds a trickled candidate of the peer; `None` says that no more come.
    ///
    /// # Errors
    /// InvalidStateError without a remote description; OperationError for a candidate that cannot be parsed or belongs to
    /// no m-section.
    pub async fn add_ice_candidate(
        &self,
        candidate: impl Into<Option<IceCandidateInit>>,
    ) -> Result<(), Error> {
        let candidate = candidate.into();
        self.call(move |connection, now| connection.pc.add_ice_candidate(now, candidate)).await
    }

    /// Creates a channel. It may be used at once: what is sent waits until the channel is open.
    ///
    /// # Errors
    /// TypeError or OperationError for options that contradict each other or an id that is taken;
    /// InvalidStateError if the connection is closed.
    pub async fn create_data_channel(
        &self,
        label: impl Into<String>,
        init: DataChannelInit,
    ) -> Result<DataChannel, Error> {
        let label = label.into();
        let lifeline = Arc::clone(&self.lifeline);
        self.call(move |connection, now| {
            let handle = connection.pc.create_data_channel(now, &label, init)?;
            Ok(connection.open_channel(lifeline, handle))
        })
        .await?
        .ok_or(Error::ChannelClosed)
    }

    /// `addTrack`: sends a track of this id, as part of these streams, on a transceiver that is free or new.
    ///
    /// # Errors
    /// InvalidAccessError if the track is sent already; InvalidStateError if the connection is closed.
    pub async fn add_track(
        &self,
        kind: MediaKind,
        track: impl Into<String>,
        streams: Vec<String>,
    ) -> Result<RtpTransceiver, Error> {
        let (track, lifeline) = (track.into(), Arc::clone(&self.lifeline));
        self.call(move |connection, now| {
            let handle = connection.pc.add_track(now, kind, track, streams)?;
            Ok(connection.open_transceiver(lifeline, handle, kind))
        })
        .await
    }

    /// `removeTrack`: a transceiver of this connection sends its track no more, as the next negotiation tells the peer. What
    /// the media engine sends on it lets its track go.
    ///
    /// # Errors
    /// InvalidAccessError for a transceiver of another connection; InvalidStateError if the connection is closed;
    /// OperationError once the transceiver is gone.
    pub async fn remove_track(&self, transceiver: &RtpTransceiver) -> Result<(), Error> {
        if !transceiver.is_of(&self.lifeline) {
            return Err(Error::Refused(peerage_peerconnection::Error::InvalidAccess {
                operation: "remove_track",
                reason: "the transceiver is of another connection",
            }));
        }
        let handle = transceiver.handle();
        self.call(move |connection, now| connection.remove_track(now, handle)).await
    }

    /// `addTransceiver`.
    ///
    /// # Errors
    /// TypeError or RangeError for encodings that do not make sense; InvalidStateError if the connection is closed.
    pub async fn add_transceiver(
        &self,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<RtpTransceiver, Error> {
        let lifeline = Arc::clone(&self.lifeline);
        self.call(move |connection, now| {
            let handle = connection.pc.add_transceiver(now, kind, init)?;
            Ok(connection.open_transceiver(lifeline, handle, kind))
        })
        .await
    }

    /// `getTransceivers`, in the order they were made.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn transceivers(&self) -> Result<Vec<RtpTransceiver>, Error> {
        let lifeline = Arc::clone(&self.lifeline);
        self.call(move |connection, _| {
            let all: Vec<_> = connection.pc.transceivers().map(|t| (t.handle, t.kind)).collect();
            let open =
                |(handle, kind)| connection.open_transceiver(Arc::clone(&lifeline), handle, kind);
            Ok(all.into_iter().map(open).collect())
        })
        .await
    }

    /// Asks for an ICE restart with the next negotiation (webrtc-pc §4.4.2 `restartIce`).
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn restart_ice(&self) -> Result<(), Error> {
        self.call(|connection, now| {
            connection.pc.restart_ice(now);
            Ok(())
        })
        .await
    }

    /// Asks for new DTLS associations with the next negotiation, and with them for an ICE restart (RFC 8842 §5.5).
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn renew_dtls(&self) -> Result<(), Error> {
        self.call(|connection, now| {
            connection.pc.renew_dtls(now);
            Ok(())
        })
        .await
    }

    /// Closes the connection: the peer is told, channels close, what is still queued is given up.
    pub async fn close(&self) {
        let _ = self
            .call(|connection, now| {
                connection.pc.close(now);
                Ok(())
            })
            .await;
    }

    /// The next event; `None` once the connection is closed and all events have been taken. Cancel safe.
    pub async fn next_event(&self) -> Option<Event> {
        self.events.lock().await.recv().await
    }

    /// Waits until the connection is up.
    ///
    /// # Errors
    /// [`Error::ConnectionFailed`] or [`Error::ConnectionClosed`] if it ends otherwise.
    pub async fn connected(&self) -> Result<(), Error> {
        let state = self
            .wait(|snapshot| {
                matches!(
                    snapshot.connection,
                    ConnectionState::Connected | ConnectionState::Failed | ConnectionState::Closed
                )
            })
            .await?
            .connection;
        match state {
            ConnectionState::Connected => Ok(()),
            ConnectionState::Failed => Err(Error::ConnectionFailed),
            _ => Err(Error::ConnectionClosed),
        }
    }

    /// Waits until all local candidates are known: [`local_description`](Self::local_description) then has them all,
    /// for signalling that does not trickle.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] if it closes first.
    pub async fn gathering_complete(&self) -> Result<(), Error> {
        self.wait(|snapshot| {
            snapshot.gathering == IceGatheringState::Complete
                || snapshot.connection == ConnectionState::Closed
        })
        .await
        .and_then(|snapshot| match snapshot.gathering {
            IceGatheringState::Complete => Ok(()),
            _ => Err(Error::ConnectionClosed),
        })
    }

    async fn wait(&self, ready: impl FnMut(&Snapshot) -> bool) -> Result<Snapshot, Error> {
        let mut snapshot = self.snapshot.clone();
        let snapshot = snapshot.wait_for(ready).await.map_err(|_| Error::ConnectionClosed)?;
        Ok(snapshot.clone())
    }

    /// The pending local description, else the current one, with the candidates gathered so far.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.snapshot.borrow().local.clone()
    }

    /// The pending remote description, else the current one.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.snapshot.borrow().remote.clone()
    }

    /// `currentLocalDescription`: the one that was last agreed on, with the candidates gathered so far.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn current_local_description(&self) -> Result<Option<SessionDescription>, Error> {
        self.call(|connection, _| Ok(connection.pc.current_local_description())).await
    }

    /// `pendingLocalDescription`: the one that waits for an answer, or to be the answer.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn pending_local_description(&self) -> Result<Option<SessionDescription>, Error> {
        self.call(|connection, _| Ok(connection.pc.pending_local_description())).await
    }

    /// `currentRemoteDescription`.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn current_remote_description(&self) -> Result<Option<SessionDescription>, Error> {
        self.call(|connection, _| Ok(connection.pc.current_remote_description())).await
    }

    /// `pendingRemoteDescription`.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn pending_remote_description(&self) -> Result<Option<SessionDescription>, Error> {
        self.call(|connection, _| Ok(connection.pc.pending_remote_description())).await
    }

    /// `canTrickleIceCandidates`: whether the peer takes candidates one by one; `None` before its description.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn can_trickle_ice_candidates(&self) -> Result<Option<bool>, Error> {
        self.call(|connection, _| Ok(connection.pc.can_trickle_ice_candidates())).await
    }

    /// `getConfiguration`.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn get_configuration(&self) -> Result<Configuration, Error> {
        self.call(|connection, _| Ok(connection.pc.configuration().clone())).await
    }

    /// `setConfiguration`: other ICE servers, which the next gathering uses; an ICE restart brings that about. The rest stays
    /// as [`get_configuration`](Self::get_configuration) has it.
    ///
    /// # Errors
    /// InvalidModificationError for what cannot be changed, SyntaxError for server URLs that are not understood,
    /// NotSupportedError for another transport policy.
    pub async fn set_configuration(&self, configuration: Configuration) -> Result<(), Error> {
        self.call(move |connection, now| connection.pc.set_configuration(now, configuration)).await
    }

    /// W3C `signalingState`.
    pub fn signaling_state(&self) -> SignalingState {
        self.snapshot.borrow().signaling
    }

    /// W3C `iceGatheringState`.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.snapshot.borrow().gathering
    }

    /// W3C `iceConnectionState`.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.snapshot.borrow().ice
    }

    /// W3C `connectionState`.
    pub fn connection_state(&self) -> ConnectionState {
        self.snapshot.borrow().connection
    }

    /// What congestion control knows of the path; `None` before anything can be sent. Without a bundle each transceiver may
    /// have a path of its own: see [`RtpTransceiver::estimate`].
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn estimate(&self) -> Result<Option<Estimate>, Error> {
        self.call(|connection, _| Ok(connection.pc.estimate())).await
    }

    /// `getStats`: everything that is monitored, as webrtc-stats has it.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn get_stats(&self) -> Result<StatsReport, Error> {
        self.call(|connection, now| Ok(connection.pc.get_stats(now))).await
    }

    /// The `RTCDtlsTransport` that everything goes over as long as it is bundled, the first otherwise; `None` before there is
    /// a description.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn dtls_transport(&self) -> Result<Option<DtlsTransportInfo>, Error> {
        self.call(|connection, _| Ok(connection.pc.dtls_transport())).await
    }

    /// The `RTCDtlsTransport`s of all m-sections, each once: several only with a peer that does not bundle.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn dtls_transports(&self) -> Result<Vec<DtlsTransportInfo>, Error> {
        self.call(|connection, _| Ok(connection.pc.dtls_transports().collect())).await
    }

    /// The `RTCIceTransport`s beneath them.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn ice_transports(&self) -> Result<Vec<IceTransportInfo>, Error> {
        self.call(|connection, _| Ok(connection.pc.ice_transports().collect())).await
    }

    /// The `RTCIceTransport` beneath the first; `None` before there is a description.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn ice_transport(&self) -> Result<Option<IceTransportInfo>, Error> {
        self.call(|connection, _| Ok(connection.pc.ice_transport())).await
    }

    /// The `RTCSctpTransport` of all data channels; `None` before data channels are agreed on.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn sctp_transport(&self) -> Result<Option<SctpTransportInfo>, Error> {
        self.call(|connection, _| Ok(connection.pc.sctp_transport())).await
    }

    /// Why the connection failed: which pairs of addresses were tried, what answered, whether the servers were reached; while it
    /// is still being made, what has been tried so far. `None` when there is nothing to explain. Its text is for people.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn connection_failure(&self) -> Result<Option<ConnectionFailure>, Error> {
        self.call(|connection, _| Ok(connection.pc.connection_failure())).await
    }

    /// Counters and facts of the transports and channels.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        self.call(|connection, _| Ok(connection.pc.statistics())).await
    }
}
