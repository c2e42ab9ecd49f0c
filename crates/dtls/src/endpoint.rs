//! One end of a DTLS connection, whichever version it turns out to speak.

use std::{sync::Arc, time::Instant};

use peerage_crypto::Rng;

use crate::{
    alert::AlertDescription,
    config::Config,
    error::Error,
    event::{ApplicationData, Event, State, Transmit},
    statistics::Statistics,
};

/// A DTLS client or server, sans-IO.
#[derive(Debug)]
pub struct Endpoint {
    statistics: Statistics,
}

impl Endpoint {
    /// Starts a client: it speaks first, so that [`Endpoint::poll_transmit`] has a ClientHello at once.
    ///
    /// Fails if the configuration cannot work or a key share cannot be made.
    pub fn client(config: Arc<Config>, rng: Rng, now: Instant) -> Result<Self, Error> {
        config.validate()?;
        let _ = (rng, now);
        Ok(Self { statistics: Statistics::default() })
    }

    /// Starts a server: it waits for a ClientHello.
    ///
    /// Fails if the configuration cannot work.
    pub fn server(config: Arc<Config>, rng: Rng, now: Instant) -> Result<Self, Error> {
        config.validate()?;
        let _ = (rng, now);
        Ok(Self { statistics: Statistics::default() })
    }

    /// Takes one datagram, opens its records in place and says where the application data lies.
    ///
    /// Noise is counted and dropped. An error means that the connection has failed just now; [`Event::Failed`] says the
    /// same. The caller drains `poll_event` before it believes the application data: [`Event::Connected`] may be
    /// among the events, and with it a certificate to check.
    pub fn handle_input(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
    ) -> Result<ApplicationData, Error> {
        let _ = (now, datagram);
        Ok(ApplicationData::default())
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Endpoint::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Appends one datagram to `buf`, if one is due.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let _ = (now, buf);
        None
    }

    /// The next event, if there is one.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// How many bytes [`Endpoint::seal_application_data`] needs before the plaintext.
    pub fn header_len(&self) -> usize {
        5
    }

    /// How many bytes a record is longer than its plaintext, header included.
    pub fn overhead(&self) -> usize {
        22
    }

    /// Makes a record in place: `buf[start..start + header_len]` is headroom, what follows is the plaintext. Afterwards
    /// `buf[start..]` is one whole record, ready to send as a datagram.
    ///
    /// Fails with [`Error::NotConnected`] before the handshake is complete and after the connection has ended, and with
    /// [`Error::RecordTooLarge`] if the plaintext is longer than 16384 bytes.
    pub fn seal_application_data(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let _ = (buf, start);
        Err(Error::NotConnected)
    }

    /// Derives keying material that only the two ends know (RFC 5705, RFC 8446 §7.5). DTLS 1.2 tells an absent context
    /// from an empty one, DTLS 1.3 does not.
    ///
    /// Fails with [`Error::NotConnected`] before the handshake is complete.
    pub fn export_keying_material(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        let _ = (label, context, out);
        Err(Error::NotConnected)
    }

    /// Renews our sending keys (RFC 9147 §8), and asks the peer to renew its own if `request_peer`.
    ///
    /// Fails with [`Error::NotConnected`] unless a DTLS 1.3 connection is established.
    pub fn update_keys(&mut self, now: Instant, request_peer: bool) -> Result<(), Error> {
        let _ = (now, request_peer);
        Err(Error::NotConnected)
    }

    /// Ends the connection in good order with `close_notify`.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
    }

    /// Refuses the peer, for instance because its fingerprint does not match: sends a fatal alert, and fails.
    pub fn reject(&mut self, now: Instant, alert: AlertDescription) {
        let _ = (now, alert);
    }

    /// How far the connection has come.
    pub fn state(&self) -> State {
        State::Handshaking
    }

    /// Counters since the start.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }
}
