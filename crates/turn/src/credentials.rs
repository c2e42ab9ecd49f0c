//! Whose password is what: static users, and names that carry their own end with a password made from a shared secret
//! (draft-uberti-behave-turn-rest).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use peerage_crypto::{CryptoProvider, HashAlgorithm, HmacKey, Rng, SharedSecret};
use peerage_stun::{
    IntegrityAlgorithm, IntegrityKey, LongTermCredentials, Message, PasswordAlgorithm,
};

use crate::config::Config;
use crate::error::ConfigError;

struct User {
    name: Box<str>,
    md5: SharedSecret,
    sha256: SharedSecret,
}

impl User {
    fn new(provider: &dyn CryptoProvider, credentials: &LongTermCredentials) -> Option<Self> {
        Some(Self {
            name: credentials.username().into(),
            md5: credentials.key(provider, PasswordAlgorithm::Md5)?,
            sha256: credentials.key(provider, PasswordAlgorithm::Sha256)?,
        })
    }

    fn key(&self, algorithm: PasswordAlgorithm) -> &[u8] {
        match algorithm {
            PasswordAlgorithm::Sha256 => self.sha256.as_ref(),
            _ => self.md5.as_ref(),
        }
    }
}

/// Who says that he is whom.
pub(crate) enum Claim<'a> {
    Name(&'a str),
    Hash(&'a [u8; 32]),
}

/// Those who may allocate. Workers of one server share it.
pub(crate) struct Credentials {
    provider: Arc<dyn CryptoProvider>,
    realm: String,
    users: HashMap<Box<str>, Arc<User>>,
    hashes: HashMap<[u8; 32], Arc<User>>,
    secrets: Vec<Box<dyn HmacKey>>,
    /// Checked in the place of a user that is not there, so that the time of an answer does not tell.
    nobody: User,
}

impl Credentials {
    pub(crate) fn new(
        provider: Arc<dyn CryptoProvider>,
        config: &Config,
        rng: &mut Rng,
    ) -> Result<Self, ConfigError> {
        let mut users = HashMap::new();
        let mut hashes = HashMap::new();
        for (username, password) in &config.users {
            let wrong = |source| ConfigError::Credential { username: username.clone(), source };
            let credentials =
                LongTermCredentials::new(username, &config.realm, password).map_err(wrong)?;
            let Some(user) = User::new(&*provider, &credentials) else { continue };
            let user = Arc::new(user);
            hashes.insert(credentials.userhash(&*provider), Arc::clone(&user));
            users.insert(user.name.clone(), user);
        }
        let secret = SharedSecret::new(rng.array::<32>().to_vec());
        Ok(Self {
            realm: config.realm.clone(),
            users,
            hashes,
            secrets: config
                .secrets
                .iter()
                .map(|secret| provider.hmac(HashAlgorithm::Sha1, secret.as_bytes()))
                .collect(),
            nobody: User { name: "".into(), md5: secret.clone(), sha256: secret },
            provider,
        })
    }

    /// The name and key of whoever signed `message`; `None` where nobody did. `unix` is the time of day in seconds;
    /// `current` is the name that the allocation on this path has: it may outlive its credentials.
    pub(crate) fn verify(
        &self,
        message: &Message<'_>,
        claim: &Claim<'_>,
        algorithm: PasswordAlgorithm,
        unix: u64,
        current: Option<&str>,
    ) -> Option<(Box<str>, SharedSecret)> {
        let user = match claim {
            Claim::Name(name) => self.users.get(*name),
            Claim::Hash(hash) => self.hashes.get(*hash),
        };
        let name = match (user, claim) {
            (None, Claim::Name(name)) if !self.secrets.is_empty() => {
                return self.verify_timed(message, name, algorithm, unix, current);
            }
            (Some(user), _) => &user.name,
            (None, _) => &self.nobody.name,
        };
        let secret = user.map_or(&self.nobody, |user| &**user).key(algorithm);
        let signed = self.signed(message, secret);
        (signed && user.is_some()).then(|| (name.clone(), SharedSecret::new(secret.to_vec())))
    }

    /// Every secret is tried, whatever the time in the name, so that refusals all take as long.
    fn verify_timed(
        &self,
        message: &Message<'_>,
        name: &str,
        algorithm: PasswordAlgorithm,
        unix: u64,
        current: Option<&str>,
    ) -> Option<(Box<str>, SharedSecret)> {
        let mut found = None;
        for secret in &self.secrets {
            let password = BASE64.encode(&*secret.sign(&[name.as_bytes()]));
            let Ok(credentials) = LongTermCredentials::new(name, &self.realm, &password) else {
                continue;
            };
            let key = credentials.key(&*self.provider, algorithm)?;
            if self.signed(message, key.as_ref()) {
                found = Some(key);
            }
        }
        let good = expiry(name).is_some_and(|expiry| expiry > unix) || current == Some(name);
        Some((name.into(), found.filter(|_| good)?))
    }

    fn signed(&self, message: &Message<'_>, secret: &[u8]) -> bool {
        let algorithm = if message.has_integrity(IntegrityAlgorithm::HmacSha256) {
            IntegrityAlgorithm::HmacSha256
        } else {
            IntegrityAlgorithm::HmacSha1
        };
        let key = IntegrityKey::from_bytes(&*self.provider, algorithm, secret);
        message.verify_integrity(&key).is_ok()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("users", &self.users.len())
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// The time in a time-limited name: `1433895918` or `1433895918:user`, in seconds of Unix time.
fn expiry(name: &str) -> Option<u64> {
    name.split_once(':').map_or(name, |(time, _)| time).parse().ok()
}

/// What quotas count by: the user id, which stays as the time before it changes.
pub(crate) fn quota_name<'a>(name: &'a str, config: &Config) -> &'a str {
    match name.split_once(':') {
        Some((time, user)) if !config.secrets.is_empty() && time.parse::<u64>().is_ok() => user,
        _ => name,
    }
}

/// The password that belongs to a time-limited name, as a service that hands out credentials makes it
/// (draft-uberti-behave-turn-rest §2.2): the Base64 of HMAC-SHA1 over the name.
///
/// The name is the Unix time, in seconds, at which it ends, and often a colon and a user id behind it.
pub fn time_limited_password(secret: &str, username: &str) -> String {
    let key = peerage_crypto::default_provider().hmac(HashAlgorithm::Sha1, secret.as_bytes());
    BASE64.encode(&*key.sign(&[username.as_bytes()]))
}
