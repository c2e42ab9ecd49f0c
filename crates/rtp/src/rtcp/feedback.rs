//! Feedback messages about packets and pictures (RFC 4585 §6, RFC 5104 §3.5, §4.2, §4.3): generic NACK, PLI, SLI, RPSI,
//! FIR, TMMBR and TMMBN. Feedback for congestion control has files of its own.

use super::header::{packet_type, u32_at, write_packet};
use super::list::{List, WireItem};
use crate::error::Error;
use crate::number::{SequenceNumber, Ssrc};

/// The most items of one written packet; more follow in further packets. It keeps each within an ordinary MTU.
const ITEMS_PER_PACKET: usize = 128;

/// Who sends a feedback message, and about which source (RFC 4585 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedbackSources {
    /// Who sends it.
    pub sender: Ssrc,
    /// Which source it is about; 0 where each item names its own.
    pub media: Ssrc,
}

impl FeedbackSources {
    /// Reads both and gives what follows, which is whole words.
    pub(super) fn read(body: &[u8]) -> Result<(Self, &[u8]), Error> {
        let field = |offset| u32_at(body, offset, "feedback message", "RFC 4585 §6.1");
        Ok((Self { sender: Ssrc(field(0)?), media: Ssrc(field(4)?) }, &body[8..]))
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        self.sender.write(out);
        self.media.write(out);
    }
}

/// A lost packet and which of the 16 after it are lost too (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NackPair {
    /// The first lost packet.
    pub packet_id: SequenceNumber,
    /// Bit i: packet `packet_id + i + 1` is lost.
    pub following: u16,
}

impl NackPair {
    /// The lost packets.
    pub fn sequence_numbers(self) -> impl Iterator<Item = SequenceNumber> {
        let following = (0..16_u16).filter(move |bit| self.following & 1 << bit != 0);
        std::iter::once(self.packet_id)
            .chain(following.map(move |bit| self.packet_id.plus(bit + 1)))
    }

    /// Packs ascending sequence numbers into pairs.
    pub fn pack(lost: impl IntoIterator<Item = SequenceNumber>) -> impl Iterator<Item = Self> {
        let mut lost = lost.into_iter().peekable();
        std::iter::from_fn(move || {
            let packet_id = lost.next()?;
            let mut following = 0;
            while let Some(next) = lost.peek() {
                match next.0.wrapping_sub(packet_id.0) {
                    0 => {} // the same once more
                    distance @ 1..=16 => following |= 1 << (distance - 1),
                    _ => break,
                }
                lost.next();
            }
            Some(Self { packet_id, following })
        })
    }
}

impl WireItem for NackPair {
    const SIZE: usize = 4;

    fn read(bytes: &[u8]) -> Self {
        Self {
            packet_id: SequenceNumber(u16::from_be_bytes([bytes[0], bytes[1]])),
            following: u16::from_be_bytes([bytes[2], bytes[3]]),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.0.to_be_bytes());
        out.extend_from_slice(&self.following.to_be_bytes());
    }
}

/// Asks for packets again (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who asks, and of which source.
    pub sources: FeedbackSources,
    /// For which packets.
    pub pairs: List<'a, NackPair>,
}

impl<'a> Nack<'a> {
    /// The packets asked for: at most 17 for each four bytes.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = SequenceNumber> + use<'a> {
        self.pairs.iter().flat_map(NackPair::sequence_numbers)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, items) = FeedbackSources::read(body)?;
        Ok(Self { sources, pairs: at_least_one(items, "generic NACK", "RFC 4585 §6.2.1")? })
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_items(out, packet_type::TRANSPORT_FEEDBACK, 1, self.sources, &self.pairs);
    }
}

/// Asks for a key frame, since pictures were lost (RFC 4585 §6.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLossIndication {
    /// Who asks, and of which source.
    pub sources: FeedbackSources,
}

impl PictureLossIndication {
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        Ok(Self { sources: FeedbackSources::read(body)?.0 })
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::PAYLOAD_FEEDBACK, 1, |out| self.sources.write(out));
    }
}

