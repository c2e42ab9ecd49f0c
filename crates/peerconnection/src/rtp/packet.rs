//! A packet of ours on its way: the header by itself, and the payload, which several connections may share. The queue, the
//! history and retransmissions hold it in this form; it becomes one piece when it is sealed.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use peerage_congestion::Class;
use peerage_rtp::extension::{ExtensionKind, ExtensionWriter, FeedbackRequest, Mid, RtpStreamId};
use peerage_rtp::{
    ExtensionMap, NtpTime, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};
use smallvec::SmallVec;

/// Headers beyond this are allocated: a mid, a rid, times and numbers have room.
const INLINE_HEADER: usize = 64;

/// A packet that waits: all but the values of the moment it is sent.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    /// The source; of a retransmission the one that it repairs.
    pub(super) ssrc: Ssrc,
    /// What the history keeps it under; `None` for retransmissions.
    pub(super) number: Option<SequenceNumber>,
    /// The number of the packet that it sends again because the peer asked for that.
    pub(super) repeats: Option<SequenceNumber>,
    /// How urgent it is.
    pub(super) class: Class,
    /// When it began to wait; padding never does.
    pub(super) queued: Option<Instant>,
    /// The header with what was written anew of the payload: the original number of a retransmission (RFC 4588 §4), or what
    /// the application has changed.
    pub(super) header: SmallVec<[u8; INLINE_HEADER]>,
    /// How much of it is the RTP header.
    pub(super) header_len: u16,
    pub(super) payload: Bytes,
    pub(super) places: Places,
    /// The header is that of all packets of the stream, but for its first fields.
    pub(super) has_common_header: bool,
}

/// Packets on their way are passed on as pointers, not copied from queue to queue; what has left makes room for the next. Each
/// stream has a few.
#[derive(Debug, Default)]
pub(super) struct SparePackets(
    #[expect(clippy::vec_box, reason = "what is passed on is the pointer")] Vec<Box<Packet>>,
);

/// More than leave at one moment, most often.
const MAX_SPARE_PACKETS: usize = 32;

impl SparePackets {
    /// A packet in the place of one that is gone, if there is one.
    pub(super) fn place(&mut self, packet: Packet) -> Box<Packet> {
        match self.0.pop() {
            Some(mut place) => {
                *place = packet;
                place
            }
            None => Box::new(packet),
        }
    }

    /// Takes a packet that nobody needs any more. Its payload is let go at once.
    pub(super) fn keep(&mut self, mut packet: Box<Packet>) {
        if self.0.len() < MAX_SPARE_PACKETS {
            packet.payload = Bytes::new();
            self.0.push(packet);
        }
    }
}

/// Where in a header the values of the moment go.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    /// The absolute send time; zero where there is none, since no element begins there.
    send_time: u16,
    /// The transport-wide number.
    transport_sequence: u16,
    /// A report may be asked for behind that number.
    may_ask: bool,
    /// How long after its timestamp it leaves (RFC 5450).
    offset: u16,
}

impl Places {
    fn find(header: &[u8], map: &ExtensionMap) -> Self {
        let packet = RtpPacket::parse(header).ok();
        let find = |kind| {
            let range: Range<usize> = packet?.extension_range(map.id(kind)?)?;
            u16::try_from(range.start).ok()
        };
        let first = find(ExtensionKind::TransportSequenceNumber);
        let second = find(ExtensionKind::TransportSequenceNumberV2);
        Self {
            send_time: find(ExtensionKind::AbsoluteSendTime).unwrap_or(0),
            transport_sequence: second.or(first).unwrap_or(0),
            may_ask: second.is_some(),
            offset: find(ExtensionKind::TransmissionOffset).unwrap_or(0),
        }
    }
}

impl Packet {
    /// Appends the packet with the time and the transport-wide sequence number; whether it has room for one.
    pub(super) fn write(&self, now: NtpTime, transport_sequence: u16, buf: &mut Vec<u8>) -> bool {
        let start = buf.len();
        buf.reserve(self.len());
        buf.extend_from_slice(&self.header);
        let header = &mut buf[start..];
        let Places { send_time, transport_sequence: number, .. } = self.places;
        if send_time != 0 {
            // 6.18 seconds: the middle of 32.32.
            let at = usize::from(send_time);
            header[at..at + 3].copy_from_slice(&((now.0 >> 14) as u32).to_be_bytes()[1..]);
        }
        if number != 0 {
            let at = usize::from(number);
            header[at..at + 2].copy_from_slice(&transport_sequence.to_be_bytes());
        }
        buf.extend_from_slice(&self.payload);
        number != 0
    }

