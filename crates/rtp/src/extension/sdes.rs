//! SDES items in header extensions: MID (RFC 9143 §15), RtpStreamId and RepairedRtpStreamId (RFC 8852). Demultiplexing
//! reads them from the first packets of a stream.

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// The longest item this crate reads from a header extension. RFC 7941 §4.1.2 allows 255 bytes; identification tags and
/// RIDs of real sessions have a few, and what is kept per stream must be bounded.
pub const MAX_SDES_ITEM_LEN: usize = 64;

fn text(data: &[u8], kind: ExtensionKind) -> Result<&str, Error> {
    if data.is_empty() || data.len() > MAX_SDES_ITEM_LEN {
        return Err(wrong_length(kind));
    }
    let invalid = |reason| Error::Invalid { what: kind.name(), reason, section: kind.section() };
    std::str::from_utf8(data).map_err(|_| invalid("it is not UTF-8"))
}

/// RFC 8852 §4: ALPHA and DIGIT; RFC 8851 §10 adds "-" and "_".
fn rid(data: &[u8], kind: ExtensionKind) -> Result<&str, Error> {
    let text = text(data, kind)?;
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        let reason = "it has characters other than letters, digits, - and _";
        return Err(Error::Invalid { what: kind.name(), reason, section: kind.section() });
    }
    Ok(text)
}

/// The identification tag of the media section that the stream belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mid<'a>(pub &'a str);

impl<'a> HeaderExtension<'a> for Mid<'a> {
    const KIND: ExtensionKind = ExtensionKind::Mid;

    fn parse(data: &'a [u8]) -> Result<Self, Error> {
        text(data, Self::KIND).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// Which simulcast layer the stream is (RID).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpStreamId<'a>(pub &'a str);

impl<'a> HeaderExtension<'a> for RtpStreamId<'a> {
    const KIND: ExtensionKind = ExtensionKind::RtpStreamId;

    fn parse(data: &'a [u8]) -> Result<Self, Error> {
        rid(data, Self::KIND).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// The RID of the stream that this one repairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairedRtpStreamId<'a>(pub &'a str);

impl<'a> HeaderExtension<'a> for RepairedRtpStreamId<'a> {
    const KIND: ExtensionKind = ExtensionKind::RepairedRtpStreamId;

    fn parse(data: &'a [u8]) -> Result<Self, Error> {
        rid(data, Self::KIND).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}
