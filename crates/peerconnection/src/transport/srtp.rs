//! SRTP keys from the DTLS handshake (RFC 5764 §4.2), one context for each direction. The connection makes it when DTLS
//! is up; the [RTP transport](crate::rtp) seals and opens packets with it.

use std::sync::Arc;

use peerage_crypto::CryptoProvider;
use peerage_dtls::{Endpoint, SrtpProtectionProfile};
use peerage_srtp::{Config, Cryptex, KeyingMaterial, ProtectionProfile, Receiver, Sender};
use zeroize::Zeroizing;

use crate::config::HeaderEncryption;
use crate::error::Error;

/// RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// See the module.
pub(crate) struct SrtpTransport {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

impl SrtpTransport {
    /// Whether header extensions are encrypted, as was agreed on (RFC 9335).
    pub(crate) fn set_header_encryption(&mut self, encryption: HeaderEncryption) {
        let cryptex = match encryption {
            HeaderEncryption::Disable => Cryptex::Off,
            HeaderEncryption::Negotiate => Cryptex::Enabled,
            HeaderEncryption::Require => Cryptex::Required,
        };
        self.sender.set_cryptex(cryptex);
        self.receiver.set_cryptex(cryptex);
    }

    /// Derives the keys of a handshake that is over.
    pub(crate) fn new(
        provider: &Arc<dyn CryptoProvider>,
        endpoint: &Endpoint,
        profile: SrtpProtectionProfile,
        is_client: bool,
    ) -> Result<Self, Error> {
        let fail = |message: String| Error::Layer { layer: "srtp", message };
        let profile = ProtectionProfile::from_wire(profile.to_wire())
            .ok_or_else(|| fail("the profile that DTLS agreed on is unknown".to_owned()))?;
        let mut exported = Zeroizing::new(vec![0; profile.keying_material_len()]);
        endpoint
            .export_keying_material(LABEL, None, &mut exported)
            .map_err(|error| fail(error.to_string()))?;
        let keys = KeyingMaterial::split(profile, &exported).map_err(|e| fail(e.to_string()))?;
        let (ours, theirs) = match is_client {
            true => (&keys.client, &keys.server),
            false => (&keys.server, &keys.client),
        };
        Ok(Self {
            sender: Sender::new(provider, ours, Config::default())
                .map_err(|error| fail(error.to_string()))?,
            receiver: Receiver::new(provider, theirs, Config::default())
                .map_err(|error| fail(error.to_string()))?,
        })
    }
}
