//! Encryption of the values of chosen header extension elements (RFC 6904). Identifiers, lengths and padding stay in the
//! clear, so that both ends find the same values.

use peerage_crypto::{CounterModeKey, CryptoProvider};
use zeroize::Zeroizing;

use crate::{
    Error, HeaderExtensionIds, MasterKey,
    kdf::{Label, derive},
    session::counter_block,
};

const ONE_BYTE: u16 = 0xbede;
/// The upper twelve bits say two-byte, the lower four are application bits (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x1000;

/// The keys k_he and k_hs (RFC 6904 §3).
pub(crate) struct HeaderCipher {
    key: Box<dyn CounterModeKey>,
    salt: Zeroizing<[u8; 14]>,
}

impl HeaderCipher {
    pub(crate) fn new(provider: &dyn CryptoProvider, master: &MasterKey) -> Result<Self, Error> {
        let key = derive::<32>(provider, master, Label::HeaderEncryption)?;
        let mut salt = derive::<14>(provider, master, Label::HeaderSalt)?;
        // RFC 7714 §8.3: with GCM too the keystream is that of AES-CM. But the salt is as long as that of the payload
        // (RFC 6904 §3), so that its last two bytes are zero, as libsrtp has it.
        salt[master.profile().salt_len()..].fill(0);
        Ok(Self { key: provider.aes_counter_mode(&key[..master.profile().key_len()])?, salt })
    }

    /// Encrypts or decrypts, which is the same, the chosen elements of `extension`: what follows the four bytes of the
    /// extension's header. Elements behind one that runs past the end are left alone.
    pub(crate) fn apply(
        &mut self,
        profile: u16,
        extension: &mut [u8],
        ids: &HeaderExtensionIds,
        ssrc: u32,
        index: u64,
    ) -> Result<(), peerage_crypto::Error> {
        let first = u128::from_be_bytes(counter_block(&self.salt, ssrc, index));
        let mut at = 0;
        while let Some(element) = next_element(profile, extension, at) {
            at = element.end;
            if !ids.contains(element.id) {
                continue;
            }
            // The keystream runs over the whole extension (RFC 6904 §3); only the blocks that an element meets are made.
            let (block, skipped) = (element.start / 16, element.start % 16);
            let value = &mut extension[element.start..element.end];
            let mut keystream = [0; 15 + MAX_VALUE_LEN];
            let keystream = &mut keystream[..skipped + value.len()];
            self.key.apply(&first.wrapping_add(block as u128).to_be_bytes(), keystream)?;
            for (byte, key) in value.iter_mut().zip(&keystream[skipped..]) {
                *byte ^= key;
            }
        }
        Ok(())
    }
}

/// The longest value of an element (RFC 8285 §4.3).
const MAX_VALUE_LEN: usize = 255;

/// Where an element's value is.
#[derive(Debug, PartialEq, Eq)]
struct Element {
    id: u8,
    start: usize,
    end: usize,
}

/// The first element at or behind `at`, past padding; `None` at the end, for other profiles than those of RFC 8285, and at
/// an element that runs past the end.
fn next_element(profile: u16, extension: &[u8], mut at: usize) -> Option<Element> {
    while *extension.get(at)? == 0 {
        at += 1;
    }
    let first = extension[at];
    let (id, start, len) = if profile == ONE_BYTE {
        // RFC 8285 §4.2: identifier 15 ends the processing, and so does 0 with a length.
        if matches!(first >> 4, 0 | 15) {
            return None;
        }
        (first >> 4, at + 1, usize::from(first & 0x0f) + 1)
    } else if profile & 0xfff0 == TWO_BYTE {
        (first, at + 2, usize::from(*extension.get(at + 1)?))
    } else {
        return None;
    };
    let end = start + len;
    (end <= extension.len()).then_some(Element { id, start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(profile: u16, extension: &[u8]) -> Vec<(u8, usize, usize)> {
        let mut at = 0;
        let mut found = Vec::new();
        while let Some(element) = next_element(profile, extension, at) {
            at = element.end;
            found.push((element.id, element.start, element.end));
        }
        found
    }

    #[test]
    fn the_salt_is_as_long_as_that_of_the_payload() {
        let provider = peerage_crypto::default_provider();
        for profile in crate::ProtectionProfile::ALL {
            let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
            let master = MasterKey::new(profile, &key, &salt).expect("lengths of the profile");
            let cipher = HeaderCipher::new(&*provider, &master).expect("keys");
            assert_eq!(cipher.salt[12..] == [0, 0], profile.is_aead(), "{profile:?}");
        }
    }

    #[test]
    fn elements_are_found_as_rfc_8285_has_them() {
        let one_byte = [0x10, 0xaa, 0, 0, 0x32, 1, 2, 3, 0];
        assert_eq!(elements(0xbede, &one_byte), [(1, 1, 2), (3, 5, 8)]);
        let two_byte = [0x10, 1, 0xaa, 0, 7, 0, 0xff, 2, 1, 2];
        assert_eq!(elements(0x1000, &two_byte), [(16, 2, 3), (7, 6, 6), (255, 8, 10)]);
        assert_eq!(elements(0x100f, &two_byte), elements(0x1000, &two_byte));
        assert_eq!(elements(0x1010, &two_byte), []);
    }

    #[test]
    fn processing_ends_at_what_is_not_an_element() {
        assert_eq!(elements(0xbede, &[0x10, 1, 0xf0, 1, 0x20, 1]), [(1, 1, 2)]);
        assert_eq!(elements(0xbede, &[0x10, 1, 0x03, 1, 0x20, 1]), [(1, 1, 2)]);
        assert_eq!(elements(0xbede, &[0x13, 1, 2, 3]), []);
        assert_eq!(elements(0x1000, &[5]), []);
        assert_eq!(elements(0x1000, &[5, 1]), []);
    }
}
