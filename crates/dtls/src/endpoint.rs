//! One end of a DTLS connection, whichever version it turns out to speak.

use std::{collections::VecDeque, fmt, sync::Arc, time::Instant};

use peerage_crypto::Rng;

use crate::{
    alert::AlertDescription,
    config::Config,
    dtls12, dtls13,
    error::Error,
    event::{ApplicationData, Event, State, Transmit},
    negotiation::{
        ClientNegotiation, ClientOutcome, FailedNegotiation, ServerNegotiation, ServerOutcome,
    },
    record::UnifiedHeader,
    statistics::Statistics,
};

enum Phase {
    Client(Box<ClientNegotiation>),
    Server(Box<ServerNegotiation>),
    Dtls13(Box<dtls13::Connection>),
    Dtls12(Box<dtls12::Connection>),
    Ended { failed: bool, rest: FailedNegotiation },
}

/// A DTLS client or server, sans-IO.
///
/// After every call that may change it, the caller drains [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event) until `None`, then waits for a datagram or for [`poll_timeout`](Self::poll_timeout).
pub struct Endpoint {
    phase: Phase,
    /// Events of the time before a version was chosen.
    events: VecDeque<Event>,
    is_client: bool,
}

impl Endpoint {
    /// Starts a client: it speaks first, so that [`Endpoint::poll_transmit`] has a ClientHello at once.
    ///
    /// Fails if the configuration cannot work or a key share cannot be made.
    pub fn client(config: Arc<Config>, rng: Rng, now: Instant) -> Result<Self, Error> {
        config.validate()?;
        let negotiation = ClientNegotiation::new(config, rng, now)?;
        Ok(Self {
            phase: Phase::Client(Box::new(negotiation)),
            events: VecDeque::new(),
            is_client: true,
        })
    }

    /// Starts a server: it waits for a ClientHello.
    ///
    /// Fails if the configuration cannot work.
    pub fn server(config: Arc<Config>, rng: Rng, now: Instant) -> Result<Self, Error> {
        config.validate()?;
        let negotiation = ServerNegotiation::new(config, rng, now);
        Ok(Self {
            phase: Phase::Server(Box::new(negotiation)),
            events: VecDeque::new(),
            is_client: false,
        })
    }

    /// Whether this end is the client.
    pub fn is_client(&self) -> bool {
        self.is_client
    }

    /// Takes one datagram, opens its records in place and says where the application data lies.
    ///
    /// Noise is counted and dropped. An error means that the connection has failed just now; [`Event::Failed`] says the
    /// same. The caller drains [`poll_event`](Self::poll_event) before it believes the application data:
    /// [`Event::Connected`] may be among the events, and with it a certificate to check.
    pub fn handle_input(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
    ) -> Result<ApplicationData, Error> {
        let mut data = ApplicationData::default();
        self.statistics_mut().datagrams_received += 1;
        match &mut self.phase {
            Phase::Dtls13(connection) => {
                connection.handle_datagram(now, datagram, 0, &mut data)?;
            }
            Phase::Dtls12(connection) => {
                connection.handle_datagram(now, datagram, 0, &mut data)?;
            }
            Phase::Ended { rest, .. } => rest.statistics.dropped_after_close += 1,
            Phase::Client(_) | Phase::Server(_) => self.negotiate(now, datagram, &mut data)?,
        }
        Ok(data)
    }

