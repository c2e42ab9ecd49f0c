//! One connection as the driver sees it: the sans-IO state machine, and the queues to its handles.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Instant;

use peerage_peerconnection::{
    self as proto, ConnectionState, DataChannelHandle, DataChannelState, MediaFrame, Message,
    PeerConnection as Protocol, SendError, TransceiverDirection, TransceiverHandle,
    media::MediaKind,
};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, watch};

use super::ConnectionId;
use super::claims::Claims;
use super::media::{Delivered, Media};
use super::routes::{Path, Routes};
use crate::data_channel::{ChannelParts, ChannelShared, ReceiveBudget};
use crate::lifeline::Lifeline;
use crate::peer_connection::Snapshot;
use crate::{DataChannel, Event, RtpTransceiver};

/// What the driver must do on behalf of a connection.
#[derive(Debug)]
pub(crate) enum Request {
    /// Look a host name up.
    ResolveHost {
        /// The state machine's name for the question.
        id: u32,
        /// The host.
        host: String,
        /// The port of the server, which the answer repeats.
        port: u16,
    },
    /// Ask for an mDNS name.
    ResolveMdns(String),
    /// Answer for an mDNS name.
    PublishMdns(String, std::net::IpAddr),
}

/// A channel as the driver sees it.
#[derive(Debug)]
struct Channel {
    shared: Arc<ChannelShared>,
    /// Gone when the channel is closed, or nobody reads any more.
    messages: Option<mpsc::UnboundedSender<Message>>,
    /// Messages that the transport had no room for; bounded by the room their senders reserved.
    waiting: VecDeque<Message>,
    /// Their bytes.
    waiting_bytes: usize,
    /// Bytes taken from senders and not yet released to them.
    outstanding: usize,
    /// Whether the channel is in [`Connection::sending`].
    sending: bool,
    /// Messages that came from handles so far.
    taken: u64,
    /// The application closed the channel after sending so many: they go out first.
    close_after: Option<u64>,
}

