//! Retransmission by a stream of its own (RFC 4588): an original packet under another SSRC, payload type and number, with
//! its original number before its payload.

use crate::error::Error;
use crate::extension::{ExtensionKind, ExtensionMap, ONE_BYTE_PROFILE};
use crate::number::{PayloadType, SequenceNumber, Ssrc};
use crate::packet::{RtpHeader, RtpPacket, write_padding};

/// Makes the packets of one retransmission stream.
#[derive(Debug, Clone)]
pub struct RtxSender {
    ssrc: Ssrc,
    next: SequenceNumber,
}

impl RtxSender {
    /// A stream with an SSRC of its own that begins at a number, which is to be random (RFC 3550 §5.1).
    #[must_use]
    pub fn new(ssrc: Ssrc, first: SequenceNumber) -> Self {
        Self { ssrc, next: first }
    }

    /// The stream's SSRC.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The number of the next packet.
    #[must_use]
    pub fn next_sequence_number(&self) -> SequenceNumber {
        self.next
    }

    /// Appends an original packet as a retransmission, with its header extensions and without its padding. An
    /// RtpStreamId becomes a RepairedRtpStreamId (RFC 8852 §3.2) where `map` has both, and is taken out where it has not:
    /// the packet would be taken for one of the stream that it repairs. Values that change with each
    /// transmission, such as the transport-wide sequence number, are the caller's to rewrite
    /// ([`RtpPacket::extension_range`]).
    ///
    /// # Errors
    ///
    /// Where the original does not parse. Nothing is appended then.
    pub fn encapsulate(
        &mut self,
        original: &[u8],
        payload_type: PayloadType,
        map: &ExtensionMap,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let packet = RtpPacket::parse(original)?;
        self.begin(&packet, payload_type, map, out);
        out.extend_from_slice(&packet.sequence_number().0.to_be_bytes());
        out.extend_from_slice(packet.payload());
        Ok(())
    }

    /// Appends a packet with the header of an original one and nothing but `len` bytes of padding (RFC 3550 §5.1): it
    /// loads the path and tells the receiver nothing.
    ///
    /// # Errors
    ///
    /// Where the original does not parse. Nothing is appended then.
    pub fn pad(
        &mut self,
        original: &[u8],
        payload_type: PayloadType,
        map: &ExtensionMap,
        len: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let packet = RtpPacket::parse(original)?;
        let start = out.len();
        self.begin(&packet, payload_type, map, out);
        // The marker ends a frame, and this is part of none.
        out[start + 1] &= 0x7F;
        write_padding(out, start, len);
        Ok(())
    }

    /// The header of the next packet.
    fn begin(
        &mut self,
        packet: &RtpPacket<'_>,
        payload_type: PayloadType,
        map: &ExtensionMap,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let header = RtpHeader {
            payload_type,
            sequence_number: self.next,
            ssrc: self.ssrc,
            ..packet.header()
        };
        copy_header(packet, &header, out);
        if let (Some(profile), Some(rid)) =
            (packet.extension_profile(), map.id(ExtensionKind::RtpStreamId))
        {
            let repaired = map.id(ExtensionKind::RepairedRtpStreamId);
            rename(packet, profile, rid, repaired, &mut out[start..]);
        }
        self.next = self.next.next();
    }
}

/// Gives an element another identifier in place; where there is none, or one that the form of its header cannot hold, it
/// becomes padding (RFC 8285 §4.2, §4.3).
fn rename(packet: &RtpPacket<'_>, profile: u16, from: u8, to: Option<u8>, copy: &mut [u8]) {
    let Some(range) = packet.extension_range(from) else { return };
    let one_byte = profile == ONE_BYTE_PROFILE;
    let start = range.start - if one_byte { 1 } else { 2 };
    match to {
        Some(to) if one_byte && to < 15 => copy[start] = to << 4 | (copy[start] & 0x0F),
        Some(to) if !one_byte => copy[start] = to,
        _ => copy[start..range.end].fill(0),
    }
}

/// Appends the header of `packet` with other fixed fields and without the padding bit.
fn copy_header(packet: &RtpPacket<'_>, header: &RtpHeader, out: &mut Vec<u8>) {
    let start = out.len();
    header.write(out, |_| {});
    // CSRC count and extension bit are the original's, and so is all that they announce.
    out[start] = packet.as_bytes()[0] & !0x20;
    out.extend_from_slice(&packet.as_bytes()[out.len() - start..packet.header_len()]);
}

/// The number of the original packet; `None` where the retransmission carries nothing, and is padding.
#[must_use]
pub fn original_sequence_number(retransmission: &RtpPacket<'_>) -> Option<SequenceNumber> {
    let &[hi, lo, _, ..] = retransmission.payload() else { return None };
    Some(SequenceNumber(u16::from_be_bytes([hi, lo])))
}