    fn negotiate(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        data: &mut ApplicationData,
    ) -> Result<(), Error> {
        let placeholder =
            Phase::Ended { failed: true, rest: FailedNegotiation::silent(Statistics::default()) };
        match std::mem::replace(&mut self.phase, placeholder) {
            Phase::Client(negotiation) => match negotiation.handle_datagram(now, datagram) {
                (Some(negotiation), ClientOutcome::Failed(error)) => {
                    self.phase = Phase::Client(Box::new(negotiation));
                    self.fail(error.clone());
                    Err(error)
                }
                (Some(negotiation), _) => {
                    self.phase = Phase::Client(Box::new(negotiation));
                    Ok(())
                }
                (None, ClientOutcome::Dtls13 { mut connection, from, early }) => {
                    // What came early is handshake; application data needs later keys.
                    let early = early.into_iter().try_for_each(|mut record| {
                        connection.handle_datagram(now, &mut record, 0, data)
                    });
                    let rest =
                        early.and_then(|()| connection.handle_datagram(now, datagram, from, data));
                    self.phase = Phase::Dtls13(connection);
                    rest
                }
                (None, ClientOutcome::Dtls12 { mut connection, from }) => {
                    let rest = connection.handle_datagram(now, datagram, from, data);
                    self.phase = Phase::Dtls12(connection);
                    rest
                }
                (None, _) => Ok(()),
            },
            Phase::Server(negotiation) => match negotiation.handle_datagram(now, datagram) {
                (Some(negotiation), ServerOutcome::Failed(error)) => {
                    self.phase = Phase::Server(Box::new(negotiation));
                    self.fail(error.clone());
                    Err(error)
                }
                (Some(negotiation), _) => {
                    self.phase = Phase::Server(Box::new(negotiation));
                    Ok(())
                }
                (None, ServerOutcome::Dtls13 { mut connection, from }) => {
                    let rest = connection.handle_datagram(now, datagram, from, data);
                    self.phase = Phase::Dtls13(connection);
                    rest
                }
                (None, ServerOutcome::Dtls12 { mut connection, from }) => {
                    let rest = connection.handle_datagram(now, datagram, from, data);
                    self.phase = Phase::Dtls12(connection);
                    rest
                }
                (None, _) => Ok(()),
            },
            other => {
                self.phase = other;
                Ok(())
            }
        }
    }

    /// Ends a negotiation in failure.
    fn fail(&mut self, error: Error) {
        let state = match &self.phase {
            Phase::Client(negotiation) => negotiation.state(),
            Phase::Server(negotiation) => negotiation.state(),
            _ => return,
        };
        let rest = FailedNegotiation::new(state, &error);
        self.phase = Phase::Ended { failed: true, rest };
        self.events.push_back(Event::Failed(error));
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let outcome = match &mut self.phase {
            Phase::Client(negotiation) => negotiation.handle_timeout(now),
            Phase::Server(negotiation) => negotiation.handle_timeout(now),
            Phase::Dtls13(connection) => {
                connection.handle_timeout(now);
                Ok(())
            }
            Phase::Dtls12(connection) => {
                connection.handle_timeout(now);
                Ok(())
            }
            Phase::Ended { .. } => Ok(()),
        };
        if let Err(error) = outcome {
            self.fail(error);
        }
    }

