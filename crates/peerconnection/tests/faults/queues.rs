//! What may wait at one end of a call, at each step of it. The limits are reckoned from what the two applications send, not
//! from those that the connection has: a queue that grows to its own limit in a call of a megabit has piled up.

use std::fmt;

use peerage_peerconnection::Queues;

/// Pictures of 800 kbit/s, sound of 30 kbit/s, and headers, in a second.
const SECOND_BYTES: usize = (900_000 + 60_000) / 8;
/// The packets of it: pictures are cut into 1,200 bytes at most, and little ones are a packet each.
const SECOND_PACKETS: usize = 110 + 50;
/// Seconds of media that wait to be sent: one, and what the peer may ask for again, which is five.
const TO_SEND: usize = 6;
/// Seconds of media that wait for what is missing: the path may hold back eight (`Fault::Pause`) and deliver them at once;
/// what is missing is asked for in the five that follow, the last of it may come one later, and one waits at the peer.
const TO_COMPLETE: usize = 8 + 5 + 1 + 1;
/// What is remembered of each packet that waits for others, beside its payload: 160 bytes, in a list that doubles as it grows.
const SLOT_BYTES: usize = 2 * 160;
const SECOND_MEMORY: usize = SECOND_BYTES + SLOT_BYTES * SECOND_PACKETS;
/// Messages that are handed over before the application asks for them.
const MESSAGE_BYTES: usize = 320 << 10;
/// All that one end has to send on data channels.
const DATA_BYTES: usize = 4 * 30 * 30_100;
/// Frames that become whole by one packet, with what else one call brings about.
const EVENTS: usize = 256;
/// Reports and requests that one call brings about.
const RTCP_PACKETS: usize = 8;

/// Judges what waits before the application has taken it: after each call of the connection.
pub(crate) fn check(queues: &Queues) -> Result<(), String> {
    for (name, value, most) in [
        ("events", queues.events, EVENTS),
        ("bytes of messages", queues.message_bytes, MESSAGE_BYTES),
        ("frames", queues.frames, EVENTS),
        ("received packets", queues.received_packets, 0),
        ("packets to send", queues.packets_to_send, TO_SEND * SECOND_PACKETS),
        ("bytes to send", queues.bytes_to_send, TO_SEND * SECOND_BYTES),
        ("RTCP packets to send", queues.rtcp_to_send, RTCP_PACKETS),
        ("bytes incomplete", queues.incomplete_bytes, TO_COMPLETE * SECOND_MEMORY),
        ("packets missing", queues.missing_packets, TO_COMPLETE * SECOND_PACKETS),
        ("bytes of messages to send", queues.data_to_send, DATA_BYTES),
        ("bytes of messages incomplete", queues.data_incomplete, DATA_BYTES),
    ] {
        if value > most {
            return Err(format!("{value} {name}, over {most}: {queues:?}"));
        }
    }
    Ok(())
}

/// Judges what is left once both the application and the network have taken all they would.
pub(crate) fn check_at_rest(queues: &Queues) -> Result<(), String> {
    check(queues)?;
    match (queues.events, queues.message_bytes, queues.frames) {
        (0, 0, 0) => Ok(()),
        _ => Err(format!("something was not handed out: {queues:?}")),
    }
}

/// The most that waited, each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peak(pub(crate) Queues);

macro_rules! each {
    ($name:ident) => {
        $name!(
            events,
            message_bytes,
            frames,
            received_packets,
            packets_to_send,
            bytes_to_send,
            rtcp_to_send,
            incomplete_bytes,
            missing_packets,
            data_to_send,
            data_incomplete
        )
    };
}

impl Peak {
    /// Takes a moment.
    pub(crate) fn take(&mut self, now: &Queues) {
        macro_rules! most {
            ($($field:ident),*) => { $(self.0.$field = self.0.$field.max(now.$field);)* };
        }
        each!(most);
    }
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        macro_rules! list {
            ($($field:ident),*) => { $(write!(f, "{} {}, ", self.0.$field, stringify!($field))?;)* };
        }
        each!(list);
        Ok(())
    }
}