    /// Whether the packet can ask for a report (transport-wide-cc-02).
    pub(super) fn may_ask(&self) -> bool {
        self.places.may_ask
    }

    /// Puts what is asked for into the packet as it was written.
    pub(super) fn write_request(&self, written: &mut [u8], request: FeedbackRequest) {
        let at = usize::from(self.places.transport_sequence) + 2;
        let field = u16::from(request.timestamps) << 15 | request.packets.min(0x7FFF);
        written[at..at + 2].copy_from_slice(&field.to_be_bytes());
    }

    /// Puts how long after its timestamp it leaves into the packet as it was written, where it has room for that. `ticks`
    /// is given the timestamp, and gives that time by the same clock.
    pub(super) fn write_offset(&self, written: &mut [u8], ticks: impl FnOnce(u32) -> i32) {
        let at = usize::from(self.places.offset);
        if at == 0 {
            return;
        }
        let timestamp = [written[4], written[5], written[6], written[7]];
        // RFC 5450 §3: 24 bits with a sign.
        let ticks = ticks(u32::from_be_bytes(timestamp)).clamp(-0x80_0000, 0x7f_ffff);
        written[at..at + 3].copy_from_slice(&ticks.to_be_bytes()[1..]);
    }

    /// Whether it is parity of others: video that is not kept, and carries none of it.
    pub(super) fn is_parity(&self) -> bool {
        self.class == Class::Video && self.number.is_none()
    }

    /// The same as it was sealed, to be sent again as it is; `sealed` is all of it.
    pub(super) fn into_sealed(self, sealed: Bytes) -> Self {
        let header_len = (sealed.len() - self.payload_len()) as u16;
        let (header, class) = (SmallVec::new(), Class::Retransmission);
        Self {
            number: None,
            class,
            queued: None,
            header,
            header_len,
            payload: sealed,
            has_common_header: false,
            ..self
        }
    }

    /// Whether it is sealed: its payload is all of it, and nothing of it may be changed.
    pub(super) fn is_sealed(&self) -> bool {
        self.header.is_empty()
    }

    pub(super) fn payload_len(&self) -> usize {
        self.len() - usize::from(self.header_len)
    }

    /// The source and the number that it has on the wire.
    pub(super) fn identity(&self) -> (Ssrc, SequenceNumber) {
        let word = |at: usize| u16::from_be_bytes([self.header[at], self.header[at + 1]]);
        (Ssrc(u32::from(word(8)) << 16 | u32::from(word(10))), SequenceNumber(word(2)))
    }

    /// The timestamp in the header.
    pub(super) fn timestamp(&self) -> RtpTimestamp {
        let header = &self.header;
        RtpTimestamp(u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
    }

    /// Bytes before SRTP.
    pub(super) fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}

/// The header that all packets of a stream have in common, made once for each negotiation.
#[derive(Debug)]
pub(super) struct HeaderTemplate {
    bytes: Vec<u8>,
    places: Places,
    pub(super) mid: String,
    pub(super) rid: String,
    /// Packets have transport-wide numbers.
    numbered: bool,
    map: ExtensionMap,
    /// Where headers with elements of their own are written.
    scratch: Vec<u8>,
}

impl HeaderTemplate {
    pub(super) fn new(
        ssrc: Ssrc,
        mid: &str,
        rid: &str,
        numbered: bool,
        map: &ExtensionMap,
    ) -> Self {
        let mut template = Self {
            bytes: Vec::new(),
            places: Places::default(),
            mid: mid.to_owned(),
            rid: rid.to_owned(),
            numbered,
            map: map.clone(),
            scratch: Vec::new(),
        };
        let header = RtpHeader { ssrc, ..RtpHeader::default() };
        let mut bytes = Vec::new();
        header.write(&mut bytes, |writer| template.put(writer));
        template.places = Places::find(&bytes, map);
        template.bytes = bytes;
        template
    }

