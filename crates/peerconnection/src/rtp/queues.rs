//! What waits in one transport.

use super::RtpTransport;
use super::receive::ReceiveStream;
use crate::queues::Queues;

impl RtpTransport {
    /// Adds what waits here.
    pub(crate) fn add_queues(&self, queues: &mut Queues) {
        queues.events += self.events.len();
        queues.frames += self.queued_frames;
        queues.received_packets += self.forwarding.waiting();
        queues.rtcp_to_send += self.rtcp.len();
        queues.incomplete_bytes +=
            self.receivers.iter().map(ReceiveStream::counted_bytes).sum::<usize>();
        queues.missing_packets += self.receivers.iter().map(ReceiveStream::missing).sum::<usize>();
        // What is being cut into packets has left by the end of each call.
        queues.packets_to_send += self.outgoing.len();
        if let Some(rate) = &self.rate {
            let (packets, bytes) = rate.queued();
            queues.packets_to_send += packets;
            queues.bytes_to_send += usize::try_from(bytes.as_bytes()).unwrap_or(usize::MAX);
        }
    }
}
