//! The sending half of a crypto context (RFC 3711 §3.2, §3.3): RTP and RTCP packets are protected where they lie.

use std::sync::Arc;

use peerage_crypto::{CryptoProvider, Digest};
use rustc_hash::FxHashSet;

use crate::{
    Config, Error, MasterKey, ProtectionProfile, SenderStatistics,
    burst::Burst,
    cryptex::{self, Sending},
    index::{RTCP_INDEX_END, RTP_INDEX_END, estimate, rollover_counter},
    packet::{BATCH, MAX_PACKET_LEN, RTCP_CLEAR_LEN, RTCP_INDEX_LEN, RtpHeader, rtcp_ssrc},
    replay::{ReplayWindow, Verdict},
    session::{Session, Transform, counter_block, nonce},
    streams::Streams,
};

/// Protects what this side sends: any number of streams under one master key, up to
/// [`Config::max_streams`].
///
/// Give each new stream a first sequence number below 2^15: a receiver that misses the first packets then still guesses the
/// rollover counter (RFC 3711 §3.3.1).
pub struct Sender {
    provider: Arc<dyn CryptoProvider>,
    profile: ProtectionProfile,
    config: Config,
    session: Session,
    /// Packets under the present master key.
    rtp_packets: u64,
    rtcp_packets: u64,
    rtp: Streams<RtpStream>,
    /// The index of each stream's next RTCP packet.
    rtcp: Streams<u64>,
    /// Sources whose state was let go. Nothing is protected for them again, since an index could come twice under a key
    /// (RFC 3711 §9.1).
    retired: FxHashSet<u32>,
    statistics: SenderStatistics,
}

/// The longest tag of a profile with HMAC-SHA1, in bytes.
const MAX_TAG_LEN: usize = 10;
/// Sources that a [`Sender`] remembers as [retired](Sender::retire_stream), at most.
const MAX_RETIRED: usize = 1 << 16;

struct RtpStream {
    /// The highest index; before the first packet the rollover counter only.
    highest: u64,
    started: bool,
    window: ReplayWindow,
}

impl Sender {
    /// A context for one direction.
    pub fn new(
        provider: &Arc<dyn CryptoProvider>,
        key: &MasterKey,
        config: Config,
    ) -> Result<Self, Error> {
        Ok(Self {
            provider: provider.clone(),
            profile: key.profile(),
            session: Session::new(&**provider, key, &config)?,
            rtp_packets: 0,
            rtcp_packets: 0,
            rtp: Streams::new(config.max_streams),
            rtcp: Streams::new(config.max_streams),
            retired: FxHashSet::default(),
            statistics: SenderStatistics::default(),
            config,
        })
    }

    /// Protects from now on with another master key of the same profile. Its identifier must be as long as that of the key
    /// before, and the receiver must [have it](crate::Receiver::add_key) first. Rollover counters and indices go on
    /// (RFC 3711 §3.3.1).
    pub fn set_key(&mut self, key: &MasterKey) -> Result<(), Error> {
        if key.profile() != self.profile {
            return Err(Error::KeyMismatch("another protection profile"));
        }
        if key.mki().len() != self.session.mki.len() {
            return Err(Error::KeyMismatch("another length of the master key identifier"));
        }
        self.session = Session::new(&*self.provider, key, &self.config)?;
        (self.rtp_packets, self.rtcp_packets) = (0, 0);
        Ok(())
    }

    /// From now on contributing sources and header extensions are encrypted, or are not; each packet tells (RFC 9335 §5).
    pub fn set_cryptex(&mut self, cryptex: crate::Cryptex) {
        self.config.cryptex = cryptex;
    }

    /// The most bytes that protection adds to an RTP packet. A buffer with that much spare capacity is not reallocated.
    pub fn rtp_overhead(&self) -> usize {
        let extension = if self.config.cryptex == crate::Cryptex::Off { 0 } else { 4 };
        extension + self.profile.rtp_tag_len() + self.session.mki.len()
    }

    /// The bytes that protection adds to an RTCP packet.
    pub fn rtcp_overhead(&self) -> usize {
        RTCP_INDEX_LEN + self.profile.rtcp_tag_len() + self.session.mki.len()
    }

