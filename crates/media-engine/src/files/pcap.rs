//! pcap captures of cleartext RTP and RTCP in UDP, by the `pcap-file` crate: tshark and Wireshark read what is written;
//! what they or tcpdump wrote is read.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use pcap_file::{
    DataLink, PcapError,
    pcap::{PcapHeader, PcapPacket},
};

use super::error::Error;

const FORMAT: &str = "pcap";

/// IP protocol number of UDP.
const UDP: u8 = 17;

/// A UDP datagram of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Time since 1970.
    pub time: Duration,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// The payload; shorter than it was on the wire if the capture cut it.
    pub data: Bytes,
}

/// Reads the UDP datagrams of a capture (Ethernet, Linux cooked, loopback or raw IP); everything else in it, fragments
/// of IP packets too, is skipped and counted. After an error nothing more comes.
pub struct PcapReader<R: Read> {
    reader: pcap_file::pcap::PcapReader<R>,
    link: DataLink,
    /// Where the next packet's header is.
    offset: u64,
    skipped: u64,
    failed: bool,
}

impl<R: Read> PcapReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no pcap file (pcapng is not read), or of a link layer that is not known.
    pub fn new(reader: R) -> Result<Self, Error> {
        let reader = pcap_file::pcap::PcapReader::new(reader).map_err(|error| convert(error, 0))?;
        let link = reader.header().datalink;
        let known = [
            DataLink::ETHERNET,
            DataLink::LINUX_SLL,
            DataLink::NULL,
            DataLink::LOOP,
            DataLink::RAW,
            DataLink::IPV4,
            DataLink::IPV6,
        ];
        if !known.contains(&link) {
            let reason = "a link layer that is not known";
            return Err(Error::Invalid { format: FORMAT, offset: 20, reason });
        }
        Ok(Self { reader, link, offset: 24, skipped: 0, failed: false })
    }

    /// Packets so far that were no whole UDP datagrams.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

impl<R: Read> Iterator for PcapReader<R> {
    type Item = Result<Datagram, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.reader.next_packet()? {
                Ok(packet) => {
                    self.offset += 16 + packet.data.len() as u64;
                    let ip = network_layer(self.link, &packet.data);
                    if let Some((source, destination, data)) = ip.and_then(read_ip) {
                        let data = Bytes::copy_from_slice(data);
                        let time = packet.timestamp;
                        return Some(Ok(Datagram { time, source, destination, data }));
                    }
                    self.skipped += 1;
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(convert(error, self.offset)));
                }
            }
        }
        None
    }
}

/// The IP packet in a frame of the link layer.
fn network_layer(link: DataLink, frame: &[u8]) -> Option<&[u8]> {
    match link {
        DataLink::ETHERNET => {
            let mut rest = frame.get(12..)?;
            // 802.1Q and 802.1ad tags.
            while matches!(rest, [0x81, 0x00, ..] | [0x88, 0xA8, ..]) {
                rest = rest.get(4..)?;
            }
            matches!(rest, [0x08, 0x00, ..] | [0x86, 0xDD, ..]).then(|| &rest[2..])
        }
        DataLink::LINUX_SLL => frame.get(16..),
        DataLink::NULL | DataLink::LOOP => frame.get(4..),
        _ => Some(frame),
    }
}

fn read_ip(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (source, destination, udp): (IpAddr, IpAddr, _) = match packet.first()? >> 4 {
        4 => {
            let header = packet.get(..20)?;
            let more_fragments_or_offset = u16::from_be_bytes([header[6], header[7]]) & 0x3FFF;
            if header[9] != UDP || more_fragments_or_offset != 0 {
                return None;
            }
            let address = |at: usize| {
                Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into()
            };
            (address(12), address(16), packet.get(usize::from(header[0] & 15) * 4..)?)
        }
        6 => {
            let header = packet.get(..40)?;
            if header[6] != UDP {
                return None;
            }
            let address =
                |at: usize| <[u8; 16]>::try_from(&header[at..at + 16]).map(Ipv6Addr::from);
            (address(8).ok()?.into(), address(24).ok()?.into(), &packet[40..])
        }
        _ => return None,
    };
    let header = udp.get(..8)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let data = udp.get(8..length.min(udp.len()))?;
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    Some((SocketAddr::new(source, port(0)), SocketAddr::new(destination, port(2)), data))
}

