//! Text to [`SessionDescription`]: one pass over the lines, each handed to the parser of its type.
//!
//! Nothing is counted or looked up on the way that only an error would need: a fault carries the
//! slice it is about, and line and column are worked out from it at the end. What is strict and
//! what is lenient is told in the crate's documentation.

use crate::attribute::{Attribute, rule};
use crate::attributes::Attributes;
use crate::error::{Error, Fault};
use crate::field::Field;
use crate::media::{MediaDescription, MediaLine};
use crate::scan::{Scan, is_token_byte};
use crate::session::{SessionDescription, TimeDescription, check_times};
use crate::text::Text;
use crate::value::Value;
use std::str::FromStr;

/// How large a description may be.
///
/// The typed form of a description takes at most some hundred bytes per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes; 1 MiB by default.
    pub max_size: usize,
    /// Lines; 32,768 by default.
    pub max_lines: usize,
    /// Media descriptions; 1,024 by default.
    pub max_media: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_size: 1 << 20, max_lines: 1 << 15, max_media: 1 << 10 }
    }
}

impl SessionDescription {
    /// Reads a description within the default [`Limits`].
    ///
    /// # Errors
    /// Where the text breaks a rule: line, column, attribute and the RFC section of the rule.
    pub fn parse(text: &str) -> Result<SessionDescription, Error> {
        SessionDescription::parse_within(text, &Limits::default())
    }

    /// Reads a description within `limits`.
    ///
    /// # Errors
    /// As [`parse`](SessionDescription::parse), and [`Error::TooLarge`].
    pub fn parse_within(text: &str, limits: &Limits) -> Result<SessionDescription, Error> {
        check_size(text.len(), limits)?;
        Parser::new(text, limits).run()
    }

    /// Reads a description from bytes, which must be UTF-8.
    ///
    /// # Errors
    /// As [`parse_within`](SessionDescription::parse_within), and [`Error::NotUtf8`].
    pub fn parse_bytes(bytes: &[u8], limits: &Limits) -> Result<SessionDescription, Error> {
        check_size(bytes.len(), limits)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => SessionDescription::parse_within(text, limits),
            Err(error) => {
                let (line, column) = position(bytes, error.valid_up_to());
                Err(Error::NotUtf8 { line, column })
            }
        }
    }
}

impl FromStr for SessionDescription {
    type Err = Error;

    fn from_str(text: &str) -> Result<SessionDescription, Error> {
        SessionDescription::parse(text)
    }
}

fn check_size(size: usize, limits: &Limits) -> Result<(), Error> {
    match size > limits.max_size {
        true => Err(Error::TooLarge { actual: size, limit: limits.max_size, unit: "bytes" }),
        false => Ok(()),
    }
}

/// Line and column, from 1, of a byte.
fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    (line, offset - start + 1)
}

