//! Key derivation (RFC 3711 §4.3; RFC 6188 §3 for AES-192 and AES-256): session keys from a master key, once, with a key
//! derivation rate of zero, as DTLS-SRTP has it (RFC 5764 §4.1.2).

use peerage_crypto::CryptoProvider;
use zeroize::Zeroizing;

use crate::{Error, MasterKey};

/// What a derived key is for (RFC 3711 §4.3.1, §4.3.2; RFC 6904 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Label {
    RtpEncryption = 0x00,
    RtpAuthentication = 0x01,
    RtpSalt = 0x02,
    RtcpEncryption = 0x03,
    RtcpAuthentication = 0x04,
    RtcpSalt = 0x05,
    HeaderEncryption = 0x06,
    HeaderSalt = 0x07,
}

/// The first `N` bytes of the pseudo-random function; a caller that needs fewer takes the front.
pub(crate) fn derive<const N: usize>(
    provider: &dyn CryptoProvider,
    master: &MasterKey,
    label: Label,
) -> Result<Zeroizing<[u8; N]>, Error> {
    // RFC 3711 §4.3.1: x = (label || r) XOR master_salt, right-aligned in 112 bits, r being 48 bits of zeros.
    // §4.3.3: the keystream begins at x * 2^16.
    let mut counter = Zeroizing::new([0; 16]);
    counter[..14].copy_from_slice(master.salt());
    counter[7] ^= label as u8;
    let mut out = Zeroizing::new([0; N]);
    provider.aes_counter_mode(master.key())?.apply(&counter, &mut *out)?;
    Ok(out)
}
