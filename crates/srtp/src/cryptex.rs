//! Cryptex (RFC 9335): contributing sources and header extensions are encrypted with the payload.
//!
//! What is encrypted is not contiguous, because four bytes of clear text, the extension's header, lie between contributing
//! sources and elements. So these are moved in front of the contributing sources for as long as the cipher runs, as §6.2 of
//! the RFC suggests, and moved back after.

use crate::{
    Cryptex,
    packet::{RTP_FIXED_LEN, RtpHeader},
};

/// "Defined by profile" of plain and of encrypted header extensions, one-byte and two-byte (RFC 8285 §4, RFC 9335 §5).
const ONE_BYTE: (u16, u16) = (0xbede, 0xc0de);
const TWO_BYTE: (u16, u16) = (0x1000, 0xc2de);

/// Length of the header of an extension, which stays in the clear.
const EXTENSION_HEADER_LEN: usize = 4;

/// What cryptex does with a packet that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// The packet goes as RFC 3711 has it.
    Plain,
    /// It is encrypted under this "defined by profile".
    Encrypted(u16),
    /// As above, and an empty extension must be added first, since there are contributing sources only.
    EmptyExtension,
}

/// Decides how a packet is sent; the error says why it must not be.
#[inline]
pub(crate) fn sending(mode: Cryptex, header: &RtpHeader) -> Result<Sending, &'static str> {
    if mode == Cryptex::Off {
        return Ok(Sending::Plain);
    }
    match header.extension {
        None if header.csrc_len == 0 => Ok(Sending::Plain),
        None => Ok(Sending::EmptyExtension),
        Some(extension) => match extension.profile {
            plain if plain == ONE_BYTE.0 => Ok(Sending::Encrypted(ONE_BYTE.1)),
            plain if plain == TWO_BYTE.0 => Ok(Sending::Encrypted(TWO_BYTE.1)),
            0x1001..=0x100f => Err(
                "cryptex cannot carry the application bits of two-byte header extensions (RFC 9335 §5)",
            ),
            0xc0de | 0xc2de => {
                Err("the header extension claims to be encrypted already (RFC 9335 §5)")
            }
            _ if mode == Cryptex::Required => Err(
                "cryptex cannot encrypt header extensions other than those of RFC 8285 (RFC 9335 §5.1)",
            ),
            _ => Ok(Sending::Plain),
        },
    }
}

/// What cryptex has to say of a packet that was received: the "defined by profile" to restore if it is encrypted, `None` if
/// it is not; an error if it had to be.
#[inline]
pub(crate) fn receiving(mode: Cryptex, header: &RtpHeader) -> Result<Option<u16>, ()> {
    let restored = match (mode, header.extension) {
        (Cryptex::Off, _) | (_, None) => None,
        (_, Some(extension)) => match extension.profile {
            encrypted if encrypted == ONE_BYTE.1 => Some(ONE_BYTE.0),
            encrypted if encrypted == TWO_BYTE.1 => Some(TWO_BYTE.0),
            _ => None,
        },
    };
    let something = header.csrc_len != 0 || header.extension.is_some();
    if mode == Cryptex::Required && something && restored.is_none() {
        Err(())
    } else {
        Ok(restored)
    }
}

/// Adds an extension without elements to the RTP packet at `start`, as clear text.
pub(crate) fn add_empty_extension(
    packet: &mut Vec<u8>,
    start: usize,
    header: &RtpHeader,
) -> RtpHeader {
    let at = start + header.len;
    let end = packet.len();
    packet.extend_from_slice(&[0; EXTENSION_HEADER_LEN]);
    packet.copy_within(at..end, at + EXTENSION_HEADER_LEN);
    packet[at..at + EXTENSION_HEADER_LEN].copy_from_slice(&[0xbe, 0xde, 0, 0]);
    packet[start] |= 0x10;
    let extension = crate::packet::Extension { profile: ONE_BYTE.0, at: header.len };
    RtpHeader { extension: Some(extension), len: header.len + EXTENSION_HEADER_LEN, ..*header }
}

/// Writes another "defined by profile" into the packet.
pub(crate) fn set_profile(packet: &mut [u8], header: &RtpHeader, profile: u16) {
    if let Some(extension) = header.extension {
        packet[extension.at..extension.at + 2].copy_from_slice(&profile.to_be_bytes());
    }
}

/// Moves the extension's header in front of the contributing sources. Then the clear text is the first
/// [`CLEAR_LEN`] bytes.
#[inline]
pub(crate) fn gather(packet: &mut [u8], header: &RtpHeader) {
    if header.csrc_len != 0 {
        packet[RTP_FIXED_LEN..RTP_FIXED_LEN + header.csrc_len + EXTENSION_HEADER_LEN]
            .rotate_right(EXTENSION_HEADER_LEN);
    }
}

/// Undoes [`gather`].
#[inline]
pub(crate) fn scatter(packet: &mut [u8], header: &RtpHeader) {
    if header.csrc_len != 0 {
        packet[RTP_FIXED_LEN..RTP_FIXED_LEN + header.csrc_len + EXTENSION_HEADER_LEN]
            .rotate_left(EXTENSION_HEADER_LEN);
    }
}

/// Bytes of a gathered packet that stay in the clear (RFC 9335 §6.2: fixed header and extension header).
pub(crate) const CLEAR_LEN: usize = RTP_FIXED_LEN + EXTENSION_HEADER_LEN;
