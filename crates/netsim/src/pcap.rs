//! Captures for Wireshark and its kin: packets of the network as IP and UDP, in the classic pcap format.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::network::Observation;
use crate::packet::Packet;

/// LINKTYPE_RAW: records begin with an IPv4 or IPv6 header.
const LINKTYPE_RAW: u32 = 101;
/// The magic number of the format with nanoseconds, in the byte order of the machine that wrote it.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAP_LENGTH: u32 = 65_535;
const PROTOCOL_UDP: u8 = 17;
const HOP_LIMIT: u8 = 64;

/// Writes a capture. Time 0 of the simulation is shown as the epoch, so that the same run gives the same file.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: W,
    scratch: Vec<u8>,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a capture.
    ///
    /// # Errors
    ///
    /// What `out` fails with.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
        header.extend_from_slice(&2u16.to_le_bytes()); // format 2.4
        header.extend_from_slice(&4u16.to_le_bytes());
        header.extend_from_slice(&[0; 8]); // time zone, accuracy
        header.extend_from_slice(&SNAP_LENGTH.to_le_bytes());
        header.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, scratch: Vec::new() })
    }

    /// Writes what was seen, whoever saw it. To keep one host's view, pass on only what has its
    /// [`node`](Observation::node).
    ///
    /// # Errors
    ///
    /// What the writer fails with.
    pub fn write(&mut self, seen: &Observation<'_>) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write_ip(&mut scratch, seen.packet);
        let result = self.write_raw(seen.time, &scratch);
        self.scratch = scratch;
        result
    }

    /// Writes an IP packet as it is.
    ///
    /// # Errors
    ///
    /// What the writer fails with.
    pub fn write_raw(&mut self, time: Duration, packet: &[u8]) -> io::Result<()> {
        let captured = &packet[..packet.len().min(SNAP_LENGTH as usize)];
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        for word in [
            seconds,
            time.subsec_nanos(),
            captured.len() as u32,
            u32::try_from(packet.len()).unwrap_or(u32::MAX),
        ] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(captured)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    ///
    /// What the writer fails with.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the capture.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// IP (RFC 791 §3.1, RFC 8200 §3) and UDP (RFC 768) around the payload.
fn write_ip(out: &mut Vec<u8>, packet: &Packet) {
    let udp_length = u16::try_from(8 + packet.data.len()).unwrap_or(u16::MAX);
    match (packet.source.ip(), packet.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend_from_slice(&[0x45, packet.ecn.bits()]);
            out.extend_from_slice(&udp_length.saturating_add(20).to_be_bytes());
            out.extend_from_slice(&[0, 0, 0x40, 0, HOP_LIMIT, PROTOCOL_UDP, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
            let checksum = fold(sum(&out[..20]));
            out[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        (source, destination) => {
            let octets = |address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            out.extend_from_slice(&[0x60, packet.ecn.bits() << 4, 0, 0]);
            out.extend_from_slice(&udp_length.to_be_bytes());
            out.extend_from_slice(&[PROTOCOL_UDP, HOP_LIMIT]);
            out.extend_from_slice(&octets(source));
            out.extend_from_slice(&octets(destination));
        }
    }
    let udp = out.len();
    let addresses =
        if packet.source.is_ipv4() && packet.destination.is_ipv4() { 12..20 } else { 8..40 };
    let pseudo_header = sum(&out[addresses]) + u32::from(PROTOCOL_UDP) + u32::from(udp_length);
    let port = |address: SocketAddr| address.port().to_be_bytes();
    out.extend_from_slice(&port(packet.source));
    out.extend_from_slice(&port(packet.destination));
    out.extend_from_slice(&udp_length.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&packet.data);
    // RFC 768: a checksum that comes out as zero is sent as all ones.
    let checksum = match fold(pseudo_header + sum(&out[udp..])) {
        0 => 0xffff,
        checksum => checksum,
    };
    out[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
}

/// The sum of 16-bit words; a payload of at most 64 KiB cannot overflow it.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    words.fold(0, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    })
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Ecn;

    #[test]
    fn headers_carry_valid_checksums() {
        for (source, destination) in
            [("192.0.2.1:5000", "198.51.100.1:6000"), ("[2001:db8::1]:5000", "[2001:db8::2]:6000")]
        {
            let packet = Packet {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                ecn: Ecn::Ect0,
                data: b"odd".to_vec(),
            };
            let mut bytes = Vec::new();
            write_ip(&mut bytes, &packet);
            let (header, addresses) =
                if packet.source.is_ipv4() { (20, 12..20) } else { (40, 8..40) };
            assert_eq!(bytes.len(), header + 8 + 3);
            if header == 20 {
                assert_eq!(fold(sum(&bytes[..20])), 0);
            }
            let pseudo_header = sum(&bytes[addresses]) + 17 + 11;
            assert_eq!(fold(pseudo_header + sum(&bytes[header..])), 0);
        }
    }

    #[test]
    fn a_capture_has_a_header_and_records() {
        let mut writer = PcapWriter::new(Vec::new()).unwrap();
        writer.write_raw(Duration::from_millis(1_500), &[0x45; 30]).unwrap();
        let bytes = writer.into_inner();
        assert_eq!(bytes.len(), 24 + 16 + 30);
        assert_eq!(bytes[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        assert_eq!(bytes[24..32], [1, 0, 0, 0, 0x00, 0x65, 0xcd, 0x1d]);
    }
}
