//! The receiving half of a crypto context (RFC 3711 §3.2, §3.3): packets are checked and decrypted where they lie.
//!
//! ```text
//! datagram -> find key (MKI) -> guess index -> look for replay -> authenticate -> decrypt -> record index -> packet
//!                    |               |               |                 |
//!                    +---------------+---- Rejected -+-----------------+      nothing is recorded before this line
//! ```

use std::sync::Arc;

use peerage_crypto::{CryptoProvider, Digest, constant_time_eq};

use crate::{
    Config, Error, HeaderExtensionIds, MasterKey, ProtectionProfile, ReceiverStatistics, Rejected,
    cryptex,
    index::{RTP_INDEX_END, estimate, rollover_counter},
    packet::{BATCH, MAX_PACKET_LEN, RTCP_CLEAR_LEN, RTCP_INDEX_LEN, RtpHeader, rtcp_ssrc},
    replay::{ReplayWindow, Verdict},
    session::{Session, Transform, counter_block, nonce},
    streams::Streams,
};

/// Master keys that a [`Receiver`] holds at most.
pub const MAX_MASTER_KEYS: usize = 16;

/// After so many packets of a stream that were all rejected, its rollover counter is looked for in the rounds ahead.
///
/// RFC 3711 §3.3.1 guesses right as long as fewer than 2^15 packets are lost in a row. After a longer outage the guess is a
/// round or more behind, and every packet would fail for ever.
const SEARCH_AFTER: u32 = 64;
/// How many rounds ahead are tried, one of them for each rejected packet: outages of up to 2^18 packets are survived.
const SEARCH_ROUNDS: u32 = 4;

/// The first packet of a stream that was received, when its sequence number is below this, may be of the round after the
/// first: a sender may begin shortly before a wrap, and the packets before it may be lost (RFC 3711 §3.3.1).
const JUST_WRAPPED: u16 = 1 << 12;

/// Checks and decrypts what the peer sends: any number of streams, up to [`Config::max_streams`], under up to
/// [`MAX_MASTER_KEYS`] master keys.
///
/// A packet that does not authenticate changes nothing but a counter.
pub struct Receiver {
    provider: Arc<dyn CryptoProvider>,
    profile: ProtectionProfile,
    config: Config,
    mki_len: usize,
    /// Never empty; the newest last.
    sessions: Vec<Session>,
    rtp: Streams<RtpStream>,
    rtcp: Streams<RtcpStream>,
    statistics: ReceiverStatistics,
    /// A copy of the packet while its rollover counter is looked for, since to open it in vain may spoil it.
    spare: Vec<u8>,
}

struct RtpStream {
    /// The highest index; before the first packet the rollover counter only.
    highest: u64,
    started: bool,
    window: ReplayWindow,
    /// Packets rejected since the last that was accepted. It decides what is tried, and nothing else, since anyone can make
    /// it grow.
    rejected: u32,
}

struct RtcpStream {
    highest: u64,
    window: ReplayWindow,
}

impl Receiver {
    /// A context for one direction.
    pub fn new(
        provider: &Arc<dyn CryptoProvider>,
        key: &MasterKey,
        config: Config,
    ) -> Result<Self, Error> {
        Ok(Self {
            provider: provider.clone(),
            profile: key.profile(),
            mki_len: key.mki().len(),
            sessions: vec![Session::new(&**provider, key, &config)?],
            rtp: Streams::new(config.max_streams),
            rtcp: Streams::new(config.max_streams),
            statistics: ReceiverStatistics::default(),
            spare: Vec::new(),
            config,
        })
    }

    /// Accepts packets under another master key too, of the same profile and with an identifier of the same length. So
    /// packets of the key before still get in while the peer changes over. At most [`MAX_MASTER_KEYS`].
    pub fn add_key(&mut self, key: &MasterKey) -> Result<(), Error> {
        if key.profile() != self.profile {
            return Err(Error::KeyMismatch("another protection profile"));
        }
        if key.mki().is_empty() || key.mki().len() != self.mki_len {
            return Err(Error::KeyMismatch("several keys need identifiers of one length"));
        }
        if self.sessions.iter().any(|session| *session.mki == *key.mki()) {
            return Err(Error::DuplicateMki);
        }
        if self.sessions.len() >= MAX_MASTER_KEYS {
            return Err(Error::TooManyKeys(MAX_MASTER_KEYS));
        }
        self.sessions.push(Session::new(&*self.provider, key, &self.config)?);
        Ok(())
    }

