//! Computing lost packets from parity packets. Media packets of a window are kept; a parity packet waits until it lacks
//! one packet, and what it recovers may let others recover more.

use std::collections::VecDeque;

use super::header::{FecFormat, FecHeader, Protected, read};
use super::mutable::MutableElements;
use super::parity::Parity;
use crate::error::Error;
use crate::extension::ExtensionMap;
use crate::number::{RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc};
use crate::packet::{FIXED_HEADER_LEN, RtpHeader, RtpPacket};

/// How many packets behind the newest are kept for recovery.
pub const RECOVERY_WINDOW: usize = 256;
/// The most parity packets that wait; the oldest goes for the next.
pub const MAX_PENDING_FEC: usize = 48;
/// The largest packet that is kept or recovered.
const MAX_PACKET: usize = 2_048;

#[derive(Debug)]
struct Pending {
    /// The base's extended number.
    base: u64,
    protected: Protected,
    parity: Parity,
}

/// Recovers packets of one stream.
#[derive(Debug)]
pub struct FecDecoder {
    format: FecFormat,
    ssrc: Ssrc,
    mutable: MutableElements,
    unwrapper: SequenceUnwrapper,
    /// By the low bits of the extended number, which is beside the packet.
    window: Vec<(u64, Vec<u8>)>,
    pending: VecDeque<Pending>,
    recovered: VecDeque<Vec<u8>>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    recovered_count: u64,
    discarded_fec: u64,
}

impl FecDecoder {
    /// A decoder for a stream.
    #[must_use]
    pub fn new(format: FecFormat, ssrc: Ssrc) -> Self {
        Self {
            format,
            ssrc,
            mutable: MutableElements::default(),
            unwrapper: SequenceUnwrapper::default(),
            window: (0..RECOVERY_WINDOW).map(|_| (0, Vec::new())).collect(),
            pending: VecDeque::new(),
            recovered: VecDeque::new(),
            spare: Vec::new(),
            recovered_count: 0,
            discarded_fec: 0,
        }
    }

    /// Says which header extensions were negotiated: values that are written when a packet leaves count as zero, since
    /// parity was computed before.
    pub fn set_extensions(&mut self, map: &ExtensionMap) {
        self.mutable = MutableElements::new(map);
    }

    /// Takes a media packet that came; with ULPFEC as it was before RED. Others are passed over. One that was retransmitted
    /// by RTX may have come with other header extensions than those that were protected: it is not to be given here.
    pub fn media(&mut self, packet: &RtpPacket<'_>) {
        if packet.ssrc() != self.ssrc {
            return;
        }
        let extended = self.place(packet.sequence_number());
        if self.store(extended, packet.as_bytes()) {
            let slot = &mut self.window[extended as usize % RECOVERY_WINDOW].1;
            self.mutable.clear(packet, slot);
            if !self.pending.is_empty() {
                self.recover();
            }
        }
    }

    /// The extended number. Parity that came before all media had nothing to be counted from until now: its base may lie before
    /// a wrap, and the first packet behind it.
    fn place(&mut self, number: SequenceNumber) -> u64 {
        let is_first = self.unwrapper.highest().is_none();
        let extended = self.unwrapper.unwrap(number);
        if is_first {
            for pending in &mut self.pending {
                pending.base = self.unwrapper.peek(pending.protected.base);
            }
        }
        extended
    }

    /// False where it is there already, too old or too large.
    fn store(&mut self, extended: u64, bytes: &[u8]) -> bool {
        let highest = self.unwrapper.highest().unwrap_or(extended);
        if extended + RECOVERY_WINDOW as u64 <= highest
            || bytes.len() > MAX_PACKET
            || self.has(extended)
        {
            return false;
        }
        let slot = &mut self.window[extended as usize % RECOVERY_WINDOW];
        slot.0 = extended;
        slot.1.clear();
        slot.1.extend_from_slice(bytes);
        true
    }

    fn has(&self, extended: u64) -> bool {
        let slot = &self.window[extended as usize % RECOVERY_WINDOW];
        slot.0 == extended && !slot.1.is_empty()
    }

    /// Takes a parity packet; with ULPFEC `payload` is the RED block's, otherwise the packet's own.
    ///
    /// # Errors
    ///
    /// Where the header is malformed, or protects another stream.
    pub fn fec(&mut self, packet: &RtpPacket<'_>, payload: &[u8]) -> Result<(), Error> {
        match read(self.format, self.ssrc, packet.csrcs(), payload)? {
            FecHeader::Retransmission(bytes) => self.retransmission(bytes),
            FecHeader::Parity { protected, mut parity, body } => {
                if body.len() > MAX_PACKET {
                    self.discarded_fec += 1;
                    return Ok(());
                }
                let base = self.unwrapper.peek(protected.base);
                if self.pending.len() == MAX_PENDING_FEC
                    && let Some(oldest) = self.pending.pop_front()
                {
                    self.discarded_fec += 1;
                    self.spare.push(oldest.parity.body);
                }
                parity.body = self.spare.pop().unwrap_or_default();
                parity.body.clear();
                parity.body.extend_from_slice(body);
                self.pending.push_back(Pending { base, protected, parity });
                self.recover();
                Ok(())
            }
        }
    }

