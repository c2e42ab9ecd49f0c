//! Packing OBUs into payloads and finding them again (AV1 RTP specification §4.3 to §4.5, §5).

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{
    leb128::{read_leb128, write_leb128},
    obu::{Obu, ObuHeader, ObuType, Obus, sequence_header_dimensions},
};
use crate::payload::{
    descriptor::{CodecDescriptor, Lead, MediaRange, PayloadDescriptor},
    error::Error,
    frame::FrameInfo,
};

const FORMAT: &str = "AV1";
const SECTION: &str = "AV1 RTP specification §4.4";

/// A piece of an OBU in a packet: the whole, or a fragment. Ranges count the header (without size) and the payload.
#[derive(Clone, Copy)]
struct Element {
    obu: usize,
    start: usize,
    end: usize,
}

impl Element {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// An OBU as it is sent: the header says that there is no size.
struct Outgoing<'a> {
    header: [u8; 2],
    header_len: usize,
    payload: &'a [u8],
    layers: Option<(u8, u8)>,
}

impl Outgoing<'_> {
    fn len(&self) -> usize {
        self.header_len + self.payload.len()
    }
}

/// Sends a temporal unit in the low-overhead format.
pub(crate) fn packetize(
    frame: &[u8],
    info: &FrameInfo,
    max_payload: usize,
    emit: &mut impl FnMut(&[&[u8]], bool),
) -> Result<(), Error> {
    // Aggregation header and room for a header with its extension and a byte.
    if max_payload < 4 {
        return Err(Error::PayloadLimitTooSmall { format: FORMAT, max: max_payload });
    }
    let mut obus: SmallVec<[Outgoing<'_>; 8]> = SmallVec::new();
    let mut begins_sequence = info.keyframe == Some(true);
    for obu in Obus::new(frame) {
        let Ok(Obu { header, header_bytes, payload }) = obu else {
            let reason = "not a sequence of OBUs with sizes";
            return Err(Error::InvalidFrame { format: FORMAT, reason });
        };
        if header.obu_type.is_left_out_of_rtp() {
            continue;
        }
        begins_sequence |= header.obu_type == ObuType::SEQUENCE_HEADER;
        let mut bytes = [0; 2];
        bytes[..header_bytes.len()].copy_from_slice(header_bytes);
        bytes[0] &= !2; // obu_has_size_field
        let (header_len, layers) = (header_bytes.len(), header.layers);
        obus.push(Outgoing { header: bytes, header_len, payload, layers });
    }
    if obus.is_empty() {
        let reason = "no OBU but temporal delimiters";
        return Err(Error::InvalidFrame { format: FORMAT, reason });
    }
    let mut packet = Packet { obus: &obus, elements: SmallVec::new(), begins_sequence };
    for (index, obu) in obus.iter().enumerate() {
        // §5: all OBUs of a packet that have an extension have the same one.
        if packet.layers().is_some_and(|layers| obu.layers.is_some_and(|own| own != layers)) {
            packet.flush(false, emit);
        }
        let mut rest = Element { obu: index, start: 0, end: obu.len() };
        while packet.size_with(rest) > max_payload {
            // A crumb at the end of a packet costs a length field and makes one more packet depend on two.
            const WORTH_IT: usize = 32;
            let room = max_payload.saturating_sub(packet.size_before_another());
            let take = if packet.elements.is_empty() {
                // Even pieces: what fits one packet more than needed is spread over all.
                rest.len().div_ceil(rest.len().div_ceil(max_payload - 1))
            } else {
                room
            };
            if packet.elements.is_empty() || room >= WORTH_IT {
                let middle = rest.start + take;
                packet.elements.push(Element { end: middle, ..rest });
                rest.start = middle;
            }
            packet.flush(false, emit);
        }
        packet.elements.push(rest);
    }
    packet.flush(info.end_of_picture, emit);
    Ok(())
}

struct Packet<'a, 'b> {
    obus: &'b [Outgoing<'a>],
    elements: SmallVec<[Element; 8]>,
    /// The next packet is the first of a coded video sequence.
    begins_sequence: bool,
}