/// Writes a capture of UDP datagrams, as raw IP packets.
pub struct PcapWriter<W: Write> {
    writer: pcap_file::pcap::PcapWriter<W>,
    packet: Vec<u8>,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn new(writer: W) -> Result<Self, Error> {
        let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
        let writer = pcap_file::pcap::PcapWriter::with_header(writer, header)
            .map_err(|error| convert(error, 0))?;
        Ok(Self { writer, packet: Vec::new() })
    }

    /// Writes a datagram, with the IP and UDP headers and checksums it would have had. `time`: since 1970.
    ///
    /// # Errors
    ///
    /// The writer fails, the addresses are of different families, or the data are longer than a datagram may be.
    pub fn write_datagram(
        &mut self,
        time: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
    ) -> Result<(), Error> {
        let unwritable = |reason| Error::Unwritable { format: FORMAT, reason };
        let udp_len = u16::try_from(data.len() + 8)
            .ok()
            .filter(|&length| length <= u16::MAX - 20)
            .ok_or(unwritable("longer than a UDP datagram may be"))?;
        let packet = &mut self.packet;
        packet.clear();
        // What the checksum of UDP also covers: addresses, protocol, length.
        let mut sum = u32::from(UDP) + u32::from(udp_len);
        match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet.extend([0x45, 0]);
                packet.extend((udp_len + 20).to_be_bytes());
                packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]); // do not fragment, TTL 64
                packet.extend(source.octets());
                packet.extend(destination.octets());
                let header_checksum = checksum(ones_sum(0, packet));
                packet[10..12].copy_from_slice(&header_checksum.to_be_bytes());
                sum = ones_sum(sum, &packet[12..20]);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                packet.extend([0x60, 0, 0, 0]);
                packet.extend(udp_len.to_be_bytes());
                packet.extend([UDP, 64]);
                packet.extend(source.octets());
                packet.extend(destination.octets());
                sum = ones_sum(sum, &packet[8..40]);
            }
            _ => return Err(unwritable("source and destination are of different families")),
        }
        let udp = packet.len();
        packet.extend(source.port().to_be_bytes());
        packet.extend(destination.port().to_be_bytes());
        packet.extend(udp_len.to_be_bytes());
        packet.extend([0, 0]);
        packet.extend_from_slice(data);
        // 0 stands for "no checksum" (RFC 768).
        let udp_checksum = match checksum(ones_sum(sum, &packet[udp..])) {
            0 => 0xFFFF,
            other => other,
        };
        packet[udp + 6..udp + 8].copy_from_slice(&udp_checksum.to_be_bytes());
        let packet = PcapPacket::new(time, self.packet.len() as u32, &self.packet);
        self.writer.write_packet(&packet).map_err(|error| convert(error, 0))?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(self) -> Result<W, Error> {
        let mut writer = self.writer.into_writer();
        writer.flush().map_err(|source| Error::Io { format: FORMAT, source })?;
        Ok(writer)
    }
}

/// RFC 1071; an odd byte at the end counts as if a zero followed.
fn ones_sum(sum: u32, data: &[u8]) -> u32 {
    data.chunks(2).fold(sum, |sum, pair| {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let sum = sum + u32::from(word);
        (sum & 0xFFFF) + (sum >> 16)
    })
}

fn checksum(sum: u32) -> u16 {
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !(((folded & 0xFFFF) + (folded >> 16)) as u16)
}

fn convert(error: PcapError, offset: u64) -> Error {
    match error {
        PcapError::IoError(source) => Error::Io { format: FORMAT, source },
        PcapError::IncompleteBuffer => {
            Error::Truncated { format: FORMAT, offset, what: "a packet" }
        }
        PcapError::InvalidField(reason) => Error::Invalid { format: FORMAT, offset, reason },
        _ => Error::Invalid { format: FORMAT, offset, reason: "the file is malformed" },
    }
}
