//! What waits, over all parts of the connection.

use super::PeerConnection;
use crate::queues::Queues;

impl PeerConnection {
    /// What waits at this moment. It takes a look at each stream.
    pub fn queues(&self) -> Queues {
        let mut queues = Queues {
            events: self.events.len(),
            message_bytes: self.queued_bytes,
            data_incomplete: self.partial_bytes,
            ..Queues::default()
        };
        if let Some(sctp) = &self.sctp {
            queues.data_to_send = sctp.total_buffered();
            queues.data_incomplete += sctp.statistics().receive_buffered;
        }
        for transport in self.transports.iter() {
            transport.rtp.add_queues(&mut queues);
        }
        queues
    }
}