    /// Forgets the key with this identifier, when no more of its packets can be on the way. Says whether there was one. The
    /// last key stays.
    pub fn remove_key(&mut self, mki: &[u8]) -> bool {
        let position = self.sessions.iter().position(|session| *session.mki == *mki);
        match position {
            Some(position) if self.sessions.len() > 1 => {
                self.sessions.remove(position);
                true
            }
            _ => false,
        }
    }

    /// From now on packets whose contributing sources and header extensions are encrypted are taken, or demanded, or not
    /// (RFC 9335 §5.2).
    pub fn set_cryptex(&mut self, cryptex: crate::Cryptex) {
        self.config.cryptex = cryptex;
    }

    /// Checks and decrypts an SRTP packet in place; the result is the RTP packet at the front of `packet`.
    ///
    /// When it is rejected, its bytes may have changed and must not be used.
    pub fn unprotect_rtp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a mut [u8], Rejected> {
        let opened = self.open_rtp(packet, None);
        self.count_rtp(opened).map(|len| &mut packet[..len])
    }

    /// Checks and decrypts packets that came together; `results` is cleared and has the length of each RTP packet, which lies at
    /// the front of its buffer, or why there is none. What comes out is what [`unprotect_rtp`](Self::unprotect_rtp) makes of
    /// them one after the other, but for profiles with HMAC-SHA1 in less time: see
    /// [`Sender::protect_rtp_batch`](crate::Sender::protect_rtp_batch).
    ///
    /// When one is rejected, its bytes may have changed and must not be used.
    pub fn unprotect_rtp_batch(
        &mut self,
        packets: &mut [&mut [u8]],
        results: &mut Vec<Result<usize, Rejected>>,
    ) {
        results.clear();
        for packets in packets.chunks_mut(BATCH) {
            let expected = self.expected_tags(packets);
            for (packet, expected) in packets.iter_mut().zip(&expected) {
                let opened = self.open_rtp(packet, expected.as_ref());
                results.push(self.count_rtp(opened));
            }
        }
    }

    /// The tags that packets should have if their indices are what they look like before any of them is taken. Whether it is so,
    /// and all that must be checked, is decided as each is opened.
    fn expected_tags(&self, packets: &[&mut [u8]]) -> [Option<ExpectedTag>; BATCH] {
        let mut expected = [const { None }; BATCH];
        let mut messages: [[&[u8]; 2]; BATCH] = [[&[]; 2]; BATCH];
        let mut found = [(0, 0, [0; 4]); BATCH];
        let mut count = 0;
        // With several keys, packets of one may follow those of another; that is seldom, and not worth the sorting.
        let [session] = &self.sessions[..] else { return expected };
        let Transform::CounterMode { mac, .. } = &session.rtp else { return expected };
        for (at, packet) in packets.iter().enumerate() {
            let trailer = self.profile.rtp_tag_len() + self.mki_len;
            let Some(body_len) = packet.len().checked_sub(trailer) else { continue };
            let Some(header) = RtpHeader::parse(&packet[..body_len]) else { continue };
            let stream = self.rtp.find(header.ssrc).map(|slot| self.rtp.get(slot));
            let index = match stream {
                Some(stream) if stream.started => estimate(stream.highest, header.sequence_number),
                Some(stream) => stream.highest,
                None => 0,
            };
            found[count] = (at, body_len, rollover_counter(index).to_be_bytes());
            count += 1;
        }
        for (message, (at, body_len, counter)) in messages.iter_mut().zip(&found[..count]) {
            *message = [&packets[*at][..*body_len], counter];
        }
        let mut tags = [Digest::default(); BATCH];
        mac.sign_many(&messages[..count], &mut tags[..count]);
        for ((at, _, counter), tag) in found[..count].iter().zip(tags) {
            expected[*at] = Some(ExpectedTag { rollover_counter: *counter, tag });
        }
        expected
    }

    fn count_rtp(&mut self, opened: Result<usize, Rejected>) -> Result<usize, Rejected> {
        match opened {
            Ok(_) => self.statistics.rtp_packets += 1,
            Err(rejected) => self.statistics.count(rejected),
        }
        opened
    }