/// Appends the original packet of a retransmission; false where it carries nothing, and is padding for probing.
///
/// # Errors
///
/// [`Error::Truncated`] where the payload is a single byte (RFC 4588 §4).
pub fn restore(
    retransmission: &RtpPacket<'_>,
    ssrc: Ssrc,
    payload_type: PayloadType,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    if let have @ 1 = retransmission.payload().len() {
        return Err(Error::Truncated {
            what: "RTX payload",
            need: 2,
            have,
            section: "RFC 4588 §4",
        });
    }
    let Some(sequence_number) = original_sequence_number(retransmission) else { return Ok(false) };
    let header = RtpHeader { payload_type, sequence_number, ssrc, ..retransmission.header() };
    copy_header(retransmission, &header, out);
    out.extend_from_slice(&retransmission.payload()[2..]);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{Mid, RepairedRtpStreamId, RtpStreamId};
    use crate::number::RtpTimestamp;

    fn original() -> Vec<u8> {
        let mut out = Vec::new();
        RtpHeader {
            marker: true,
            payload_type: PayloadType::from_low_bits(96),
            sequence_number: SequenceNumber(65_535),
            timestamp: RtpTimestamp(77),
            ssrc: Ssrc(1),
        }
        .write_with_csrcs(&mut out, &[Ssrc(9)], |w| w.put(5, b"hi").unwrap());
        out.extend_from_slice(b"media");
        out
    }

    #[test]
    fn packets_come_back_without_their_padding() {
        let plain = original();
        let mut padded = plain.clone();
        write_padding(&mut padded, 0, 9);
        let mut sender = RtxSender::new(Ssrc(2), SequenceNumber(500));
        let mut map = ExtensionMap::new();
        map.insert_kind(5, ExtensionKind::RtpStreamId).unwrap();
        map.insert_kind(6, ExtensionKind::RepairedRtpStreamId).unwrap();
        let mut wire = vec![1, 2, 3];
        sender.encapsulate(&padded, PayloadType::from_low_bits(97), &map, &mut wire).unwrap();
        let rtx = RtpPacket::parse(&wire[3..]).unwrap();
        assert_eq!(
            (rtx.ssrc(), rtx.sequence_number().0, rtx.payload_type().get()),
            (Ssrc(2), 500, 97)
        );
        assert_eq!(rtx.payload(), b"\xFF\xFFmedia");
        assert_eq!(rtx.extension::<RepairedRtpStreamId<'_>>(&map), Some(RepairedRtpStreamId("hi")));
        assert_eq!(rtx.extension::<RtpStreamId<'_>>(&map), None);
        assert_eq!(sender.next_sequence_number(), SequenceNumber(501));

        let mut wire = Vec::new();
        sender
            .encapsulate(&padded, PayloadType::from_low_bits(97), &ExtensionMap::new(), &mut wire)
            .unwrap();
        let mut restored = Vec::new();
        let rtx = RtpPacket::parse(&wire).unwrap();
        assert_eq!(restore(&rtx, Ssrc(1), PayloadType::from_low_bits(96), &mut restored), Ok(true));
        assert_eq!(restored, plain);
    }

    /// Without an identifier for what it repairs, a retransmission would pass for the layer itself.
    #[test]
    fn the_layer_is_not_named_where_it_cannot_be_named_as_repaired() {
        let rid = |two_byte: bool| {
            let mut out = Vec::new();
            let ssrc = Ssrc(1);
            RtpHeader { ssrc, ..RtpHeader::default() }.write(&mut out, |w| {
                if two_byte {
                    w.allow_two_byte();
                    w.put(20, &[7; 20]).unwrap();
                }
                w.put(4, b"0").unwrap();
                w.put(5, b"hi").unwrap();
                w.put(7, &[1, 2]).unwrap();
            });
            out.extend_from_slice(b"media");
            out
        };
        let payload_type = PayloadType::from_low_bits(97);
        for (two_byte, repaired) in [(false, None), (true, None), (false, Some(16))] {
            let mut map = ExtensionMap::new();
            map.insert_kind(4, ExtensionKind::Mid).unwrap();
            map.insert_kind(5, ExtensionKind::RtpStreamId).unwrap();
            map.insert_kind(7, ExtensionKind::TransportSequenceNumber).unwrap();
            if let Some(repaired) = repaired {
                map.insert_kind(repaired, ExtensionKind::RepairedRtpStreamId).unwrap();
            }
            let mut sender = RtxSender::new(Ssrc(2), SequenceNumber(500));
            let mut wire = Vec::new();
            sender.encapsulate(&rid(two_byte), payload_type, &map, &mut wire).unwrap();
            sender.pad(&rid(two_byte), payload_type, &map, 9, &mut wire).unwrap();
            let padding = wire.split_off(rid(two_byte).len() + 2);
            for packet in [&wire, &padding] {
                let packet = RtpPacket::parse(packet).unwrap();
                assert_eq!(packet.extension::<RtpStreamId<'_>>(&map), None);
                assert_eq!(packet.extension::<Mid<'_>>(&map), Some(Mid("0")));
                assert_eq!(packet.extension_range(7).map(|range| range.len()), Some(2));
            }
        }
    }

    #[test]
    fn padding_restores_nothing() {
        let mut out = Vec::new();
        RtpHeader::default().write(&mut out, |_| {});
        let mut restored = Vec::new();
        let mut restore = |bytes: &[u8]| {
            restore(&RtpPacket::parse(bytes).unwrap(), Ssrc(1), PayloadType::PCMU, &mut restored)
        };
        assert_eq!(restore(&out), Ok(false));
        out.push(0);
        assert!(restore(&out).is_err());
        out.push(0);
        assert_eq!(restore(&out), Ok(false));
        out.push(0);
        assert_eq!(restore(&out), Ok(true));
    }
}
