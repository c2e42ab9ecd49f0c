//! The waiting room for DTLS datagrams that come before their time: before the answer, or before ICE has checked the
//! path they came by. The peer would send them again, but only after a timeout.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// Datagrams kept at most for each transport: a fragmented ClientHello and its first retransmissions.
pub(crate) const MAX_EARLY_PACKETS: usize = 8;
/// Larger datagrams are not kept; handshake messages are fragmented to less.
pub(crate) const MAX_EARLY_PACKET_LEN: usize = 1500;

/// A datagram that waits.
#[derive(Debug)]
pub(crate) struct EarlyPacket {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) data: Vec<u8>,
}

/// The queue of them, oldest first.
#[derive(Debug, Default)]
pub(crate) struct EarlyPackets(VecDeque<EarlyPacket>);

impl EarlyPackets {
    /// Keeps a datagram; false if it was dropped. The oldest are kept: the first fragments of a flight matter most, and
    /// a flood of later ones cannot push them out.
    pub(crate) fn push(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
        transports: usize,
    ) -> bool {
        let room =
            self.0.len() < transports * MAX_EARLY_PACKETS && data.len() <= MAX_EARLY_PACKET_LEN;
        if room {
            self.0.push_back(EarlyPacket { source, destination, data: data.to_vec() });
        }
        room
    }

    pub(crate) fn take(&mut self) -> VecDeque<EarlyPacket> {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_bounded_and_keeps_the_first() {
        let address: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let mut queue = EarlyPackets::default();
        assert!(!queue.push(address, address, &[0; MAX_EARLY_PACKET_LEN + 1], 1));
        for index in 0..100u8 {
            assert_eq!(
                queue.push(address, address, &[index], 1),
                usize::from(index) < MAX_EARLY_PACKETS
            );
        }
        let kept = queue.take();
        assert_eq!(kept.len(), MAX_EARLY_PACKETS);
        assert_eq!(kept[0].data, [0]);
        assert!(queue.is_empty());
    }
}
