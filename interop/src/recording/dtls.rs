//! Decrypts recorded DTLS with the secrets of a key log: RFC 9147 §4 for 1.3, RFC 6347 §4.1 with an AEAD for 1.2.
//!
//! Written apart from `peerage-dtls`, so that the two check each other.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use peerage_crypto::{
    AeadAlgorithm, AeadKey, CryptoProvider, HashAlgorithm, MaskKey, default_provider, hkdf_expand,
};

use super::KeyLog;
use super::capture::Datagram;

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Content type, version, epoch, sequence number, length.
const PLAINTEXT_HEADER: usize = 13;

/// Type, length, message number, fragment offset, fragment length.
const HANDSHAKE_HEADER: usize = 12;

/// A recorded session, read as far as its keys allow.
#[derive(Debug, Default)]
pub struct Session {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite by its registered number.
    pub cipher_suite: u16,
    /// Names the session in a key log.
    pub client_random: [u8; 32],
    /// The other half of the seed of keys in DTLS 1.2.
    pub server_random: [u8; 32],
    /// Where the DTLS client's hello came from.
    pub client: Option<SocketAddr>,
    /// What each record of application data carried, in the order of capture.
    pub application_data: Vec<Datagram>,
    /// Encrypted records that opened: application data, handshake, acknowledgements, alerts.
    pub opened: usize,
    /// Encrypted records that came before their keys, or did not open.
    pub unopened: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Client,
    Server,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Decrypts the one DTLS session of a capture.
///
/// # Errors
/// When there is no whole beginning of a handshake, or the key log lacks the session.
pub fn decrypt(datagrams: &[Datagram], keys: &KeyLog) -> Result<Session> {
    let dtls = |datagram: &&Datagram| {
        // RFC 7983 §7.
        datagram.payload.first().is_some_and(|first| (20..64).contains(first))
    };
    let hello = find_hello(datagrams, CLIENT_HELLO).context("the capture has no ClientHello")?;
    let answer = find_hello(datagrams, SERVER_HELLO).context("the capture has no ServerHello")?;
    let mut session = Session {
        version: if answer.suite >> 8 == 0x13 { "1.3" } else { "1.2" },
        cipher_suite: answer.suite,
        client_random: hello.random,
        server_random: answer.random,
        client: Some(hello.source),
        ..Session::default()
    };
    let mut opener = Opener::new(&session, &answer.random, keys)?;
    let mut sides =
        HashMap::from([(hello.source, Side::Client), (hello.destination, Side::Server)]);
    for datagram in datagrams.iter().filter(dtls) {
        // ICE may move the session to other addresses. Only one side's keys open a record, so that tells who speaks.
        let known = [
            sides.get(&datagram.source).copied(),
            sides.get(&datagram.destination).map(|side| side.other()),
        ];
        let mut side = known.into_iter().flatten().next();
        let mut rest = datagram.payload.as_slice();
        while !rest.is_empty() {
            let Some(length) = record_length(rest) else {
                session.unopened += 1;
                break;
            };
            let (record, after) = rest.split_at(length);
            rest = after;
            if record[0] >> 5 != 1 && record[3..5] == [0, 0] {
                continue; // Epoch 0 is in clear.
            }
            let tried = side.map_or(&[Side::Client, Side::Server][..], |side| match side {
                Side::Client => &[Side::Client],
                Side::Server => &[Side::Server],
            });
            let opened = tried.iter().find_map(|&side| Some((side, opener.open(side, record)?)));
            match opened {
                Some((speaker, (content_type, plaintext))) => {
                    side = Some(speaker);
                    sides.insert(datagram.source, speaker);
                    sides.insert(datagram.destination, speaker.other());
                    session.opened += 1;
                    if content_type == APPLICATION_DATA {
                        session
                            .application_data
                            .push(Datagram { payload: plaintext, ..datagram.clone() });
                    }
                }
                None => session.unopened += 1,
            }
        }
    }
    Ok(session)
}

impl Session {
    /// Keying material of `length` bytes for another protocol, with an empty context: RFC 8446 §7.5 with the labels of RFC
    /// 9147 §5.9, or RFC 5705 §4.
    ///
    /// # Errors
    /// When the key log lacks the session.
    pub fn export(&self, keys: &KeyLog, label: &str, length: usize) -> Result<Vec<u8>> {
        let provider = default_provider();
        let (_, hash) = suite(self.cipher_suite)?;
        let secret = |name: &str| {
            keys.secret(name, &self.client_random)
                .with_context(|| format!("the key log has no {name} of the session"))
        };
        if self.version == "1.2" {
            let seed = [label.as_bytes(), &self.client_random, &self.server_random].concat();
            return Ok(prf_12(&*provider, hash, secret("CLIENT_RANDOM")?, &seed, length));
        }
        let nothing = provider.hash(hash).current();
        let master = secret("EXPORTER_SECRET")?;
        let derived =
            expand_label(&*provider, hash, master, label.as_bytes(), &nothing, nothing.len())?;
        expand_label(&*provider, hash, &derived, b"exporter", &nothing, length)
    }
}

/// HKDF-Expand-Label (RFC 8446 §7.1) with the prefix of DTLS (RFC 9147 §5.9), without a space.
fn expand_label(
    provider: &dyn CryptoProvider,
    hash: HashAlgorithm,
    secret: &[u8],
    label: &[u8],
    context: &[u8],
    length: usize,
) -> Result<Vec<u8>> {
    let prk = provider.hmac(hash, secret);
    let mut out = vec![0; length];
    let head = [(length >> 8) as u8, length as u8, 6 + label.len() as u8];
    hkdf_expand(&*prk, &[&head, b"dtls13", label, &[context.len() as u8], context], &mut out)?;
    Ok(out)
}

struct Hello {
    source: SocketAddr,
    destination: SocketAddr,
    random: [u8; 32],
    suite: u16,
}

/// The last hello of a kind: after a HelloRetryRequest the second one counts.
fn find_hello(datagrams: &[Datagram], kind: u8) -> Option<Hello> {
    datagrams.iter().rev().find_map(|datagram| {
        let record = datagram.payload.as_slice();
        let body = record.get(PLAINTEXT_HEADER + HANDSHAKE_HEADER..)?;
        let first = record.get(PLAINTEXT_HEADER + 6..PLAINTEXT_HEADER + 9)? == [0, 0, 0];
        if record[0] != HANDSHAKE || record[PLAINTEXT_HEADER] != kind || !first {
            return None;
        }
        let session_id = usize::from(*body.get(34)?);
        let suite = body.get(35 + session_id..)?.first_chunk::<2>()?;
        Some(Hello {
            source: datagram.source,
            destination: datagram.destination,
            random: *body.get(2..)?.first_chunk()?,
            suite: u16::from_be_bytes(*suite),
        })
    })
}

/// The length of the first record of a datagram, if all of it is there.
fn record_length(record: &[u8]) -> Option<usize> {
    let at =
        |at: usize| Some(usize::from(u16::from_be_bytes([*record.get(at)?, *record.get(at + 1)?])));
    let length = if record[0] >> 5 == 1 {
        // RFC 9147 §4: 001CSLEE. Nobody here uses connection ids.
        let sequence = if record[0] & 8 != 0 { 2 } else { 1 };
        if record[0] & 4 != 0 { 1 + sequence + 2 + at(1 + sequence)? } else { record.len() }
    } else {
        PLAINTEXT_HEADER + at(11)?
    };
    (length <= record.len()).then_some(length)
}

struct Keys {
    aead: Box<dyn AeadKey>,
    iv: Vec<u8>,
    /// Of DTLS 1.3: the mask of sequence numbers, and the next one expected.
    mask: Option<Box<dyn MaskKey>>,
    next: u64,
}

/// Keys by side and epoch; of an epoch in DTLS 1.3 the record shows the lower two bits.
struct Opener(HashMap<(Side, u8), Keys>);

impl Opener {
    fn new(session: &Session, server_random: &[u8; 32], log: &KeyLog) -> Result<Self> {
        let provider = default_provider();
        let (algorithm, hash) = suite(session.cipher_suite)?;
        let secret = |label: &str| {
            log.secret(label, &session.client_random)
                .with_context(|| format!("the key log has no {label} of the session"))
        };
        let mut keys = HashMap::new();
        if session.version == "1.3" {
            for (side, epoch, label) in [
                (Side::Client, 2, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"),
                (Side::Server, 2, "SERVER_HANDSHAKE_TRAFFIC_SECRET"),
                (Side::Client, 3, "CLIENT_TRAFFIC_SECRET_0"),
                (Side::Server, 3, "SERVER_TRAFFIC_SECRET_0"),
            ] {
                let made = keys_13(&*provider, algorithm, hash, secret(label)?)?;
                keys.insert((side, epoch), made);
            }
        } else {
            let master = secret("CLIENT_RANDOM")?;
            // RFC 5246 §6.3: both write keys, then both fixed IVs.
            let (key, iv) = (key_length(algorithm), fixed_iv_length(algorithm));
            let seed = [&b"key expansion"[..], server_random, &session.client_random].concat();
            let block = prf_12(&*provider, hash, master, &seed, 2 * (key + iv));
            for (side, number) in [(Side::Client, 0), (Side::Server, 1)] {
                let aead = provider.aead(algorithm, &block[number * key..][..key])?;
                let iv = block[2 * key + number * iv..][..iv].to_vec();
                keys.insert((side, 1), Keys { aead, iv, mask: None, next: 0 });
            }
        }
        Ok(Self(keys))
    }

    /// Opens a record: its content type and what it carries.
    fn open(&mut self, side: Side, record: &[u8]) -> Option<(u8, Vec<u8>)> {
        if record[0] >> 5 == 1 {
            let keys = self.0.get_mut(&(side, record[0] & 3))?;
            return keys.open_13(record);
        }
        self.0.get_mut(&(side, record[4]))?.open_12(record)
    }
}

impl Keys {
    fn open_12(&mut self, record: &[u8]) -> Option<(u8, Vec<u8>)> {
        let number: [u8; 8] = *record.get(3..)?.first_chunk()?;
        let body = &record[PLAINTEXT_HEADER..];
        let mut nonce = [0; 12];
        nonce[..self.iv.len()].copy_from_slice(&self.iv);
        // RFC 5288 §3: with GCM half of the nonce travels in the record; RFC 7905 §2: with ChaCha20 none does.
        let mut data = if self.iv.len() == 4 {
            nonce[4..].copy_from_slice(body.first_chunk::<8>()?);
            body[8..].to_vec()
        } else {
            xor_number(&mut nonce, number);
            body.to_vec()
        };
        let length = u16::try_from(data.len().checked_sub(16)?).ok()?;
        let additional = [&number[..], &record[..3], &length.to_be_bytes()].concat();
        let length = self.aead.open_in_place(&nonce, &additional, &mut data).ok()?;
        data.truncate(length);
        Some((record[0], data))
    }