    /// Protects the RTP packet `packet[start..]` in place; the master key identifier, if any, and the tag are appended.
    ///
    /// On an error the packet must not be sent; its bytes may have changed.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let index = self.encrypt_rtp(packet, start)?;
        if let Transform::CounterMode { mac, .. } = &self.session.rtp {
            // RFC 3711 §4.2: the tag covers the packet and the rollover counter, not the key identifier.
            let tag = mac.sign(&[&packet[start..], &rollover_counter(index).to_be_bytes()]);
            self.append_tag(packet, &tag);
        }
        Ok(())
    }

    /// Protects packets that leave together, each of which is a whole `Vec`; `results` is cleared and has an answer for each. What
    /// comes out is what [`protect_rtp`](Self::protect_rtp) makes of them one after the other, but for profiles with
    /// HMAC-SHA1 it is made in less time, since tags are computed side by side: eight packets of 1,200 bytes take half as long,
    /// where the CPU has AVX-512; two gain nothing.
    ///
    /// A packet whose result is an error must not be sent; its bytes may have changed.
    pub fn protect_rtp_batch(
        &mut self,
        packets: &mut [Vec<u8>],
        results: &mut Vec<Result<(), Error>>,
    ) {
        results.clear();
        for packets in packets.chunks_mut(BATCH) {
            let mut counters = [[0; 4]; BATCH];
            let from = results.len();
            for (packet, counter) in packets.iter_mut().zip(&mut counters) {
                results.push(self.encrypt_rtp(packet, 0).map(|index| {
                    *counter = rollover_counter(index).to_be_bytes();
                }));
            }
            let Transform::CounterMode { mac, .. } = &self.session.rtp else { continue };
            let mut messages: [[&[u8]; 2]; BATCH] = [[&[]; 2]; BATCH];
            let mut tags = [Digest::default(); BATCH];
            let encrypted = |at: usize| results[from + at].is_ok();
            let mut count = 0;
            for at in (0..packets.len()).filter(|&at| encrypted(at)) {
                messages[count] = [&packets[at], &counters[at]];
                count += 1;
            }
            mac.sign_many(&messages[..count], &mut tags[..count]);
            let chosen = (0..packets.len()).filter(|&at| encrypted(at));
            for (at, tag) in chosen.zip(&tags) {
                self.append_tag(&mut packets[at], tag);
            }
        }
    }

    /// Whether packets that are protected together take less time than one after the other: those with HMAC-SHA1 do.
    pub fn gains_from_bursts(&self) -> bool {
        !self.profile.is_aead()
    }

    /// Protects the RTP packet at the end of `packets`, from `start` on, as one of a burst that lies in this buffer one packet
    /// behind the other: where its tag is an HMAC only the room for it is made, and
    /// [`finish_burst`](Self::finish_burst) computes those of all at once. What comes out then is what
    /// [`protect_rtp`](Self::protect_rtp) makes of each.
    ///
    /// Between the first packet and the end of the burst the key stays, and what lies before `start` must not move.
    ///
    /// # Errors
    /// As for [`protect_rtp`](Self::protect_rtp); the packet is to be cut off, and the burst goes on.
    pub fn protect_rtp_in_burst(
        &mut self,
        packets: &mut Vec<u8>,
        start: usize,
        burst: &mut Burst,
    ) -> Result<(), Error> {
        if burst.is_full() {
            self.finish_burst(packets, burst);
        }
        let index = self.encrypt_rtp(packets, start)?;
        if let Transform::CounterMode { .. } = &self.session.rtp {
            burst.push(start..packets.len(), rollover_counter(index).to_be_bytes());
            self.append_tag(packets, &[0; MAX_TAG_LEN]);
        }
        Ok(())
    }

    /// Puts in the tags that the packets of a burst have not got yet. Before that they must not be sent.
    pub fn finish_burst(&mut self, packets: &mut [u8], burst: &mut Burst) {
        let Transform::CounterMode { mac, .. } = &self.session.rtp else { return };
        let mut messages: [[&[u8]; 2]; BATCH] = [[&[]; 2]; BATCH];
        let mut tags = [Digest::default(); BATCH];
        let count = burst.waiting().len();
        for (message, (covered, counter)) in messages.iter_mut().zip(burst.waiting()) {
            *message = [&packets[covered.clone()], counter];
        }
        mac.sign_many(&messages[..count], &mut tags[..count]);
        let tag_len = self.profile.rtp_tag_len();
        for ((covered, _), tag) in burst.waiting().iter().zip(&tags) {
            let at = covered.end + self.session.mki.len();
            packets[at..at + tag_len].copy_from_slice(&tag[..tag_len]);
        }
        burst.clear();
    }

    /// What follows an RTP packet whose tag is an HMAC.
    fn append_tag(&self, packet: &mut Vec<u8>, tag: &[u8]) {
        packet.extend_from_slice(&self.session.mki);
        packet.extend_from_slice(&tag[..self.profile.rtp_tag_len()]);
    }

    /// All of protecting an RTP packet but an HMAC; its index.
    fn encrypt_rtp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<u64, Error> {
        let clear = packet.get(start..).unwrap_or_default();
        let mut header = RtpHeader::parse(clear)
            .ok_or(Error::MalformedPacket("no RTP header of version 2 (RFC 3550 §5.1)"))?;
        check_length(clear.len() + self.rtp_overhead())?;
        let sending =
            cryptex::sending(self.config.cryptex, &header).map_err(Error::MalformedPacket)?;
        if self.rtp_packets >= RTP_INDEX_END {
            return Err(Error::KeyExhausted { kind: "SRTP" });
        }
        let index = self.next_index(&header)?;
        self.rtp_packets += 1;

        let ssrc = header.ssrc;
        let clear_len = match sending {
            Sending::Plain => header.len,
            Sending::Encrypted(_) | Sending::EmptyExtension => cryptex::CLEAR_LEN,
        };
        match sending {
            Sending::Plain => {
                if let (Some(cipher), Some(extension)) =
                    (&mut self.session.header, header.extension)
                {
                    let elements = &mut packet[start + extension.at + 4..start + header.len];
                    let ids = &self.config.encrypted_header_extensions;
                    cipher.apply(extension.profile, elements, ids, ssrc, index)?;
                }
            }
            Sending::Encrypted(profile) => {
                cryptex::set_profile(&mut packet[start..], &header, profile);
                cryptex::gather(&mut packet[start..], &header);
            }
            Sending::EmptyExtension => {
                header = cryptex::add_empty_extension(packet, start, &header);
                cryptex::set_profile(&mut packet[start..], &header, 0xc0de);
                cryptex::gather(&mut packet[start..], &header);
            }
        }
        let (aad, text) = packet[start..].split_at_mut(clear_len);
        match &mut self.session.rtp {
            Transform::CounterMode { cipher, salt, .. } => {
                cipher.apply(&counter_block(salt, ssrc, index), text)?;
                if sending != Sending::Plain {
                    cryptex::scatter(&mut packet[start..], &header);
                }
            }
            Transform::Aead { key, salt } => {
                let mut tag = [0; 16];
                key.seal_in_place(&nonce(salt, ssrc, index), aad, text, &mut tag)?;
                if sending != Sending::Plain {
                    cryptex::scatter(&mut packet[start..], &header);
                }
                // RFC 7714 §8.2: here the identifier comes last.
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&self.session.mki);
            }
        }
        self.statistics.rtp_packets += 1;
        Ok(index)
    }

    /// Finds the index of a packet and records it as used.
    fn next_index(&mut self, header: &RtpHeader) -> Result<u64, Error> {
        let RtpHeader { ssrc, sequence_number, .. } = *header;
        let slot = match self.rtp.find(ssrc) {
            Some(slot) => slot,
            None => self.add_stream(ssrc, 0)?,
        };
        let stream = self.rtp.touch(slot);
        if !stream.started {
            stream.started = true;
            stream.highest |= u64::from(sequence_number);
            stream.window.record(stream.highest, stream.highest);
            return Ok(stream.highest);
        }
        let index = estimate(stream.highest, sequence_number);
        if index >= RTP_INDEX_END {
            return Err(Error::IndexExhausted { ssrc, kind: "SRTP" });
        }
        if stream.window.check(stream.highest, index) != Verdict::Fresh {
            return Err(Error::SequenceNumberReused { ssrc, sequence_number });
        }
        stream.window.record(stream.highest, index);
        stream.highest = stream.highest.max(index);
        Ok(index)
    }

    /// Lets go what is kept for a source that has ended for good, to make room for others. From then on its packets are
    /// refused. Beyond 65,536 retired sources nothing is let go.
    pub fn retire_stream(&mut self, ssrc: u32) {
        let known = self.rtp.find(ssrc).is_some() || self.rtcp.find(ssrc).is_some();
        if known && self.retired.len() < MAX_RETIRED {
            self.retired.insert(ssrc);
            self.rtp.remove(ssrc);
            self.rtcp.remove(ssrc);
        }
    }

    /// Whether a source that is not in the table may come into it.
    fn check_new(&self, ssrc: u32) -> Result<(), Error> {
        match self.retired.contains(&ssrc) {
            true => Err(Error::StreamRetired { ssrc }),
            false => Ok(()),
        }
    }

    fn add_stream(&mut self, ssrc: u32, rollover_counter: u32) -> Result<usize, Error> {
        self.check_new(ssrc)?;
        let stream = RtpStream {
            highest: u64::from(rollover_counter) << 16,
            started: false,
            window: ReplayWindow::new(self.config.rtp_replay_window),
        };
        let limit = self.config.max_streams;
        self.rtp.insert(ssrc, stream).ok_or(Error::TooManyStreams { limit })
    }

    /// Protects the RTCP packet `packet[start..]`, which may be compound, in place; E flag, index, master key identifier and
    /// tag are appended (RFC 3711 §3.4, RFC 7714 §9).
    ///
    /// On an error the packet must not be sent; its bytes may have changed.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let clear = packet.get(start..).unwrap_or_default();
        let ssrc = rtcp_ssrc(clear)
            .ok_or(Error::MalformedPacket("no RTCP header of version 2 (RFC 3550 §6.1)"))?;
        check_length(clear.len() + self.rtcp_overhead())?;
        if self.rtcp_packets >= RTCP_INDEX_END {
            return Err(Error::KeyExhausted { kind: "SRTCP" });
        }
        let slot = match self.rtcp.find(ssrc) {
            Some(slot) => slot,
            None => {
                self.check_new(ssrc)?;
                let limit = self.config.max_streams;
                self.rtcp.insert(ssrc, 0).ok_or(Error::TooManyStreams { limit })?
            }
        };
        let next = self.rtcp.touch(slot);
        let index = *next;
        if index >= RTCP_INDEX_END {
            return Err(Error::IndexExhausted { ssrc, kind: "SRTCP" });
        }
        *next += 1;
        self.rtcp_packets += 1;

        let encrypted = self.config.encrypt_rtcp;
        let flagged = (u32::from(encrypted) << 31 | index as u32).to_be_bytes();
        let end = packet.len();
        match &mut self.session.rtcp {
            Transform::CounterMode { cipher, mac, salt } => {
                if encrypted {
                    let text = &mut packet[start + RTCP_CLEAR_LEN..];
                    cipher.apply(&counter_block(salt, ssrc, index), text)?;
                }
                packet.extend_from_slice(&flagged);
                let tag = mac.sign(&[&packet[start..]]);
                packet.extend_from_slice(&self.session.mki);
                packet.extend_from_slice(&tag[..self.profile.rtcp_tag_len()]);
            }
            Transform::Aead { key, salt } => {
                let nonce = nonce(salt, ssrc, index);
                let mut tag = [0; 16];
                if encrypted {
                    // RFC 7714 §9.2: associated are the first eight bytes and the word with flag and index.
                    let (header, text) = packet[start..].split_at_mut(RTCP_CLEAR_LEN);
                    let mut aad = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
                    aad[..RTCP_CLEAR_LEN].copy_from_slice(header);
                    aad[RTCP_CLEAR_LEN..].copy_from_slice(&flagged);
                    key.seal_in_place(&nonce, &aad, text, &mut tag)?;
                } else {
                    // RFC 7714 §9.3: all of it is associated. The tag goes before the word that it covers.
                    packet.extend_from_slice(&flagged);
                    key.seal_in_place(&nonce, &packet[start..], &mut [], &mut tag)?;
                    packet.truncate(end);
                }
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&flagged);
                packet.extend_from_slice(&self.session.mki);
            }
        }
        self.statistics.rtcp_packets += 1;
        Ok(())
    }

    /// The rollover counter of a stream, for a receiver that joins late; `None` for an unknown stream.
    pub fn roc(&self, ssrc: u32) -> Option<u32> {
        let stream = self.rtp.get(self.rtp.find(ssrc)?);
        Some(rollover_counter(stream.highest))
    }

    /// Sets the rollover counter of a stream, as for a stream that moves here from another sender with the same key. It
    /// holds for the next packet, whatever its sequence number. It cannot go back.
    pub fn set_roc(&mut self, ssrc: u32, roc: u32) -> Result<(), Error> {
        let slot = match self.rtp.find(ssrc) {
            Some(slot) => slot,
            None => self.add_stream(ssrc, roc)?,
        };
        let stream = self.rtp.touch(slot);
        let current = rollover_counter(stream.highest);
        if roc < current {
            return Err(Error::RolloverCounterBackwards { ssrc, current, asked: roc });
        }
        if roc > current {
            stream.highest = u64::from(roc) << 16;
            stream.started = false;
            stream.window = ReplayWindow::new(self.config.rtp_replay_window);
        }
        Ok(())
    }

    /// What was protected so far.
    pub fn statistics(&self) -> SenderStatistics {
        self.statistics
    }
}