    /// When [`Endpoint::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Client(negotiation) => negotiation.poll_timeout(),
            Phase::Server(negotiation) => negotiation.poll_timeout(),
            Phase::Dtls13(connection) => connection.poll_timeout(),
            Phase::Dtls12(connection) => connection.poll_timeout(),
            Phase::Ended { .. } => None,
        }
    }

    /// Appends one datagram to `buf`, if one is due. What `buf` held before stays.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let size = match &mut self.phase {
            Phase::Client(negotiation) => negotiation.poll_transmit(now, buf),
            Phase::Server(_) => None,
            Phase::Dtls13(connection) => connection.poll_transmit(now, buf),
            Phase::Dtls12(connection) => connection.poll_transmit(now, buf),
            Phase::Ended { rest, .. } => rest.poll_transmit(buf),
        }?;
        Some(Transmit { size })
    }

    /// The next event, if there is one.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| match &mut self.phase {
            Phase::Dtls13(connection) => connection.poll_event(),
            Phase::Dtls12(connection) => connection.poll_event(),
            _ => None,
        })
    }

    /// How many bytes [`Endpoint::seal_application_data`] needs before the plaintext. Known once connected.
    pub fn header_len(&self) -> usize {
        match &self.phase {
            Phase::Dtls12(connection) => connection.header_len(),
            _ => UnifiedHeader::SENT_LEN,
        }
    }

    /// How many bytes a record is longer than its plaintext, header included. Known once connected.
    pub fn overhead(&self) -> usize {
        match &self.phase {
            Phase::Dtls12(connection) => connection.overhead(),
            _ => dtls13::OVERHEAD,
        }
    }

    /// Makes a record in place: `buf[start..start + header_len]` is headroom, what follows is the plaintext. Afterwards
    /// `buf[start..]` is one whole record, ready to send as a datagram. Allocates only if `buf` has not room for the
    /// [`overhead`](Self::overhead).
    ///
    /// Fails with [`Error::NotConnected`] before the handshake is complete and after the connection has ended, and with
    /// [`Error::RecordTooLarge`] if the plaintext is longer than 16384 bytes. `buf` must be thrown away then.
    pub fn seal_application_data(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        debug_assert!(buf.len() >= start + self.header_len());
        match &mut self.phase {
            Phase::Dtls13(connection) => connection.seal_application_data(buf, start),
            Phase::Dtls12(connection) => connection.seal_application_data(buf, start),
            _ => Err(Error::NotConnected),
        }
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
        match &self.phase {
            Phase::Dtls13(connection) => connection.export_keying_material(label, context, out),
            Phase::Dtls12(connection) => connection.export_keying_material(label, context, out),
            _ => Err(Error::NotConnected),
        }
    }

    /// Renews our sending keys (RFC 9147 §8), and asks the peer to renew its own if `request_peer`. They take effect
    /// when the peer has acknowledged, which [`Event::KeyUpdated`] tells.
    ///
    /// Fails with [`Error::NotConnected`] unless a DTLS 1.3 connection is established.
    pub fn update_keys(&mut self, now: Instant, request_peer: bool) -> Result<(), Error> {
        let _ = now;
        match &mut self.phase {
            Phase::Dtls13(connection) => connection.update_keys(request_peer),
            _ => Err(Error::NotConnected),
        }
    }

    /// Ends the connection in good order with `close_notify`. Before a version was chosen there is nobody to tell.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
        match &mut self.phase {
            Phase::Dtls13(connection) => connection.close(),
            Phase::Dtls12(connection) => connection.close(),
            Phase::Client(_) | Phase::Server(_) => {
                let rest = FailedNegotiation::silent(self.statistics());
                self.phase = Phase::Ended { failed: false, rest };
                self.events.push_back(Event::Closed);
            }
            Phase::Ended { .. } => {}
        }
    }

    /// Refuses the peer, for instance because its fingerprint does not match: sends a fatal alert, and fails with
    /// [`Error::Rejected`].
    pub fn reject(&mut self, now: Instant, alert: AlertDescription) {
        let _ = now;
        match &mut self.phase {
            Phase::Dtls13(connection) => connection.reject(alert),
            Phase::Dtls12(connection) => connection.reject(alert),
            Phase::Client(_) | Phase::Server(_) => self.fail(Error::Rejected(alert)),
            Phase::Ended { .. } => {}
        }
    }

    /// How far the connection has come.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Client(_) | Phase::Server(_) => State::Handshaking,
            Phase::Dtls13(connection) => connection.state(),
            Phase::Dtls12(connection) => connection.state(),
            Phase::Ended { failed: true, .. } => State::Failed,
            Phase::Ended { failed: false, .. } => State::Closed,
        }
    }

    /// Counters since the start.
    pub fn statistics(&self) -> Statistics {
        match &self.phase {
            Phase::Client(negotiation) => negotiation.state().statistics,
            Phase::Server(negotiation) => negotiation.state().statistics,
            Phase::Dtls13(connection) => *connection.statistics(),
            Phase::Dtls12(connection) => *connection.statistics(),
            Phase::Ended { rest, .. } => rest.statistics,
        }
    }

    /// The connection itself, for tests that play a peer that breaks the rules.
    #[cfg(test)]
    pub(crate) fn dtls13(&mut self) -> &mut dtls13::Connection {
        match &mut self.phase {
            Phase::Dtls13(connection) => connection,
            _ => panic!("not a connection of DTLS 1.3"),
        }
    }

    fn statistics_mut(&mut self) -> &mut Statistics {
        match &mut self.phase {
            Phase::Client(negotiation) => &mut negotiation.state_mut().statistics,
            Phase::Server(negotiation) => &mut negotiation.state_mut().statistics,
            Phase::Dtls13(connection) => connection.statistics_mut(),
            Phase::Dtls12(connection) => connection.statistics_mut(),
            Phase::Ended { rest, .. } => &mut rest.statistics,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Client(_) | Phase::Server(_) => "negotiating",
            Phase::Dtls13(_) => "DTLS 1.3",
            Phase::Dtls12(_) => "DTLS 1.2",
            Phase::Ended { .. } => "ended",
        };
        f.debug_struct("Endpoint")
            .field("is_client", &self.is_client)
            .field("phase", &phase)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
