//! What the identifiers of header extensions mean in a media section or BUNDLE group, from its `a=extmap` lines
//! (RFC 8285 §6).

use super::kind::ExtensionKind;
use crate::error::Error;

const KINDS: usize = ExtensionKind::ALL.len();

/// The negotiated identifiers, both ways. Look-ups are one array access.
#[derive(Clone)]
pub struct ExtensionMap {
    /// The kind's discriminant plus one; zero where the identifier means nothing.
    kinds: [u8; 256],
    /// The identifier; zero where the kind is not negotiated.
    ids: [u8; KINDS],
    two_byte: bool,
}

impl Default for ExtensionMap {
    fn default() -> Self {
        Self { kinds: [0; 256], ids: [0; KINDS], two_byte: false }
    }
}

impl ExtensionMap {
    /// A map without extensions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what an `a=extmap` line says; false where the URI is unknown, which is no error.
    ///
    /// A kind that comes again keeps its latest identifier, and the other still means it on receipt.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for the identifiers 0 and 15 (RFC 8285 §4.2, §5), and for one that another kind has already.
    pub fn insert(&mut self, id: u8, uri: &str) -> Result<bool, Error> {
        let Some(kind) = ExtensionKind::from_uri(uri) else { return Ok(false) };
        self.insert_kind(id, kind)?;
        Ok(true)
    }

    /// Like [`insert`](Self::insert), with the kind at hand.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn insert_kind(&mut self, id: u8, kind: ExtensionKind) -> Result<(), Error> {
        let invalid = |reason, section| Error::Invalid {
            what: "identifier of a header extension",
            reason,
            section,
        };
        if id == 0 || id == 15 {
            return Err(invalid("0 and 15 are reserved", "RFC 8285 §4.2"));
        }
        let tag = kind as u8 + 1;
        let slot = &mut self.kinds[usize::from(id)];
        if *slot != 0 && *slot != tag {
            return Err(invalid("it means another extension already", "RFC 8285 §6"));
        }
        *slot = tag;
        self.ids[kind as usize] = id;
        Ok(())
    }

    /// The identifier of a kind, where it was negotiated.
    #[must_use]
    pub fn id(&self, kind: ExtensionKind) -> Option<u8> {
        match self.ids[kind as usize] {
            0 => None,
            id => Some(id),
        }
    }

    /// What an identifier means.
    #[must_use]
    pub fn kind(&self, id: u8) -> Option<ExtensionKind> {
        match self.kinds[usize::from(id)] {
            0 => None,
            tag => Some(ExtensionKind::ALL[usize::from(tag) - 1]),
        }
    }

    /// Whether packets may carry two-byte headers among packets with one-byte headers (`a=extmap-allow-mixed`, RFC 8285
    /// §6). Without it, what does not fit a one-byte header is not sent.
    #[must_use]
    pub fn two_byte_allowed(&self) -> bool {
        self.two_byte
    }

    /// Says whether two-byte headers may be sent.
    pub fn allow_two_byte(&mut self, allowed: bool) {
        self.two_byte = allowed;
    }

    /// The negotiated extensions, by identifier.
    pub fn iter(&self) -> impl Iterator<Item = (u8, ExtensionKind)> + '_ {
        (1..=u8::MAX).filter_map(|id| Some((id, self.kind(id)?)))
    }
}

impl std::fmt::Debug for ExtensionMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_both_ways() {
        let mut map = ExtensionMap::new();
        assert_eq!(map.insert(3, ExtensionKind::Mid.uri()), Ok(true));
        assert_eq!(map.insert(4, "urn:example:unknown"), Ok(false));
        assert_eq!(map.insert(200, ExtensionKind::AudioLevel.uri()), Ok(true));
        assert_eq!(map.id(ExtensionKind::Mid), Some(3));
        assert_eq!(map.kind(200), Some(ExtensionKind::AudioLevel));
        assert_eq!(map.kind(4), None);
        assert!(map.insert(3, ExtensionKind::AudioLevel.uri()).is_err());
        assert!(map.insert(15, ExtensionKind::Mid.uri()).is_err());
        assert_eq!(map.iter().count(), 2);
    }
}
