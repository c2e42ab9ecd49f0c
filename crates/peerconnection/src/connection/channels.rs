//! Data channels over the association (RFC 8831, RFC 8832; webrtc-pc §6): opening, sending, receiving, closing.

use std::time::Instant;

use bytes::Bytes;
use peerage_log::{Direction, LogEvent};
use peerage_sctp::{SendError as SctpSendError, SendOptions, StreamId};

use super::PeerConnection;
use crate::channel::{Channel, DataChannelHandle, DataChannelInfo, DataChannelInit, MAX_STREAM_ID};
use crate::dcep::{DcepMessage, Open, ppid};
use crate::error::{Error, ErrorDetail, SendError};
use crate::event::Event;
use crate::message::Message;
use crate::state::{DataChannelState, DtlsState};

/// Labels and protocols have 16 bits for their length (RFC 8832 §5.1).
const MAX_TEXT_LEN: usize = 65_535;
/// What stands for an empty message (RFC 8831 §6.6).
const EMPTY_PAYLOAD: Bytes = Bytes::from_static(&[0]);

impl PeerConnection {
    /// `createDataChannel`.
    ///
    /// # Errors
    /// `TypeError` for options that contradict each other, `OperationError` for an id in use or too many channels,
    /// `InvalidStateError` after [`PeerConnection::close`].
    pub fn create_data_channel(
        &mut self,
        now: Instant,
        label: &str,
        init: DataChannelInit,
    ) -> Result<DataChannelHandle, Error> {
        self.now = now;
        if self.closed {
            return Err(Error::Closed);
        }
        check_init(label, &init)?;
        if self.data_ended
            || matches!(self.transports.data().dtls.state(), DtlsState::Closed | DtlsState::Failed)
        {
            return Err(Error::InvalidState {
                operation: "create_data_channel",
                reason: "the transport of data has ended",
            });
        }
        let limit = self.config.settings.sctp.max_data_channels;
        if self.channels.len() >= limit {
            return Err(Error::Operation(format!(
                "there are {limit} data channels already, which is the limit"
            )));
        }
        let streams = self.stream_limit();
        let channel = Channel::from_init(label, &init);
        if channel.id.is_some_and(|id| id >= streams) {
            return Err(Error::Operation(format!(
                "the id is not below the {streams} streams of the association"
            )));
        }
        let Some(handle) = self.channels.insert(channel) else {
            return Err(Error::Operation(
                "the id is in use by another data channel, or its stream is being reset".into(),
            ));
        };
        if !init.negotiated
            && let Some(is_client) = self.transports.data().dtls.is_client()
            && !self.channels.assign_id(handle, is_client, streams)
        {
            self.channels.remove(handle);
            return Err(Error::Operation("all ids are in use".into()));
        }
        if !self.channels.ever_created {
            self.channels.ever_created = true;
            self.check_negotiation = true;
        }
        if self.sctp.as_ref().is_some_and(|sctp| sctp.is_established())
            && let Err(error) = self.open_channel(now, handle)
        {
            // Nobody knows this channel yet: the caller hears of it here, and not by events.
            self.channels.remove(handle);
            return Err(Error::Operation(format!("the channel's OPEN cannot be sent: {error}")));
        }
        Ok(handle)
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
        let (size, limit) = (message.len(), self.max_message_size());
        if size > limit && self.channels.get(channel).is_some_and(Channel::is_open) {
            return Err(SendError::TooLarge { size, limit });
        }
        self.send_accepted(now, channel, message)
    }

