//! How media descriptions belong together: groups (RFC 5888, 9143) and media streams (RFC 8830).

use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::{Word, Words};
use crate::value::{Value, keyword_type};

/// A group of media descriptions (RFC 5888 §5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// What the group is for.
    pub semantics: GroupSemantics,
    /// The `mid`s of its members; the first of a BUNDLE is the one whose transport is used.
    pub mids: Words,
}

keyword_type! {
    /// What a group is for.
    GroupSemantics, "expected group semantics, such as BUNDLE";
    /// One transport for all (RFC 9143).
    Bundle = "BUNDLE",
    /// Lip synchronization (RFC 5888 §7).
    LipSync = "LS",
    /// Flow identification (RFC 5888 §8).
    FlowId = "FID",
    /// Forward error correction (RFC 5956).
    Fec = "FEC-FR",
}

impl Value for Group {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Group> {
        Ok(Group { semantics: GroupSemantics::parse(scanner)?, mids: Words::parse(scanner)? })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self.semantics.as_str());
        if !self.mids.is_empty() {
            out.put(" ");
            out.put(&self.mids);
        }
    }
}

/// The media stream and track that a media description carries (RFC 8830 §2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Msid {
    /// Identifier of the stream; `-` means that the track is in none.
    pub stream: Word,
    /// Identifier of the track, which RFC 9429 no longer writes but browsers do.
    pub track: Option<Word>,
}

impl Value for Msid {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Msid> {
        let stream = Word::checked(scanner.word("expected a stream identifier")?);
        let track = match scanner.is_done() {
            true => None,
            false => Some(Word::parse(scanner)?),
        };
        Ok(Msid { stream, track })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.stream);
        if let Some(track) = &self.track {
            out.put(" ");
            out.put(track);
        }
    }
}

/// The older, session-level announcement of stream identifiers, which browsers still write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MsidSemantic {
    /// `WMS`: WebRTC media stream.
    pub semantic: Word,
    /// Stream identifiers, or `*` for all.
    pub streams: Words,
}

impl Value for MsidSemantic {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<MsidSemantic> {
        Ok(MsidSemantic { semantic: Word::parse(scanner)?, streams: Words::parse(scanner)? })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.semantic);
        if !self.streams.is_empty() {
            out.put(" ");
            out.put(&self.streams);
        }
    }
}