/// With up to this many elements the last has no length.
const MAX_COUNTED: usize = 3;

impl Packet<'_, '_> {
    fn layers(&self) -> Option<(u8, u8)> {
        self.elements.iter().find_map(|element| self.obus[element.obu].layers)
    }

    /// Size of the payload with one element more.
    fn size_with(&self, element: Element) -> usize {
        let mut size = self.size_before_another() + element.len();
        if self.elements.len() + 1 > MAX_COUNTED {
            size = size + leb128_len(element.len()) - 3;
        }
        size
    }

    /// Bytes before the media of one element more, its length (of up to 3 bytes) included if it needs one.
    fn size_before_another(&self) -> usize {
        let elements = self.elements.iter().map(|e| leb128_len(e.len()) + e.len()).sum::<usize>();
        1 + elements + if self.elements.len() + 1 > MAX_COUNTED { 3 } else { 0 }
    }

    fn flush(&mut self, marker: bool, emit: &mut impl FnMut(&[&[u8]], bool)) {
        let (Some(first), Some(last)) = (self.elements.first(), self.elements.last()) else {
            return;
        };
        let count = self.elements.len();
        let counted = if count <= MAX_COUNTED { count as u8 } else { 0 };
        let continues = first.start > 0;
        let continued = last.end < self.obus[last.obu].len();
        // §4.4: Z Y W W N - - -
        let header = [u8::from(continues) << 7
            | u8::from(continued) << 6
            | counted << 4
            | u8::from(self.begins_sequence) << 3];
        self.begins_sequence = false;
        let lengths: SmallVec<[([u8; 5], usize); 8]> = self
            .elements
            .iter()
            .enumerate()
            .map(|(index, element)| {
                let (bytes, len) = write_leb128(element.len() as u32);
                (bytes, if counted > 0 && index + 1 == count { 0 } else { len })
            })
            .collect();
        let mut parts: SmallVec<[&[u8]; 32]> = SmallVec::new();
        parts.push(&header);
        for (element, (length, length_len)) in self.elements.iter().zip(&lengths) {
            let obu = &self.obus[element.obu];
            parts.push(&length[..*length_len]);
            let split = obu.header_len;
            parts.push(&obu.header[element.start.min(split)..element.end.min(split)]);
            let payload = element.start.max(split) - split..element.end.max(split) - split;
            parts.push(&obu.payload[payload]);
        }
        parts.retain(|part| !part.is_empty());
        emit(&parts, marker);
        self.elements.clear();
    }
}

fn leb128_len(value: usize) -> usize {
    write_leb128(value as u32).1
}