    /// Sends a message whose size was checked before, against the [`max_message_size`](Self::max_message_size) of then:
    /// for drivers that have a queue of their own. A limit that the peer lowers holds for later messages (webrtc-pc §6.2,
    /// `send` step 4), not for those accepted.
    ///
    /// # Errors
    /// See [`SendError`]; never [`SendError::TooLarge`].
    pub fn send_accepted(
        &mut self,
        now: Instant,
        channel: DataChannelHandle,
        message: Message,
    ) -> Result<(), SendError> {
        self.now = now;
        let entry = self.channels.get_mut(channel).ok_or(SendError::UnknownDataChannel)?;
        let (Some(id), Some(sctp)) = (entry.id, self.sctp.as_deref_mut()) else {
            return Err(SendError::NotOpen(entry.state));
        };
        if entry.state != DataChannelState::Open {
            return Err(SendError::NotOpen(entry.state));
        }
        let size = message.len();
        let (ppid, is_text) = match (&message, size) {
            (Message::Text(_), 0) => (ppid::STRING_EMPTY, true),
            (Message::Text(_), _) => (ppid::STRING, true),
            (Message::Binary(_), 0) => (ppid::BINARY_EMPTY, false),
            (Message::Binary(_), _) => (ppid::BINARY, false),
        };
        // RFC 8831 §6.6: SCTP has no empty messages; one zero byte stands for them.
        let payload = if size == 0 { EMPTY_PAYLOAD } else { message.into_data() };
        match sctp.send(now, StreamId(id), entry.send_options(ppid), payload) {
            Ok(()) => {
                entry.messages_sent += 1;
                entry.bytes_sent += size as u64;
                self.log.record(now, || LogEvent::Message {
                    direction: Direction::Sent,
                    channel: id,
                    size: size as u32,
                });
                Ok(())
            }
            Err(SctpSendError::BufferFull { data, .. }) => {
                let data = if size == 0 { Bytes::new() } else { data };
                Err(SendError::BufferFull(if is_text {
                    Message::Text(data)
                } else {
                    Message::Binary(data)
                }))
            }
            Err(SctpSendError::TooLarge { size, limit }) => {
                Err(SendError::TooLarge { size, limit })
            }
            Err(_) => Err(SendError::NotOpen(DataChannelState::Closing)),
        }
    }

    /// `bufferedAmount`: payload bytes not yet handed to the network; an empty message counts as one. 0 for an unknown
    /// channel.
    pub fn buffered_amount(&self, channel: DataChannelHandle) -> usize {
        let (Some(entry), Some(sctp)) = (self.channels.get(channel), &self.sctp) else { return 0 };
        let buffered = entry.id.map_or(0, |id| sctp.buffered_amount(StreamId(id)));
        // OPEN and ACK go first on a stream: what exceeds the payload is theirs.
        buffered
            .min(usize::try_from(entry.bytes_sent.max(entry.messages_sent)).unwrap_or(usize::MAX))
    }

    /// Leaves received data in the transport while `paused`, so that its receive window closes and the peer waits; states
    /// and other events still come, but for a channel that the peer closes only after its messages. When the association
    /// ends, what it still holds is handed out. For drivers whose application does not keep up with reading.
    pub fn set_receive_paused(&mut self, paused: bool) {
        self.receive_paused = paused;
    }

    /// The largest message the peer takes, in bytes (RFC 8841 §6); our own limit while its description is unknown.
    pub fn max_message_size(&self) -> usize {
        let own = self.config.settings.sctp.max_message_size;
        self.negotiation.agreed_data().map_or(own, |theirs| theirs.max_message_size)
    }

