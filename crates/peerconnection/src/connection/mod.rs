//! [`PeerConnection`]: the state machine that joins JSEP, ICE, DTLS, SCTP and data channels.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use peerage_crypto::Rng;
use peerage_ice::Transmit;

use crate::channel::{DataChannelHandle, DataChannelInfo, DataChannelInit};
use crate::config::{Configuration, MAX_ICE_SERVERS};
use crate::description::{IceCandidateInit, OfferOptions, SessionDescription};
use crate::error::{Error, SendError};
use crate::event::Event;
use crate::message::Message;
use crate::net::Input;
use crate::state::{ConnectionState, IceConnectionState, IceGatheringState, SignalingState};
use crate::statistics::{Statistics, TransportStatistics};

/// `RTCPeerConnection` without I/O. See the [crate documentation](crate) for the loop that drives it.
#[allow(dead_code)]
pub struct PeerConnection {
    config: Configuration,
}

#[allow(unused_variables)]
impl PeerConnection {
    /// Makes a connection. `rng` feeds everything that must be unpredictable.
    ///
    /// # Errors
    /// A server URL that does not parse, an expired certificate, a setting out of its range.
    pub fn new(now: Instant, config: Configuration, rng: Rng) -> Result<Self, Error> {
        for server in config.ice_servers.iter().take(MAX_ICE_SERVERS) {
            server.parse()?;
        }
        Ok(Self { config })
    }

    // --- the five verbs ---

    /// Takes a datagram. Noise is counted and dropped; see [`Error`].
    ///
    /// # Errors
    /// [`Error::Closed`] after [`PeerConnection::close`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// When [`PeerConnection::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Appends datagrams for one destination to `buf`. With [`Settings::max_gso_segments`](crate::Settings) above 1
    /// several of equal size may come at once.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    // --- addresses and names ---

    /// A local UDP socket is bound to this (specific, not wildcard) address.
    pub fn add_local_address(&mut self, now: Instant, address: SocketAddr) {}

    /// That address is gone.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {}

    /// All local addresses have been added: gathering completes once the servers have answered.
    pub fn local_addresses_complete(&mut self, now: Instant) {}

    /// Answers [`Event::ResolveHost`]; an empty slice says that the name is unknown.
    pub fn host_resolved(&mut self, now: Instant, id: u32, addresses: &[SocketAddr]) {}

    /// Answers [`Event::ResolveMdns`]; an empty slice says that nobody answered.
    pub fn mdns_resolved(&mut self, now: Instant, name: &str, addresses: &[IpAddr]) {}

    /// The ICE user name fragment that the peer's checks carry first in USERNAME. It changes with an ICE restart;
    /// while one is under way both are valid.
    pub fn local_ufrag(&self) -> &str {
        ""
    }

    // --- JSEP ---

    /// `createOffer`.
    ///
    /// # Errors
    /// `InvalidStateError` unless the signaling state is `stable` or `have-local-offer`.
    pub fn create_offer(
        &mut self,
        now: Instant,
        options: OfferOptions,
    ) -> Result<SessionDescription, Error> {
        Err(Error::Closed)
    }

    /// `createAnswer`.
    ///
    /// # Errors
    /// `InvalidStateError` unless the signaling state is `have-remote-offer` or `have-local-pranswer`.
    pub fn create_answer(&mut self, now: Instant) -> Result<SessionDescription, Error> {
        Err(Error::Closed)
    }

