//! Running numbers inside payloads: picture ids, TL0PICIDX and KEYIDX of VP8 (RFC 7741 §4.2) and VP9 (RFC 9628 §4.2). Each
//! encoder counts its own, and a receiver takes a jump for loss.

use arrayvec::ArrayVec;

use super::numbers::{Numbers, Place};
use crate::payload::PayloadFormat;

/// Pictures whose ids are kept.
const PICTURES: usize = 128;
/// Pictures before the first that may still come.
const ROOM: u64 = 16;
/// The first picture id, without wraps.
const FIRST_PICTURE: u64 = 1 << 16;

/// The beginning of a payload that takes the place of the original's: at most seven bytes.
pub type PayloadPrefix = ArrayVec<u8, 8>;

/// Where the running numbers are in a payload, and their values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fields {
    /// Position, value, 15 bits rather than 7.
    picture: Option<(usize, u16, bool)>,
    tl0: Option<(usize, u8)>,
    key: Option<(usize, u8)>,
}

impl Fields {
    fn read(format: PayloadFormat, payload: &[u8]) -> Option<Self> {
        match format {
            PayloadFormat::Vp8 => Self::read_vp8(payload),
            PayloadFormat::Vp9 => Self::read_vp9(payload),
            _ => Some(Self::default()),
        }
    }

    fn picture_at(payload: &[u8], at: usize) -> Option<(usize, u16, bool)> {
        let high = *payload.get(at)?;
        Some(match high & 0x80 != 0 {
            true => (at, u16::from(high & 0x7F) << 8 | u16::from(*payload.get(at + 1)?), true),
            false => (at, u16::from(high), false),
        })
    }

    fn read_vp8(payload: &[u8]) -> Option<Self> {
        let mut fields = Self::default();
        if payload.first()? & 0x80 == 0 {
            return Some(fields);
        }
        let bits = *payload.get(1)?;
        let mut at = 2;
        if bits & 0x80 != 0 {
            let picture = Self::picture_at(payload, at)?;
            at += if picture.2 { 2 } else { 1 };
            fields.picture = Some(picture);
        }
        if bits & 0x40 != 0 {
            fields.tl0 = Some((at, *payload.get(at)?));
            at += 1;
        }
        if bits & 0x10 != 0 {
            fields.key = Some((at, payload.get(at)? & 0x1F));
        }
        Some(fields)
    }

    fn read_vp9(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut fields = Self::default();
        let mut at = 1;
        if first & 0x80 != 0 {
            let picture = Self::picture_at(payload, at)?;
            at += if picture.2 { 2 } else { 1 };
            fields.picture = Some(picture);
        }
        // TL0PICIDX is there in non-flexible mode, after the layer indices.
        if first & 0x20 != 0 && first & 0x10 == 0 {
            fields.tl0 = Some((at + 1, *payload.get(at + 1)?));
        }
        Some(fields)
    }

    /// Bytes from the beginning to the last of the fields.
    fn end(&self) -> usize {
        let picture = self.picture.map_or(0, |(at, _, long)| at + if long { 2 } else { 1 });
        let tl0 = self.tl0.map_or(0, |(at, _)| at + 1);
        let key = self.key.map_or(0, |(at, _)| at + 1);
        picture.max(tl0).max(key)
    }
}

/// One source's running numbers.
#[derive(Debug, Clone)]
pub(super) struct Pictures {
    format: PayloadFormat,
    /// Picture ids, unwrapped by `last`.
    ids: Option<Numbers>,
    last: u64,
    /// What is added to the source's; wraps.
    tl0_shift: u8,
    key_shift: u8,
    /// The first packet has told them.
    begun: bool,
    /// The last values given out.
    out: Ends,
}

/// Where a source's turn ended, for the next to go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    picture: u64,
    tl0: u8,
    key: u8,
}

