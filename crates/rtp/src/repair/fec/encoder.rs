//! Making parity packets: media packets are collected, and then protected by as many parity packets as asked for.

use super::header::{FecFormat, Protected, write};
use super::mutable::MutableElements;
use super::parity::Parity;
use crate::error::Error;
use crate::extension::ExtensionMap;
use crate::number::{SequenceNumber, Ssrc};
use crate::packet::RtpPacket;

/// The most packets that are protected together: what the mask of ULPFEC holds, and what receivers keep.
pub const MAX_PROTECTED: usize = 48;

/// Makes parity packets for one stream. Buffers are reused: after the first batches it does not allocate.
#[derive(Debug)]
pub struct FecEncoder {
    format: FecFormat,
    ssrc: Ssrc,
    mutable: MutableElements,
    /// The batch; only the first `count` are of it.
    packets: Vec<(SequenceNumber, Vec<u8>)>,
    count: usize,
    parity: Parity,
    payload: Vec<u8>,
}

impl FecEncoder {
    /// An encoder for a stream.
    #[must_use]
    pub fn new(format: FecFormat, ssrc: Ssrc) -> Self {
        Self {
            format,
            ssrc,
            mutable: MutableElements::default(),
            packets: Vec::new(),
            count: 0,
            parity: Parity::default(),
            payload: Vec::new(),
        }
    }

    /// Says which header extensions are negotiated: values that are written when a packet leaves count as zero.
    pub fn set_extensions(&mut self, map: &ExtensionMap) {
        self.mutable = MutableElements::new(map);
    }

    /// Adds a packet to the batch, as it is sent but for RED. Numbers must ascend. False where the batch is full, or its
    /// numbers would span more than a mask: encode first.
    ///
    /// # Errors
    ///
    /// Where the packet does not parse, or is of another stream.
    pub fn push(&mut self, packet: &[u8]) -> Result<bool, Error> {
        let read = RtpPacket::parse(packet)?;
        if read.ssrc() != self.ssrc {
            let reason = "it is of another stream";
            return Err(Error::Invalid {
                what: "packet to protect",
                reason,
                section: self.format.section(),
            });
        }
        let number = read.sequence_number();
        if self.count > 0 {
            let ahead = number.distance_from(self.packets[self.count - 1].0);
            let span = number.0.wrapping_sub(self.packets[0].0.0);
            // A mask of 48 keeps to what every receiver of any format has room for.
            if self.count == MAX_PROTECTED
                || ahead <= 0
                || span >= self.format.span().min(MAX_PROTECTED as u16)
            {
                return Ok(false);
            }
        }
        if self.packets.len() == self.count {
            self.packets.push((number, Vec::new()));
        }
        let slot = &mut self.packets[self.count];
        slot.0 = number;
        slot.1.clear();
        slot.1.extend_from_slice(packet);
        self.mutable.clear(&read, &mut slot.1);
        self.count += 1;
        Ok(true)
    }

    /// Packets in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Begins another batch without protecting this one.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Makes `count` parity packets, at most as many as the batch has packets, and begins another batch. `emit` gets the
    /// payload of each. Packets are dealt out in turn, so a burst of as many losses as there are parity packets is
    /// repaired, and each parity packet repairs one loss.
    ///
    /// The caller writes the RTP header: for ULPFEC with the media's SSRC and the next of its numbers, inside RED; for
    /// FlexFEC with the SSRC of the parity stream, and for RFC 8627 with the media's SSRC as its only CSRC.
    pub fn encode(&mut self, count: usize, mut emit: impl FnMut(&[u8])) {
        let batch = &self.packets[..self.count];
        let count = count.min(batch.len());
        for row in 0..count {
            self.parity.clear();
            let base = batch[row].0;
            let mut mask = 0;
            for (number, packet) in batch.iter().skip(row).step_by(count) {
                self.parity.add(packet);
                mask |= 1 << (127 - u32::from(number.0.wrapping_sub(base.0)));
            }
            self.payload.clear();
            let protected = Protected { base, mask, step: 1 };
            write(self.format, protected, &self.parity, self.ssrc, &mut self.payload);
            self.payload.extend_from_slice(&self.parity.body);
            emit(&self.payload);
        }
        self.count = 0;
    }
}