struct Parser<'a> {
    text: &'a str,
    /// What is left to read.
    rest: &'a str,
    /// Lines read.
    lines: usize,
    limits: &'a Limits,
    /// The attributes seen in this section that may be there once, a bit each.
    seen: u64,
    /// Offset at which this section starts.
    section: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Parser<'a> {
        Parser { text, rest: text, lines: 0, limits, seen: 0, section: 0 }
    }

    fn run(mut self) -> Result<SessionDescription, Error> {
        let mut session = self.session_head()?;
        session.attributes.reserve(8);
        let mut previous = 0;
        while let Some(line) = self.next_line()? {
            let (kind, value) = self.split(line)?;
            if kind == b'm' {
                if session.media.len() == self.limits.max_media {
                    return Err(Error::TooLarge {
                        actual: session.media.len() + 1,
                        limit: self.limits.max_media,
                        unit: "media descriptions",
                    });
                }
                let parsed = Field::<MediaLine>::parse(value);
                let field = parsed.map_err(|f| self.malformed(f, value, "m=", "RFC 8866 §5.14"))?;
                self.begin_section(line);
                let mut media = MediaDescription::from_line(field);
                // Sections of a browser are alike in size; and each payload type has some lines.
                let formats = media.line.formats.len() / 3;
                media.attributes.reserve((previous / 2).max(16 + 6 * formats.min(32)));
                session.media.push(media);
                continue;
            }
            match session.media.last_mut() {
                None => self.session_line(&mut session, kind, line, value)?,
                Some(media) => {
                    self.media_line(media, kind, line, value)?;
                    previous = media.attributes.len();
                }
            }
        }
        self.check_mids(&session)?;
        Ok(session)
    }

    /// `v=`, `o=` and `s=`, which must be there and come first.
    fn session_head(&mut self) -> Result<SessionDescription, Error> {
        let version = self.required(b'v', "v=", "RFC 8866 §5.1")?;
        if version.trim_end_matches([' ', '\t']) != "0" {
            let fault = Fault { offset: 0, reason: "expected version 0" };
            return Err(self.malformed(fault, version, "v=", "RFC 8866 §5.1"));
        }
        let origin = self.required(b'o', "o=", "RFC 8866 §5.2")?;
        let origin = Field::parse(origin)
            .map_err(|fault| self.malformed(fault, origin, "o=", "RFC 8866 §5.2"))?;
        let name = self.required(b's', "s=", "RFC 8866 §5.3")?;
        Ok(SessionDescription::blank(origin, Text::checked(name)))
    }

    fn required(
        &mut self,
        expected: u8,
        field: &'static str,
        section: &'static str,
    ) -> Result<&'a str, Error> {
        let offset = self.text.len() - self.rest.len();
        if let Some(line) = self.next_line()? {
            let (kind, value) = self.split(line)?;
            if kind == expected {
                return Ok(value);
            }
        }
        let (line, _) = position(self.text.as_bytes(), offset);
        Err(Error::Missing { line, field, section })
    }

    /// The next line without its end; `None` when nothing but blank lines is left.
    #[inline]
    fn next_line(&mut self) -> Result<Option<&'a str>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.lines += 1;
        if self.lines > self.limits.max_lines {
            let limit = self.limits.max_lines;
            return Err(Error::TooLarge { actual: self.lines, limit, unit: "lines" });
        }
        // One search finds the end of the line and the bytes that may not be in it.
        let (line, rest) = match memchr::memchr3(b'\r', b'\n', 0, self.rest.as_bytes()) {
            None => (self.rest, ""),
            Some(end) => {
                let (line, rest) = self.rest.split_at(end);
                let after = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'));
                match after {
                    Some(after) => (line, after),
                    // A return before the very end is what is left of a line end cut in two.
                    None if rest == "\r" => (line, ""),
                    None => return Err(self.forbidden(rest)),
                }
            }
        };
        self.rest = rest;
        if !line.is_empty() {
            return Ok(Some(line));
        }
        // Text areas and here-documents leave blank lines at the end; anywhere else one means that
        // two things were pasted together.
        match rest.bytes().all(|b| b.is_ascii_whitespace()) {
            true => {
                self.rest = "";
                Ok(None)
            }
            false => Err(self.unexpected(line, "expected <letter>=<value>, not a blank line")),
        }
    }

    #[inline]
    fn split(&self, line: &'a str) -> Result<(u8, &'a str), Error> {
        match line.as_bytes() {
            [kind, b'=', ..] if kind.is_ascii_lowercase() => Ok((*kind, &line[2..])),
            _ => Err(self.unexpected(line, "expected <letter>=<value>")),
        }
    }

    fn session_line(
        &mut self,
        session: &mut SessionDescription,
        kind: u8,
        line: &'a str,
        value: &'a str,
    ) -> Result<(), Error> {
        match kind {
            b'a' => self.attribute(&mut session.attributes, value)?,
            b'i' => self.single(&mut session.information, line, value, "i=", "RFC 8866 §5.4")?,
            b'u' => self.single(&mut session.uri, line, value, "u=", "RFC 8866 §5.5")?,
            b'e' => session.emails.push(Text::checked(value)),
            b'p' => session.phones.push(Text::checked(value)),
            b'c' => {
                if session.connection.is_some() {
                    return Err(self.duplicate(line, "c=", "RFC 8866 §5.7"));
                }
                session.connection = Some(self.field(value, "c=", "RFC 8866 §5.7")?);
            }
            b'b' => session.bandwidths.push(self.field(value, "b=", "RFC 8866 §5.8")?),
            b't' => session.times.push(TimeDescription {
                timing: self.field(value, "t=", "RFC 8866 §5.9")?,
                repeats: Vec::new(),
                zones: None,
            }),
            b'r' | b'z' => {
                let (field, section) = match kind {
                    b'r' => ("r=", "RFC 8866 §5.10"),
                    _ => ("z=", "RFC 8866 §5.11"),
                };
                let checked: Scan<()> = check_times(value);
                checked.map_err(|fault| self.malformed(fault, value, field, section))?;
                let Some(time) = session.times.last_mut() else {
                    return Err(self.unexpected(line, "expected a t= line before r= and z="));
                };
                match kind {
                    b'r' => time.repeats.push(Text::checked(value)),
                    _ => self.single(&mut time.zones, line, value, field, section)?,
                }
            }
            b'k' => self.single(&mut session.key, line, value, "k=", "RFC 8866 §5.12")?,
            b'v' | b'o' | b's' => {
                let field =
                    ["v=", "o=", "s="][usize::from(kind == b'o') + 2 * usize::from(kind == b's')];
                return Err(self.duplicate(line, field, "RFC 8866 §5"));
            }
            _ => return Err(self.unexpected(line, "expected a line type of RFC 8866")),
        }
        Ok(())
    }

    #[inline]
    fn media_line(
        &mut self,
        media: &mut MediaDescription,
        kind: u8,
        line: &'a str,
        value: &'a str,
    ) -> Result<(), Error> {
        match kind {
            b'a' => self.attribute(&mut media.attributes, value)?,
            b'i' => self.single(&mut media.title, line, value, "i=", "RFC 8866 §5.4")?,
            b'c' => media.connections.push(self.field(value, "c=", "RFC 8866 §5.7")?),
            b'b' => media.bandwidths.push(self.field(value, "b=", "RFC 8866 §5.8")?),
            b'k' => self.single(&mut media.key, line, value, "k=", "RFC 8866 §5.12")?,
            b'v' | b'o' | b's' | b'u' | b'e' | b'p' | b't' | b'r' | b'z' => {
                return Err(self.unexpected(line, "expected a line type of media descriptions"));
            }
            _ => return Err(self.unexpected(line, "expected a line type of RFC 8866")),
        }
        Ok(())
    }

    #[inline]
    fn attribute(&mut self, attributes: &mut Attributes, text: &'a str) -> Result<(), Error> {
        let end = text.bytes().position(|b| !is_token_byte(b)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let value = rest.strip_prefix(':');
        // Spaces after a flag change nothing.
        let flag = value.is_none() && rest.bytes().all(|b| matches!(b, b' ' | b'\t'));
        if name.is_empty() || !(value.is_some() || flag) {
            let fault =
                Fault { offset: end, reason: "expected the name of an attribute, and \":\"" };
            return Err(self.malformed(fault, text, "a=", "RFC 8866 §5.13"));
        }
        let once = match attributes.parse(name, value) {
            Ok(attribute) => Attribute::once(attribute),
            Err(fault) => {
                let (field, section) =
                    rule(name).map_or(("a=", "RFC 8866 §5.13"), |rule| (rule.field, rule.section));
                return Err(self.malformed(fault, value.unwrap_or(text), field, section));
            }
        };
        if let Some(bit) = once {
            if self.seen >> bit & 1 == 1 {
                return Err(self.duplicate_attribute(text, bit));
            }
            self.seen |= 1 << bit;
        }
        Ok(())
    }

    fn field<T: Value>(
        &self,
        value: &'a str,
        field: &'static str,
        section: &'static str,
    ) -> Result<Field<T>, Error> {
        Field::parse(value).map_err(|fault| self.malformed(fault, value, field, section))
    }

    fn single(
        &self,
        place: &mut Option<Text>,
        line: &'a str,
        value: &'a str,
        field: &'static str,
        section: &'static str,
    ) -> Result<(), Error> {
        if place.is_some() {
            return Err(self.duplicate(line, field, section));
        }
        *place = Some(Text::checked(value));
        Ok(())
    }

    fn begin_section(&mut self, line: &'a str) {
        self.seen = 0;
        self.section = self.offset(line);
    }

    fn check_mids(&self, session: &SessionDescription) -> Result<(), Error> {
        let mut mids: Vec<(&str, usize)> = session
            .media
            .iter()
            .enumerate()
            .filter_map(|(index, media)| Some((media.mid()?.as_str(), index)))
            .collect();
        // Sorted, so that a thousand sections do not cost a million comparisons.
        mids.sort_unstable();
        match mids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok(()),
            Some(pair) => Err(Error::DuplicateMid {
                line: self.line_of_media(pair[1].1),
                first: self.line_of_media(pair[0].1),
                mid: pair[0].0.to_owned(),
            }),
        }
    }

    // What follows runs only when something is wrong.

    fn line_of_media(&self, index: usize) -> usize {
        let lines = self.text.split('\n').enumerate();
        lines.filter(|(_, line)| line.starts_with("m=")).nth(index).map_or(1, |(line, _)| line + 1)
    }

    /// Where `part`, a slice of the text, begins.
    fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len())
    }

    #[cold]
    fn malformed(
        &self,
        fault: Fault,
        value: &str,
        field: &'static str,
        section: &'static str,
    ) -> Error {
        let (line, column) = position(self.text.as_bytes(), self.offset(value) + fault.offset);
        Error::Malformed { line, column, field, reason: fault.reason, section }
    }

    #[cold]
    fn forbidden(&self, rest: &str) -> Error {
        let (line, column) = position(self.text.as_bytes(), self.offset(rest));
        let reason = match rest.as_bytes().first() {
            Some(0) => "NUL",
            _ => "a carriage return that no line feed follows",
        };
        Error::ForbiddenByte { line, column, reason }
    }

    #[cold]
    fn unexpected(&self, line: &str, reason: &'static str) -> Error {
        let found = line.chars().take(32).collect();
        let (line, _) = position(self.text.as_bytes(), self.offset(line));
        Error::UnexpectedLine { line, reason, found, section: "RFC 8866 §5" }
    }

    #[cold]
    fn duplicate(&self, line: &str, field: &'static str, section: &'static str) -> Error {
        self.duplicate_where(line, field, section, |l| l.starts_with(field))
    }

    #[cold]
    fn duplicate_attribute(&self, text: &str, bit: u32) -> Error {
        let name = |text: &str| text.split([':', ' ', '\r']).next().unwrap_or_default().to_owned();
        let (field, section) = rule(&name(text)).map_or(("a=", ""), |r| (r.field, r.section));
        self.duplicate_where(text, field, section, |line| {
            let attribute = line.strip_prefix("a=").and_then(|text| rule(&name(text)));
            attribute.is_some_and(|rule| rule.once == Some(bit))
        })
    }

    fn duplicate_where(
        &self,
        second: &str,
        field: &'static str,
        section: &'static str,
        is_first: impl Fn(&str) -> bool,
    ) -> Error {
        let bytes = self.text.as_bytes();
        let (line, _) = position(bytes, self.offset(second));
        let (section_line, _) = position(bytes, self.section);
        let found = self.text[self.section..].split('\n').position(is_first).unwrap_or_default();
        Error::Duplicate { line, first: section_line + found, field, section }
    }
}
