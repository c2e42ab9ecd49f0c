//! The attributes of one section, in order, with an accessor for each.

use crate::attribute::Attribute;
use crate::attribute::candidate::Candidate;
use crate::attribute::dtls::{Fingerprint, Identity, Setup, TlsId};
use crate::attribute::group::{Group, GroupSemantics, Msid, MsidSemantic};
use crate::attribute::ice::{IcePwd, IceUfrag};
use crate::attribute::image::ImageAttr;
use crate::attribute::rtp::{Direction, Extmap, Fmtp, Rtcp, RtcpFb, Rtpmap};
use crate::attribute::sctp::{Dcmap, Dcsa, SctpInit, SctpMap};
use crate::attribute::simulcast::{Rid, Simulcast};
use crate::attribute::ssrc::{Ssrc, SsrcGroup};
use crate::scan::Scan;
use crate::sink::{Comparison, Sink};
use crate::text::{Word, Words};
use std::fmt;

/// The attributes of a session or media description, in order.
///
/// Written back as they were read, byte for byte. Equal if the typed values are.
#[derive(Clone, Default)]
pub struct Attributes {
    lines: Vec<Line>,
}

#[derive(Clone)]
struct Line {
    attribute: Attribute,
    /// The value as read, where it differs from what `attribute` writes.
    verbatim: Option<Box<str>>,
}

impl Attributes {
    /// None yet.
    pub fn new() -> Attributes {
        Attributes::default()
    }

    /// The attributes in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Attribute> + ExactSizeIterator {
        self.lines.iter().map(|line| &line.attribute)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds an attribute at the end.
    pub fn push(&mut self, attribute: impl Into<Attribute>) {
        self.lines.push(Line { attribute: attribute.into(), verbatim: None });
    }

    /// Keeps those that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&Attribute) -> bool) {
        self.lines.retain(|line| keep(&line.attribute));
    }

    /// Puts another attribute in the place of the one at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Attributes::len).
    pub fn replace(&mut self, index: usize, attribute: impl Into<Attribute>) {
        self.lines[index] = Line { attribute: attribute.into(), verbatim: None };
    }

    pub(crate) fn reserve(&mut self, additional: usize) {
        self.lines.reserve(additional);
    }

    /// Reads an attribute and adds it.
    #[inline]
    pub(crate) fn parse(&mut self, name: &str, value: Option<&str>) -> Scan<&Attribute> {
        let index = self.lines.len();
        self.lines.push(Line { attribute: Attribute::PLACEHOLDER, verbatim: None });
        let line = &mut self.lines[index];
        if let Err(fault) = Attribute::parse_into(name, value, &mut line.attribute) {
            self.lines.truncate(index);
            return Err(fault);
        }
        if let Some(value) = value {
            let mut comparison = Comparison::new(value);
            line.attribute.write_value(&mut comparison);
            if !comparison.is_same() {
                line.verbatim = Some(value.into());
            }
        }
        Ok(&self.lines[index].attribute)
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        for line in &self.lines {
            out.put("a=");
            out.put(line.attribute.name());
            if line.attribute.has_value() {
                out.put(":");
                match &line.verbatim {
                    Some(text) => out.put(text),
                    None => line.attribute.write_value(out),
                }
            }
            out.put("\r\n");
        }
    }
}

