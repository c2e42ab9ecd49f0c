//! The session description: what stands before the first `m=`, and the media descriptions
//! (RFC 8866 §5).

use crate::address::NetworkAddress;
use crate::attribute::Attribute;
use crate::attribute::dtls::{Fingerprint, Setup};
use crate::attribute::ice::{IcePwd, IceUfrag};
use crate::attribute::rtp::Direction;
use crate::attributes::Attributes;
use crate::field::Field;
use crate::media::{MediaDescription, write_text};
use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::{Text, Word, Words};
use crate::value::{Value, parse_token};
use std::fmt;
use std::ops::Deref;

/// A session description.
///
/// Read with [`parse`](SessionDescription::parse) (or `str::parse`), written with `to_string` or
/// [`write_to`](SessionDescription::write_to). Session-level attributes are in `attributes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`: who made the description.
    pub origin: Field<Origin>,
    /// `s=`: the name, `-` in WebRTC.
    pub name: Text,
    /// `i=`: information.
    pub information: Option<Text>,
    /// `u=`: a URI.
    pub uri: Option<Text>,
    /// `e=`: mail addresses.
    pub emails: Vec<Text>,
    /// `p=`: telephone numbers.
    pub phones: Vec<Text>,
    /// `c=`: the address for all media descriptions without their own.
    pub connection: Option<Field<NetworkAddress>>,
    /// `b=`: bandwidths.
    pub bandwidths: Vec<Field<Bandwidth>>,
    /// `t=`, `r=` and `z=`: when the session takes place.
    pub times: Vec<TimeDescription>,
    /// `k=`: obsolete, kept as it came.
    pub key: Option<Text>,
    /// Session-level attributes.
    pub attributes: Attributes,
    /// The media descriptions.
    pub media: Vec<MediaDescription>,
}

/// `o=`: who made the description, and which version of it this is (RFC 8866 §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// User, `-` in WebRTC.
    pub username: Word,
    /// Number of the session; larger ones than fit are read as `u64::MAX`.
    pub session_id: u64,
    /// Number of the description within the session, one higher each time it changes; larger ones
    /// than fit are read as `u64::MAX`.
    pub session_version: u64,
    /// Address of the machine; WebRTC hides it (RFC 9429 §5.2.1).
    pub address: NetworkAddress,
}

/// `b=`: a bandwidth (RFC 8866 §5.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bandwidth {
    /// `AS` and `CT` count kilobits a second, `TIAS` bits a second (RFC 3890).
    pub kind: Word,
    /// The bandwidth; larger ones than fit are read as `u64::MAX`.
    pub value: u64,
}

/// `t=` with the `r=` and `z=` lines that follow it (RFC 8866 §5.9 to §5.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeDescription {
    /// The `t=` line.
    pub timing: Field<Timing>,
    /// `r=`: repetitions, as they came.
    pub repeats: Vec<Text>,
    /// `z=`: time zone adjustments, as they came.
    pub zones: Option<Text>,
}

/// `t=`: begin and end, in seconds since 1900; 0 means unbounded (RFC 8866 §5.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Begin; larger times than fit are read as `u64::MAX`.
    pub start: u64,
    /// End; larger times than fit are read as `u64::MAX`.
    pub stop: u64,
}

/// `1*DIGIT` of any length; what does not fit saturates, and the line keeps its text.
fn saturating_number(scanner: &mut Scanner<'_>, expected: &'static str) -> Scan<u64> {
    let word = scanner.word(expected)?;
    if !word.bytes().all(|b| b.is_ascii_digit()) {
        return scanner.fault_at(word, expected);
    }
    let digit = |b: u8| u64::from(b - b'0');
    Ok(word.bytes().fold(0u64, |n, b| n.saturating_mul(10).saturating_add(digit(b))))
}