    fn open_rtp(
        &mut self,
        packet: &mut [u8],
        expected: Option<&ExpectedTag>,
    ) -> Result<usize, Rejected> {
        let aead = self.profile.is_aead();
        let tag_len = self.profile.rtp_tag_len();
        let body_len = packet
            .len()
            .checked_sub(tag_len + self.mki_len)
            .filter(|_| packet.len() <= MAX_PACKET_LEN)
            .ok_or(Rejected::Malformed)?;
        let header = RtpHeader::parse(&packet[..body_len]).ok_or(Rejected::Malformed)?;
        let restored = cryptex::receiving(self.config.cryptex, &header)
            .map_err(|()| Rejected::CryptexMissing)?;
        // RFC 3711 §3.1: identifier, then tag; RFC 7714 §8.2: tag, then identifier.
        let mki_at = if aead { body_len + tag_len } else { body_len };
        let session = find_session(&mut self.sessions, &packet[mki_at..mki_at + self.mki_len])?;

        let slot = self.rtp.find(header.ssrc);
        let guess = match slot.map(|slot| self.rtp.get(slot)) {
            Some(stream) if stream.started => {
                let index = estimate(stream.highest, header.sequence_number);
                match stream.window.check(stream.highest, index) {
                    Verdict::Fresh => Ok(index),
                    Verdict::Seen => Err(Rejected::Replayed),
                    Verdict::TooOld => Err(Rejected::TooOld),
                }
            }
            Some(stream) => Ok(stream.highest | u64::from(header.sequence_number)),
            None if self.rtp.may_have_room() => Ok(u64::from(header.sequence_number)),
            None => return Err(Rejected::TooManyStreams),
        };
        let body = Body { header, len: body_len, mki_len: self.mki_len, restored, expected };
        let ids = &self.config.encrypted_header_extensions;
        let ahead = match slot {
            Some(slot) => self.rtp.get(slot).round_ahead(&header),
            None => first_round(header.sequence_number),
        };
        if ahead.is_some() {
            self.spare.clear();
            self.spare.extend_from_slice(packet);
        }
        let mut opened = guess.and_then(|index| open_body(session, packet, &body, ids, index));
        if let (Err(_), Some(index)) = (opened, ahead) {
            packet.copy_from_slice(&self.spare);
            // The verdict on the guess stands if this is in vain.
            opened = open_body(session, packet, &body, ids, index).or(opened);
        }
        let index = match (opened, slot) {
            (Ok(index), _) => index,
            (Err(rejected), Some(slot)) => {
                let stream = self.rtp.get_mut(slot);
                stream.rejected = stream.rejected.saturating_add(1);
                return Err(rejected);
            }
            (Err(rejected), None) => return Err(rejected),
        };

        // Authentic: only now may anything be remembered (RFC 3711 §3.3.1).
        match slot {
            Some(slot) => {
                let stream = self.rtp.touch(slot);
                if !stream.started {
                    stream.started = true;
                    stream.highest = index;
                }
                stream.window.record(stream.highest, index);
                stream.highest = stream.highest.max(index);
                stream.rejected = 0;
            }
            None => {
                let mut window = ReplayWindow::new(self.config.rtp_replay_window);
                window.record(index, index);
                let stream = RtpStream { highest: index, started: true, window, rejected: 0 };
                self.rtp.insert_or_evict(header.ssrc, stream).ok_or(Rejected::TooManyStreams)?;
            }
        }
        Ok(body_len)
    }