impl Pictures {
    /// A source that goes on after another, or begins.
    pub(super) fn new(format: PayloadFormat, after: Option<Ends>) -> Self {
        let begun = after.is_none();
        let out = after.unwrap_or(Ends { picture: FIRST_PICTURE, tl0: 0, key: 0 });
        Self { format, ids: None, last: 0, tl0_shift: 0, key_shift: 0, begun, out }
    }

    pub(super) fn ends(&self) -> Ends {
        let picture = self.ids.as_ref().map_or(self.out.picture, Numbers::highest_out);
        Ends { picture: picture.max(self.out.picture), ..self.out }
    }

    fn unwrap(&mut self, value: u16, long: bool) -> u64 {
        let mask: u64 = if long { 0x7FFF } else { 0x7F };
        if self.ids.is_none() {
            return FIRST_PICTURE + u64::from(value);
        }
        let ahead = u64::from(value).wrapping_sub(self.last) & mask;
        match ahead > mask / 2 {
            true => self.last.saturating_sub(mask + 1 - ahead),
            false => self.last + ahead,
        }
    }

    /// The picture's place in the source, and whether its numbers had to be begun.
    fn ids(&mut self, number: u64, first: bool) -> &mut Numbers {
        let after = self.out.picture;
        let room = if first { ROOM } else { 0 };
        // The first source keeps its ids.
        let out = if first { number } else { after + 1 };
        self.ids.get_or_insert_with(|| Numbers::new(PICTURES, number, out, room))
    }

    /// Bytes that take the place of the payload's first ones; `None` if the packet belongs to a picture that was left out, or
    /// cannot be read.
    pub(super) fn rewrite(&mut self, payload: &[u8]) -> Option<PayloadPrefix> {
        if payload.is_empty() {
            return Some(PayloadPrefix::new());
        }
        let fields = Fields::read(self.format, payload)?;
        let first = self.begun && self.ids.is_none();
        let mut prefix: PayloadPrefix = payload.get(..fields.end())?.try_into().ok()?;
        if !self.begun {
            self.begun = true;
            // The source's turn begins with a keyframe of the base layer, which is the next of them.
            if let Some((_, tl0)) = fields.tl0 {
                self.tl0_shift = self.out.tl0.wrapping_add(1).wrapping_sub(tl0);
            }
            if let Some((_, key)) = fields.key {
                self.key_shift = self.out.key.wrapping_add(1).wrapping_sub(key);
            }
        }
        if let Some((at, value, long)) = fields.picture {
            let number = self.unwrap(value, long);
            let (Place::New(out) | Place::Again(out)) = self.ids(number, first).place(number)
            else {
                return None;
            };
            self.last = self.last.max(number);
            match long {
                true => prefix[at..at + 2].copy_from_slice(&(0x8000 | out as u16).to_be_bytes()),
                false => prefix[at] = out as u8 & 0x7F,
            }
        }
        if let Some((at, value)) = fields.tl0 {
            let out = value.wrapping_add(self.tl0_shift);
            prefix[at] = out;
            if (out.wrapping_sub(self.out.tl0) as i8) > 0 || first {
                self.out.tl0 = out;
            }
        }
        if let Some((at, value)) = fields.key {
            let out = value.wrapping_add(self.key_shift) & 0x1F;
            prefix[at] = prefix[at] & !0x1F | out;
            self.out.key = out;
        }
        Some(prefix)
    }

    /// The picture of this packet is left out. VP8's ids close up over it; VP9's frames say how many ids back they refer, and
    /// theirs stay.
    pub(super) fn skip(&mut self, payload: &[u8]) {
        if self.format != PayloadFormat::Vp8 || (!self.begun && self.ids.is_none()) {
            return;
        }
        let Some(Fields { picture: Some((_, value, long)), .. }) =
            Fields::read(self.format, payload)
        else {
            return;
        };
        let first = self.begun && self.ids.is_none();
        let number = self.unwrap(value, long);
        let _ = self.ids(number, first).skip(number);
        self.last = self.last.max(number);
    }
}
