//! The table of all data channels of a connection: handles, stream ids and each channel's state. It knows nothing of
//! SCTP; the connection joins the two.

use std::collections::VecDeque;

use peerage_sctp::{PayloadProtocolId, Reliability, SendOptions};
use slab::Slab;
use std::time::Duration;

use super::init::{DataChannelHandle, DataChannelInfo, DataChannelInit, Priority};
use super::stream_ids::StreamIds;
use crate::dcep::{ChannelReliability, Open};
use crate::message::Message;
use crate::state::DataChannelState;
use crate::statistics::DataChannelStatistics;

/// Stands for the slot of a stream id that no channel may take. Slots are far fewer.
const NO_SLOT: u32 = u32::MAX;

/// Channels that have closed whose statistics are kept, and bytes of their labels and protocols: of more, the oldest are
/// forgotten. To webrtc-stats §4.2 their number is the application's, but here the peer opens channels as well.
const MAX_CLOSED: usize = 256;
const MAX_CLOSED_TEXT: usize = 64 << 10;

/// One data channel.
#[derive(Debug)]
pub(crate) struct Channel {
    generation: u32,
    pub(crate) label: Box<str>,
    pub(crate) protocol: Box<str>,
    pub(crate) ordered: bool,
    pub(crate) reliability: ChannelReliability,
    pub(crate) priority: Priority,
    pub(crate) negotiated: bool,
    pub(crate) id: Option<u16>,
    pub(crate) state: DataChannelState,
    /// Whether anything came from the peer: until then unordered messages are sent in order (RFC 8832 §6).
    pub(crate) peer_knows: bool,
    /// Our side of the stream was reset.
    pub(crate) outgoing_reset: bool,
    /// The peer's side of the stream was reset.
    pub(crate) incoming_reset: bool,
    /// Parts of a message in the deprecated PPID-based fragmentation (RFC 8831 §6.6).
    pub(crate) partial: Vec<u8>,
    pub(crate) low_threshold: usize,
    pub(crate) messages_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) bytes_received: u64,
}

impl Channel {
    pub(crate) fn from_init(label: &str, init: &DataChannelInit) -> Self {
        let reliability = match (init.max_retransmits, init.max_packet_life_time) {
            (Some(count), _) => ChannelReliability::MaxRetransmits(count.into()),
            (None, Some(milliseconds)) => ChannelReliability::MaxLifetime(milliseconds.into()),
            (None, None) => ChannelReliability::Reliable,
        };
        Self {
            generation: 0,
            label: label.into(),
            protocol: init.protocol.as_str().into(),
            ordered: init.ordered,
            reliability,
            priority: init.priority,
            negotiated: init.negotiated,
            id: if init.negotiated { init.id } else { None },
            state: DataChannelState::Connecting,
            peer_knows: init.negotiated,
            outgoing_reset: false,
            incoming_reset: false,
            partial: Vec::new(),
            low_threshold: 0,
            messages_sent: 0,
            bytes_sent: 0,
            messages_received: 0,
            bytes_received: 0,
        }
    }

    pub(crate) fn from_open(open: Open, id: u16) -> Self {
        let init = DataChannelInit::default();
        Self {
            label: open.label.into(),
            protocol: open.protocol.into(),
            ordered: open.ordered,
            reliability: open.reliability,
            priority: Priority::from_weight(open.priority),
            id: Some(id),
            state: DataChannelState::Open,
            peer_knows: true,
            ..Self::from_init("", &init)
        }
    }

    pub(crate) fn to_open(&self) -> Open {
        Open {
            ordered: self.ordered,
            reliability: self.reliability,
            priority: self.priority.weight(),
            label: self.label.clone().into(),
            protocol: self.protocol.clone().into(),
        }
    }

    /// How a message of this channel goes into SCTP.
    pub(crate) fn send_options(&self, ppid: u32) -> SendOptions {
        SendOptions {
            ppid: PayloadProtocolId(ppid),
            ordered: self.ordered || !self.peer_knows,
            reliability: match self.reliability {
                ChannelReliability::Reliable => Reliability::Reliable,
                ChannelReliability::MaxRetransmits(count) => {
                    Reliability::MaxRetransmits(count.try_into().unwrap_or(u16::MAX))
                }
                ChannelReliability::MaxLifetime(milliseconds) => {
                    Reliability::MaxLifetime(Duration::from_millis(milliseconds.into()))
                }
            },
        }
    }

