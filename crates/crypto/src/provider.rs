//! The seam between Peerage and whoever supplies its primitives.
//!
//! DTLS, STUN and SRTP reach cryptography through [`CryptoProvider`] alone. Implementations are proven by
//! [`assert_provider`](crate::conformance::assert_provider), which runs published vectors on every operation.

use std::fmt;

use crate::{Error, Rng};

/// Hash functions of TLS 1.2/1.3, SDP fingerprints (RFC 8122 §5) and STUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// MD5: only for STUN long-term keys (RFC 8489 §9.2.2).
    Md5,
    /// SHA-1: only for STUN MESSAGE-INTEGRITY and SRTP authentication.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Length of the digest, in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// AEAD algorithms (RFC 5116, RFC 8439).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AeadAlgorithm {
    /// AES-128-GCM, 16-byte tag.
    Aes128Gcm,
    /// AES-256-GCM, 16-byte tag.
    Aes256Gcm,
    /// ChaCha20-Poly1305, 16-byte tag.
    ChaCha20Poly1305,
}

impl AeadAlgorithm {
    /// Length of the key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Length of the tag, in bytes: 16 for each algorithm here.
    pub const fn tag_len(self) -> usize {
        16
    }
}

/// Key exchange groups by their IANA "TLS Supported Groups" meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedGroup {
    /// secp256r1, 0x0017.
    Secp256r1,
    /// secp384r1, 0x0018.
    Secp384r1,
    /// x25519, 0x001d.
    X25519,
    /// X25519MLKEM768, 0x11ec: ML-KEM-768 share first, then X25519.
    X25519MlKem768,
}

/// Signature schemes by their IANA "TLS SignatureScheme" meaning (RFC 8446 §4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// rsa_pkcs1_sha256, 0x0401 (DTLS 1.2 only).
    RsaPkcs1Sha256,
    /// rsa_pkcs1_sha384, 0x0501 (DTLS 1.2 only).
    RsaPkcs1Sha384,
    /// rsa_pkcs1_sha512, 0x0601 (DTLS 1.2 only).
    RsaPkcs1Sha512,
    /// ecdsa_secp256r1_sha256, 0x0403.
    EcdsaSecp256r1Sha256,
    /// ecdsa_secp384r1_sha384, 0x0503.
    EcdsaSecp384r1Sha384,
    /// rsa_pss_rsae_sha256, 0x0804.
    RsaPssRsaeSha256,
    /// rsa_pss_rsae_sha384, 0x0805.
    RsaPssRsaeSha384,
    /// rsa_pss_rsae_sha512, 0x0806.
    RsaPssRsaeSha512,
}

impl SignatureScheme {
    /// The hash that is signed.
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::RsaPkcs1Sha256 | Self::EcdsaSecp256r1Sha256 | Self::RsaPssRsaeSha256 => {
                HashAlgorithm::Sha256
            }
            Self::RsaPkcs1Sha384 | Self::EcdsaSecp384r1Sha384 | Self::RsaPssRsaeSha384 => {
                HashAlgorithm::Sha384
            }
            Self::RsaPkcs1Sha512 | Self::RsaPssRsaeSha512 => HashAlgorithm::Sha512,
        }
    }

    /// Whether it is made with an ECDSA key (otherwise with an RSA key).
    pub const fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaSecp256r1Sha256 | Self::EcdsaSecp384r1Sha384)
    }
}

/// The public key inside a certificate, as far as a protocol must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA (rsaEncryption), with the length of the modulus in bits.
    Rsa {
        /// Length of the modulus, in bits.
        bits: u32,
    },
}

/// Kinds of private keys that Peerage generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KeyType {
    /// ECDSA on P-256, the default of WebRTC (RFC 8827 §6.5).
    #[default]
    EcdsaP256,
    /// RSA with a 2048-bit modulus and exponent 65537.
    Rsa2048,
}

/// Supplier of every primitive.
pub trait CryptoProvider: fmt::Debug + Send + Sync + 'static {
    /// Starts a hash.
    fn hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext>;
    /// Prepares an HMAC key; the key schedule is done once.
    fn hmac(&self, algorithm: HashAlgorithm, key: &[u8]) -> Box<dyn HmacKey>;
    /// Prepares an AEAD key; the key schedule is done once.
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadKey>, Error>;
    /// Prepares an AES key of 16, 24 or 32 bytes for counter mode (NIST SP 800-38A §6.5, RFC 3711 §4.1.1); the key
    /// schedule is done once.
    fn aes_counter_mode(&self, key: &[u8]) -> Result<Box<dyn CounterModeKey>, Error>;
    /// Prepares a record number mask key (RFC 9147 §4.2.3): AES-ECB of one block, or a ChaCha20 block.
    fn record_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn MaskKey>, Error>;
    /// Starts a key exchange as the side that speaks first (a TLS client).
    fn start_key_exchange(
        &self,
        group: NamedGroup,
        rng: &mut Rng,
    ) -> Result<Box<dyn KeyExchange>, Error>;
    /// Answers a key share as the side that speaks second: encapsulation for a KEM, a fresh key pair for (EC)DH.
    fn accept_key_exchange(
        &self,
        group: NamedGroup,
        peer_share: &[u8],
        rng: &mut Rng,
    ) -> Result<AcceptedKeyExchange, Error>;
    /// Reads the public key of a DER X.509 certificate, once for all signatures that are checked with it.
    ///
    /// Fails if the certificate is malformed, if the key is no valid element of its group, and for kinds of keys that no
    /// [`SignatureScheme`] covers. Neither the certificate's own signature nor its validity is checked.
    fn certificate_key(&self, certificate_der: &[u8]) -> Result<Box<dyn PublicKey>, Error>;
    /// Generates a private key.
    fn generate_key(&self, key_type: KeyType, rng: &mut Rng) -> Result<Box<dyn SigningKey>, Error>;
    /// Loads a private key, PKCS#8 DER.
    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, Error>;
}

