//! One attribute: its name, its typed value, and which of the two places it may stand in.
//!
//! Each kind of value has its own file and knows nothing of the others; this module joins them
//! into one enum by one table.

pub(crate) mod candidate;
pub(crate) mod dtls;
pub(crate) mod group;
pub(crate) mod ice;
pub(crate) mod image;
pub(crate) mod rtp;
pub(crate) mod sctp;
pub(crate) mod simulcast;
pub(crate) mod ssrc;

use crate::attribute::candidate::Candidate;
use crate::attribute::dtls::{ConnectionReuse, Fingerprint, Identity, Setup, TlsId};
use crate::attribute::group::{Group, Msid, MsidSemantic};
use crate::attribute::ice::{IcePwd, IceUfrag, RemoteCandidates};
use crate::attribute::image::ImageAttr;
use crate::attribute::rtp::{Direction, Extmap, Fmtp, Rtcp, RtcpFb, Rtpmap};
use crate::attribute::sctp::{Dcmap, Dcsa, SctpInit, SctpMap};
use crate::attribute::simulcast::{Rid, Simulcast};
use crate::attribute::ssrc::{Ssrc, SsrcGroup};
use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::{Text, Word, Words};
use crate::value::{Decimal, Value};

/// Whether an attribute may stand more than once in a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    /// It may.
    Many,
    /// A second one is refused: to pick one of the two would be a guess.
    Once,
}

/// What happens to an attribute whose value does not follow the grammar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// The description is refused.
    Strict,
    /// The attribute is kept as an unknown one, as the RFC of the attribute says.
    Ignore,
}

/// What the table says of an attribute.
pub(crate) struct Rule {
    /// `a=name`, for messages.
    pub(crate) field: &'static str,
    /// The RFC section of its grammar.
    pub(crate) section: &'static str,
    /// Bit that marks it as seen, if it may stand only once per section.
    pub(crate) once: Option<u32>,
    policy: Policy,
}