    /// `setLocalDescription`. `None` creates the offer or answer that the signaling state calls for.
    ///
    /// # Errors
    /// `InvalidStateError`, `InvalidModificationError`.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: Option<SessionDescription>,
    ) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// `setRemoteDescription`.
    ///
    /// # Errors
    /// `InvalidStateError`, `RTCError` with the line, `InvalidAccessError`.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// `addIceCandidate`. `None` or an empty candidate says that no more come.
    ///
    /// # Errors
    /// `TypeError`, `InvalidStateError` before a remote description, `OperationError`.
    pub fn add_ice_candidate(
        &mut self,
        now: Instant,
        candidate: Option<IceCandidateInit>,
    ) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// `localDescription`: the pending one, else the current one, with the candidates gathered so far.
    pub fn local_description(&self) -> Option<SessionDescription> {
        None
    }

    /// `currentLocalDescription`.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        None
    }

    /// `pendingLocalDescription`.
    pub fn pending_local_description(&self) -> Option<SessionDescription> {
        None
    }

    /// `remoteDescription`: the pending one, else the current one, with the candidates received so far.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        None
    }

    /// `currentRemoteDescription`.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        None
    }

    /// `pendingRemoteDescription`.
    pub fn pending_remote_description(&self) -> Option<SessionDescription> {
        None
    }

    /// `canTrickleIceCandidates`; `None` before a remote description.
    pub fn can_trickle_ice_candidates(&self) -> Option<bool> {
        None
    }

    /// `signalingState`.
    pub fn signaling_state(&self) -> SignalingState {
        SignalingState::Closed
    }

    /// `iceGatheringState`.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        IceGatheringState::New
    }

    /// `iceConnectionState`.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        IceConnectionState::New
    }

    /// `connectionState`.
    pub fn connection_state(&self) -> ConnectionState {
        ConnectionState::New
    }

    /// `restartIce`: the next offer carries new ICE credentials; [`Event::NegotiationNeeded`] follows.
    pub fn restart_ice(&mut self, now: Instant) {}

    /// `getConfiguration`.
    pub fn configuration(&self) -> &Configuration {
        &self.config
    }

    /// `setConfiguration`.
    ///
    /// # Errors
    /// `InvalidModificationError` for what may not change, `SyntaxError` for server URLs.
    pub fn set_configuration(&mut self, now: Instant, config: Configuration) -> Result<(), Error> {
        Ok(())
    }

    /// `close`. Drain [`PeerConnection::poll_transmit`] once more: the peer is told.
    pub fn close(&mut self, now: Instant) {}

    // --- data channels ---

    /// `createDataChannel`.
    ///
    /// # Errors
    /// `TypeError` for options that contradict each other, `OperationError` for an id in use or too many channels.
    pub fn create_data_channel(
        &mut self,
        now: Instant,
        label: &str,
        init: DataChannelInit,
    ) -> Result<DataChannelHandle, Error> {
        Err(Error::Closed)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(
        &mut self,
        now: Instant,
        channel: DataChannelHandle,
        message: Message,
    ) -> Result<(), SendError> {
        Err(SendError::UnknownDataChannel)
    }

    /// `bufferedAmount`: payload bytes not yet handed to the network. 0 for an unknown channel.
    pub fn buffered_amount(&self, channel: DataChannelHandle) -> usize {
        0
    }

    /// Leaves received data in the transport while `paused`, so that its receive window closes and the peer waits; states
    /// and other events still come. For drivers whose application does not keep up with reading.
    pub fn set_receive_paused(&mut self, paused: bool) {}

    /// The largest message the peer takes, in bytes (RFC 8841 §6); our own limit while its description is unknown.
    pub fn max_message_size(&self) -> usize {
        usize::MAX
    }

    /// `bufferedAmountLowThreshold`, in bytes.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: DataChannelHandle, bytes: usize) {}

    /// `close` of a channel: what is queued is still sent, then the stream is reset.
    pub fn close_data_channel(&mut self, now: Instant, channel: DataChannelHandle) {}

    /// What a channel is and how it stands; `None` once its closing has been reported.
    pub fn data_channel(&self, channel: DataChannelHandle) -> Option<DataChannelInfo> {
        None
    }

    /// `getStats`, in one piece.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            transport: TransportStatistics::default(),
            handshake: None,
            sctp: None,
            sctp_negotiated: None,
            data_channels_opened: 0,
            data_channels_closed: 0,
            data_channels: Vec::new(),
        }
    }
}
