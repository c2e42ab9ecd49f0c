//! A capture of one connection's RTP and RTCP in the clear, as a pcap file with addresses that are made up: what the
//! network carried was SRTP, from and to addresses that may have changed meanwhile.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use super::error::Error;
use super::pcap::PcapWriter;

/// This end of a capture: an address for documentation (RFC 5737 §3).
pub const CAPTURE_LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The peer's end.
pub const CAPTURE_REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The port of RTP at both ends (RFC 3551 §8).
pub const CAPTURE_RTP_PORT: u16 = 5004;
/// The port of RTCP at both ends (RFC 3551 §8).
pub const CAPTURE_RTCP_PORT: u16 = 5005;

/// Writes such a capture. tshark and Wireshark need to be told of RTP:
/// `tshark -d udp.port==5004,rtp -d udp.port==5005,rtcp -r call.pcap`.
pub struct RtpCapture<W: Write> {
    writer: PcapWriter<W>,
}

impl<W: Write> RtpCapture<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn new(writer: W) -> Result<Self, Error> {
        Ok(Self { writer: PcapWriter::new(writer)? })
    }

    /// Writes a packet of RTP, or a compound packet of RTCP, that was sent or received. `time`: since 1970.
    ///
    /// # Errors
    ///
    /// The writer fails, or the packet is longer than a datagram may be.
    pub fn write_packet(
        &mut self,
        time: Duration,
        sent: bool,
        is_rtcp: bool,
        data: &[u8],
    ) -> Result<(), Error> {
        let port = if is_rtcp { CAPTURE_RTCP_PORT } else { CAPTURE_RTP_PORT };
        let end = |ip| SocketAddr::V4(SocketAddrV4::new(ip, port));
        let (local, remote) = (end(CAPTURE_LOCAL), end(CAPTURE_REMOTE));
        let (source, destination) = if sent { (local, remote) } else { (remote, local) };
        self.writer.write_datagram(time, source, destination, data)
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(self) -> Result<W, Error> {
        self.writer.finish()
    }
}