macro_rules! attributes {
    (
        flags { $( $(#[$fmeta:meta])* $flag:ident = $fname:literal, $fsection:literal; )* }
        values {
            $( $(#[$vmeta:meta])*
               $value:ident($type:ty) = $vname:literal, $vsection:literal, $count:ident, $policy:ident; )*
        }
    ) => {
        /// An attribute (`a=`) of a session or media description.
        ///
        /// Attributes that the crate does not know, and those that their RFC says to ignore when
        /// malformed, are [`Unknown`](Attribute::Unknown).
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Attribute {
            $( $(#[$vmeta])* #[doc = concat!("\n\n`a=", $vname, "`, ", $vsection, ".")] $value($type), )*
            $( $(#[$fmeta])* #[doc = concat!("\n\n`a=", $fname, "`, ", $fsection, ".")] $flag, )*
            /// Which way media flows.
            ///
            /// `a=sendrecv` and its kin, RFC 8866 §6.7.
            Direction(Direction),
            /// Any other attribute, as it came.
            Unknown {
                /// Its name, before the colon.
                name: Word,
                /// What stands behind the colon; `None` if there is none.
                value: Option<Text>,
            },
        }

        impl Attribute {
            /// The name, as it stands behind `a=`.
            pub fn name(&self) -> &str {
                match self {
                    $( Attribute::$value(_) => $vname, )*
                    $( Attribute::$flag => $fname, )*
                    Attribute::Direction(direction) => direction.as_str(),
                    Attribute::Unknown { name, .. } => name,
                }
            }

            /// Reads an attribute that the crate knows into `place`; false where it knows none of that name.
            #[inline]
            fn parse_known(name: &str, value: Option<&str>, place: &mut Attribute) -> Scan<bool> {
                // Compared first by a number made of a few bytes, which compiles to a binary
                // search, and by the whole only then.
                let key = key(name);
                let Some(value) = value else {
                    *place = match name {
                        $( $fname => Attribute::$flag, )*
                        "sendrecv" => Attribute::Direction(Direction::SendRecv),
                        "sendonly" => Attribute::Direction(Direction::SendOnly),
                        "recvonly" => Attribute::Direction(Direction::RecvOnly),
                        "inactive" => Attribute::Direction(Direction::Inactive),
                        $( $vname => return Scanner::new("").fault("expected a value"), )*
                        _ => return Ok(false),
                    };
                    return Ok(true);
                };
                let mut scanner = Scanner::new(value);
                match key {
                    $( keys::$value if name == $vname => {
                        let value = <$type as Value>::parse(&mut scanner)?;
                        scanner.end()?;
                        *place = Attribute::$value(value);
                        Ok(true)
                    } )*
                    _ => match name {
                        $( $fname => scanner.fault("the attribute takes no value"), )*
                        "sendrecv" | "sendonly" | "recvonly" | "inactive" => {
                            scanner.fault("the attribute takes no value")
                        }
                        _ => Ok(false),
                    },
                }
            }

            /// Writes what stands behind `a=name:`; false if there is no value and no colon.
            #[inline]
            pub(crate) fn has_value(&self) -> bool {
                match self {
                    $( Attribute::$value(_) => true, )*
                    $( Attribute::$flag => false, )*
                    Attribute::Direction(_) => false,
                    Attribute::Unknown { value, .. } => value.is_some(),
                }
            }

            /// Writes what stands behind the colon.
            #[inline]
            pub(crate) fn write_value(&self, out: &mut impl Sink) {
                match self {
                    $( Attribute::$value(value) => value.write(out), )*
                    $( Attribute::$flag => {} )*
                    Attribute::Direction(_) => {}
                    Attribute::Unknown { value, .. } => {
                        if let Some(value) = value {
                            out.put(value);
                        }
                    }
                }
            }
        }

        #[allow(non_upper_case_globals)]
        mod keys {
            $( pub(super) const $value: u32 = super::key($vname); )*
        }

        /// The bit of each attribute that may stand once, and the number of the row it is in.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, dead_code)]
        enum Row { $( $value, )* $( $flag, )* Direction }

        /// The row for a name; only asked when something must be refused.
        pub(crate) fn rule(name: &str) -> Option<Rule> {
            Some(match name {
                $( $vname => Rule {
                    field: concat!("a=", $vname),
                    section: $vsection,
                    once: once(Row::$value as u32, Count::$count),
                    policy: Policy::$policy,
                }, )*
                $( $fname => Rule {
                    field: concat!("a=", $fname),
                    section: $fsection,
                    once: None,
                    policy: Policy::Strict,
                }, )*
                "sendrecv" | "sendonly" | "recvonly" | "inactive" => Rule {
                    field: "a direction attribute",
                    section: "RFC 8866 §6.7",
                    once: once(Row::Direction as u32, Count::Once),
                    policy: Policy::Strict,
                },
                _ => return None,
            })
        }

        impl Attribute {
            /// The bit that marks an attribute as seen, if it may stand only once per section.
            #[inline]
            pub(crate) fn once(&self) -> Option<u32> {
                match self {
                    $( Attribute::$value(_) => once(Row::$value as u32, Count::$count), )*
                    $( Attribute::$flag => None, )*
                    Attribute::Direction(_) => once(Row::Direction as u32, Count::Once),
                    Attribute::Unknown { .. } => None,
                }
            }
        }
    };
}

/// A number by which most names differ: length, first, middle and last byte.
#[inline]
const fn key(name: &str) -> u32 {
    let bytes = name.as_bytes();
    match bytes.len() {
        0 => 0,
        length => {
            u32::from_le_bytes([length as u8, bytes[0], bytes[length / 2], bytes[length - 1]])
        }
    }
}

#[inline]
const fn once(row: u32, count: Count) -> Option<u32> {
    match count {
        Count::Once => Some(row),
        Count::Many => None,
    }
}

attributes! {
    flags {
        /// RTP and RTCP share one port.
        RtcpMux = "rtcp-mux", "RFC 5761 §5.1.1";
        /// RTCP may be sent in reduced size.
        RtcpRsize = "rtcp-rsize", "RFC 5506 §5.1";
        /// RTP and RTCP share one port, and nothing else will do.
        RtcpMuxOnly = "rtcp-mux-only", "RFC 8858 §3";
        /// The media description is of use only as part of a BUNDLE group.
        BundleOnly = "bundle-only", "RFC 9143 §6";
        /// One-byte and two-byte header extensions may be mixed in a stream.
        ExtmapAllowMixed = "extmap-allow-mixed", "RFC 8285 §6";
        /// No more candidates will come.
        EndOfCandidates = "end-of-candidates", "RFC 8840 §8.2";
        /// The writer is an ICE lite agent.
        IceLite = "ice-lite", "RFC 8839 §5.3";
        /// The default destination matched no candidate.
        IceMismatch = "ice-mismatch", "RFC 8839 §5.3";
        /// Header extensions and contributing sources are encrypted.
        Cryptex = "cryptex", "RFC 9335 §4";
    }
    values {
        /// Feedback that may be sent.
        RtcpFb(RtcpFb) = "rtcp-fb", "RFC 4585 §4.2", Many, Strict;
        /// The codec behind a payload type.
        Rtpmap(Rtpmap) = "rtpmap", "RFC 8866 §6.6", Many, Strict;
        /// Parameters of a format.
        Fmtp(Fmtp) = "fmtp", "RFC 8866 §6.15", Many, Strict;
        /// An ICE candidate.
        Candidate(Box<Candidate>) = "candidate", "RFC 8839 §5.1", Many, Strict;
        /// A header extension.
        Extmap(Extmap) = "extmap", "RFC 8285 §5", Many, Strict;
        /// A property of an RTP source.
        Ssrc(Ssrc) = "ssrc", "RFC 5576 §4.1", Many, Strict;
        /// A group of RTP sources.
        SsrcGroup(SsrcGroup) = "ssrc-group", "RFC 5576 §4.2", Many, Strict;
        /// The identification tag of a media description.
        Mid(Word) = "mid", "RFC 5888 §4", Once, Strict;
        /// The ICE username fragment.
        IceUfrag(IceUfrag) = "ice-ufrag", "RFC 8839 §5.4", Once, Strict;
        /// The ICE password.
        IcePwd(IcePwd) = "ice-pwd", "RFC 8839 §5.4", Once, Strict;
        /// ICE extensions that the writer supports.
        IceOptions(Words) = "ice-options", "RFC 8839 §5.6", Once, Strict;
        /// The fingerprint of a certificate.
        Fingerprint(Fingerprint) = "fingerprint", "RFC 8122 §5", Many, Strict;
        /// Who opens the DTLS association.
        Setup(Setup) = "setup", "RFC 4145 §4", Once, Strict;
        /// The RTCP port.
        Rtcp(Box<Rtcp>) = "rtcp", "RFC 3605 §2.1", Once, Strict;
        /// The media stream and track carried.
        Msid(Msid) = "msid", "RFC 8830 §2", Many, Strict;
        /// The media streams of the session, older form.
        MsidSemantic(MsidSemantic) = "msid-semantic", "RFC 8830 §1", Many, Strict;
        /// A group of media descriptions.
        Group(Group) = "group", "RFC 5888 §5", Many, Strict;
        /// An RTP stream and its restrictions.
        Rid(Rid) = "rid", "RFC 8851 §4", Many, Ignore;
        /// The streams of a simulcast.
        Simulcast(Simulcast) = "simulcast", "RFC 8853 §5.1", Once, Strict;
        /// The SCTP port.
        SctpPort(u16) = "sctp-port", "RFC 8841 §5.2", Once, Strict;
        /// The largest message that the writer receives, in bytes; 0 means any.
        MaxMessageSize(u64) = "max-message-size", "RFC 8841 §6.2", Once, Strict;
        /// The SCTP INIT chunk in advance.
        SctpInit(SctpInit) = "sctp-init", "draft-hancke-tsvwg-snap", Once, Strict;
        /// The SCTP port, older form.
        SctpMap(SctpMap) = "sctpmap", "draft-ietf-mmusic-sctp-sdp-05 §5", Many, Strict;
        /// A data channel negotiated here.
        Dcmap(Box<Dcmap>) = "dcmap", "RFC 8864 §5.1", Many, Strict;
        /// An attribute of the subprotocol of a data channel.
        Dcsa(Dcsa) = "dcsa", "RFC 8864 §5.2", Many, Strict;
        /// The identity of the DTLS association.
        TlsId(TlsId) = "tls-id", "RFC 8842 §4", Once, Strict;
        /// An identity assertion.
        Identity(Identity) = "identity", "RFC 8827 §5", Many, Strict;
        /// Whether a new transport connection is wanted.
        Connection(ConnectionReuse) = "connection", "RFC 4145 §5", Once, Strict;
        /// The candidates that were chosen.
        RemoteCandidates(RemoteCandidates) = "remote-candidates", "RFC 8839 §5.2", Once, Strict;
        /// Milliseconds between connectivity checks.
        IcePacing(u32) = "ice-pacing", "RFC 8839 §5.5", Once, Strict;
        /// Image sizes that can be sent or received.
        ImageAttr(ImageAttr) = "imageattr", "RFC 6236 §3.1", Many, Ignore;
        /// Milliseconds of media in a packet.
        Ptime(Decimal) = "ptime", "RFC 8866 §6.4", Once, Ignore;
        /// Milliseconds of media in a packet at most.
        MaxPtime(Decimal) = "maxptime", "RFC 8866 §6.5", Once, Ignore;
        /// Video frames per second at most.
        Framerate(Decimal) = "framerate", "RFC 8866 §6.13", Once, Ignore;
        /// Label by which an application knows the media description.
        Label(Text) = "label", "RFC 4574 §4", Once, Ignore;
        /// What the media shows.
        Content(Text) = "content", "RFC 4796 §5", Once, Ignore;
        /// Software that made the description.
        Tool(Text) = "tool", "RFC 8866 §6.3", Once, Ignore;
        /// Category of the session.
        Cat(Text) = "cat", "RFC 8866 §6.1", Once, Ignore;
        /// Keywords of the session.
        Keywds(Text) = "keywds", "RFC 8866 §6.2", Once, Ignore;
        /// Orientation of a whiteboard.
        Orient(Word) = "orient", "RFC 8866 §6.8", Once, Ignore;
        /// Type of the conference.
        Type(Word) = "type", "RFC 8866 §6.9", Once, Ignore;
        /// Character set of the texts.
        Charset(Word) = "charset", "RFC 8866 §6.10", Once, Ignore;
        /// Language of the description.
        SdpLang(Word) = "sdplang", "RFC 8866 §6.11", Many, Ignore;
        /// Language of the media.
        Lang(Word) = "lang", "RFC 8866 §6.12", Many, Ignore;
        /// Quality of the encoding, 0 to 10 for video.
        Quality(u32) = "quality", "RFC 8866 §6.14", Once, Ignore;
    }
}

impl Attribute {
    /// What stands in a place until [`parse_into`](Attribute::parse_into) has filled it.
    pub(crate) const PLACEHOLDER: Attribute = Attribute::RtcpMux;

    /// Reads the attribute `name`, with `value` where there was a colon, straight into its place: handed back as a value,
    /// it would be copied once for each function on the way. On a fault `place` holds nothing of use.
    #[inline]
    pub(crate) fn parse_into(name: &str, value: Option<&str>, place: &mut Attribute) -> Scan<()> {
        match Attribute::parse_known(name, value, place) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(_) if rule(name).is_some_and(|rule| rule.policy == Policy::Ignore) => {}
            Err(fault) => return Err(fault),
        }
        *place = Attribute::unknown(name, value);
        Ok(())
    }

    fn unknown(name: &str, value: Option<&str>) -> Attribute {
        Attribute::Unknown { name: Word::checked(name), value: value.map(Text::checked) }
    }
}

impl<T: Value> Value for Box<T> {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Box<T>> {
        Ok(Box::new(T::parse(scanner)?))
    }

    fn write(&self, out: &mut impl Sink) {
        T::write(self, out);
    }
}

macro_rules! attribute_from_large {
    ($($variant:ident),*) => {$(
        impl From<$variant> for Attribute {
            fn from(value: $variant) -> Attribute {
                Attribute::$variant(Box::new(value))
            }
        }
    )*};
}

// Boxed, so that the large and rare do not make every attribute large.
attribute_from_large!(Candidate, Rtcp, Dcmap);

impl From<Direction> for Attribute {
    fn from(direction: Direction) -> Attribute {
        Attribute::Direction(direction)
    }
}

macro_rules! attribute_from {
    ($($variant:ident),*) => {$(
        impl From<$variant> for Attribute {
            fn from(value: $variant) -> Attribute {
                Attribute::$variant(value)
            }
        }
    )*};
}

attribute_from!(
    RtcpFb,
    Rtpmap,
    Fmtp,
    Extmap,
    Ssrc,
    SsrcGroup,
    IceUfrag,
    IcePwd,
    Fingerprint,
    Setup,
    Msid,
    MsidSemantic,
    Group,
    Rid,
    Simulcast,
    SctpInit,
    SctpMap,
    Dcsa,
    TlsId,
    Identity,
    ImageAttr
);