/// A running hash that can be forked, as TLS transcripts need.
pub trait HashContext: Send + Sync {
    /// Adds bytes.
    fn update(&mut self, data: &[u8]);
    /// Copies the state.
    fn fork(&self) -> Box<dyn HashContext>;
    /// The digest so far, without ending the hash.
    fn current(&self) -> Digest;
}

/// A prepared HMAC key.
pub trait HmacKey: Send + Sync {
    /// Computes the tag over the concatenation of `parts`.
    fn sign(&self, parts: &[&[u8]]) -> Digest;
    /// Computes the tag of each message into the place in `tags` with its number: of its two parts in a row. For packets that
    /// come or go together, which a provider may hash side by side; as it comes, one is hashed after the other.
    ///
    /// # Panics
    /// If there are not as many tags as messages.
    fn sign_many(&self, messages: &[[&[u8]; 2]], tags: &mut [Digest]) {
        assert_eq!(messages.len(), tags.len(), "a tag for each message");
        for (message, tag) in messages.iter().zip(tags) {
            *tag = self.sign(message);
        }
    }
    /// Compares in constant time; `tag` may be truncated by the caller's protocol.
    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool;
}

/// A prepared AEAD key. Nonces are 12 bytes, tags 16.
pub trait AeadKey: Send + Sync {
    /// Encrypts `data` in place and writes the tag.
    fn seal_in_place(
        &mut self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8; 16],
    ) -> Result<(), Error>;
    /// Decrypts `data` (ciphertext followed by the tag) in place; returns the length of the plaintext at its start.
    fn open_in_place(
        &mut self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<usize, Error>;
}

/// A prepared AES key in counter mode.
pub trait CounterModeKey: Send + Sync {
    /// XORs `data` with the keystream that begins at `counter`, a 128-bit big-endian number that grows by one per block:
    /// this encrypts, and decrypts. On an error `data` must not be sent or used.
    fn apply(&mut self, counter: &[u8; 16], data: &mut [u8]) -> Result<(), Error>;
}

/// A prepared record-number mask key.
pub trait MaskKey: Send + Sync {
    /// The mask for a ciphertext sample (its first 16 bytes).
    fn mask(&mut self, sample: &[u8; 16]) -> [u8; 16];
}

/// A key exchange that waits for the peer's share.
pub trait KeyExchange: Send + Sync {
    /// The group.
    fn group(&self) -> NamedGroup;
    /// Our share, as it goes on the wire.
    fn share(&self) -> &[u8];
    /// Ends the exchange with the peer's share.
    fn finish(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error>;
}

/// What [`CryptoProvider::accept_key_exchange`] gives.
pub struct AcceptedKeyExchange {
    /// Our share (or KEM ciphertext), as it goes on the wire.
    pub share: Vec<u8>,
    /// The secret both ends now hold.
    pub secret: SharedSecret,
}

/// A public key that verifies, ready for use.
pub trait PublicKey: fmt::Debug + Send + Sync {
    /// What key it is.
    fn kind(&self) -> PublicKeyKind;
    /// Verifies a signature; ECDSA signatures are DER.
    ///
    /// The scheme fixes the hash and the family of key. It does not fix the curve, because in (D)TLS 1.2 it must not
    /// (RFC 5246 §7.4.1.4.1 knows no curves here); TLS 1.3 binds the curve too (RFC 8446 §4.2.3), so its caller
    /// compares with [`kind`](Self::kind).
    fn verify(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error>;
}

/// A private key that signs.
pub trait SigningKey: fmt::Debug + Send + Sync {
    /// Which schemes this key can sign with, best first.
    fn schemes(&self) -> &'static [SignatureScheme];
    /// Signs; ECDSA signatures are DER. `rng` feeds the nonce, so that a seeded run replays exactly.
    fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        rng: &mut Rng,
    ) -> Result<Vec<u8>, Error>;
    /// SubjectPublicKeyInfo, DER.
    fn public_key_der(&self) -> Vec<u8>;
    /// PKCS#8 DER of the private key, zeroized on drop.
    fn private_key_der(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, Error>;
}

/// A digest or HMAC tag of up to 64 bytes, without allocation. Where it holds a secret, its owner zeroizes it.
#[derive(Clone, Copy, PartialEq, Eq, zeroize::Zeroize)]
pub struct Digest {
    bytes: [u8; 64],
    len: u8,
}

impl Digest {
    /// Copies `bytes`; panics if longer than 64, which no supported algorithm is.
    pub fn new(bytes: &[u8]) -> Self {
        let mut out = [0; 64];
        out[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: out, len: bytes.len() as u8 }
    }
}

impl Default for Digest {
    /// Of no bytes, to be written over.
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::ops::Deref for Digest {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({} bytes)", self.len)
    }
}

/// Secret bytes: zeroized on drop, never printed.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct SharedSecret(Vec<u8>);

impl SharedSecret {
    /// Takes ownership of secret bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for SharedSecret {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSecret({} bytes)", self.0.len())
    }
}