    /// RFC 8627 §4.2.2.3: the payload is the packet, with R and F where its version was.
    fn retransmission(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut packet = self.spare.pop().unwrap_or_default();
        packet.clear();
        packet.extend_from_slice(bytes);
        packet[0] = packet[0] & 0x3F | 0x80;
        let read = RtpPacket::parse(&packet)?;
        if read.ssrc() == self.ssrc {
            let extended = self.place(read.sequence_number());
            if self.store(extended, &packet) {
                self.deliver(packet);
                self.recover();
            }
        }
        Ok(())
    }

    fn deliver(&mut self, packet: Vec<u8>) {
        self.recovered_count += 1;
        if self.recovered.len() < RECOVERY_WINDOW {
            self.recovered.push_back(packet);
        }
    }

    /// Recovers all that can be. Each round but the last uses up a parity packet, of which there are few.
    fn recover(&mut self) {
        loop {
            let mut found = None;
            let oldest = self
                .unwrapper
                .highest()
                .map_or(0, |highest| (highest + 1).saturating_sub(RECOVERY_WINDOW as u64));
            let mut index = 0;
            while let Some(pending) = self.pending.get(index) {
                let mut missing = pending
                    .protected
                    .offsets()
                    .map(|offset| pending.base + u64::from(offset))
                    .filter(|n| !self.has(*n));
                match (missing.next(), missing.next()) {
                    (Some(one), None) if pending.base >= oldest => {
                        found = Some((index, one));
                        break;
                    }
                    // Nothing is missing.
                    (None, _) => self.discarded_fec += 1,
                    _ if pending.base >= oldest => {
                        index += 1;
                        continue;
                    }
                    _ => self.discarded_fec += 1,
                }
                if let Some(done) = self.pending.remove(index)
                    && self.spare.len() < MAX_PENDING_FEC
                {
                    self.spare.push(done.parity.body);
                }
            }
            let Some((index, number)) = found else { return };
            let Some(pending) = self.pending.remove(index) else { return };
            self.recover_one(pending, number);
        }
    }

    fn recover_one(&mut self, pending: Pending, number: u64) {
        let mut parity = pending.parity;
        let available = parity.body.len();
        for offset in pending.protected.offsets() {
            let other = pending.base + u64::from(offset);
            if other != number {
                parity.add(&self.window[other as usize % RECOVERY_WINDOW].1);
            }
        }
        let mut packet = self.spare.pop().unwrap_or_default();
        packet.clear();
        let header = RtpHeader {
            marker: false,
            payload_type: Default::default(),
            sequence_number: SequenceNumber(number as u16),
            timestamp: RtpTimestamp(parity.timestamp),
            ssrc: self.ssrc,
        };
        header.write(&mut packet, |_| {});
        packet[0] |= parity.flags;
        packet[1] = parity.marker_and_type;
        // A length beyond what is protected cannot be recovered whole, and one that is garbage must not be believed.
        let body =
            parity.body.get(..usize::from(parity.length)).filter(|body| body.len() <= available);
        let good = body.is_some_and(|body| {
            packet.extend_from_slice(body);
            packet.len() > FIXED_HEADER_LEN && RtpPacket::parse(&packet).is_ok()
        });
        if self.spare.len() < MAX_PENDING_FEC {
            self.spare.push(parity.body);
        }
        if good && self.store(number, &packet) {
            // A number ahead of all that came is the newest now.
            self.place(SequenceNumber(number as u16));
            self.deliver(packet);
        } else {
            self.discarded_fec += 1;
        }
    }

    /// Appends a packet that was recovered; false where there is none. It is to go the way of received packets, but not
    /// through this decoder again.
    pub fn poll_recovered(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(packet) = self.recovered.pop_front() else { return false };
        out.extend_from_slice(&packet);
        if self.spare.len() < MAX_PENDING_FEC {
            self.spare.push(packet);
        }
        true
    }

    /// Packets recovered.
    #[must_use]
    pub fn packets_recovered(&self) -> u64 {
        self.recovered_count
    }

    /// Parity packets of no use: nothing was missing, or they came too late, were pushed out, or made no packet.
    #[must_use]
    pub fn fec_discarded(&self) -> u64 {
        self.discarded_fec
    }
}
