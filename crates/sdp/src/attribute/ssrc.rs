//! Properties and groups of RTP sources (RFC 5576).

use crate::attribute::group::Msid;
use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::{Text, Word};
use crate::value::{Value, keyword_type};

const SSRC: &str = "expected an SSRC below 2^32";

/// A property of one RTP source (RFC 5576 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ssrc {
    /// The source.
    pub ssrc: u32,
    /// The property.
    pub attribute: SsrcAttribute,
}

/// What is said of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SsrcAttribute {
    /// Its canonical name (RFC 5576 §6.1).
    Cname(Text),
    /// The media stream and track it belongs to, which browsers still write.
    Msid(Msid),
    /// Any other, as it came.
    Other {
        /// Name of the attribute.
        name: Word,
        /// Its value, if it has one.
        value: Option<Text>,
    },
}

impl Value for Ssrc {
    #[inline]
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Ssrc> {
        let ssrc = scanner.number_u32(SSRC)?;
        scanner.skip_spaces();
        let name = scanner.until(b':', "expected a source attribute, such as cname")?;
        let colon = scanner.eat(b':');
        let attribute = match name {
            "cname" if colon => SsrcAttribute::Cname(Text::parse(scanner)?),
            "msid" if colon && !scanner.is_done() => SsrcAttribute::Msid(Msid::parse(scanner)?),
            _ => SsrcAttribute::Other {
                name: Word::checked(name),
                value: match colon {
                    true => {
                        let value = Text::checked(scanner.rest());
                        scanner.take_rest();
                        Some(value)
                    }
                    false => None,
                },
            },
        };
        Ok(Ssrc { ssrc, attribute })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.ssrc.into());
        match &self.attribute {
            SsrcAttribute::Cname(name) => {
                out.put(" cname:");
                out.put(name);
            }
            SsrcAttribute::Msid(msid) => {
                out.put(" msid:");
                msid.write(out);
            }
            SsrcAttribute::Other { name, value } => {
                out.put(" ");
                out.put(name);
                if let Some(value) = value {
                    out.put(":");
                    out.put(value);
                }
            }
        }
    }
}

/// Sources that belong together (RFC 5576 §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SsrcGroup {
    /// What they have in common.
    pub semantics: SsrcGroupSemantics,
    /// The sources, in the order that the semantics give a meaning.
    pub ssrcs: Vec<u32>,
}

keyword_type! {
    /// What the sources of a group have in common.
    SsrcGroupSemantics, "expected group semantics, such as FID";
    /// Flow identification: a source and its retransmissions (RFC 5576 §4.2).
    FlowId = "FID",
    /// Forward error correction (RFC 5956).
    FecFr = "FEC-FR",
    /// Forward error correction, older form.
    Fec = "FEC",
    /// The layers of a simulcast, as browsers wrote before RFC 8853.
    Simulcast = "SIM",
}

impl Value for SsrcGroup {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<SsrcGroup> {
        let semantics = SsrcGroupSemantics::parse(scanner)?;
        let mut ssrcs = Vec::new();
        while !scanner.is_done() {
            ssrcs.push(scanner.number_u32(SSRC)?);
        }
        Ok(SsrcGroup { semantics, ssrcs })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self.semantics.as_str());
        for ssrc in &self.ssrcs {
            out.put(" ");
            out.number((*ssrc).into());
        }
    }
}