impl Value for Origin {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Origin> {
        Ok(Origin {
            username: Word::checked(scanner.word("expected a user name, or -")?),
            session_id: saturating_number(scanner, "expected a numeric session identifier")?,
            session_version: saturating_number(scanner, "expected a numeric session version")?,
            address: NetworkAddress::parse(scanner)?,
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.username);
        out.put(" ");
        out.number(self.session_id);
        out.put(" ");
        out.number(self.session_version);
        out.put(" ");
        self.address.write(out);
    }
}

impl Value for Bandwidth {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Bandwidth> {
        const KIND: &str = "expected a bandwidth type, such as AS";
        scanner.skip_spaces();
        let kind = scanner.until(b':', KIND)?;
        if !scanner.eat(b':') {
            return scanner.fault("expected \":\" and a bandwidth");
        }
        Ok(Bandwidth {
            kind: Word::checked(kind),
            value: saturating_number(scanner, "expected a bandwidth in whole numbers")?,
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.kind);
        out.put(":");
        out.number(self.value);
    }
}

impl Value for Timing {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Timing> {
        Ok(Timing {
            start: saturating_number(scanner, "expected a start time in seconds")?,
            stop: saturating_number(scanner, "expected a stop time in seconds")?,
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.start);
        out.put(" ");
        out.number(self.stop);
    }
}

impl TimeDescription {
    /// `t=0 0`: always, what WebRTC writes (RFC 9429 §5.2.1).
    pub fn permanent() -> TimeDescription {
        let timing = Timing { start: 0, stop: 0 }.into();
        TimeDescription { timing, repeats: Vec::new(), zones: None }
    }
}

/// Checks `r=` and `z=`: known only as text, but not any text.
pub(crate) fn check_times(text: &str) -> Scan<()> {
    let mut scanner = Scanner::new(text);
    while !scanner.is_done() {
        const EXPECTED: &str = "expected times such as 604800, 7d or -1h";
        let word = scanner.word(EXPECTED)?;
        let number = word.strip_prefix('-').unwrap_or(word);
        let number = number.strip_suffix(['d', 'h', 'm', 's']).unwrap_or(number);
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return scanner.fault_at(word, EXPECTED);
        }
    }
    if parse_token(&mut Scanner::new(text), "").is_err() {
        return scanner.fault("expected times");
    }
    Ok(())
}

impl SessionDescription {
    /// A description as RFC 9429 §5.2.1 begins it: `o=- id version IN IP4 127.0.0.1`, `s=-`,
    /// `t=0 0`, no attributes and no media. `session_id` is best drawn at random, below 2^63.
    pub fn new(session_id: u64, session_version: u64) -> SessionDescription {
        let origin = Origin {
            username: Word::from_static("-"),
            session_id,
            session_version,
            address: NetworkAddress::LOOPBACK,
        };
        SessionDescription {
            times: vec![TimeDescription::permanent()],
            ..SessionDescription::blank(origin.into(), Text::checked("-"))
        }
    }

    /// A description with nothing but these.
    pub(crate) fn blank(origin: Field<Origin>, name: Text) -> SessionDescription {
        SessionDescription {
            origin,
            name,
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            times: Vec::new(),
            key: None,
            attributes: Attributes::new(),
            media: Vec::new(),
        }
    }

    /// Adds a session-level attribute and returns the description, for chains.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<Attribute>) -> SessionDescription {
        self.attributes.push(attribute);
        self
    }

    /// Adds a media description and returns the description, for chains.
    #[must_use]
    pub fn with_media(mut self, media: MediaDescription) -> SessionDescription {
        self.media.push(media);
        self
    }

    /// The media descriptions, each with what it inherits from the session.
    pub fn sections(&self) -> impl DoubleEndedIterator<Item = Section<'_>> + ExactSizeIterator {
        self.media.iter().map(|media| Section { session: &self.attributes, media })
    }