/// Macroblocks that were lost (RFC 4585 §6.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostSlice {
    /// The first, in raster order; 13 bits.
    pub first: u16,
    /// How many; 13 bits.
    pub number: u16,
    /// The low six bits of the picture's identifier.
    pub picture_id: u8,
}

impl WireItem for LostSlice {
    const SIZE: usize = 4;

    fn read(bytes: &[u8]) -> Self {
        let word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let (first, number) = ((word >> 19) as u16, (word >> 6) as u16 & 0x1FFF);
        Self { first, number, picture_id: word as u8 & 0x3F }
    }

    fn write(self, out: &mut Vec<u8>) {
        let (first, number) = (u32::from(self.first & 0x1FFF), u32::from(self.number & 0x1FFF));
        let word = first << 19 | number << 6 | u32::from(self.picture_id & 0x3F);
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Says which parts of pictures were lost (RFC 4585 §6.3.2). Hardly anyone sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceLossIndication<'a> {
    /// Who says it, and of which source.
    pub sources: FeedbackSources,
    /// What was lost.
    pub slices: List<'a, LostSlice>,
}

impl<'a> SliceLossIndication<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, items) = FeedbackSources::read(body)?;
        Ok(Self {
            sources,
            slices: at_least_one(items, "slice loss indication", "RFC 4585 §6.3.2")?,
        })
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_items(out, packet_type::PAYLOAD_FEEDBACK, 2, self.sources, &self.slices);
    }
}

/// Asks that a picture be the reference (RFC 4585 §6.3.3). Hardly anyone sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferencePictureSelection<'a> {
    /// Who asks, and of which source.
    pub sources: FeedbackSources,
    /// The payload type whose codec says what the bits mean; 7 bits.
    pub payload_type: u8,
    /// Which picture, as the codec says.
    pub bits: &'a [u8],
    /// Bits at the end of `bits` that mean nothing, fewer than 32.
    pub unused_bits: u8,
}

impl<'a> ReferencePictureSelection<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        const SECTION: &str = "RFC 4585 §6.3.3.2";
        const WHAT: &str = "reference picture selection indication";
        let (sources, fci) = FeedbackSources::read(body)?;
        let [padding, payload_type, bits @ ..] = fci else {
            return Err(Error::Truncated {
                what: WHAT,
                need: 10,
                have: body.len(),
                section: SECTION,
            });
        };
        if usize::from(*padding) > bits.len() * 8 || *padding > 31 {
            let reason = "it counts more padding than there is";
            return Err(Error::Invalid { what: WHAT, reason, section: SECTION });
        }
        Ok(Self { sources, payload_type: payload_type & 0x7F, bits, unused_bits: *padding })
    }

    /// Appends the message. What `bits` lacks to whole words is filled with zeros and counted as unused.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::PAYLOAD_FEEDBACK, 3, |out| {
            self.sources.write(out);
            let bits = &self.bits[..self.bits.len().min(65_530 * 4)];
            let fill = ((bits.len() + 2).next_multiple_of(4) - bits.len() - 2) as u8 * 8;
            out.extend_from_slice(&[(self.unused_bits + fill).min(31), self.payload_type & 0x7F]);
            out.extend_from_slice(bits);
        });
    }
}

/// A source that is to send a key frame (RFC 5104 §4.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullIntraEntry {
    /// The source.
    pub ssrc: Ssrc,
    /// Counts requests; the same number is the same request once more.
    pub sequence_number: u8,
}

impl WireItem for FullIntraEntry {
    const SIZE: usize = 8;

    fn read(bytes: &[u8]) -> Self {
        Self { ssrc: Ssrc::read(bytes), sequence_number: bytes[4] }
    }

    fn write(self, out: &mut Vec<u8>) {
        self.ssrc.write(out);
        out.extend_from_slice(&[self.sequence_number, 0, 0, 0]);
    }
}

/// Asks sources for key frames (RFC 5104 §4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullIntraRequest<'a> {
    /// Who asks. The media source is 0 and ignored (RFC 5104 §4.3.1.2).
    pub sources: FeedbackSources,
    /// Which sources.
    pub entries: List<'a, FullIntraEntry>,
}