    /// Checks and decrypts an SRTCP packet in place; the result is the RTCP packet, which may be compound, at the front of
    /// `packet`. Whether it was encrypted is the sender's choice; it was authenticated in any case.
    ///
    /// When it is rejected, its bytes may have changed and must not be used.
    pub fn unprotect_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a mut [u8], Rejected> {
        match self.open_rtcp(packet) {
            Ok(len) => {
                self.statistics.rtcp_packets += 1;
                Ok(&mut packet[..len])
            }
            Err(rejected) => {
                self.statistics.count(rejected);
                Err(rejected)
            }
        }
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let aead = self.profile.is_aead();
        let tag_len = self.profile.rtcp_tag_len();
        let body_len = packet
            .len()
            .checked_sub(tag_len + RTCP_INDEX_LEN + self.mki_len)
            .filter(|_| packet.len() <= MAX_PACKET_LEN)
            .ok_or(Rejected::Malformed)?;
        let ssrc = rtcp_ssrc(&packet[..body_len]).ok_or(Rejected::Malformed)?;
        // RFC 3711 §3.4: index, identifier, tag; RFC 7714 §9.2: tag, index, identifier.
        let index_at = if aead { body_len + tag_len } else { body_len };
        let mki_at = index_at + RTCP_INDEX_LEN;
        let session = find_session(&mut self.sessions, &packet[mki_at..mki_at + self.mki_len])?;
        let mut flagged = [0; RTCP_INDEX_LEN];
        flagged.copy_from_slice(&packet[index_at..mki_at]);
        let word = u32::from_be_bytes(flagged);
        let (encrypted, index) = (word >> 31 == 1, u64::from(word & 0x7fff_ffff));

        let slot = self.rtcp.find(ssrc);
        match slot.map(|slot| self.rtcp.get(slot)) {
            Some(stream) => match stream.window.check(stream.highest, index) {
                Verdict::Fresh => {}
                Verdict::Seen => return Err(Rejected::Replayed),
                Verdict::TooOld => return Err(Rejected::TooOld),
            },
            None if self.rtcp.may_have_room() => {}
            None => return Err(Rejected::TooManyStreams),
        }

        match &mut session.rtcp {
            Transform::CounterMode { cipher, mac, salt } => {
                let (covered, trailer) = packet.split_at_mut(mki_at);
                if !mac.verify(&[covered], &trailer[self.mki_len..]) {
                    return Err(Rejected::Authentication);
                }
                if encrypted {
                    cipher
                        .apply(
                            &counter_block(salt, ssrc, index),
                            &mut covered[RTCP_CLEAR_LEN..body_len],
                        )
                        .map_err(|_| Rejected::Authentication)?;
                }
            }
            Transform::Aead { key, salt } => {
                let nonce = nonce(salt, ssrc, index);
                let opened = if encrypted {
                    let (header, sealed) = packet[..index_at].split_at_mut(RTCP_CLEAR_LEN);
                    let mut aad = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
                    aad[..RTCP_CLEAR_LEN].copy_from_slice(header);
                    aad[RTCP_CLEAR_LEN..].copy_from_slice(&flagged);
                    key.open_in_place(&nonce, &aad, sealed)
                } else {
                    // RFC 7714 §9.3: the tag covers packet and index, between which it lies; so they are brought together.
                    packet[body_len..mki_at].rotate_left(tag_len);
                    let (aad, tag) = packet[..mki_at].split_at_mut(body_len + RTCP_INDEX_LEN);
                    key.open_in_place(&nonce, aad, tag)
                };
                opened.map_err(|_| Rejected::Authentication)?;
            }
        }

        match slot {
            Some(slot) => {
                let stream = self.rtcp.touch(slot);
                stream.window.record(stream.highest, index);
                stream.highest = stream.highest.max(index);
            }
            None => {
                let mut window = ReplayWindow::new(self.config.rtcp_replay_window);
                window.record(index, index);
                self.rtcp
                    .insert_or_evict(ssrc, RtcpStream { highest: index, window })
                    .ok_or(Rejected::TooManyStreams)?;
            }
        }
        Ok(body_len)
    }

    /// The rollover counter of a stream; `None` for an unknown stream.
    pub fn roc(&self, ssrc: u32) -> Option<u32> {
        let stream = self.rtp.get(self.rtp.find(ssrc)?);
        Some(rollover_counter(stream.highest))
    }

    /// Sets the rollover counter of a stream, as whoever joins late learns it from signalling (RFC 3711 §3.3.1). It holds
    /// for the next packet, whatever its sequence number. If it differs from the present one, the replay window begins
    /// afresh, so that the value must come from someone trusted.
    pub fn set_roc(&mut self, ssrc: u32, roc: u32) -> Result<(), Error> {
        let fresh = RtpStream {
            highest: u64::from(roc) << 16,
            started: false,
            window: ReplayWindow::new(self.config.rtp_replay_window),
            rejected: 0,
        };
        match self.rtp.find(ssrc) {
            Some(slot) => {
                let stream = self.rtp.touch(slot);
                if rollover_counter(stream.highest) != roc {
                    *stream = fresh;
                }
            }
            None => {
                let limit = self.config.max_streams;
                self.rtp.insert_or_evict(ssrc, fresh).ok_or(Error::TooManyStreams { limit })?;
            }
        }
        Ok(())
    }

    /// Forgets a stream that ended, both its RTP and its RTCP, to make room. Its packets could now be replayed.
    pub fn remove_stream(&mut self, ssrc: u32) {
        self.rtp.remove(ssrc);
        self.rtcp.remove(ssrc);
    }

    /// How many streams are remembered: of RTP, and of RTCP.
    pub fn streams(&self) -> (usize, usize) {
        (self.rtp.len(), self.rtcp.len())
    }

