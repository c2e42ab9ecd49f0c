//! The long-term credential mechanism from the client's side (RFC 8489 §9.2).

use peerage_crypto::CryptoProvider;

use super::event::AllocationError;
use crate::attribute::Attribute;
use crate::attribute_type::AttributeType;
use crate::builder::MessageBuilder;
use crate::integrity::{IntegrityAlgorithm, IntegrityKey, LongTermCredentials};
use crate::message::Message;
use crate::password_algorithm::{PasswordAlgorithm, SecurityFeatures};

/// What the server has asked for, and the key that follows from it.
#[derive(Debug)]
pub(super) struct Authentication {
    credentials: LongTermCredentials,
    nonce: String,
    /// PASSWORD-ALGORITHMS as the server sent it, and what was chosen of it.
    algorithms: Option<(Vec<u8>, PasswordAlgorithm)>,
    userhash: Option<[u8; 32]>,
    key: IntegrityKey,
}

impl Authentication {
    /// Answers the challenge of a 401.
    pub(super) fn new(
        provider: &dyn CryptoProvider,
        (username, password): (&str, &str),
        challenge: &Message<'_>,
    ) -> Result<Self, AllocationError> {
        let refused = || refusal(challenge, "without REALM and NONCE");
        let Some(Ok(Attribute::Realm(realm))) = challenge.decode(AttributeType::REALM) else {
            return Err(refused());
        };
        let Some(Ok(Attribute::Nonce(nonce))) = challenge.decode(AttributeType::NONCE) else {
            return Err(refused());
        };
        let features = SecurityFeatures::from_nonce(nonce).unwrap_or_default();
        let listed = match challenge.decode(AttributeType::PASSWORD_ALGORITHMS) {
            Some(Ok(Attribute::PasswordAlgorithms(list))) => Some(list),
            Some(_) => return Err(AllocationError::PasswordAlgorithm),
            // RFC 8489 §9.2.5: somebody took the list out.
            None if features.password_algorithms => return Err(AllocationError::PasswordAlgorithm),
            None => None,
        };
        let algorithms = match listed {
            Some(list) => {
                let chosen = list.iter().find(|a| !matches!(a, PasswordAlgorithm::Unknown(_)));
                let chosen = chosen.ok_or(AllocationError::PasswordAlgorithm)?;
                Some((list.as_bytes().to_vec(), chosen))
            }
            None => None,
        };
        let credentials = LongTermCredentials::new(username, realm, password)
            .map_err(|_| refusal(challenge, "user name, realm or password is unfit"))?;
        let chosen = algorithms.as_ref().map_or(PasswordAlgorithm::Md5, |(_, chosen)| *chosen);
        let secret = credentials.key(provider, chosen).ok_or(AllocationError::PasswordAlgorithm)?;
        let integrity = match algorithms {
            // RFC 8489 §9.2.5, last paragraph.
            Some(_) => IntegrityAlgorithm::HmacSha256,
            None => IntegrityAlgorithm::HmacSha1,
        };
        let userhash = features.username_anonymity.then(|| credentials.userhash(provider));
        let key = IntegrityKey::from_bytes(provider, integrity, secret.as_ref());
        Ok(Self { credentials, nonce: nonce.to_owned(), algorithms, userhash, key })
    }

    /// Takes the nonce of a 438; false where there is none, or where the list of algorithms was taken out.
    pub(super) fn renew(&mut self, response: &Message<'_>) -> bool {
        let Some(Ok(Attribute::Nonce(nonce))) = response.decode(AttributeType::NONCE) else {
            return false;
        };
        let features = SecurityFeatures::from_nonce(nonce).unwrap_or_default();
        if features.password_algorithms
            && response.get(AttributeType::PASSWORD_ALGORITHMS).is_none()
        {
            return false;
        }
        nonce.clone_into(&mut self.nonce);
        true
    }

    /// Whether a challenge is for the same realm: another try with the same password is in vain.
    pub(super) fn is_for(&self, challenge: &Message<'_>) -> bool {
        matches!(
            challenge.decode(AttributeType::REALM),
            Some(Ok(Attribute::Realm(realm))) if realm == self.credentials.realm()
        )
    }

    /// Appends who we are, and the integrity over all.
    pub(super) fn finish(&self, mut builder: MessageBuilder<'_>) -> usize {
        builder = match &self.userhash {
            Some(hash) => builder.attribute(&Attribute::UserHash(hash)),
            None => builder.attribute(&Attribute::Username(self.credentials.username())),
        };
        builder = builder
            .attribute(&Attribute::Realm(self.credentials.realm()))
            .attribute(&Attribute::Nonce(&self.nonce));
        if let Some((list, chosen)) = &self.algorithms {
            builder = builder
                .parts(AttributeType::PASSWORD_ALGORITHMS, &[list])
                .attribute(&Attribute::PasswordAlgorithm(*chosen));
        }
        builder.integrity(&self.key).fingerprint()
    }

    /// Whether the server knows the password.
    pub(super) fn verifies(&self, response: &Message<'_>) -> bool {
        response.verify_integrity(&self.key).is_ok()
    }
}

/// What the server said, or why nothing can be made of it.
pub(super) fn refusal(response: &Message<'_>, otherwise: &str) -> AllocationError {
    match response.error_code() {
        Some(error) => {
            let (code, reason) = (error.code(), error.reason().to_owned());
            match code {
                401 | 441 => AllocationError::Credentials { code, reason },
                _ => AllocationError::Refused { code, reason },
            }
        }
        None => AllocationError::Refused { code: 0, reason: otherwise.to_owned() },
    }
}