    /// Joins what came before in the deprecated fragmentation with the last part; other messages pass as they are.
    pub(crate) fn complete_partial(&mut self, last: Message) -> Message {
        if self.partial.is_empty() {
            return last;
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(last.data());
        match last {
            Message::Text(_) => Message::Text(whole.into()),
            Message::Binary(_) => Message::Binary(whole.into()),
        }
    }

    pub(crate) fn count_received(&mut self, message: &Message) {
        self.messages_received += 1;
        self.bytes_received += message.len() as u64;
    }

    fn text_len(&self) -> usize {
        self.label.len() + self.protocol.len()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == DataChannelState::Open
    }

    fn info(&self) -> DataChannelInfo {
        let clip = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        DataChannelInfo {
            label: self.label.clone().into(),
            init: DataChannelInit {
                ordered: self.ordered,
                max_retransmits: match self.reliability {
                    ChannelReliability::MaxRetransmits(count) => Some(clip(count)),
                    _ => None,
                },
                max_packet_life_time: match self.reliability {
                    ChannelReliability::MaxLifetime(milliseconds) => Some(clip(milliseconds)),
                    _ => None,
                },
                protocol: self.protocol.clone().into(),
                negotiated: self.negotiated,
                id: self.id,
                priority: self.priority,
            },
            state: self.state,
        }
    }
}

/// All data channels.
#[derive(Debug, Default)]
pub(crate) struct DataChannels {
    slots: Slab<Channel>,
    streams: StreamIds,
    next_generation: u32,
    /// Whether any channel was ever created here: the offer then has an m-section for data.
    pub(crate) ever_created: bool,
    /// Channels that reached `open`.
    pub(crate) opened: u64,
    /// Channels that were open and no longer are.
    pub(crate) closed: u64,
    /// What is left of the last of them.
    remembered: VecDeque<(DataChannelHandle, Channel)>,
    remembered_text: usize,
}

impl DataChannels {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a channel; `None` if its id is taken.
    pub(crate) fn insert(&mut self, mut channel: Channel) -> Option<DataChannelHandle> {
        if channel.id.is_some_and(|id| self.streams.contains(id)) {
            return None;
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        channel.generation = self.next_generation;
        let id = channel.id;
        let slot = self.slots.insert(channel) as u32;
        if let Some(id) = id {
            self.streams.insert(id, slot);
        }
        Some(handle(slot, self.next_generation))
    }

    pub(crate) fn get(&self, handle: DataChannelHandle) -> Option<&Channel> {
        let (slot, generation) = split(handle);
        self.slots.get(slot).filter(|channel| channel.generation == generation)
    }

    pub(crate) fn get_mut(&mut self, handle: DataChannelHandle) -> Option<&mut Channel> {
        let (slot, generation) = split(handle);
        self.slots.get_mut(slot).filter(|channel| channel.generation == generation)
    }

    pub(crate) fn by_stream(&mut self, id: u16) -> Option<(DataChannelHandle, &mut Channel)> {
        let slot = self.streams.get(id)?;
        let channel = self.slots.get_mut(slot as usize)?;
        Some((handle(slot, channel.generation), channel))
    }

    /// Gives the channel the lowest id of our parity below `limit`; false if there is none.
    pub(crate) fn assign_id(
        &mut self,
        handle: DataChannelHandle,
        dtls_client: bool,
        limit: u16,
    ) -> bool {
        let (slot, generation) = split(handle);
        let Some(id) = self.streams.lowest_free(dtls_client, limit) else { return false };
        match self.slots.get_mut(slot) {
            Some(channel) if channel.generation == generation && channel.id.is_none() => {
                channel.id = Some(id);
                self.streams.insert(id, slot as u32)
            }
            _ => false,
        }
    }

    /// Takes the id of a channel back that the application did not choose.
    pub(crate) fn unassign_id(&mut self, handle: DataChannelHandle) {
        let Some(channel) = self.get_mut(handle).filter(|channel| !channel.negotiated) else {
            return;
        };
        if let Some(id) = channel.id.take() {
            self.streams.remove(id);
        }
    }

    /// Takes a channel out; its id is free again.
    pub(crate) fn remove(&mut self, handle: DataChannelHandle) -> Option<Channel> {
        self.get(handle)?;
        let channel = self.slots.remove(split(handle).0);
        if let Some(id) = channel.id {
            self.streams.remove(id);
        }
        Some(channel)
    }

    /// Keeps the counters of a channel that has closed.
    pub(crate) fn keep_statistics(&mut self, handle: DataChannelHandle, mut channel: Channel) {
        channel.state = DataChannelState::Closed;
        channel.partial = Vec::new();
        self.remembered_text += channel.text_len();
        self.remembered.push_back((handle, channel));
        while self.remembered.len() > MAX_CLOSED || self.remembered_text > MAX_CLOSED_TEXT {
            let Some((_, oldest)) = self.remembered.pop_front() else { break };
            self.remembered_text -= oldest.text_len();
        }
    }

    /// Channels whose counters are told: the last that have closed, then those there are, each in the order they were made.
    pub(crate) fn monitored(&self) -> impl Iterator<Item = (DataChannelHandle, &Channel)> {
        let mut handles = self.handles();
        handles.sort_unstable();
        let living = handles.into_iter().filter_map(|handle| Some((handle, self.get(handle)?)));
        self.remembered.iter().map(|(handle, channel)| (*handle, channel)).chain(living)
    }

    /// Keeps an id from new channels while its stream is reset without a channel; false if it is in use.
    pub(crate) fn reserve_id(&mut self, id: u16) -> bool {
        self.streams.insert(id, NO_SLOT)
    }

    /// Ends [`DataChannels::reserve_id`].
    pub(crate) fn release_id(&mut self, id: u16) {
        if self.streams.get(id) == Some(NO_SLOT) {
            self.streams.remove(id);
        }
    }

    /// The handles of all channels, in no order that means anything.
    pub(crate) fn handles(&self) -> Vec<DataChannelHandle> {
        self.slots.iter().map(|(slot, channel)| handle(slot as u32, channel.generation)).collect()
    }

    pub(crate) fn info(&self, handle: DataChannelHandle) -> Option<DataChannelInfo> {
        self.get(handle).map(Channel::info)
    }

    pub(crate) fn statistics(&self) -> Vec<DataChannelStatistics> {
        self.slots
            .iter()
            .map(|(slot, channel)| DataChannelStatistics {
                handle: handle(slot as u32, channel.generation),
                messages_sent: channel.messages_sent,
                bytes_sent: channel.bytes_sent,
                messages_received: channel.messages_received,
                bytes_received: channel.bytes_received,
            })
            .collect()
    }
}

const fn handle(slot: u32, generation: u32) -> DataChannelHandle {
    DataChannelHandle(((generation as u64) << 32) | slot as u64)
}

const fn split(handle: DataChannelHandle) -> (usize, u32) {
    ((handle.0 & 0xffff_ffff) as usize, (handle.0 >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(id: Option<u16>) -> Channel {
        Channel::from_init(
            "a",
            &DataChannelInit { negotiated: id.is_some(), id, ..DataChannelInit::default() },
        )
    }

    #[test]
    fn a_handle_outlives_no_channel() {
        let mut table = DataChannels::default();
        let first = table.insert(channel(None)).unwrap();
        assert!(table.remove(first).is_some());
        let second = table.insert(channel(None)).unwrap();
        assert_ne!(first, second);
        assert!(table.get(first).is_none());
        assert!(table.remove(first).is_none());
        assert!(table.get(second).is_some());
    }

    #[test]
    fn statistics_of_closed_channels_are_kept_within_bounds() {
        let mut table = DataChannels::default();
        let mut close = |label: &str, sent| {
            let init = DataChannelInit::default();
            let handle = table.insert(Channel::from_init(label, &init)).unwrap();
            let mut channel = table.remove(handle).unwrap();
            channel.bytes_sent = sent;
            table.keep_statistics(handle, channel);
            let kept: Vec<u64> = table.monitored().map(|(_, channel)| channel.bytes_sent).collect();
            kept
        };
        for sent in 0..300 {
            close("short", sent);
        }
        assert_eq!(close("short", 300), (45..=300).collect::<Vec<u64>>());
        assert_eq!(close(&"x".repeat(65_000), 301).len(), 108, "600 bytes are left for others");
        assert_eq!(close(&"x".repeat(65_000), 302), [302]);
    }

    #[test]
    fn ids_are_unique_and_return() {
        let mut table = DataChannels::default();
        let negotiated = table.insert(channel(Some(0))).unwrap();
        assert!(table.insert(channel(Some(0))).is_none());
        let other = table.insert(channel(None)).unwrap();
        assert!(table.assign_id(other, true, u16::MAX));
        assert_eq!(table.get(other).unwrap().id, Some(2));
        assert!(!table.assign_id(other, true, u16::MAX), "an id is given once");
        table.remove(negotiated);
        assert!(table.insert(channel(Some(0))).is_some());
    }

    #[test]
    fn a_reserved_id_goes_to_no_channel() {
        let mut table = DataChannels::default();
        assert!(table.reserve_id(0));
        assert!(!table.reserve_id(0));
        assert!(table.by_stream(0).is_none());
        assert!(table.insert(channel(Some(0))).is_none());
        let other = table.insert(channel(None)).unwrap();
        assert!(table.assign_id(other, true, u16::MAX));
        assert_eq!(table.get(other).unwrap().id, Some(2));
        assert!(!table.reserve_id(2), "a channel has it");
        table.release_id(2);
        assert!(table.by_stream(2).is_some(), "only what is reserved is released");
        table.release_id(0);
        assert!(table.insert(channel(Some(0))).is_some());
    }
}