    /// What was accepted and dropped so far.
    pub fn statistics(&self) -> ReceiverStatistics {
        self.statistics
    }
}

impl RtpStream {
    /// The index of a packet in one of the rounds ahead, if it is time to look there.
    #[inline]
    fn round_ahead(&self, header: &RtpHeader) -> Option<u64> {
        if self.rejected < SEARCH_AFTER || !self.started {
            return None;
        }
        let rounds = u64::from(self.rejected % SEARCH_ROUNDS);
        let round = (self.highest >> 16) + 1 + rounds;
        let index = round << 16 | u64::from(header.sequence_number);
        (index < RTP_INDEX_END).then_some(index)
    }
}

/// The index of the first packet of a stream, if it was not of round zero.
#[inline]
fn first_round(sequence_number: u16) -> Option<u64> {
    (sequence_number < JUST_WRAPPED).then_some(1 << 16 | u64::from(sequence_number))
}

/// The tag of a packet under the receiver's one key, if it is of this round.
struct ExpectedTag {
    rollover_counter: [u8; 4],
    tag: Digest,
}

/// What [`open_body`] must know of an RTP packet besides its index.
struct Body<'a> {
    header: RtpHeader,
    /// Bytes before key identifier and tag.
    len: usize,
    mki_len: usize,
    /// The "defined by profile" to restore, if cryptex was used.
    restored: Option<u16>,
    /// The tag, if it was computed before.
    expected: Option<&'a ExpectedTag>,
}

/// Authenticates and decrypts an RTP packet under one index, and gives that back.
#[inline]
fn open_body(
    session: &mut Session,
    packet: &mut [u8],
    body: &Body<'_>,
    ids: &HeaderExtensionIds,
    index: u64,
) -> Result<u64, Rejected> {
    if index >= RTP_INDEX_END {
        return Err(Rejected::IndexExhausted);
    }
    let header = &body.header;
    let clear_len = if body.restored.is_some() { cryptex::CLEAR_LEN } else { header.len };
    match &mut session.rtp {
        Transform::CounterMode { cipher, mac, salt } => {
            let (text, trailer) = packet.split_at_mut(body.len);
            let roc = rollover_counter(index).to_be_bytes();
            let tag = &trailer[body.mki_len..];
            let authentic = match body.expected.filter(|e| e.rollover_counter == roc) {
                Some(expected) => constant_time_eq(&expected.tag[..tag.len()], tag),
                None => mac.verify(&[text, &roc], tag),
            };
            if !authentic {
                return Err(Rejected::Authentication);
            }
            if body.restored.is_some() {
                cryptex::gather(text, header);
            }
            cipher
                .apply(&counter_block(salt, header.ssrc, index), &mut text[clear_len..])
                .map_err(|_| Rejected::Authentication)?;
        }
        Transform::Aead { key, salt } => {
            if body.restored.is_some() {
                cryptex::gather(packet, header);
            }
            let sealed_end = packet.len() - body.mki_len;
            let (aad, sealed) = packet[..sealed_end].split_at_mut(clear_len);
            key.open_in_place(&nonce(salt, header.ssrc, index), aad, sealed)
                .map_err(|_| Rejected::Authentication)?;
        }
    }
    if let Some(profile) = body.restored {
        cryptex::scatter(packet, header);
        cryptex::set_profile(packet, header, profile);
    } else if let (Some(cipher), Some(extension)) = (&mut session.header, header.extension) {
        let elements = &mut packet[extension.at + 4..header.len];
        cipher
            .apply(extension.profile, elements, ids, header.ssrc, index)
            .map_err(|_| Rejected::Authentication)?;
    }
    Ok(index)
}

#[cfg(test)]
impl Receiver {
    pub(crate) fn replace_session(&mut self, session: Session) {
        self.sessions = vec![session];
    }
}

/// The key that a packet names. They are few, so that a scan is the fastest way.
#[inline]
fn find_session<'a>(sessions: &'a mut [Session], mki: &[u8]) -> Result<&'a mut Session, Rejected> {
    // Without identifiers there is one key. It is not looked up, since to compare nothing with nothing costs a third of the
    // packet: AVX-512 takes a slow path for the empty slice's address, which is none.
    if mki.is_empty() {
        return sessions.first_mut().ok_or(Rejected::UnknownMki);
    }
    sessions.iter_mut().find(|session| *session.mki == *mki).ok_or(Rejected::UnknownMki)
}