    fn open_13(&mut self, record: &[u8]) -> Option<(u8, Vec<u8>)> {
        let sequence_length = if record[0] & 8 != 0 { 2 } else { 1 };
        let header_length = 1 + sequence_length + if record[0] & 4 != 0 { 2 } else { 0 };
        let mut header = record.get(..header_length)?.to_vec();
        let mut data = record[header_length..].to_vec();
        let mask = self.mask.as_mut()?.mask(data.first_chunk()?);
        let mut shown = 0;
        for at in 0..sequence_length {
            header[1 + at] ^= mask[at];
            shown = shown << 8 | u64::from(header[1 + at]);
        }
        // RFC 9147 §4.2.2: the number closest to the one expected next.
        let modulus = 1_u64 << (8 * sequence_length);
        let mut sequence = self.next - self.next % modulus + shown;
        if sequence > self.next + modulus / 2 && sequence >= modulus {
            sequence -= modulus;
        } else if sequence + modulus / 2 < self.next {
            sequence += modulus;
        }
        let mut nonce: [u8; 12] = self.iv.as_slice().try_into().ok()?;
        xor_number(&mut nonce, sequence.to_be_bytes());
        let length = self.aead.open_in_place(&nonce, &header, &mut data).ok()?;
        self.next = self.next.max(sequence + 1);
        data.truncate(length);
        // The content type is the last byte that is not zero (RFC 8446 §5.4).
        let end = data.iter().rposition(|byte| *byte != 0)?;
        let content_type = data[end];
        data.truncate(end);
        Some((content_type, data))
    }
}

fn xor_number(nonce: &mut [u8; 12], number: [u8; 8]) {
    for (byte, number) in nonce[4..].iter_mut().zip(number) {
        *byte ^= number;
    }
}

fn keys_13(
    provider: &dyn CryptoProvider,
    algorithm: AeadAlgorithm,
    hash: HashAlgorithm,
    secret: &[u8],
) -> Result<Keys> {
    let expand =
        |label: &[u8], length: usize| expand_label(provider, hash, secret, label, &[], length);
    let length = key_length(algorithm);
    Ok(Keys {
        aead: provider.aead(algorithm, &expand(b"key", length)?)?,
        iv: expand(b"iv", 12)?,
        mask: Some(provider.record_number_mask(algorithm, &expand(b"sn", length)?)?),
        next: 0,
    })
}

/// P_hash of RFC 5246 §5; `seed` begins with the label.
fn prf_12(
    provider: &dyn CryptoProvider,
    hash: HashAlgorithm,
    secret: &[u8],
    seed: &[u8],
    length: usize,
) -> Vec<u8> {
    let key = provider.hmac(hash, secret);
    let (mut out, mut a) = (Vec::new(), key.sign(&[seed]));
    while out.len() < length {
        out.extend_from_slice(&key.sign(&[&a, seed]));
        a = key.sign(&[&a]);
    }
    out.truncate(length);
    out
}

fn key_length(algorithm: AeadAlgorithm) -> usize {
    if algorithm == AeadAlgorithm::Aes128Gcm { 16 } else { 32 }
}

fn fixed_iv_length(algorithm: AeadAlgorithm) -> usize {
    if algorithm == AeadAlgorithm::ChaCha20Poly1305 { 12 } else { 4 }
}

/// The AEAD and hash of a suite that Peerage speaks.
fn suite(number: u16) -> Result<(AeadAlgorithm, HashAlgorithm)> {
    let found = match number {
        0x1301 | 0xc02b | 0xc02f => (AeadAlgorithm::Aes128Gcm, HashAlgorithm::Sha256),
        0x1302 | 0xc02c | 0xc030 => (AeadAlgorithm::Aes256Gcm, HashAlgorithm::Sha384),
        0x1303 | 0xcca8 | 0xcca9 => (AeadAlgorithm::ChaCha20Poly1305, HashAlgorithm::Sha256),
        other => bail!("cipher suite {other:#06x} is not known here"),
    };

    Ok(found)
}