/// AV1 RTP specification §4.4.
pub(crate) fn read(payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    let malformed = |reason| Error::Malformed { format: FORMAT, reason, section: SECTION };
    let truncated =
        |field| Error::Truncated { format: FORMAT, field, offset: payload.len(), section: SECTION };
    let Some(&header) = payload.first() else {
        return Err(truncated("the aggregation header"));
    };
    let (continues, continued) = (header & 0x80 != 0, header & 0x40 != 0);
    let (count, new_sequence) = (usize::from(header >> 4 & 3), header & 8 != 0);
    if continues && new_sequence {
        return Err(malformed("a coded video sequence begins inside an OBU"));
    }
    let mut out = PayloadDescriptor {
        codec: CodecDescriptor::Av1 { continues, continued, new_sequence },
        ..PayloadDescriptor::default()
    };
    let mut offset = 1;
    let mut index = 0;
    let mut has_sequence_header = false;
    while offset < payload.len() {
        index += 1;
        let end = if count > 0 && index == count {
            payload.len()
        } else {
            let (size, len) =
                read_leb128(&payload[offset..]).ok_or(truncated("the length of an OBU element"))?;
            offset += len;
            offset
                .checked_add(size)
                .filter(|&end| end <= payload.len())
                .ok_or(truncated("an OBU element"))?
        };
        let element = &payload[offset..end];
        if element.is_empty() {
            return Err(malformed("an OBU element is empty"));
        }
        let is_continuation = index == 1 && continues;
        if !is_continuation {
            // A header cut in two by fragmentation is not looked into.
            if element[0] & 0x80 != 0 {
                return Err(malformed("the forbidden bit of an OBU header is set"));
            }
            if let Some(header) = ObuHeader::read(element) {
                if out.temporal_layer.is_none()
                    && let Some((temporal, spatial)) = header.layers
                {
                    out.temporal_layer = Some(temporal);
                    out.spatial_layer = Some(spatial);
                }
                if header.obu_type == ObuType::SEQUENCE_HEADER {
                    has_sequence_header = true;
                    out.start_of_frame |= index == 1;
                    if !header.has_size {
                        out.dimensions = sequence_header_dimensions(&element[header.len()..]);
                    }
                }
            }
        }
        let lead = if is_continuation { Lead::None } else { Lead::Obu };
        out.media.push(MediaRange::new(offset..end, lead));
        offset = end;
    }
    if out.media.is_empty() {
        return Err(truncated("the first OBU element"));
    }
    if count > 0 && index != count {
        return Err(malformed("fewer OBU elements than the aggregation header says"));
    }
    out.start_of_frame |= new_sequence;
    out.keyframe = new_sequence || has_sequence_header;
    Ok(out)
}

/// Puts the OBUs of a temporal unit together, each with its size. `None` if fragments do not fit together.
pub(crate) fn join<'a>(
    packets: impl Iterator<Item = (&'a Bytes, &'a PayloadDescriptor)> + Clone,
) -> Option<Bytes> {
    // Fragments fit together if each packet that leaves an OBU open is followed by one that continues it.
    let mut open = false;
    let mut size = 0;
    for (_, descriptor) in packets.clone() {
        let CodecDescriptor::Av1 { continues, continued, .. } = descriptor.codec else {
            return None;
        };
        if continues != open {
            return None;
        }
        open = continued;
        size += descriptor.media.iter().map(|piece| piece.len() + 5).sum::<usize>();
    }
    if open {
        return None;
    }
    let mut pieces = packets
        .flat_map(|(payload, descriptor)| {
            descriptor.media.iter().map(move |piece| (payload, piece))
        })
        .peekable();
    let mut out = BytesMut::with_capacity(size);
    let mut fragments: SmallVec<[&[u8]; 16]> = SmallVec::new();
    while let Some((payload, piece)) = pieces.next() {
        fragments.clear();
        fragments.push(&payload[piece.range()]);
        while let Some((payload, piece)) = pieces.next_if(|(_, piece)| piece.lead == Lead::None) {
            fragments.push(&payload[piece.range()]);
        }
        write_obu(&fragments, &mut out);
    }
    (!out.is_empty()).then(|| out.freeze())
}

fn write_obu(fragments: &[&[u8]], out: &mut BytesMut) {
    let Some(&first) = fragments.first().and_then(|fragment| fragment.first()) else { return };
    if ObuType(first >> 3 & 0x0F).is_left_out_of_rtp() {
        return;
    }
    if first & 2 != 0 {
        // Sent with its size, which §4.5 advises against but allows.
        fragments.iter().for_each(|fragment| out.put_slice(fragment));
        return;
    }
    let total: usize = fragments.iter().map(|fragment| fragment.len()).sum();
    let header_len = 1 + usize::from(first & 4 != 0);
    out.put_u8(first | 2);
    let mut skip = 1;
    if header_len == 2 {
        // The second byte may be in the next fragment.
        out.extend(fragments.iter().flat_map(|fragment| fragment.iter()).nth(1));
        skip = 2;
    }
    let (size, size_len) = write_leb128(total.saturating_sub(header_len) as u32);
    out.put_slice(&size[..size_len]);
    for fragment in fragments {
        let from = skip.min(fragment.len());
        out.put_slice(&fragment[from..]);
        skip -= from;
    }
}