macro_rules! first {
    ($( $(#[$meta:meta])* $name:ident -> $type:ty = $variant:ident; )*) => {$(
        $(#[$meta])*
        pub fn $name(&self) -> Option<&$type> {
            self.iter().find_map(|attribute| match attribute {
                Attribute::$variant(value) => Some(value),
                _ => None,
            })
        }
    )*};
}

macro_rules! number {
    ($( $(#[$meta:meta])* $name:ident -> $type:ty = $variant:ident; )*) => {$(
        $(#[$meta])*
        pub fn $name(&self) -> Option<$type> {
            self.iter().find_map(|attribute| match attribute {
                Attribute::$variant(value) => Some(*value),
                _ => None,
            })
        }
    )*};
}

macro_rules! all {
    ($( $(#[$meta:meta])* $name:ident -> $type:ty = $variant:ident; )*) => {$(
        $(#[$meta])*
        pub fn $name(&self) -> impl Iterator<Item = &$type> {
            self.iter().filter_map(|attribute| match attribute {
                Attribute::$variant(value) => Some(value),
                _ => None,
            })
        }
    )*};
}

macro_rules! flag {
    ($( $(#[$meta:meta])* $name:ident = $variant:ident; )*) => {$(
        $(#[$meta])*
        pub fn $name(&self) -> bool {
            self.iter().any(|attribute| matches!(attribute, Attribute::$variant))
        }
    )*};
}

/// Accessors by attribute. None of them looks at another section; for what media descriptions
/// inherit from the session see [`Section`](crate::Section).
impl Attributes {
    first! {
        /// The identification tag (RFC 5888).
        mid -> Word = Mid;
        /// The ICE username fragment (RFC 8839).
        ice_ufrag -> IceUfrag = IceUfrag;
        /// The ICE password (RFC 8839).
        ice_pwd -> IcePwd = IcePwd;
        /// ICE extensions supported (RFC 8839).
        ice_options -> Words = IceOptions;
        /// The DTLS association (RFC 8842).
        tls_id -> TlsId = TlsId;
        /// The identity assertion (RFC 8827).
        identity -> Identity = Identity;
        /// The streams of a simulcast (RFC 8853).
        simulcast -> Simulcast = Simulcast;
        /// The SCTP port, older form.
        sctpmap -> SctpMap = SctpMap;
        /// The SCTP INIT chunk in advance (draft SNAP).
        sctp_init -> SctpInit = SctpInit;
        /// The media streams of the session, older form.
        msid_semantic -> MsidSemantic = MsidSemantic;
    }

    number! {
        /// Who opens the DTLS association (RFC 4145).
        setup -> Setup = Setup;
        /// The SCTP port (RFC 8841).
        sctp_port -> u16 = SctpPort;
        /// The largest message that can be received, in bytes; 0 means any (RFC 8841).
        max_message_size -> u64 = MaxMessageSize;
        /// Milliseconds between connectivity checks (RFC 8839).
        ice_pacing -> u32 = IcePacing;
        /// Which way media flows (RFC 8866).
        direction -> Direction = Direction;
    }

    all! {
        /// Fingerprints of certificates (RFC 8122).
        fingerprints -> Fingerprint = Fingerprint;
        /// Codecs by payload type (RFC 8866).
        rtpmaps -> Rtpmap = Rtpmap;
        /// Parameters of formats (RFC 8866).
        fmtps -> Fmtp = Fmtp;
        /// Feedback that may be sent (RFC 4585).
        rtcp_fbs -> RtcpFb = RtcpFb;
        /// Header extensions (RFC 8285).
        extmaps -> Extmap = Extmap;
        /// Properties of RTP sources (RFC 5576).
        ssrcs -> Ssrc = Ssrc;
        /// Groups of RTP sources (RFC 5576).
        ssrc_groups -> SsrcGroup = SsrcGroup;
        /// RTP streams and their restrictions (RFC 8851).
        rids -> Rid = Rid;
        /// Media streams and tracks (RFC 8830).
        msids -> Msid = Msid;
        /// Groups of media descriptions (RFC 5888).
        groups -> Group = Group;
        /// Image sizes (RFC 6236).
        image_attrs -> ImageAttr = ImageAttr;
        /// Attributes of the subprotocols of data channels (RFC 8864).
        dcsas -> Dcsa = Dcsa;
    }

    flag! {
        /// RTP and RTCP share one port (RFC 5761).
        rtcp_mux = RtcpMux;
        /// RTP and RTCP share one port, and nothing else will do (RFC 8858).
        rtcp_mux_only = RtcpMuxOnly;
        /// RTCP may be sent in reduced size (RFC 5506).
        rtcp_rsize = RtcpRsize;
        /// Of use only as part of a BUNDLE group (RFC 9143).
        bundle_only = BundleOnly;
        /// One-byte and two-byte header extensions may be mixed (RFC 8285).
        extmap_allow_mixed = ExtmapAllowMixed;
        /// Header extensions and contributing sources may be sent encrypted to the writer (RFC 9335).
        cryptex = Cryptex;
        /// No more candidates will come (RFC 8840).
        end_of_candidates = EndOfCandidates;
        /// The writer is an ICE lite agent (RFC 8839).
        ice_lite = IceLite;
    }

    /// The RTCP port (RFC 3605).
    pub fn rtcp(&self) -> Option<&Rtcp> {
        self.iter().find_map(|attribute| match attribute {
            Attribute::Rtcp(rtcp) => Some(&**rtcp),
            _ => None,
        })
    }

    /// Data channels negotiated in the description (RFC 8864).
    pub fn dcmaps(&self) -> impl Iterator<Item = &Dcmap> {
        self.iter().filter_map(|attribute| match attribute {
            Attribute::Dcmap(dcmap) => Some(&**dcmap),
            _ => None,
        })
    }

    /// ICE candidates (RFC 8839).
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.iter().filter_map(|attribute| match attribute {
            Attribute::Candidate(candidate) => Some(&**candidate),
            _ => None,
        })
    }

    /// The codec behind `payload_type`.
    pub fn rtpmap(&self, payload_type: u8) -> Option<&Rtpmap> {
        self.rtpmaps().find(|map| map.payload_type == payload_type)
    }

    /// The parameters of `payload_type`.
    pub fn fmtp(&self, payload_type: u8) -> Option<&Fmtp> {
        self.fmtps().find(|fmtp| fmtp.payload_type() == Some(payload_type))
    }

    /// The first media stream and track.
    pub fn msid(&self) -> Option<&Msid> {
        self.msids().next()
    }

    /// The members of the first BUNDLE group (RFC 9143).
    pub fn bundle(&self) -> Option<&Words> {
        self.groups().find(|group| group.semantics == GroupSemantics::Bundle).map(|g| &g.mids)
    }

    /// The value of an attribute that the crate does not know; the inner `None` means no colon.
    pub fn unknown(&self, name: &str) -> Option<Option<&str>> {
        self.iter().find_map(|attribute| match attribute {
            Attribute::Unknown { name: n, value } if n == name => Some(value.as_deref()),
            _ => None,
        })
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Attributes) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Attributes {}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<A: Into<Attribute>> Extend<A> for Attributes {
    fn extend<I: IntoIterator<Item = A>>(&mut self, attributes: I) {
        for attribute in attributes {
            self.push(attribute);
        }
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Attributes {
        let mut list = Attributes::new();
        list.extend(attributes);
        list
    }
}
