//! Source descriptions (RFC 3550 §6.5): the CNAME above all, by which streams of one endpoint are known as such.

use super::header::{packet_type, write_packet};
use crate::error::Error;
use crate::number::Ssrc;

const SECTION: &str = "RFC 3550 §6.5";
/// The most chunks of one packet: five bits count them.
const MAX_CHUNKS: usize = 31;

/// What an item says (RFC 3550 §6.5, RFC 8852, RFC 9143). Others have other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SdesKind(pub u8);

impl SdesKind {
    /// The canonical name of the endpoint.
    pub const CNAME: Self = Self(1);
    /// The user's name.
    pub const NAME: Self = Self(2);
    /// An e-mail address.
    pub const EMAIL: Self = Self(3);
    /// A telephone number.
    pub const PHONE: Self = Self(4);
    /// Where the user is.
    pub const LOC: Self = Self(5);
    /// Name of the application.
    pub const TOOL: Self = Self(6);
    /// A transient message.
    pub const NOTE: Self = Self(7);
    /// A private extension.
    pub const PRIV: Self = Self(8);
    /// RtpStreamId (RFC 8852).
    pub const RTP_STREAM_ID: Self = Self(12);
    /// RepairedRtpStreamId (RFC 8852).
    pub const REPAIRED_RTP_STREAM_ID: Self = Self(13);
    /// The identification tag of the media section (RFC 9143).
    pub const MID: Self = Self(15);
}

/// An item of a source's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// What it says.
    pub kind: SdesKind,
    /// UTF-8, at most 255 bytes; more are not written. Not checked: peers send what they like.
    pub value: &'a [u8],
}

/// The items of a chunk, from the wire or from the caller.
#[derive(Debug, Clone, Copy)]
pub struct SdesItems<'a>(Repr<'a, SdesItem<'a>>);

/// The description of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    /// What is said of it.
    pub items: SdesItems<'a>,
}

/// Descriptions of sources.
#[derive(Debug, Clone, Copy)]
pub struct SourceDescription<'a>(Repr<'a, SdesChunk<'a>>);

#[derive(Debug, Clone, Copy)]
enum Repr<'a, T> {
    /// Checked when it was read.
    Wire(&'a [u8]),
    Items(&'a [T]),
}

/// Takes an item, or its end: `Ok(None)`.
fn split_item(bytes: &[u8]) -> Result<(Option<SdesItem<'_>>, &[u8]), Error> {
    let truncated =
        |need| Error::Truncated { what: "SDES item", need, have: bytes.len(), section: SECTION };
    match *bytes {
        [] => Err(truncated(1)),
        [0, ..] => Ok((None, &bytes[1..])),
        [_] => Err(truncated(2)),
        [kind, len, ..] => {
            let end = 2 + usize::from(len);
            let value = bytes.get(2..end).ok_or(truncated(end))?;
            Ok((Some(SdesItem { kind: SdesKind(kind), value }), &bytes[end..]))
        }
    }
}

/// Takes a chunk; its length is a multiple of four.
fn split_chunk(bytes: &[u8]) -> Result<(SdesChunk<'_>, &[u8]), Error> {
    let Some((ssrc, items)) = bytes.split_first_chunk::<4>() else {
        return Err(Error::Truncated {
            what: "SDES chunk",
            need: 4,
            have: bytes.len(),
            section: SECTION,
        });
    };
    let mut rest = items;
    while let (Some(_), after) = split_item(rest)? {
        rest = after;
    }
    let used = items.len() - rest.len();
    // RFC 3550 §6.5: null octets to the next 32-bit boundary end the list; the body is whole words, so they are there.
    let after = items.get((used + 1).next_multiple_of(4)..).unwrap_or(&[]);
    let ssrc = Ssrc(u32::from_be_bytes(*ssrc));
    Ok((SdesChunk { ssrc, items: SdesItems(Repr::Wire(&items[..used])) }, after))
}

impl<'a> SdesItems<'a> {
    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let (mut wire, mut items) = match self.0 {
            Repr::Wire(bytes) => (bytes, [].iter()),
            Repr::Items(items) => (&[][..], items.iter()),
        };
        std::iter::from_fn(move || {
            if let Some(item) = items.next() {
                return Some(*item);
            }
            let (item, rest) = split_item(wire).ok()?;
            wire = rest;
            item
        })
    }
}

impl<'a> From<&'a [SdesItem<'a>]> for SdesItems<'a> {
    fn from(items: &'a [SdesItem<'a>]) -> Self {
        Self(Repr::Items(items))
    }
}

impl<'a, const N: usize> From<&'a [SdesItem<'a>; N]> for SdesItems<'a> {
    fn from(items: &'a [SdesItem<'a>; N]) -> Self {
        Self(Repr::Items(items))
    }
}

impl PartialEq for SdesItems<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SdesItems<'_> {}

impl SdesChunk<'_> {
    /// The canonical name, where it is said and UTF-8.
    #[must_use]
    pub fn cname(&self) -> Option<&str> {
        let item = self.items.iter().find(|item| item.kind == SdesKind::CNAME)?;
        std::str::from_utf8(item.value).ok()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        for item in self.items.iter() {
            let value = &item.value[..item.value.len().min(255)];
            out.extend_from_slice(&[item.kind.0, value.len() as u8]);
            out.extend_from_slice(value);
        }
        out.push(0);
        let len = (out.len() - start).next_multiple_of(4);
        out.resize(start + len, 0);
    }
}

impl<'a> SourceDescription<'a> {
    /// Descriptions to be written.
    #[must_use]
    pub fn new(chunks: &'a [SdesChunk<'a>]) -> Self {
        Self(Repr::Items(chunks))
    }

    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        let mut rest = body;
        for _ in 0..count {
            (_, rest) = split_chunk(rest)?;
        }
        Ok(Self(Repr::Wire(&body[..body.len() - rest.len()])))
    }

    /// The chunks, one a source.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'a>> + use<'a> {
        let (mut wire, mut items) = match self.0 {
            Repr::Wire(bytes) => (bytes, [].iter()),
            Repr::Items(items) => (&[][..], items.iter()),
        };
        std::iter::from_fn(move || {
            if let Some(chunk) = items.next() {
                return Some(*chunk);
            }
            if wire.is_empty() {
                return None;
            }
            let (chunk, rest) = split_chunk(wire).ok()?;
            wire = rest;
            Some(chunk)
        })
    }

    /// Appends the descriptions; chunks beyond 31 follow in further packets.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut chunks = self.chunks();
        let count = self.chunks().count();
        for from in (0..count.max(1)).step_by(MAX_CHUNKS) {
            let page = (count - from).min(MAX_CHUNKS);
            write_packet(out, packet_type::SOURCE_DESCRIPTION, page as u8, |out| {
                chunks.by_ref().take(page).for_each(|chunk| chunk.write(out));
            });
        }
    }
}

impl PartialEq for SourceDescription<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chunks().eq(other.chunks())
    }
}

impl Eq for SourceDescription<'_> {}