impl<'a> FullIntraRequest<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, items) = FeedbackSources::read(body)?;
        Ok(Self {
            sources,
            entries: at_least_one(items, "full intra request", "RFC 5104 §4.3.1.1")?,
        })
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_items(out, packet_type::PAYLOAD_FEEDBACK, 4, self.sources, &self.entries);
    }
}

/// The most bitrate that a source may send, overhead included (RFC 5104 §4.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitrateLimit {
    /// The source that is limited; in TMMBN, the one that limits.
    pub ssrc: Ssrc,
    /// Bits per second. Written in 17 bits and a power of two, rounded down.
    pub bitrate: u64,
    /// Bytes of overhead a packet that the limit counts; 9 bits.
    pub overhead: u16,
}

impl WireItem for BitrateLimit {
    const SIZE: usize = 8;

    fn read(bytes: &[u8]) -> Self {
        let word = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let (exponent, mantissa) = (word >> 26, u64::from(word >> 9 & 0x1_FFFF));
        // 17 bits and up to 63 places do not fit 64 bits; more than fits is no limit at all.
        let bitrate =
            if exponent > mantissa.leading_zeros() { u64::MAX } else { mantissa << exponent };
        Self { ssrc: Ssrc::read(bytes), bitrate, overhead: word as u16 & 0x1FF }
    }

    fn write(self, out: &mut Vec<u8>) {
        self.ssrc.write(out);
        let exponent = (64 - self.bitrate.leading_zeros()).saturating_sub(17);
        let mantissa = (self.bitrate >> exponent) as u32;
        let word = exponent << 26 | mantissa << 9 | u32::from(self.overhead.min(0x1FF));
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Limits the bitrate of sources, TMMBR (RFC 5104 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tmmbr<'a> {
    /// Who limits. The media source is 0 and ignored.
    pub sources: FeedbackSources,
    /// Which sources, and how.
    pub limits: List<'a, BitrateLimit>,
}

impl<'a> Tmmbr<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, items) = FeedbackSources::read(body)?;
        Ok(Self { sources, limits: at_least_one(items, "TMMBR", "RFC 5104 §4.2.1.1")? })
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_items(out, packet_type::TRANSPORT_FEEDBACK, 3, self.sources, &self.limits);
    }
}

/// Says which limits are in force, TMMBN (RFC 5104 §4.2.2). The list may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tmmbn<'a> {
    /// Who says it. The media source is 0 and ignored.
    pub sources: FeedbackSources,
    /// The bounding set.
    pub limits: List<'a, BitrateLimit>,
}

impl<'a> Tmmbn<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sources, items) = FeedbackSources::read(body)?;
        if !items.len().is_multiple_of(BitrateLimit::SIZE) {
            return Err(not_whole("TMMBN", "RFC 5104 §4.2.2.1"));
        }
        Ok(Self { sources, limits: List::wire(items) })
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_items(out, packet_type::TRANSPORT_FEEDBACK, 4, self.sources, &self.limits);
    }
}

fn not_whole(what: &'static str, section: &'static str) -> Error {
    Error::Invalid { what, reason: "its length is not that of whole items", section }
}

fn at_least_one<'a, T: WireItem>(
    items: &'a [u8],
    what: &'static str,
    section: &'static str,
) -> Result<List<'a, T>, Error> {
    if items.is_empty() {
        return Err(Error::Truncated { what, need: 8 + T::SIZE, have: 8, section });
    }
    if !items.len().is_multiple_of(T::SIZE) {
        return Err(not_whole(what, section));
    }
    Ok(List::wire(items))
}

fn write_items<T: WireItem>(
    out: &mut Vec<u8>,
    packet_type: u8,
    format: u8,
    sources: FeedbackSources,
    items: &List<'_, T>,
) {
    for (from, to) in items.pages(ITEMS_PER_PACKET) {
        write_packet(out, packet_type, format, |out| {
            sources.write(out);
            items.write(from, to, out);
        });
    }
}
