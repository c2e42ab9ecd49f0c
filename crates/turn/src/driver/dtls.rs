//! DTLS associations of one worker: each datagram of a client is one or more records, each record one message (RFC 7350 §4.2).

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_crypto::{Certificate, Rng};
use peerage_dtls::{Config, Endpoint, Event};

use super::{Identity, StartError};
use crate::types::{FiveTuple, Transport};

/// Handshakes at once. Each client proves its address by a cookie first, and until then has 300 bytes of answers and one of these
/// places; where there is none, the oldest makes room.
const MAX_HANDSHAKES: usize = 512;
/// Associations of one worker.
const MAX_ASSOCIATIONS: usize = 20_000;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// An association on which nothing comes for so long ends, if it has no allocation.
const IDLE: Duration = Duration::from_secs(60);

/// A configuration for all associations.
pub(crate) fn config(identity: &Identity) -> Result<Arc<Config>, StartError> {
    let read = |what, path: &Path| {
        std::fs::read_to_string(path).map_err(|source| StartError::System { what, source })
    };
    let pem = read("read the certificate", &identity.chain)?
        + "\n"
        + &read("read the key of the certificate", &identity.key)?;
    let provider = peerage_crypto::default_provider();
    let certificate = Certificate::from_pem(&provider, &pem).map_err(|error| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        StartError::System { what: "use the certificate for DTLS", source }
    })?;
    let mut config = Config::new(provider, Arc::new(certificate));
    config.require_cookie = true;
    config.require_peer_certificate = false;
    config.srtp_profiles.clear();
    config.handshake_timeout = HANDSHAKE;
    Ok(Arc::new(config))
}

struct Association {
    endpoint: Endpoint,
    connected: bool,
    began: Instant,
    active: Instant,
}

/// The associations of one worker.
pub(crate) struct Associations {
    config: Arc<Config>,
    rng: Rng,
    all: HashMap<FiveTuple, Association>,
    handshakes: HashSet<FiveTuple>,
    /// Those that want to be called at some time.
    timed: HashSet<FiveTuple>,
    swept: Instant,
}

/// What came of a datagram.
#[derive(Default)]
pub(crate) struct Opened {
    /// Messages: ranges of the datagram, opened in place.
    pub(crate) messages: Vec<std::ops::Range<usize>>,
    /// Whether the association is over.
    pub(crate) ended: bool,
}

impl Associations {
    pub(crate) fn new(config: Arc<Config>, rng: Rng, now: Instant) -> Self {
        Self {
            config,
            rng,
            all: HashMap::new(),
            handshakes: HashSet::new(),
            timed: HashSet::new(),
            swept: now,
        }
    }

    pub(crate) fn tuple(client: SocketAddr, server: SocketAddr) -> FiveTuple {
        FiveTuple { transport: Transport::Dtls, client, server }
    }

    /// Opens a datagram.
    pub(crate) fn open(&mut self, now: Instant, tuple: FiveTuple, datagram: &mut [u8]) -> Opened {
        if !self.all.contains_key(&tuple) {
            // A handshake record begins an association, nothing else.
            if datagram.first() != Some(&22) || !self.begin(now, tuple) {
                return Opened::default();
            }
        }
        let Some(association) = self.all.get_mut(&tuple) else { return Opened::default() };
        association.active = now;
        let data = association.endpoint.handle_input(now, datagram);
        let mut ended = data.is_err();
        while let Some(event) = association.endpoint.poll_event() {
            match event {
                Event::Connected(_) => {
                    association.connected = true;
                    self.handshakes.remove(&tuple);
                }
                Event::Closed | Event::Failed(_) => ended = true,
                _ => {}
            }
        }
        let messages = match data {
            Ok(data) if association.connected => data.iter().collect(),
            _ => Vec::new(),
        };
        Opened { messages, ended }
    }

    fn begin(&mut self, now: Instant, tuple: FiveTuple) -> bool {
        if self.all.len() >= MAX_ASSOCIATIONS {
            return false;
        }
        if self.handshakes.len() >= MAX_HANDSHAKES {
            let oldest = self
                .handshakes
                .iter()
                .min_by_key(|tuple| self.all.get(*tuple).map(|association| association.began))
                .copied();
            if let Some(oldest) = oldest {
                self.remove(&oldest);
            }
        }
        let rng = self.rng.fork();
        let Ok(endpoint) = Endpoint::server(Arc::clone(&self.config), rng, now) else {
            return false;
        };
        let association = Association { endpoint, connected: false, began: now, active: now };
        self.all.insert(tuple, association);
        self.handshakes.insert(tuple);
        true
    }

    pub(crate) fn remove(&mut self, tuple: &FiveTuple) {
        self.all.remove(tuple);
        self.handshakes.remove(tuple);
        self.timed.remove(tuple);
    }

    /// Appends the next datagram of an association's own: of its handshake, an alert.
    pub(crate) fn poll(&mut self, now: Instant, tuple: &FiveTuple, out: &mut Vec<u8>) -> bool {
        let Some(association) = self.all.get_mut(tuple) else { return false };
        if association.endpoint.poll_transmit(now, out).is_some() {
            return true;
        }
        if association.endpoint.poll_timeout().is_some() {
            self.timed.insert(*tuple);
        } else {
            self.timed.remove(tuple);
        }
        false
    }

    /// Makes a record of a message; `false` where there is no association for it.
    pub(crate) fn seal(
        &mut self,
        tuple: &FiveTuple,
        parts: [&[u8]; 2],
        padding: u8,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(association) = self.all.get_mut(tuple).filter(|a| a.connected) else {
            return false;
        };
        out.resize(association.endpoint.header_len(), 0);
        out.extend_from_slice(parts[0]);
        out.extend_from_slice(parts[1]);
        out.extend_from_slice(&[0; 3][..usize::from(padding)]);
        association.endpoint.seal_application_data(out, 0).is_ok()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timed.iter().filter_map(|tuple| self.all.get(tuple)?.endpoint.poll_timeout()).min()
    }

    /// Those whose time has come: [`Self::poll`] is due for them. With `true`, those that failed by it.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<(FiveTuple, bool)> {
        let due: Vec<FiveTuple> = self
            .timed
            .iter()
            .filter(|tuple| {
                let at = self.all.get(tuple).and_then(|a| a.endpoint.poll_timeout());
                at.is_some_and(|at| at <= now)
            })
            .copied()
            .collect();
        due.into_iter()
            .map(|tuple| {
                let mut failed = false;
                if let Some(association) = self.all.get_mut(&tuple) {
                    association.endpoint.handle_timeout(now);
                    while let Some(event) = association.endpoint.poll_event() {
                        failed |= matches!(event, Event::Failed(_) | Event::Closed);
                    }
                }
                (tuple, failed)
            })
            .collect()
    }

    /// Those that have been silent, at most every ten seconds; which of them have no allocation the caller knows.
    pub(crate) fn idle(&mut self, now: Instant) -> Vec<FiveTuple> {
        if now < self.swept + IDLE / 6 {
            return Vec::new();
        }
        self.swept = now;
        self.all
            .iter()
            .filter(|(_, association)| association.active + IDLE <= now)
            .map(|(tuple, _)| *tuple)
            .collect()
    }
}