    /// `bufferedAmountLowThreshold`, in bytes.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: DataChannelHandle, bytes: usize) {
        let Some(entry) = self.channels.get_mut(channel) else { return };
        entry.low_threshold = bytes;
        if let (Some(id), Some(sctp)) = (entry.id, &mut self.sctp) {
            sctp.set_buffered_amount_low_threshold(StreamId(id), bytes);
        }
    }

    /// `close` of a channel: what is queued is still sent, then the stream is reset (RFC 8831 §6.7).
    /// [`Event::DataChannelClosed`] follows.
    pub fn close_data_channel(&mut self, now: Instant, channel: DataChannelHandle) {
        self.now = now;
        let Some(entry) = self.channels.get_mut(channel) else { return };
        match entry.state {
            DataChannelState::Connecting => self.finish_channel(channel, None),
            DataChannelState::Open => {
                entry.state = DataChannelState::Closing;
                // webrtc-pc §6.2: a channel that the application closed delivers nothing. Until the peer has closed it too
                // its messages must not fill a window that nobody empties.
                if let (Some(id), Some(sctp)) = (entry.id, self.sctp.as_deref_mut()) {
                    sctp.set_discarded(StreamId(id), true);
                }
                self.reset_stream_of(now, channel);
            }
            DataChannelState::Closing | DataChannelState::Closed => {}
        }
    }

    /// What a channel is and how it stands; `None` once its closing has been reported.
    pub fn data_channel(&self, channel: DataChannelHandle) -> Option<DataChannelInfo> {
        self.channels.info(channel)
    }

    // --- opening ---

    /// The streams that both ends can use.
    pub(super) fn stream_limit(&self) -> u16 {
        let negotiated = self.sctp.as_ref().and_then(|sctp| sctp.negotiated());
        negotiated.map_or(u16::MAX, |negotiated| {
            negotiated.outgoing_streams.min(negotiated.incoming_streams)
        })
    }

    /// Gives ids to the channels that were created before the DTLS role was known (webrtc-pc §4.4.1.5, step 10.2).
    pub(super) fn assign_channel_ids(&mut self) {
        let Some(is_client) = self.transports.data().dtls.is_client() else { return };
        let limit = self.stream_limit();
        let mut handles = self.channels.handles();
        // In the order of creation, as browsers do.
        handles.sort_unstable();
        for handle in handles {
            if self.channels.get(handle).is_some_and(|channel| channel.id.is_none())
                && !self.channels.assign_id(handle, is_client, limit)
            {
                self.finish_channel(
                    handle,
                    Some((ErrorDetail::DataChannelFailure, "all ids are in use".into())),
                );
            }
        }
    }

    /// The association is up: all channels that waited for it open.
    fn association_connected(&mut self, now: Instant) {
        self.update_sctp_state();
        self.assign_channel_ids();
        let limit = self.stream_limit();
        let mut handles = self.channels.handles();
        handles.sort_unstable();
        for handle in handles {
            match self.channels.get(handle).and_then(|channel| channel.id) {
                Some(id) if id < limit => {
                    if let Err(error) = self.open_channel(now, handle) {
                        let reason = error.to_string();
                        self.finish_channel(
                            handle,
                            Some((ErrorDetail::DataChannelFailure, reason)),
                        );
                    }
                }
                _ => {
                    let reason = format!("the association has only {limit} streams");
                    self.finish_channel(handle, Some((ErrorDetail::DataChannelFailure, reason)));
                }
            }
        }
    }

    /// Sends the OPEN, unless the channel is negotiated, and announces it as open: data may follow the OPEN at once
    /// (RFC 8832 §6).
    fn open_channel(
        &mut self,
        now: Instant,
        handle: DataChannelHandle,
    ) -> Result<(), SctpSendError> {
        let (Some(channel), Some(sctp)) = (self.channels.get_mut(handle), self.sctp.as_deref_mut())
        else {
            return Ok(());
        };
        let Some(id) = channel.id.filter(|_| channel.state == DataChannelState::Connecting) else {
            return Ok(());
        };
        let stream = StreamId(id);
        if !channel.negotiated {
            let open = DcepMessage::Open(channel.to_open()).to_bytes();
            sctp.send(now, stream, dcep_options(), open)?;
        }
        sctp.set_stream_priority(stream, channel.priority.weight());
        sctp.set_buffered_amount_low_threshold(stream, channel.low_threshold);
        channel.state = DataChannelState::Open;
        self.channels.opened += 1;
        self.events.push_back(Event::DataChannelOpen(handle));
        Ok(())
    }

    // --- receiving ---

    pub(super) fn handle_sctp_event(&mut self, now: Instant, event: peerage_sctp::Event) {
        use peerage_sctp::Event as Sctp;
        match event {
            Sctp::Message { stream, ppid, data, .. } => {
                self.handle_message(now, stream, ppid.0, data);
            }
            Sctp::Connected => self.association_connected(now),
            Sctp::OutgoingStreamsReset { streams } => {
                for stream in streams {
                    self.release_refused(stream);
                    if let Some((handle, channel)) = self.channels.by_stream(stream.0) {
                        channel.outgoing_reset = true;
                        self.finish_if_reset(handle);
                    }
                }
            }
            Sctp::IncomingStreamReset { streams } => {
                for stream in streams {
                    self.incoming_reset(now, stream);
                }
            }
            Sctp::StreamResetFailed { streams } => {
                for stream in streams {
                    self.release_refused(stream);
                    // The peer will not reset; nothing more can come of this channel.
                    if let Some((handle, _)) = self.channels.by_stream(stream.0) {
                        self.finish_channel(handle, None);
                    }
                }
            }
            Sctp::BufferedAmountLow(stream) => {
                // An OPEN or ACK that leaves the queue is none of the application's business.
                if let Some((handle, channel)) = self.channels.by_stream(stream.0)
                    && channel.state == DataChannelState::Open
                    && channel.messages_sent > 0
                {
                    self.events.push_back(Event::BufferedAmountLow(handle));
                }
            }
            Sctp::ShutdownComplete => self.end_association(now, None),
            // The peer's application closed its connection: no failure.
            Sctp::Aborted { user_initiated: true, .. } => self.end_association(now, None),
            Sctp::Aborted { reason, .. } => {
                self.end_association(now, Some((ErrorDetail::SctpFailure, reason)));
            }
            Sctp::Failed => {
                let reason = "the peer no longer answers (RFC 9260 §8.1)".to_owned();
                self.end_association(now, Some((ErrorDetail::SctpFailure, reason)));
            }
            Sctp::PeerRestarted => {
                // The peer has forgotten its channels (RFC 9260 §5.2): so must we.
                let reason = "the peer restarted its association (RFC 9260 §5.2)".to_owned();
                self.held_opens.clear();
                for handle in self.channels.handles() {
                    self.finish_channel(handle, Some((ErrorDetail::SctpFailure, reason.clone())));
                }
                // SCTP has forgotten the resets under way, so no answer will come.
                for stream in std::mem::take(&mut self.refused_streams) {
                    self.channels.release_id(stream);
                }
            }
            _ => {}
        }
    }

    fn handle_message(&mut self, now: Instant, stream: StreamId, ppid: u32, data: Bytes) {
        let Some(data) = self.held_opens.push(stream, ppid, data) else { return };
        if ppid == ppid::DCEP {
            self.handle_dcep(now, stream, &data);
            return;
        }
        let limit = self.config.settings.sctp.max_message_size;
        let Some((handle, channel)) = self.channels.by_stream(stream.0) else {
            // RFC 8832 §6: data on an unused stream is an error, and the channel is closed.
            self.refuse_stream(now, stream);
            return;
        };
        // RFC 8832 §6: any message ends the time in which all must be ordered.
        channel.peer_knows = true;
        let message = match ppid {
            ppid::STRING => Message::Text(data),
            ppid::BINARY => Message::Binary(data),
            ppid::STRING_EMPTY => Message::Text(Bytes::new()),
            ppid::BINARY_EMPTY => Message::Binary(Bytes::new()),
            ppid::STRING_PARTIAL | ppid::BINARY_PARTIAL => {
                if self.partial_bytes + data.len() <= limit {
                    self.partial_bytes += data.len();
                    channel.partial.extend_from_slice(&data);
                } else {
                    self.close_data_channel(now, handle);
                }
                return;
            }
            // RFC 8831 §6.6: an unknown PPID closes the channel.
            _ => {
                self.close_data_channel(now, handle);
                return;
            }
        };
        self.partial_bytes -= channel.partial.len();
        let message = channel.complete_partial(message);
        // webrtc-pc §6.2, "receiving messages": only an open channel delivers.
        if channel.state == DataChannelState::Open {
            channel.count_received(&message);
            self.queued_bytes += message.len();
            self.events.push_back(Event::Message(handle, message));
        }
    }

    fn handle_dcep(&mut self, now: Instant, stream: StreamId, data: &[u8]) {
        match DcepMessage::parse(data) {
            Ok(DcepMessage::Ack) => {
                if let Some((_, channel)) = self.channels.by_stream(stream.0) {
                    channel.peer_knows = true;
                }
            }
            Ok(DcepMessage::Open(open)) => self.handle_open(now, stream, open),
            // RFC 8832 §6: not well formed, so the channel is closed.
            Err(_) => match self.channels.by_stream(stream.0) {
                Some((handle, _)) => self.close_data_channel(now, handle),
                None => self.refuse_stream(now, stream),
            },
        }
    }

    fn handle_open(&mut self, now: Instant, stream: StreamId, open: Open) {
        if let Some((handle, channel)) = self.channels.by_stream(stream.0) {
            if channel.state == DataChannelState::Closing && channel.incoming_reset {
                // The peer has carried out our reset and opens a new channel, but its answer was lost: it will come, for
                // SCTP asks again. Until then the OPEN waits.
                self.held_opens.hold(stream, open);
                return;
            }
            // RFC 8832 §6: an OPEN on a used stream closes the channel.
            self.close_data_channel(now, handle);
            return;
        }
        // RFC 8832 §6: even ids are the DTLS client's. The peer is the other one.
        let parity_is_right = self
            .transports
            .data()
            .dtls
            .is_client()
            .is_some_and(|is_client| (stream.0 & 1 == 1) == is_client);
        let room = self.channels.len() < self.config.settings.sctp.max_data_channels;
        let Some(sctp) = self.sctp.as_deref_mut() else { return };
        if !parity_is_right || !room || stream.0 > MAX_STREAM_ID {
            self.refuse_stream(now, stream);
            return;
        }
        if sctp.send(now, stream, dcep_options(), DcepMessage::Ack.to_bytes()).is_err() {
            self.refuse_stream(now, stream);
            return;
        }
        let channel = Channel::from_open(open, stream.0);
        sctp.set_stream_priority(stream, channel.priority.weight());
        let Some(handle) = self.channels.insert(channel) else { return };
        self.channels.opened += 1;
        self.events.push_back(Event::DataChannel(handle));
        self.events.push_back(Event::DataChannelOpen(handle));
    }

    // --- closing ---

    /// Resets a stream on which there is no channel, to tell the peer that none will be (RFC 8832 §6). A flood of such
    /// streams is answered only as far as the bound goes.
    fn refuse_stream(&mut self, now: Instant, stream: StreamId) {
        const MAX_REFUSED: usize = 32;
        if self.refused_streams.len() >= MAX_REFUSED || self.refused_streams.contains(&stream.0) {
            return;
        }
        if let Some(sctp) = self.sctp.as_deref_mut()
            && sctp.reset_outgoing_streams(now, &[stream]).is_ok()
        {
            self.refused_streams.push(stream.0);
            // A channel that took the id meanwhile could not send, and would take the answer for its own.
            self.channels.reserve_id(stream.0);
        }
    }

    /// A refused stream's reset was answered: channels may take its id again.
    fn release_refused(&mut self, stream: StreamId) {
        if let Some(index) = self.refused_streams.iter().position(|&refused| refused == stream.0) {
            self.refused_streams.swap_remove(index);
            self.channels.release_id(stream.0);
        }
    }

    fn reset_stream_of(&mut self, now: Instant, handle: DataChannelHandle) {
        let id = self.channels.get(handle).and_then(|channel| channel.id);
        let reset = match (id, self.sctp.as_deref_mut()) {
            (Some(id), Some(sctp)) => sctp.reset_outgoing_streams(now, &[StreamId(id)]).is_ok(),
            _ => false,
        };
        if !reset {
            // The association is gone, or the peer cannot reset streams: the channel ends here alone.
            self.finish_channel(handle, None);
        }
    }

    fn incoming_reset(&mut self, now: Instant, stream: StreamId) {
        if self.held_opens.note_reset(stream) {
            return;
        }
        let Some((handle, channel)) = self.channels.by_stream(stream.0) else { return };
        channel.incoming_reset = true;
        if channel.state == DataChannelState::Open {
            channel.state = DataChannelState::Closing;
            self.events.push_back(Event::DataChannelClosing(handle));
            self.reset_stream_of(now, handle);
        } else {
            self.finish_if_reset(handle);
        }
    }

    fn finish_if_reset(&mut self, handle: DataChannelHandle) {
        if self
            .channels
            .get(handle)
            .is_some_and(|channel| channel.outgoing_reset && channel.incoming_reset)
        {
            self.finish_channel(handle, None);
        }
    }

    /// Takes the channel away and says so.
    pub(super) fn finish_channel(
        &mut self,
        handle: DataChannelHandle,
        error: Option<(ErrorDetail, String)>,
    ) {
        let Some(channel) = self.channels.remove(handle) else { return };
        self.partial_bytes -= channel.partial.len();
        if let (Some(id), Some(sctp)) = (channel.id, self.sctp.as_deref_mut()) {
            sctp.set_discarded(StreamId(id), false);
        }
        if channel.state != DataChannelState::Connecting {
            self.channels.closed += 1;
        }
        if let Some((detail, message)) = error {
            self.events.push_back(Event::DataChannelError { channel: handle, detail, message });
        }
        self.events.push_back(Event::DataChannelClosed(handle));
        if let Some(channel) = channel.id {
            self.log.record(self.now, || LogEvent::ChannelClosed { channel });
        }
        let stream = channel.id.map(StreamId);
        self.channels.keep_statistics(handle, channel);
        if let Some(stream) = stream
            && let Some(held) = self.held_opens.take(stream)
        {
            self.handle_open(self.now, stream, held.open);
            for (ppid, data) in held.messages {
                self.handle_message(self.now, stream, ppid, data);
            }
            if held.reset {
                self.incoming_reset(self.now, stream);
            }
        }
    }

    /// The association is over: no channel outlives it.
    pub(super) fn end_association(&mut self, now: Instant, error: Option<(ErrorDetail, String)>) {
        self.held_opens.clear();
        // What has arrived is delivered still, though reception is paused: at most a receive window.
        while let Some(event) = self.sctp.as_deref_mut().and_then(|sctp| sctp.poll_event()) {
            self.handle_sctp_event(now, event);
        }
        self.held_opens.clear();
        if let Some(mut sctp) = self.sctp.take() {
            sctp.abort(now, "");
            self.hold_last_packet(now, &mut sctp);
            self.data_ended = true;
            self.ended_sctp = Some(sctp);
        }
        self.update_sctp_state();
        let mut handles = self.channels.handles();
        handles.sort_unstable();
        for handle in handles {
            self.finish_channel(handle, error.clone());
        }
    }
}

/// RFC 8832 §6: DCEP messages are ordered and reliable.
const fn dcep_options() -> SendOptions {
    SendOptions::reliable(peerage_sctp::PayloadProtocolId(ppid::DCEP))
}

/// webrtc-pc §6.1, createDataChannel, steps 5 to 17.
fn check_init(label: &str, init: &DataChannelInit) -> Result<(), Error> {
    let fail = |argument, reason: &str| Err(Error::Type { argument, reason: reason.to_owned() });
    if label.len() > MAX_TEXT_LEN {
        return fail("label", "it is longer than 65535 bytes");
    }
    if init.protocol.len() > MAX_TEXT_LEN {
        return fail("protocol", "it is longer than 65535 bytes");
    }
    if init.max_retransmits.is_some() && init.max_packet_life_time.is_some() {
        return fail("max_packet_life_time", "it cannot be combined with max_retransmits");
    }
    match (init.negotiated, init.id) {
        (true, None) => fail("id", "a negotiated channel needs one"),
        (true, Some(id)) if id > MAX_STREAM_ID => fail("id", "65535 is reserved"),
        _ => Ok(()),
    }
}