/// A connection in the driver.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) pc: Protocol,
    pub(crate) deadline: Option<Instant>,
    /// In the driver's list of connections to drain.
    pub(crate) dirty: bool,
    /// It waits for a socket that would block: nothing is asked of it that may have to be sent.
    pub(crate) stalled: bool,
    /// No handle is left: it goes as soon as its last packets are out.
    pub(crate) dropped: bool,
    lifeline: Weak<Lifeline>,
    events: Option<mpsc::Sender<Event>>,
    snapshot: watch::Sender<Snapshot>,
    channels: FxHashMap<DataChannelHandle, Channel>,
    /// The transceivers that anybody has a handle of.
    media: FxHashMap<TransceiverHandle, Media>,
    /// Those that were stopped, until the events that tell of it are out.
    stopped: Vec<(TransceiverHandle, MediaKind)>,
    /// Channels with bytes outstanding: only these are looked at after a drain.
    sending: Vec<DataChannelHandle>,
    budget: Arc<ReceiveBudget>,
    send_buffer: usize,
    claims: Claims,
    /// A path that another connection has, and that was told of.
    taken_path: Option<Path>,
    dropped_events: u64,
    unread_frames: u64,
    unread_packets: u64,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        pc: Protocol,
        lifeline: Weak<Lifeline>,
        events: mpsc::Sender<Event>,
        send_buffer: usize,
        receive_budget: usize,
    ) -> (Self, watch::Receiver<Snapshot>) {
        let (snapshot, reader) = watch::channel(snapshot(&pc));
        let connection = Self {
            id,
            pc,
            deadline: None,
            dirty: false,
            stalled: false,
            dropped: false,
            lifeline,
            events: Some(events),
            snapshot,
            channels: FxHashMap::default(),
            media: FxHashMap::default(),
            stopped: Vec::new(),
            sending: Vec::new(),
            budget: Arc::new(ReceiveBudget::new(receive_budget)),
            send_buffer,
            claims: Claims::default(),
            taken_path: None,
            dropped_events: 0,
            unread_frames: 0,
            unread_packets: 0,
        };
        (connection, reader)
    }

    /// Lets the handles see the present states and descriptions.
    pub(crate) fn publish(&mut self) {
        self.release_stopped();
        self.snapshot.send_replace(snapshot(&self.pc));
        #[cfg(feature = "engine")]
        for (&handle, media) in &self.media {
            if let Some(transceiver) = self.pc.transceiver(handle) {
                media.update(transceiver);
            }
        }
    }

    /// Whether a transceiver carries nothing any more, and never will.
    fn is_over(&self, handle: TransceiverHandle) -> bool {
        let stopped = |transceiver: &proto::Transceiver| {
            transceiver.direction == TransceiverDirection::Stopped
        };
        self.pc.connection_state() == ConnectionState::Closed
            || self.pc.transceiver(handle).is_none_or(stopped)
    }

    /// Ends what waits for transceivers that were stopped: encoders, and whoever reads.
    fn release_stopped(&mut self) {
        let mut media = std::mem::take(&mut self.media);
        let over = media.extract_if(|handle, _| self.is_over(*handle));
        let over: Vec<_> = over.map(|(handle, media)| (handle, media.kind())).collect();
        self.stopped.extend(over);
        self.media = media;
    }

    /// Makes the handle for a channel of the state machine.
    pub(crate) fn open_channel(
        &mut self,
        lifeline: Arc<Lifeline>,
        handle: DataChannelHandle,
    ) -> Option<DataChannel> {
        let info = self.pc.data_channel(handle)?;
        let shared = Arc::new(ChannelShared::new(info.state, self.send_buffer));
        shared.set_id(info.init.id);
        shared.set_max_message_size(self.pc.max_message_size());
        let (sender, messages) = mpsc::unbounded_channel();
        let channel = Channel {
            shared: Arc::clone(&shared),
            messages: Some(sender),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            outstanding: 0,
            sending: false,
            taken: 0,
            close_after: None,
        };
        self.channels.insert(handle, channel);
        Some(DataChannel::new(
            lifeline,
            ChannelParts { handle, shared, messages, budget: Arc::clone(&self.budget), info },
        ))
    }

    /// Makes a handle for a transceiver of the state machine.
    pub(crate) fn open_transceiver(
        &mut self,
        lifeline: Arc<Lifeline>,
        handle: TransceiverHandle,
        kind: MediaKind,
    ) -> RtpTransceiver {
        let pc = &self.pc;
        let media = self.media.entry(handle).or_insert_with(|| Media::new(pc, handle, kind));
        #[cfg(feature = "engine")]
        if let Some(transceiver) = pc.transceiver(handle) {
            media.update(transceiver);
        }
        let transceiver = media.open(lifeline, handle);
        if self.is_over(handle) {
            // Without its sender: nobody is to wait for frames that cannot come.
            self.media.remove(&handle);
        }
        transceiver
    }

    /// Whoever encodes for the transceiver lets the track go.
    pub(crate) fn remove_track(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
    ) -> Result<(), proto::Error> {
        self.pc.remove_track(now, handle)?;
        if let Some(media) = self.media.get(&handle) {
            media.requester().removed();
        }
        Ok(())
    }

    /// The handle for an event; `None` if the transceiver is gone, or nobody is left to see it.
    fn transceiver(&mut self, handle: TransceiverHandle) -> Option<RtpTransceiver> {
        // One that was stopped is known here alone.
        let stopped = || self.stopped.iter().find(|(other, _)| *other == handle);
        let known = self.media.get(&handle).map(Media::kind).or_else(|| Some(stopped()?.1));
        let kind = known.or_else(|| Some(self.pc.transceiver(handle)?.kind))?;
        let lifeline = self.lifeline.upgrade()?;
        Some(self.open_transceiver(lifeline, handle, kind))
    }

    fn deliver_frame(&mut self, frame: MediaFrame) {
        let handle = frame.transceiver;
        let Some(media) = self.media.get_mut(&handle) else { return };
        let delivered = media.deliver(frame);
        if delivered == Delivered::Waits {
            return;
        }
        self.unread_frames += 1;
        if delivered == Delivered::KeyframeDue {
            self.pc.request_keyframe(Instant::now(), handle);
        } else if self.unread_frames.is_power_of_two() {
            let (connection, dropped) = (self.id, self.unread_frames);
            tracing::debug!(connection, dropped, "frames are not read: call recv_frame");
        }
    }

    fn deliver_packets(&mut self) {
        while let Some(packet) = self.pc.poll_rtp() {
            let Some(media) = self.media.get(&packet.transceiver) else { continue };
            if !media.deliver_packet(packet) {
                self.unread_packets += 1;
                if self.unread_packets.is_power_of_two() {
                    let (connection, dropped) = (self.id, self.unread_packets);
                    tracing::debug!(connection, dropped, "packets are not read: call recv_rtp");
                }
            }
        }
    }

    /// Takes a message from a handle.
    pub(crate) fn send(&mut self, now: Instant, handle: DataChannelHandle, message: Message) {
        let Some(channel) = self.channels.get_mut(&handle) else { return };
        channel.taken += 1;
        channel.outstanding += message.len();
        channel.waiting_bytes += message.len();
        channel.waiting.push_back(message);
        if !channel.sending {
            channel.sending = true;
            self.sending.push(handle);
        }
        flush(&mut self.pc, now, handle, channel);
        self.close_if_sent(now, handle);
    }

    /// Hands waiting messages to the transport and gives their senders room. Call after each drain.
    pub(crate) fn settle_senders(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.sending.len() {
            let handle = self.sending[index];
            let done = match self.channels.get_mut(&handle) {
                Some(channel) => {
                    flush(&mut self.pc, now, handle, channel);
                    channel.sending = channel.outstanding > 0 || !channel.waiting.is_empty();
                    !channel.sending
                }
                None => true,
            };
            if done {
                self.sending.swap_remove(index);
            } else {
                index += 1;
            }
            self.close_if_sent(now, handle);
        }
    }

    /// The application closes a channel after sending `sent` messages in all; they go out first.
    pub(crate) fn close_channel(&mut self, now: Instant, handle: DataChannelHandle, sent: u64) {
        if let Some(channel) = self.channels.get_mut(&handle) {
            channel.close_after = Some(sent);
            self.close_if_sent(now, handle);
        }
    }

    fn close_if_sent(&mut self, now: Instant, handle: DataChannelHandle) {
        let Some(channel) = self.channels.get_mut(&handle) else { return };
        if channel.waiting.is_empty()
            && channel.close_after.is_some_and(|sent| channel.taken >= sent)
        {
            channel.close_after = None;
            self.pc.close_data_channel(now, handle);
            self.update_channel_state(handle);
        }
    }

    /// Nobody reads this channel any more.
    pub(crate) fn drop_channel(&mut self, now: Instant, handle: DataChannelHandle, sent: u64) {
        if let Some(channel) = self.channels.get_mut(&handle) {
            channel.messages = None;
        }
        self.close_channel(now, handle, sent);
    }

    fn update_channel_state(&mut self, handle: DataChannelHandle) {
        let state =
            self.pc.data_channel(handle).map_or(DataChannelState::Closed, |info| info.state);
        let Some(channel) = self.channels.get_mut(&handle) else { return };
        // A handle that was closed says so at once, although its last messages may still be on their way.
        if channel.close_after.is_none() || state == DataChannelState::Closed {
            channel.shared.set_state(state);
        }
        if state == DataChannelState::Closed {
            // Dropping the sender ends the stream of messages after what is queued in it.
            self.channels.remove(&handle);
        }
    }

    /// Takes the state machine's events to the handles; what the driver has to do itself goes into `requests`.
    pub(crate) fn deliver_events(&mut self, requests: &mut Vec<Request>) {
        let mut changed = false;
        self.deliver_packets();
        self.pc.set_receive_paused(self.budget.exhausted());
        while let Some(event) = self.pc.poll_event() {
            match event {
                proto::Event::Message(handle, message) => {
                    self.deliver_message(handle, message);
                    if self.budget.exhausted() {
                        self.pc.set_receive_paused(true);
                    }
                    continue;
                }
                proto::Event::DataChannel(handle) => {
                    // Without a lifeline nobody is left to see the channel.
                    if let Some(lifeline) = self.lifeline.upgrade()
                        && let Some(channel) = self.open_channel(lifeline, handle)
                    {
                        self.emit(Event::DataChannel(channel));
                    }
                }
                proto::Event::DataChannelOpen(handle) => {
                    if let (Some(channel), Some(info)) =
                        (self.channels.get(&handle), self.pc.data_channel(handle))
                    {
                        channel.shared.set_id(info.init.id);
                        channel.shared.set_max_message_size(self.pc.max_message_size());
                    }
                    self.update_channel_state(handle);
                }
                proto::Event::DataChannelError { channel, message, .. } => {
                    tracing::debug!(connection = self.id, ?channel, %message, "data channel error");
                }
                proto::Event::Frame(mut frame) => {
                    self.deliver_frame(frame.take());
                    self.pc.reuse_frame(frame);
                    continue;
                }
                proto::Event::TargetBitrate { transceiver, encoding, bitrate } => {
                    if let Some(media) = self.media.get(&transceiver) {
                        media.set_bitrate(encoding, bitrate);
                    }
                }
                proto::Event::EncodingChanged { transceiver, encoding } => {
                    if let Some(media) = self.media.get(&transceiver) {
                        let target = self.pc.encoding_target(transceiver, encoding);
                        media.requester().target(encoding, target);
                    }
                    if let Some(transceiver) = self.transceiver(transceiver) {
                        self.emit(Event::EncodingChanged { transceiver, encoding });
                    }
                }
                proto::Event::KeyframeRequested { transceiver, encoding } => {
                    if let Some(media) = self.media.get(&transceiver) {
                        media.requester().keyframe(encoding);
                    }
                    if let Some(transceiver) = self.transceiver(transceiver) {
                        self.emit(Event::KeyframeRequested { transceiver, encoding });
                    }
                }
                proto::Event::ToneChange { transceiver, tone } => {
                    if let Some(transceiver) = self.transceiver(transceiver) {
                        self.emit(Event::ToneChange { transceiver, tone });
                    }
                }
                proto::Event::Dtmf(event) => {
                    if let Some(transceiver) = self.transceiver(event.transceiver) {
                        self.emit(Event::Dtmf { transceiver, event });
                    }
                }
                proto::Event::Track { transceiver, streams } => {
                    if let Some(transceiver) = self.transceiver(transceiver) {
                        self.emit(Event::Track { transceiver, streams });
                    }
                }
                proto::Event::TrackRemoved { transceiver, ended } => {
                    if let Some(media) = self.media.get(&transceiver) {
                        media.mute();
                    }
                    if let Some(handle) = self.transceiver(transceiver) {
                        self.emit(Event::TrackRemoved { transceiver: handle, ended });
                    }
                    if ended {
                        self.media.remove(&transceiver);
                    }
                }
                proto::Event::TrackMuted { transceiver } => {
                    if let Some(media) = self.media.get(&transceiver) {
                        media.mute();
                    }
                    if let Some(transceiver) = self.transceiver(transceiver) {
                        self.emit(Event::TrackMuted { transceiver });
                    }
                }
                proto::Event::BufferedAmountLow(_) => {}
                proto::Event::DataChannelClosing(handle)
                | proto::Event::DataChannelClosed(handle) => {
                    self.update_channel_state(handle);
                }
                proto::Event::ResolveHost { id, host, port } => {
                    requests.push(Request::ResolveHost { id, host, port });
                }
                proto::Event::ResolveMdns { name } => requests.push(Request::ResolveMdns(name)),
                proto::Event::PublishMdns { name, address } => {
                    requests.push(Request::PublishMdns(name, address));
                }
                other => {
                    changed = true;
                    // The snapshot first: whoever sees the event must find the state that it tells of.
                    self.publish();
                    self.forward(other);
                }
            }
        }
        if changed {
            self.publish();
        }
        self.stopped.clear();
    }

    fn forward(&mut self, event: proto::Event) {
        let event = match event {
            proto::Event::NegotiationNeeded => Event::NegotiationNeeded,
            proto::Event::SignalingStateChange(state) => {
                // A new description may carry another max-message-size.
                let limit = self.pc.max_message_size();
                for channel in self.channels.values() {
                    channel.shared.set_max_message_size(limit);
                }
                Event::SignalingStateChange(state)
            }
            proto::Event::IceCandidate(candidate) => Event::IceCandidate(candidate),
            proto::Event::IceCandidateError { local, url, code, text } => {
                Event::IceCandidateError { local, url, code, text }
            }
            proto::Event::IceGatheringStateChange(state) => Event::IceGatheringStateChange(state),
            proto::Event::IceConnectionStateChange(state) => Event::IceConnectionStateChange(state),
            proto::Event::ConnectionStateChange(state) => {
                if state == ConnectionState::Closed {
                    self.media.clear();
                }
                Event::ConnectionStateChange(state)
            }
            proto::Event::SelectedCandidatePairChange { local, remote } => {
                Event::SelectedCandidatePairChange { local, remote }
            }
            proto::Event::DtlsStateChange(state) => Event::DtlsStateChange(state),
            proto::Event::SctpStateChange(state) => Event::SctpStateChange(state),
            proto::Event::HandshakeComplete(handshake) => Event::HandshakeComplete(handshake),
            proto::Event::DtlsError { message, .. } => Event::TransportError(message),
            _ => return,
        };
        self.emit(event);
    }

    /// The media engine has no encoder for what an encoding is to be.
    #[cfg(feature = "engine")]
    pub(crate) fn encoder_failed(
        &mut self,
        handle: TransceiverHandle,
        encoding: usize,
        reason: String,
    ) {
        if let Some(transceiver) = self.transceiver(handle) {
            self.emit(Event::EncoderFailed { transceiver, encoding, reason });
        }
    }

    fn emit(&mut self, event: Event) {
        let Some(events) = &self.events else { return };
        match events.try_send(event) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => self.events = None,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.dropped_events += 1;
                tracing::warn!(
                    connection = self.id,
                    dropped = self.dropped_events,
                    "events are not read: call next_event"
                );
            }
        }
    }

    fn deliver_message(&mut self, handle: DataChannelHandle, message: Message) {
        let Some(channel) = self.channels.get_mut(&handle) else { return };
        let Some(messages) = &channel.messages else { return };
        let len = message.len();
        // Charged first: the reader may take the message, and refund it, before we go on.
        self.budget.charge(len);
        if messages.send(message).is_err() {
            self.budget.uncharge(len);
            channel.messages = None;
        }
    }

    /// Ends everything that handles wait for.
    pub(crate) fn finish(&mut self) {
        for channel in self.channels.values() {
            channel.shared.set_state(DataChannelState::Closed);
        }
        self.channels.clear();
        self.publish();
        self.events = None;
    }

    /// Notes that a path was claimed for this connection; gives the oldest one back when there are too many.
    pub(crate) fn note_path(&mut self, path: Path) -> Option<Path> {
        self.claims.note_path(path, &self.pc)
    }

    /// Whether something of the connection takes this path and gets through.
    pub(crate) fn uses_path(&self, path: &Path) -> bool {
        self.pc.uses_path(path.0, path.1)
    }

    /// Another connection of the endpoint has the path that data is to take: what the peer answers would go to that one.
    pub(crate) fn path_is_taken(&mut self, path: Path, is_data: bool) {
        let is_selected = || self.pc.selected_paths().any(|selected| selected == path);
        if self.taken_path != Some(path) && (is_data || is_selected()) {
            self.taken_path = Some(path);
            let (local, remote) = path;
            self.emit(Event::TransportError(format!(
                "another connection is open between {local} and {remote}, whose packets could not be told from ours: use \
                 an endpoint of its own for each connection to the same peer"
            )));
        }
    }

    #[cfg(test)]
    pub(crate) fn selected_path(&self) -> Option<Path> {
        self.pc.selected_paths().next()
    }

    #[cfg(test)]
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Claims the present local ufrags, one for each transport; earlier ones stay for a while.
    pub(crate) fn claim_ufrags(&mut self, routes: &mut Routes) {
        self.claims.claim_ufrags(self.id, &self.pc, routes);
    }

    /// Gives all routes up.
    pub(crate) fn release_routes(&mut self, routes: &mut Routes) {
        self.claims.release(self.id, routes);
    }
}

/// Moves waiting messages into the transport while it has room, and tells the senders what has left for the network.
fn flush(pc: &mut Protocol, now: Instant, handle: DataChannelHandle, channel: &mut Channel) {
    let mut handed_over = 0;
    while let Some(message) = channel.waiting.pop_front() {
        let len = message.len();
        match pc.send_accepted(now, handle, message) {
            Err(SendError::BufferFull(message)) => {
                channel.waiting.push_front(message);
                break;
            }
            result => {
                // The channel closed meanwhile: the message has nowhere to go.
                if let Err(error) = result {
                    tracing::warn!(?handle, %error, "a queued message was not sent");
                }
                handed_over += 1;
                channel.waiting_bytes -= len;
            }
        }
    }
    let left = pc.buffered_amount(handle) + channel.waiting_bytes;
    let released = channel.outstanding.saturating_sub(left);
    channel.outstanding -= released;
    channel.shared.release(released, handed_over);
}

fn snapshot(pc: &Protocol) -> Snapshot {
    Snapshot {
        signaling: pc.signaling_state(),
        gathering: pc.ice_gathering_state(),
        ice: pc.ice_connection_state(),
        connection: pc.connection_state(),
        local: pc.local_description(),
        remote: pc.remote_description(),
    }
}