    /// The elements of every packet.
    fn put(&self, writer: &mut ExtensionWriter<'_>) {
        // A value that does not fit is left out: the peer then goes by the SSRC.
        if !self.mid.is_empty() {
            let _ = writer.set(&self.map, &Mid(&self.mid));
        }
        if !self.rid.is_empty() {
            let _ = writer.set(&self.map, &RtpStreamId(&self.rid));
        }
        for kind in [ExtensionKind::TransmissionOffset, ExtensionKind::AbsoluteSendTime] {
            if let Some(id) = self.map.id(kind) {
                let _ = writer.put(id, &[0; 3]);
            }
        }
        let first = self.map.id(ExtensionKind::TransportSequenceNumber);
        let second = self.map.id(ExtensionKind::TransportSequenceNumberV2);
        match (second, first) {
            _ if !self.numbered => {}
            // With room for a request, of nothing at first.
            (Some(id), _) => drop(writer.put(id, &[0; 4])),
            (None, Some(id)) => drop(writer.put(id, &[0; 2])),
            (None, None) => {}
        }
    }

    /// The header extensions that packets may carry.
    pub(super) fn extensions(&self) -> &ExtensionMap {
        &self.map
    }

    /// The kinds of the elements of every packet.
    #[cfg(test)]
    pub(super) fn kinds(&self) -> Vec<ExtensionKind> {
        let packet = RtpPacket::parse(&self.bytes).expect("a header of ours");
        packet.extensions().filter_map(|(id, _)| self.map.kind(id)).collect()
    }

    /// Bytes of a header without elements of its own.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A packet with this header.
    pub(super) fn packet(&self, class: Class, fields: RtpHeader, payload: Bytes) -> Packet {
        let mut header: SmallVec<[u8; INLINE_HEADER]> = SmallVec::from_slice(&self.bytes);
        header[1] = u8::from(fields.marker) << 7 | fields.payload_type.get();
        header[2..4].copy_from_slice(&fields.sequence_number.0.to_be_bytes());
        header[4..8].copy_from_slice(&fields.timestamp.0.to_be_bytes());
        let (number, places) = (Some(fields.sequence_number), self.places);
        let header_len = header.len() as u16;
        Packet {
            ssrc: fields.ssrc,
            number,
            repeats: None,
            class,
            queued: None,
            header,
            header_len,
            payload,
            places,
            has_common_header: true,
        }
    }

    /// Puts more elements into the header of a packet.
    pub(super) fn extend(
        &mut self,
        packet: &mut Packet,
        elements: impl FnOnce(&mut ExtensionWriter<'_>, &ExtensionMap),
    ) {
        let Ok(fields) = RtpPacket::parse(&packet.header).map(|parsed| parsed.header()) else {
            return;
        };
        let (class, payload) = (packet.class, std::mem::take(&mut packet.payload));
        *packet = self.packet_with(class, fields, &[], payload, elements);
    }

    /// Bytes of a header with more elements.
    pub(super) fn len_with(
        &mut self,
        elements: impl FnOnce(&mut ExtensionWriter<'_>, &ExtensionMap),
    ) -> usize {
        let packet =
            self.packet_with(Class::Audio, RtpHeader::default(), &[], Bytes::new(), elements);
        packet.len()
    }

    /// The same with contributing sources and more elements.
    pub(super) fn packet_with(
        &mut self,
        class: Class,
        fields: RtpHeader,
        csrcs: &[Ssrc],
        payload: Bytes,
        elements: impl FnOnce(&mut ExtensionWriter<'_>, &ExtensionMap),
    ) -> Packet {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        fields.write_with_csrcs(&mut bytes, csrcs, |writer| {
            self.put(writer);
            elements(writer, &self.map);
        });
        let places = Places::find(&bytes, &self.map);
        let header = SmallVec::from_slice(&bytes);
        let header_len = bytes.len() as u16;
        self.scratch = bytes;
        let (ssrc, number) = (fields.ssrc, Some(fields.sequence_number));
        Packet {
            ssrc,
            number,
            repeats: None,
            class,
            queued: None,
            header,
            header_len,
            payload,
            places,
            has_common_header: false,
        }
    }
}
