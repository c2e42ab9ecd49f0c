//! The epochs of a DTLS 1.3 connection: which keys seal and which may open (RFC 9147 §4.2.1, §4.2.2, §6.1).

use std::sync::Arc;

use peerage_crypto::{AeadAlgorithm, CryptoProvider};

use super::{
    key_schedule::{Hkdf, Secret},
    protection::{OVERHEAD, OpenFailure, OpenKeys, Opened, SealKeys},
};
use crate::{
    error::Error,
    record::{ContentType, PlaintextHeader, UnifiedHeader},
    version::ProtocolVersion,
};

/// The epoch of the handshake traffic keys.
pub(crate) const HANDSHAKE_EPOCH: u64 = 2;
/// The epoch of the first application traffic keys.
pub(crate) const APPLICATION_EPOCH: u64 = 3;

/// The keys of every epoch in use.
#[derive(Debug)]
pub(crate) struct Records {
    provider: Arc<dyn CryptoProvider>,
    hkdf: Hkdf,
    aead: AeadAlgorithm,
    /// The next number of a plaintext record.
    plaintext_sequence: u64,
    write_handshake: Option<SealKeys>,
    write_application: Option<(SealKeys, Secret)>,
    /// Newest first: never more than the handshake's, the current epoch's and its two neighbours'.
    read: Vec<OpenKeys>,
    /// The secret of the newest reading epoch of application data.
    read_secret: Option<Secret>,
}

/// Why an encrypted record was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    UnknownEpoch,
    Open(OpenFailure),
}

impl Records {
    pub(crate) fn new(
        provider: Arc<dyn CryptoProvider>,
        hkdf: Hkdf,
        aead: AeadAlgorithm,
        plaintext_sequence: u64,
    ) -> Self {
        Self {
            provider,
            hkdf,
            aead,
            plaintext_sequence,
            write_handshake: None,
            write_application: None,
            read: Vec::new(),
            read_secret: None,
        }
    }

    fn seal_keys(&self, epoch: u64, secret: &Secret) -> Result<SealKeys, Error> {
        SealKeys::new(&*self.provider, &self.hkdf, self.aead, epoch, secret)
    }

    fn open_keys(&self, epoch: u64, secret: &Secret) -> Result<OpenKeys, Error> {
        OpenKeys::new(&*self.provider, &self.hkdf, self.aead, epoch, secret)
    }

    /// Installs the keys of epoch 2, both ways.
    pub(crate) fn install_handshake(&mut self, write: &Secret, read: &Secret) -> Result<(), Error> {
        self.write_handshake = Some(self.seal_keys(HANDSHAKE_EPOCH, write)?);
        let keys = self.open_keys(HANDSHAKE_EPOCH, read)?;
        self.read.insert(0, keys);
        Ok(())
    }

    /// Installs the sending keys of epoch 3.
    pub(crate) fn install_application_write(&mut self, secret: Secret) -> Result<(), Error> {
        let keys = self.seal_keys(APPLICATION_EPOCH, &secret)?;
        self.write_application = Some((keys, secret));
        Ok(())
    }

    /// Installs the receiving keys of epoch 3.
    pub(crate) fn install_application_read(&mut self, secret: Secret) -> Result<(), Error> {
        let keys = self.open_keys(APPLICATION_EPOCH, &secret)?;
        self.read.insert(0, keys);
        self.read_secret = Some(secret);
        Ok(())
    }

    /// Forgets the keys of epoch 2, both ways.
    pub(crate) fn drop_handshake(&mut self) {
        self.write_handshake = None;
        self.read.retain(|keys| keys.epoch() != HANDSHAKE_EPOCH);
        self.read.shrink_to_fit();
    }

    /// Forgets the sending keys of epoch 2.
    pub(crate) fn drop_handshake_write(&mut self) {
        self.write_handshake = None;
    }

    /// Moves on to the next sending epoch.
    pub(crate) fn advance_write(&mut self) -> Result<(), Error> {
        if let Some((keys, secret)) = &self.write_application {
            let next = self.hkdf.next_generation(secret)?;
            let keys = self.seal_keys(keys.epoch() + 1, &next)?;
            self.write_application = Some((keys, next));
        }
        Ok(())
    }

    /// Makes the next receiving epoch known. Older ones stay until a record of the new one has been opened.
    pub(crate) fn advance_read(&mut self) -> Result<(), Error> {
        if let Some(secret) = &self.read_secret {
            let next = self.hkdf.next_generation(secret)?;
            let epoch = self.newest_read_epoch() + 1;
            let keys = self.open_keys(epoch, &next)?;
            // Before: handshake (perhaps), previous, current. The previous epoch ends here, so that no two epochs
            // share their low two bits.
            self.read.retain(|keys| keys.epoch() + 2 > epoch);
            self.read.insert(0, keys);
            self.read_secret = Some(next);
        }
        Ok(())
    }

    /// The newest epoch whose records can be opened.
    pub(crate) fn newest_read_epoch(&self) -> u64 {
        self.read.first().map_or(0, OpenKeys::epoch)
    }

    /// The highest epoch that can seal.
    pub(crate) fn write_epoch(&self) -> u64 {
        match (&self.write_application, &self.write_handshake) {
            (Some((keys, _)), _) => keys.epoch(),
            (None, Some(keys)) => keys.epoch(),
            (None, None) => 0,
        }
    }

    /// How many records were sealed under the current application keys.
    pub(crate) fn sealed(&self) -> u64 {
        self.write_application.as_ref().map_or(0, |(keys, _)| keys.sealed())
    }

    /// Length of the header that precedes the contents of a record of `epoch`.
    pub(crate) fn header_len(epoch: u64) -> usize {
        if epoch == 0 { PlaintextHeader::LEN } else { UnifiedHeader::SENT_LEN }
    }

    /// How many bytes a record of `epoch` is longer than its contents.
    pub(crate) fn overhead(epoch: u64) -> usize {
        if epoch == 0 { PlaintextHeader::LEN } else { OVERHEAD }
    }

    /// Makes a record of `buf[start..]`, whose first bytes are headroom. Returns its sequence number.
    pub(crate) fn seal(
        &mut self,
        epoch: u64,
        content_type: ContentType,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<u64, Error> {
        let keys = match (&mut self.write_application, &mut self.write_handshake) {
            (Some((keys, _)), _) if keys.epoch() == epoch => keys,
            (_, Some(keys)) if keys.epoch() == epoch => keys,
            _ if epoch == 0 => {
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
                return Ok(sequence);
            }
            _ => return Err(Error::NotConnected),
        };
        keys.seal(buf, start, content_type.to_wire())
    }

    /// Opens an encrypted record in place. Returns its epoch as well.
    pub(crate) fn open(
        &mut self,
        record: &mut [u8],
        header: &UnifiedHeader,
    ) -> Result<(u64, Opened), ReadFailure> {
        let keys = self
            .read
            .iter_mut()
            .find(|keys| keys.epoch() & 3 == u64::from(header.epoch_bits))
            .ok_or(ReadFailure::UnknownEpoch)?;
        let opened = keys.open(record, header).map_err(ReadFailure::Open)?;
        Ok((keys.epoch(), opened))
    }

    /// Whether failures to open demand a key update.
    pub(crate) fn wants_rekey(&self) -> bool {
        self.read.iter().any(OpenKeys::wants_rekey)
    }

    /// Whether failures to open demand the end of the connection.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.read.iter().any(OpenKeys::is_exhausted)
    }
}