    /// The media description with this `a=mid`.
    pub fn section(&self, mid: &str) -> Option<Section<'_>> {
        self.sections().find(|section| section.mid().is_some_and(|m| m == mid))
    }

    /// Appends the description to `out`, with CRLF line ends.
    pub fn write_to(&self, out: &mut String) {
        self.write(out);
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.put("v=0\r\no=");
        self.origin.write(out);
        out.put("\r\ns=");
        out.put(&self.name);
        out.put("\r\n");
        write_text(out, "i=", &self.information);
        write_text(out, "u=", &self.uri);
        for (kind, texts) in [("e=", &self.emails), ("p=", &self.phones)] {
            for text in texts {
                out.put(kind);
                out.put(text);
                out.put("\r\n");
            }
        }
        if let Some(connection) = &self.connection {
            out.put("c=");
            connection.write(out);
            out.put("\r\n");
        }
        for bandwidth in &self.bandwidths {
            out.put("b=");
            bandwidth.write(out);
            out.put("\r\n");
        }
        for time in &self.times {
            out.put("t=");
            time.timing.write(out);
            out.put("\r\n");
            for repeat in &time.repeats {
                out.put("r=");
                out.put(repeat);
                out.put("\r\n");
            }
            write_text(out, "z=", &time.zones);
        }
        write_text(out, "k=", &self.key);
        self.attributes.write(out);
        for media in &self.media {
            media.write(out);
        }
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(1024);
        self.write(&mut text);
        f.write_str(&text)
    }
}

/// A media description together with the session-level attributes that apply to it.
///
/// Its own accessors fall back to the session level where the attribute's RFC says so; everything
/// else is reached through the media description, to which it dereferences.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    session: &'a Attributes,
    media: &'a MediaDescription,
}

impl<'a> Section<'a> {
    /// The media description itself.
    pub fn media(&self) -> &'a MediaDescription {
        self.media
    }

    /// The ICE username fragment (RFC 8839 §5.4).
    pub fn ice_ufrag(&self) -> Option<&'a IceUfrag> {
        self.media.attributes.ice_ufrag().or(self.session.ice_ufrag())
    }

    /// The ICE password (RFC 8839 §5.4).
    pub fn ice_pwd(&self) -> Option<&'a IcePwd> {
        self.media.attributes.ice_pwd().or(self.session.ice_pwd())
    }

    /// ICE extensions supported (RFC 8839 §5.6).
    pub fn ice_options(&self) -> Option<&'a Words> {
        self.media.attributes.ice_options().or(self.session.ice_options())
    }

    /// Whether the peer is an ICE lite agent; session level only (RFC 8839 §5.3).
    pub fn ice_lite(&self) -> bool {
        self.session.ice_lite()
    }

    /// Whether no more candidates will come (RFC 8840 §8.2).
    pub fn end_of_candidates(&self) -> bool {
        self.media.attributes.end_of_candidates() || self.session.end_of_candidates()
    }

    /// Who opens the DTLS association (RFC 4145 §4).
    pub fn setup(&self) -> Option<Setup> {
        self.media.attributes.setup().or(self.session.setup())
    }

    /// Fingerprints: those of the media description, or else those of the session (RFC 8122 §5).
    pub fn fingerprints(&self) -> impl Iterator<Item = &'a Fingerprint> + use<'a> {
        let own = self.media.attributes.fingerprints().next().is_some();
        match own {
            true => self.media.attributes.fingerprints(),
            false => self.session.fingerprints(),
        }
    }

    /// Which way media flows; both ways where nothing is said (RFC 8866 §6.7).
    pub fn direction(&self) -> Direction {
        let direction = self.media.attributes.direction().or(self.session.direction());
        direction.unwrap_or(Direction::SendRecv)
    }

    /// Whether one-byte and two-byte header extensions may be mixed (RFC 8285 §6).
    pub fn extmap_allow_mixed(&self) -> bool {
        self.media.attributes.extmap_allow_mixed() || self.session.extmap_allow_mixed()
    }
}

impl Deref for Section<'_> {
    type Target = MediaDescription;
    fn deref(&self) -> &MediaDescription {
        self.media
    }
}
