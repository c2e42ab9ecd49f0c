//! The application at one end: opens its channels, sends what the plan says as buffers allow, and checks all that arrives.

use std::collections::BTreeMap;
use std::time::Instant;

use peerage_peerconnection::{
    DataChannelHandle, DataChannelInit, Message, PeerConnection, SendError,
};

use super::plan::Channel;

#[derive(Debug)]
struct Outgoing {
    handle: DataChannelHandle,
    plan: Channel,
    sent: usize,
    open: bool,
}

#[derive(Debug)]
struct Incoming {
    plan: Channel,
    handle: Option<DataChannelHandle>,
    arrived: Vec<bool>,
    latest: Option<usize>,
}

/// One end's application.
#[derive(Debug)]
pub(crate) struct Application {
    outgoing: Vec<Outgoing>,
    /// The peer's channels; the index is the label.
    incoming: Vec<Incoming>,
    by_handle: BTreeMap<DataChannelHandle, usize>,
}

impl Application {
    /// Creates the channels of this end.
    pub(crate) fn new(
        pc: &mut PeerConnection,
        now: Instant,
        own: &[Channel],
        peers: &[Channel],
    ) -> Self {
        let outgoing = own.iter().enumerate().map(|(index, plan)| {
            let init = DataChannelInit {
                ordered: plan.ordered,
                max_retransmits: plan.max_retransmits,
                ..DataChannelInit::default()
            };
            let handle = pc
                .create_data_channel(now, &index.to_string(), init)
                .expect("a channel may be created");
            Outgoing { handle, plan: plan.clone(), sent: 0, open: false }
        });
        let incoming = peers.iter().map(|plan| Incoming {
            plan: plan.clone(),
            handle: None,
            arrived: vec![false; plan.messages.len()],
            latest: None,
        });
        Self {
            outgoing: outgoing.collect(),
            incoming: incoming.collect(),
            by_handle: BTreeMap::new(),
        }
    }

    /// One of our channels or of the peer's is open.
    pub(crate) fn opened(&mut self, handle: DataChannelHandle) {
        for channel in self.outgoing.iter_mut().filter(|channel| channel.handle == handle) {
            channel.open = true;
        }
    }

    /// The peer opened a channel.
    pub(crate) fn announced(
        &mut self,
        pc: &PeerConnection,
        handle: DataChannelHandle,
    ) -> Result<(), String> {
        let info = pc.data_channel(handle).ok_or("an announced channel is unknown")?;
        let index: usize =
            info.label.parse().map_err(|_| format!("a channel called {:?}", info.label))?;
        let channel = self.incoming.get_mut(index).ok_or("a channel that nobody opened")?;
        if channel.handle.replace(handle).is_some() {
            return Err(format!("channel {index} is announced twice"));
        }
        if (info.init.ordered, info.init.max_retransmits)
            != (channel.plan.ordered, channel.plan.max_retransmits)
        {
            return Err(format!("channel {index} came as {:?}", info.init));
        }
        self.by_handle.insert(handle, index);
        Ok(())
    }

    /// Sends what there is room for.
    pub(crate) fn send(&mut self, pc: &mut PeerConnection, now: Instant) -> Result<(), String> {
        for (index, channel) in self.outgoing.iter_mut().enumerate() {
            while channel.open && channel.sent < channel.plan.messages.len() {
                let size = channel.plan.messages[channel.sent];
                match pc.send(now, channel.handle, message(index, channel.sent, size)) {
                    Ok(()) => channel.sent += 1,
                    Err(SendError::BufferFull(_)) => break,
                    Err(error) => return Err(format!("send on an open channel: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Checks a message that arrived.
    pub(crate) fn received(
        &mut self,
        handle: DataChannelHandle,
        arrived: &Message,
    ) -> Result<(), String> {
        let index = *self.by_handle.get(&handle).ok_or("a message on an unannounced channel")?;
        let channel = &mut self.incoming[index];
        let number = number_of(arrived).ok_or("a message without a number")?;
        let size = *channel.plan.messages.get(number).ok_or("a message that was not sent")?;
        if *arrived != message(index, number, size) {
            return Err(format!("message {number} of channel {index} is not as it was sent"));
        }
        if std::mem::replace(&mut channel.arrived[number], true) {
            return Err(format!("message {number} of channel {index} came twice"));
        }
        let expected = channel.latest.map_or(0, |latest| latest + 1);
        let in_order = match channel.plan {
            Channel { ordered: true, max_retransmits: None, .. } => number == expected,
            Channel { ordered: true, .. } => number >= expected,
            _ => true,
        };
        if !in_order {
            return Err(format!("message {number} of channel {index} came instead of {expected}"));
        }
        channel.latest = Some(number);
        Ok(())
    }

    /// Whether all that must arrive has arrived, and all is sent.
    pub(crate) fn is_done(&self) -> bool {
        let sent = self.outgoing.iter().all(|channel| channel.sent == channel.plan.messages.len());
        let complete = |channel: &Incoming| {
            channel.handle.is_some()
                && (channel.plan.max_retransmits.is_some()
                    || channel.arrived.iter().all(|&one| one))
        };
        sent && self.incoming.iter().all(complete)
    }

    /// How far it got, for a report.
    pub(crate) fn progress(&self) -> String {
        let sent: Vec<_> = self
            .outgoing
            .iter()
            .map(|channel| format!("{}/{}", channel.sent, channel.plan.messages.len()))
            .collect();
        let received: Vec<_> = self
            .incoming
            .iter()
            .map(|channel| {
                let count = channel.arrived.iter().filter(|&&one| one).count();
                format!("{count}/{}", channel.arrived.len())
            })
            .collect();
        format!("sent {sent:?}, received {received:?}")
    }
}

/// The message of a number: its number, then bytes that follow from channel and number. Every third one is text.
fn message(channel: usize, number: usize, size: usize) -> Message {
    let salt = (channel * 31 + number * 7) as u8;
    let fill = (0..size).map(|at| b'!' + salt.wrapping_add(at as u8).wrapping_mul(13) % 90);
    let bytes: Vec<u8> = format!("{number};").into_bytes().into_iter().chain(fill).collect();
    if number.is_multiple_of(3) { Message::Text(bytes.into()) } else { Message::binary(bytes) }
}

fn number_of(message: &Message) -> Option<usize> {
    let data = message.data();
    let end = data.iter().position(|&byte| byte == b';')?;
    std::str::from_utf8(&data[..end]).ok()?.parse().ok()
}
