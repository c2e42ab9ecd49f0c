//! Captures in the classic pcap format: UDP datagrams out of one, and IP packets into one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};

const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Ports of name look-ups, which are not part of a session.
const NAMES: [u16; 2] = [53, 5353];

/// A UDP datagram of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When, since the Unix epoch.
    pub time: Duration,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// What UDP carried, or IP in a capture of SCTP.
    pub payload: Vec<u8>,
}

/// The UDP datagrams of a capture (name look-ups left out).
///
/// # Errors
/// When it is no pcap, or of a link type that is not known here.
pub fn udp_datagrams(pcap: &[u8]) -> Result<Vec<Datagram>> {
    let packets = ip_packets(pcap, UDP)?;
    let datagrams = packets.into_iter().filter_map(|(time, source, destination, segment)| {
        let port = |at: usize| Some(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?]));
        let length = usize::from(port(4)?);
        Some(Datagram {
            time,
            source: (source, port(0)?).into(),
            destination: (destination, port(2)?).into(),
            payload: segment.get(8..length)?.to_vec(),
        })
    });
    Ok(datagrams
        .filter(|found| {
            !NAMES.iter().any(|port| [found.source.port(), found.destination.port()].contains(port))
        })
        .collect())
}

/// The SCTP packets of a capture, each with the ports of its header.
///
/// # Errors
/// As [`udp_datagrams`].
pub fn sctp_packets(pcap: &[u8]) -> Result<Vec<Datagram>> {
    let packets = ip_packets(pcap, SCTP)?;
    let datagrams = packets.into_iter().filter_map(|(time, source, destination, payload)| {
        let [a, b, c, d] = *payload.first_chunk()?;
        Some(Datagram {
            time,
            source: (source, u16::from_be_bytes([a, b])).into(),
            destination: (destination, u16::from_be_bytes([c, d])).into(),
            payload,
        })
    });
    Ok(datagrams.collect())
}

type Packet = (Duration, IpAddr, IpAddr, Vec<u8>);

fn ip_packets(pcap: &[u8], protocol: u8) -> Result<Vec<Packet>> {
    let mut reader = PcapReader::new(pcap).context("not a pcap")?;
    let skip = match reader.header().datalink {
        DataLink::RAW => 0,
        DataLink::ETHERNET => 14,
        DataLink::LINUX_SLL => 16,
        DataLink::LINUX_SLL2 => 20,
        other => bail!("link type {other:?} is not known here"),
    };
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.context("the capture breaks off")?;
        let found = packet.data.get(skip..).and_then(|ip| parse_ip(ip, protocol));
        packets.extend(found.map(|(from, to, payload)| (packet.timestamp, from, to, payload)));
    }
    Ok(packets)
}

fn parse_ip(ip: &[u8], protocol: u8) -> Option<(IpAddr, IpAddr, Vec<u8>)> {
    match ip.first()? >> 4 {
        4 if *ip.get(9)? == protocol => {
            let address = |at: usize| Some(Ipv4Addr::from(*ip.get(at..)?.first_chunk::<4>()?));
            let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
            let payload = ip.get(usize::from(ip[0] & 15) * 4..total)?;
            Some((address(12)?.into(), address(16)?.into(), payload.to_vec()))
        }
        6 if *ip.get(6)? == protocol => {
            let address = |at: usize| Some(Ipv6Addr::from(*ip.get(at..)?.first_chunk::<16>()?));
            let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
            let payload = ip.get(40..40 + length)?;
            Some((address(8)?.into(), address(24)?.into(), payload.to_vec()))
        }
        _ => None,
    }
}

/// Writes datagrams as IP packets, without link headers (LINKTYPE_RAW).
///
/// # Errors
/// When one is longer than IP can say.
pub fn write_udp(datagrams: &[Datagram]) -> Result<Vec<u8>> {
    write(datagrams, UDP, |datagram| {
        let mut segment = Vec::with_capacity(8 + datagram.payload.len());
        let length = u16::try_from(8 + datagram.payload.len()).context("a datagram too long")?;
        // No checksum: over IPv4 that is allowed, over IPv6 the capture has lost it.
        for field in [datagram.source.port(), datagram.destination.port(), length, 0] {
            segment.extend_from_slice(&field.to_be_bytes());
        }
        segment.extend_from_slice(&datagram.payload);
        Ok(segment)
    })
}

/// Writes SCTP packets as IP packets, without link headers: what Wireshark reads without any keys.
///
/// # Errors
/// As [`write_udp`].
pub fn write_sctp(packets: &[Datagram]) -> Result<Vec<u8>> {
    write(packets, SCTP, |packet| Ok(packet.payload.clone()))
}

fn write(
    datagrams: &[Datagram],
    protocol: u8,
    segment: impl Fn(&Datagram) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header)?;
    for datagram in datagrams {
        let segment = segment(datagram)?;
        let mut ip = Vec::with_capacity(40 + segment.len());
        match (datagram.source.ip(), datagram.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let total = u16::try_from(20 + segment.len()).context("a packet too long")?;
                ip.extend_from_slice(&[0x45, 0]);
                ip.extend_from_slice(&total.to_be_bytes());
                ip.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
                ip.extend_from_slice(&source.octets());
                ip.extend_from_slice(&destination.octets());
                let sum = internet_checksum(&ip);
                ip[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let length = u16::try_from(segment.len()).context("a packet too long")?;
                ip.extend_from_slice(&[0x60, 0, 0, 0]);
                ip.extend_from_slice(&length.to_be_bytes());
                ip.extend_from_slice(&[protocol, 64]);
                ip.extend_from_slice(&source.octets());
                ip.extend_from_slice(&destination.octets());
            }
            _ => bail!("a packet from one IP version to the other"),
        }
        ip.extend_from_slice(&segment);
        writer.write_packet(&PcapPacket::new(datagram.time, ip.len() as u32, &ip))?;
    }
    Ok(writer.into_writer())
}

/// RFC 1071 over an even number of bytes.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let datagram = |source: &str, destination: &str, payload: &[u8]| Datagram {
            time: Duration::from_micros(1_700_000_000_123_456),
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            payload: payload.to_vec(),
        };
        let datagrams = vec![
            datagram("10.77.0.1:5000", "10.77.0.2:5001", b"one"),
            datagram("[fd77::2]:5001", "[fd77::1]:5000", b""),
            datagram("10.77.0.1:5353", "224.0.0.251:5353", b"a name"),
        ];
        let read = udp_datagrams(&write_udp(&datagrams).unwrap()).unwrap();
        assert_eq!(read, datagrams[..2]);
        let packets =
            vec![datagram("10.77.0.1:4660", "10.77.0.2:22136", &[0x12, 0x34, 0x56, 0x78, 9])];
        assert_eq!(sctp_packets(&write_sctp(&packets).unwrap()).unwrap(), packets);
        assert!(udp_datagrams(b"no capture").is_err());
    }
}
