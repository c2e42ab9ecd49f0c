//! Image sizes that each side can send or receive (RFC 6236).

use crate::scan::{Scan, Scanner, parse_number};
use crate::sink::Sink;
use crate::text::Text;
use crate::value::Value;

/// Image sizes for one payload type or for all (RFC 6236 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageAttr {
    /// The payload type, or `None` for `*`, all of them.
    pub payload_type: Option<u8>,
    /// What the writer of the description may send.
    pub send: Option<ImageSets>,
    /// What it can receive.
    pub recv: Option<ImageSets>,
}

/// Alternatives for an image, or `*` for any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageSets(Text);

/// One alternative.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    /// Widths in pixels.
    pub x: SizeRange,
    /// Heights in pixels.
    pub y: SizeRange,
    /// Preference from 0 to 1, 0.5 where nothing is said.
    pub q: f32,
    /// Sample aspect ratios, in the text form of RFC 6236.
    pub sar: Option<Text>,
    /// Picture aspect ratios, in the text form of RFC 6236.
    pub par: Option<Text>,
}

/// Sizes in pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SizeRange {
    /// This size.
    Exact(u32),
    /// One of these.
    OneOf(Vec<u32>),
    /// Every `step`th size from `min` to `max`.
    Range {
        /// Least size.
        min: u32,
        /// Distance between sizes.
        step: u32,
        /// Greatest size.
        max: u32,
    },
}

impl ImageSets {
    /// Whether any image will do.
    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    /// The alternatives; none if [any](ImageSets::is_any) image will do.
    pub fn iter(&self) -> impl Iterator<Item = ImageSet> {
        let mut rest = if self.is_any() { "" } else { &*self.0 };
        std::iter::from_fn(move || {
            let (set, after) = split_set(rest.trim_start())?;
            rest = after;
            parse_set(set)
        })
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Splits `[...]` off the beginning; what is returned lacks the outer brackets.
fn split_set(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let mut depth = 1;
    for (i, byte) in inner.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b' ' | b'\t' => return None,
            _ => {}
        }
        if depth == 0 {
            return Some((&inner[..i], &inner[i + 1..]));
        }
    }
    None
}

fn parse_set(text: &str) -> Option<ImageSet> {
    let (mut x, mut y, mut q, mut sar, mut par) = (None, None, 0.5, None, None);
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        // Commas separate parameters, and the values of a list within brackets.
        let end = match after.starts_with('[') {
            true => after.find(']')? + 1,
            false => after.find(',').unwrap_or(after.len()),
        };
        let (value, after) = after.split_at(end);
        match name {
            "x" => x = Some(parse_range(value)?),
            "y" => y = Some(parse_range(value)?),
            "q" => q = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
            "sar" => sar = Some(Text::checked(value)),
            "par" => par = Some(Text::checked(value)),
            _ => {}
        }
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(ImageSet { x: x?, y: y?, q, sar, par })
}

fn parse_range(text: &str) -> Option<SizeRange> {
    let size = |text: &str| match parse_number(text)? {
        size @ 1..=999_999 => Some(size as u32),
        _ => None,
    };
    let Some(list) = text.strip_prefix('[') else {
        return Some(SizeRange::Exact(size(text)?));
    };
    let list = list.strip_suffix(']')?;
    if list.contains(',') {
        return Some(SizeRange::OneOf(list.split(',').map(size).collect::<Option<_>>()?));
    }
    let mut parts = list.split(':');
    let (first, second, third) = (size(parts.next()?)?, size(parts.next()?)?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    Some(match third {
        Some(max) => SizeRange::Range { min: first, step: second, max: size(max)? },
        None => SizeRange::Range { min: first, step: 1, max: second },
    })
}

impl Value for ImageAttr {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<ImageAttr> {
        const PAYLOAD_TYPE: &str = "expected a payload type from 0 to 127, or *";
        const DIRECTION: &str = "expected send or recv";
        let word = scanner.word(PAYLOAD_TYPE)?;
        let payload_type = match (word, parse_number(word)) {
            ("*", _) => None,
            (_, Some(number @ 0..=127)) => Some(number as u8),
            _ => return scanner.fault_at(word, PAYLOAD_TYPE),
        };
        let mut image = ImageAttr { payload_type, send: None, recv: None };
        while !scanner.is_done() || (image.send.is_none() && image.recv.is_none()) {
            let word = scanner.word(DIRECTION)?;
            let list = match word {
                "send" => &mut image.send,
                "recv" => &mut image.recv,
                _ => return scanner.fault_at(word, DIRECTION),
            };
            if list.is_some() {
                return scanner.fault_at(word, "each direction may be given once");
            }
            *list = Some(parse_sets(scanner)?);
        }
        Ok(image)
    }

    fn write(&self, out: &mut impl Sink) {
        match self.payload_type {
            Some(payload_type) => out.number(payload_type.into()),
            None => out.put("*"),
        }
        for (name, sets) in [(" send ", &self.send), (" recv ", &self.recv)] {
            if let Some(sets) = sets {
                out.put(name);
                out.put(&sets.0);
            }
        }
    }
}

fn parse_sets(scanner: &mut Scanner<'_>) -> Scan<ImageSets> {
    const SET: &str = "expected * or sets such as [x=640,y=480]";
    let start = scanner.clone();
    let mut last = scanner.word(SET)?;
    if last == "*" {
        return Ok(ImageSets(Text::checked(last)));
    }
    loop {
        match split_set(last) {
            Some((set, "")) if parse_set(set).is_some() => {}
            _ => return scanner.fault_at(last, SET),
        }
        let mut ahead = scanner.clone();
        match ahead.word(SET) {
            Ok(next) if next.starts_with('[') => last = next,
            _ => break,
        }
        *scanner = ahead;
    }
    let mut start = start;
    start.skip_spaces();
    let length = start.rest().len() - scanner.rest().len();
    Ok(ImageSets(Text::checked(&start.rest()[..length])))
}