#[cfg(test)]
impl Sender {
    pub(crate) fn replace_session(&mut self, session: Session) {
        self.session = session;
    }

    pub(crate) fn set_rtcp_index(&mut self, ssrc: u32, index: u64) {
        self.rtcp.remove(ssrc);
        self.rtcp.insert(ssrc, index);
    }

    pub(crate) fn set_packets_of_key(&mut self, rtp: u64, rtcp: u64) {
        (self.rtp_packets, self.rtcp_packets) = (rtp, rtcp);
    }
}

fn check_length(protected: usize) -> Result<(), Error> {
    if protected <= MAX_PACKET_LEN {
        Ok(())
    } else {
        Err(Error::PacketTooLong { actual: protected, limit: MAX_PACKET_LEN })
    }
}

#[cfg(test)]
mod tests {
    use peerage_crypto::default_provider;

    use super::*;

    #[test]
    fn a_key_protects_no_more_packets_than_it_may() {
        let profile = ProtectionProfile::AeadAes128Gcm;
        let key = |seed| MasterKey::new(profile, &[seed; 16], &[0; 12]).expect("lengths fit");
        let mut sender =
            Sender::new(&default_provider(), &key(1), Config::default()).expect("a sender");
        sender.set_packets_of_key(RTP_INDEX_END - 1, RTCP_INDEX_END - 1);
        let rtp = |sequence_number| vec![0x80, 96, 0, sequence_number, 0, 0, 0, 0, 0, 0, 0, 7];
        let rtcp = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
        sender.protect_rtp(&mut rtp(1), 0).expect("the last one");
        sender.protect_rtcp(&mut rtcp.clone(), 0).expect("the last one");
        let exhausted = |kind| Err(Error::KeyExhausted { kind });
        assert_eq!(sender.protect_rtp(&mut rtp(2), 0), exhausted("SRTP"));
        assert_eq!(sender.protect_rtcp(&mut rtcp.clone(), 0), exhausted("SRTCP"));
        sender.set_key(&key(2)).expect("a fresh key");
        sender.protect_rtp(&mut rtp(2), 0).expect("the fresh key");
        sender.protect_rtcp(&mut rtcp.clone(), 0).expect("the fresh key");

        sender.set_rtcp_index(7, RTCP_INDEX_END - 1);
        sender.protect_rtcp(&mut rtcp.clone(), 0).expect("the last index");
        let refused = sender.protect_rtcp(&mut { rtcp }, 0);
        assert_eq!(refused, Err(Error::IndexExhausted { ssrc: 7, kind: "SRTCP" }));
    }

    #[test]
    fn a_retired_source_makes_room_and_does_not_come_back() {
        let profile = ProtectionProfile::AeadAes128Gcm;
        let key = MasterKey::new(profile, &[1; 16], &[0; 12]).expect("lengths fit");
        let config = Config { max_streams: 2, ..Config::default() };
        let mut sender = Sender::new(&default_provider(), &key, config).expect("a sender");
        let rtp = |ssrc| vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, ssrc];
        for ssrc in 0..200 {
            sender.protect_rtp(&mut rtp(ssrc), 0).expect("there is room");
            sender.retire_stream(ssrc.into());
        }
        let refused = sender.protect_rtp(&mut rtp(7), 0);
        assert_eq!(refused, Err(Error::StreamRetired { ssrc: 7 }));
        let refused = sender.protect_rtcp(&mut vec![0x80, 201, 0, 1, 0, 0, 0, 7], 0);
        assert_eq!(refused, Err(Error::StreamRetired { ssrc: 7 }));
    }
}
