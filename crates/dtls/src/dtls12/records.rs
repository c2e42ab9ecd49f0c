//! The two epochs of a DTLS 1.2 connection without renegotiation: plaintext, and what follows ChangeCipherSpec
//! (RFC 6347 §4.1).

use std::ops::Range;

use super::protection::RecordProtection;
use crate::{
    error::Error,
    record::{ContentType, PlaintextHeader, ReplayWindow},
    version::ProtocolVersion,
};

/// The epoch of everything after ChangeCipherSpec.
pub(crate) const PROTECTED_EPOCH: u16 = 1;

/// The keys of both directions, as far as they are known.
#[derive(Debug)]
pub(crate) struct Records {
    /// The next number of a record we send in epoch 0.
    plaintext_sequence: u64,
    write: Option<(RecordProtection, u64)>,
    read: Option<(RecordProtection, ReplayWindow)>,
}

/// Why a protected record was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    NoKeys,
    Replayed,
    BadMac,
}

impl Records {
    pub(crate) fn new(plaintext_sequence: u64) -> Self {
        Self { plaintext_sequence, write: None, read: None }
    }

    /// From here on epoch 1 can seal.
    pub(crate) fn install_write(&mut self, keys: RecordProtection) {
        self.write = Some((keys, 0));
    }

    /// From here on epoch 1 can be opened.
    pub(crate) fn install_read(&mut self, keys: RecordProtection) {
        self.read = Some((keys, ReplayWindow::default()));
    }

    pub(crate) fn can_open(&self) -> bool {
        self.read.is_some()
    }

    /// The highest epoch that can seal.
    pub(crate) fn write_epoch(&self) -> u16 {
        if self.write.is_some() { PROTECTED_EPOCH } else { 0 }
    }

    /// Length of what stands before the contents of a record.
    pub(crate) fn header_len(&self, epoch: u16) -> usize {
        match &self.write {
            Some((keys, _)) if epoch == PROTECTED_EPOCH => keys.header_len(),
            _ => PlaintextHeader::LEN,
        }
    }

    /// How many bytes a record is longer than its contents.
    pub(crate) fn overhead(&self, epoch: u16) -> usize {
        match &self.write {
            Some((keys, _)) if epoch == PROTECTED_EPOCH => keys.overhead(),
            _ => PlaintextHeader::LEN,
        }
    }

    /// Makes a record of `buf[start..]`, whose first [`header_len`](Self::header_len) bytes are headroom.
    pub(crate) fn seal(
        &mut self,
        epoch: u16,
        content_type: ContentType,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<u64, Error> {
        if epoch == PROTECTED_EPOCH {
            let Some((keys, next)) = &mut self.write else { return Err(Error::NotConnected) };
            let sequence = *next;
            keys.seal(content_type, epoch, sequence, buf, start)?;
            *next += 1;
            return Ok(sequence);
        }
        let sequence = self.plaintext_sequence;
        self.plaintext_sequence += 1;
        let header = PlaintextHeader {
            content_type,
            version: ProtocolVersion::Dtls12.to_wire(),
            epoch: 0,
            sequence,
            length: (buf.len() - start - PlaintextHeader::LEN) as u16,
        };
        buf[start..start + PlaintextHeader::LEN].copy_from_slice(&header.to_wire());
        Ok(sequence)
    }

    /// Opens a record of epoch 1 in place; gives where in it the contents lie.
    pub(crate) fn open(
        &mut self,
        header: &PlaintextHeader,
        record: &mut [u8],
    ) -> Result<Range<usize>, OpenFailure> {
        let Some((keys, window)) = &mut self.read else { return Err(OpenFailure::NoKeys) };
        if !window.is_new(header.sequence) {
            return Err(OpenFailure::Replayed);
        }
        let range = keys.open(header, record).ok_or(OpenFailure::BadMac)?;
        window.insert(header.sequence);
        Ok(range)
    }
}
