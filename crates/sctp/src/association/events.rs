//! Events waiting to be fetched. Messages and all others wait in two queues, so that a reader that takes no messages still
//! learns of the rest; numbers of place keep the order in which they happened. What a peer can add is bounded: messages by
//! the receive window, the others by [`EventQueue::has_room`].

use crate::event::Event;
use crate::inbound::{Delivered, OVERHEAD};
use crate::serial::StreamId;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// What unfetched events other than messages may cost: one for each stream they name, and [`EVENT_COST`] each.
/// Beyond it the peer's resets and restarts wait.
const MAX_CONTROL_COST: usize = 65_536;
const EVENT_COST: usize = 64;

#[derive(Debug)]
struct Control {
    place: u64,
    /// [`EventQueue::pop_control`] holds it back while a message of this place or an earlier one waits. 0: none.
    after: u64,
    event: Event,
}

impl Control {
    fn cost(&self) -> usize {
        match &self.event {
            Event::IncomingStreamReset { streams }
            | Event::OutgoingStreamsReset { streams }
            | Event::StreamResetFailed { streams } => EVENT_COST + streams.len(),
            _ => EVENT_COST,
        }
    }

    /// Nothing follows it: it need not wait for anything.
    fn is_last(&self) -> bool {
        matches!(self.event, Event::ShutdownComplete | Event::Aborted { .. } | Event::Failed)
    }
}

#[derive(Debug)]
pub(super) struct EventQueue {
    messages: VecDeque<(u64, Delivered)>,
    control: VecDeque<Control>,
    /// The place of the next event; they count from 1.
    next: u64,
    control_cost: usize,
    /// What the messages count against the receive window.
    held: usize,
    /// The place of the last message of each stream; stale where that was fetched.
    last_message: FxHashMap<StreamId, u64>,
    /// Streams whose messages nobody wants, until the peer resets them. Named by the owner alone.
    discarded: FxHashSet<StreamId>,
}

impl EventQueue {
    pub(super) fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            control: VecDeque::new(),
            next: 1,
            control_cost: 0,
            held: 0,
            last_message: FxHashMap::default(),
            discarded: FxHashSet::default(),
        }
    }

    /// Begins or ends the discarding of a stream's messages. Returns what those that waited held of the receive window.
    pub(super) fn set_discarded(&mut self, stream: StreamId, discarded: bool) -> usize {
        if !discarded {
            self.discarded.remove(&stream);
            return 0;
        }
        // What follows a reset that waits to be fetched is of another use of the stream.
        let reset = self.control.iter().find_map(|control| match &control.event {
            Event::IncomingStreamReset { streams } if streams.contains(&stream) => {
                Some(control.place)
            }
            _ => None,
        });
        if reset.is_none() {
            self.discarded.insert(stream);
        }
        let before = self.held;
        if let Some(last) = self.last_message.get(&stream).copied() {
            if reset.is_none_or(|reset| last < reset) {
                self.last_message.remove(&stream);
            }
            let held = &mut self.held;
            self.messages.retain(|(place, message)| {
                let keep = message.stream != stream || reset.is_some_and(|reset| *place > reset);
                if !keep {
                    *held -= message.data.len() + OVERHEAD;
                }
                keep
            });
            self.wait_no_longer_for(stream);
        }
        before - self.held
    }

    /// The stream's messages are gone: resets that waited for them wait for those of their other streams alone.
    fn wait_no_longer_for(&mut self, stream: StreamId) {
        for control in &mut self.control {
            if let Event::IncomingStreamReset { streams } = &control.event
                && streams.contains(&stream)
            {
                let earlier =
                    self.messages.iter().rev().skip_while(|(place, _)| *place > control.place);
                control.after = earlier
                    .filter(|(_, message)| streams.contains(&message.stream))
                    .map(|(place, _)| *place)
                    .next()
                    .unwrap_or(0);
            }
        }
    }

    fn place(&mut self) -> u64 {
        let place = self.next;
        self.next += 1;
        place
    }

    /// Queues a message. Returns what it held of the receive window if it is discarded instead.
    pub(super) fn push_message(&mut self, message: Delivered) -> usize {
        if !self.discarded.is_empty() && self.discarded.contains(&message.stream) {
            return message.data.len() + OVERHEAD;
        }
        let place = self.place();
        self.held += message.data.len() + OVERHEAD;
        self.last_message.insert(message.stream, place);
        self.messages.push_back((place, message));
        0
    }

    /// Any event but a message.
    pub(super) fn push(&mut self, event: Event) {
        let place = self.place();
        let after = match &event {
            Event::IncomingStreamReset { streams } => {
                // What comes now is of another use of the stream.
                self.discarded.retain(|id| !streams.contains(id));
                streams.iter().filter_map(|id| self.last_message.get(id)).copied().max()
            }
            Event::PeerRestarted => {
                self.discarded.clear();
                Some(place)
            }
            _ => None,
        };
        let control = Control { place, after: after.unwrap_or(0), event };
        self.control_cost += control.cost();
        self.control.push_back(control);
    }

    /// Whether the peer may cause another event that is not a message.
    pub(super) fn has_room(&self) -> bool {
        self.control_cost < MAX_CONTROL_COST
    }

    /// What the messages count against the receive window, in bytes.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The next event, whatever it is.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let message = self.messages.front().map_or(u64::MAX, |(place, _)| *place);
        if self.control.front().is_some_and(|control| control.place < message) {
            return self.take_control(0);
        }
        let (_, message) = self.messages.pop_front()?;
        self.held -= message.data.len() + OVERHEAD;
        Some(Event::Message {
            stream: message.stream,
            ppid: message.ppid,
            data: message.data,
            unordered: message.unordered,
        })
    }

    /// The next event that is not a message and need not wait for one.
    pub(super) fn pop_control(&mut self) -> Option<Event> {
        let message = self.messages.front().map_or(u64::MAX, |(place, _)| *place);
        let mut restarted = false;
        let index = self.control.iter().position(|control| {
            let waits = control.after >= message;
            restarted |= waits && control.event == Event::PeerRestarted;
            control.is_last() || !(waits || restarted)
        })?;
        self.take_control(index)
    }

    fn take_control(&mut self, index: usize) -> Option<Event> {
        let control = self.control.remove(index)?;
        self.control_cost -= control.cost();
        Some(control.event)
    }

    /// Gives back what a past burst needed.
    pub(super) fn shrink(&mut self) {
        self.messages.shrink_to_fit();
        self.control.shrink_to_fit();
        if self.messages.is_empty() {
            self.last_message = FxHashMap::default();
        }
    }
}
