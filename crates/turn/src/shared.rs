//! What the workers of one server have together: ports, quotas, reserved addresses, the key of nonces.
//!
//! All of it is touched when allocations come and go, never when data is relayed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use peerage_crypto::{CryptoProvider, Rng};
use peerage_stun::SecurityFeatures;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::error::ConfigError;
use crate::nonce::Nonces;

/// What the workers of one server share. Make one, then a [`Server`](crate::Server) for each worker.
#[derive(Debug)]
pub struct Shared {
    pub(crate) config: Config,
    pub(crate) provider: Arc<dyn CryptoProvider>,
    pub(crate) credentials: Credentials,
    pub(crate) nonces: Nonces,
    epoch: Instant,
    unix: u64,
    workers: AtomicU8,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
pub(crate) struct Tables {
    ports: HashMap<(IpAddr, bool), Ports>,
    users: HashMap<Box<str>, usize>,
    allocations: usize,
    reservations: HashMap<[u8; 8], Reservation>,
}

/// A kept address (RFC 8656 §7.2, EVEN-PORT).
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) address: SocketAddr,
    pub(crate) username: Box<str>,
}

impl Shared {
    /// Checks the configuration. `now` is when the server starts, `unix` the time of day then, in seconds of Unix time: the
    /// ends of time-limited credentials are reckoned from it. `rng` gives the key of nonces.
    pub fn new(
        config: Config,
        provider: Arc<dyn CryptoProvider>,
        now: Instant,
        unix: u64,
        rng: &mut Rng,
    ) -> Result<Arc<Self>, ConfigError> {
        config.check()?;
        let features = SecurityFeatures {
            password_algorithms: true,
            // Of a name with a time in it, nobody has a list to find the hash in.
            username_anonymity: config.secrets.is_empty() && !config.users.is_empty(),
        };
        let mut ports = HashMap::new();
        for relay in &config.relays {
            for tcp in [false, true] {
                ports.insert((relay.bind, tcp), Ports::new(config.ports.clone()));
            }
        }
        Ok(Arc::new(Self {
            credentials: Credentials::new(Arc::clone(&provider), &config, rng)?,
            nonces: Nonces::new(&*provider, features, rng),
            provider,
            config,
            epoch: now,
            unix,
            workers: AtomicU8::new(0),
            tables: Mutex::new(Tables { ports, ..Tables::default() }),
        }))
    }

    /// The number of a new worker; 255 at most are of use.
    pub(crate) fn join(&self) -> u8 {
        self.workers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn workers(&self) -> u8 {
        self.workers.load(Ordering::Relaxed)
    }

    /// Seconds since the server began.
    pub(crate) fn second(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.epoch).as_secs().min(u64::from(u32::MAX)) as u32
    }

    /// The time of day in seconds of Unix time.
    pub(crate) fn unix(&self, now: Instant) -> u64 {
        self.unix.saturating_add(u64::from(self.second(now)))
    }

    /// The tables. A worker that panicked leaves them whole: no change of theirs has two steps.
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Counts one more allocation; `false` where a quota is reached.
    pub(crate) fn admit(&mut self, user: &str, config: &Config) -> bool {
        if self.allocations >= config.total_quota {
            return false;
        }
        match self.users.get_mut(user) {
            Some(count) if *count >= config.user_quota => return false,
            Some(count) => *count += 1,
            None if config.user_quota == 0 => return false,
            None => {
                self.users.insert(user.into(), 1);
            }
        }
        self.allocations += 1;
        true
    }

    /// The reverse.
    pub(crate) fn release(&mut self, user: &str) {
        self.allocations = self.allocations.saturating_sub(1);
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
        if self.allocations == 0 {
            self.users.shrink_to_fit();
        }
    }

    #[cfg(feature = "driver")]
    pub(crate) fn allocations(&self) -> usize {
        self.allocations
    }

    pub(crate) fn take_port(
        &mut self,
        ip: IpAddr,
        tcp: bool,
        want: Want,
        rng: &mut Rng,
    ) -> Option<u16> {
        self.ports.get_mut(&(ip, tcp))?.take(want, rng)
    }

    pub(crate) fn give_port(&mut self, address: SocketAddr, tcp: bool) {
        if let Some(ports) = self.ports.get_mut(&(address.ip(), tcp)) {
            ports.give(address.port());
        }
    }

    pub(crate) fn reserve(&mut self, token: [u8; 8], reservation: Reservation) {
        self.reservations.insert(token, reservation);
    }

    /// Takes a reservation away; with a name, only if it is that user's.
    pub(crate) fn redeem(&mut self, token: &[u8; 8], username: Option<&str>) -> Option<SocketAddr> {
        let reservation = self.reservations.get(token)?;
        if username.is_some_and(|name| *name != *reservation.username) {
            return None;
        }
        Some(self.reservations.remove(token)?.address)
    }

    /// Sizes, for tests: users, reservations, ports taken.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let taken = self.ports.values().map(|ports| ports.taken).sum();
        (self.users.len(), self.reservations.len(), taken)
    }
}

/// What port is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Any,
    Even,
    /// An even one whose successor is free: both are taken.
    Pair,
}

/// The ports of one address: a bit each, set where taken.
#[derive(Debug)]
struct Ports {
    range: RangeInclusive<u16>,
    bits: Box<[u64]>,
    taken: usize,
}

impl Ports {
    fn new(range: RangeInclusive<u16>) -> Self {
        let count = usize::from(*range.end()) - usize::from(*range.start()) + 1;
        Self { range, bits: vec![0; count.div_ceil(64)].into(), taken: 0 }
    }

    fn is_free(&self, port: u16) -> bool {
        if !self.range.contains(&port) {
            return false;
        }
        let at = usize::from(port - self.range.start());
        self.bits[at / 64] >> (at % 64) & 1 == 0
    }

    fn mark(&mut self, port: u16) {
        let at = usize::from(port - self.range.start());
        self.bits[at / 64] |= 1 << (at % 64);
        self.taken += 1;
    }

    /// A random port, then the next that is free (RFC 6056 §3.3.1).
    fn take(&mut self, want: Want, rng: &mut Rng) -> Option<u16> {
        let (start, end) = (u32::from(*self.range.start()), u32::from(*self.range.end()));
        let count = end - start + 1;
        if self.taken as u32 >= count {
            return None;
        }
        let first = rng.range(0..u64::from(count)) as u32;
        let port =
            (0..count).map(|step| (start + (first + step) % count) as u16).find(|&port| {
                self.is_free(port)
                    && (want == Want::Any || port % 2 == 0)
                    && (want != Want::Pair
                        || port.checked_add(1).is_some_and(|next| self.is_free(next)))
            })?;
        self.mark(port);
        if want == Want::Pair {
            self.mark(port + 1);
        }
        Some(port)
    }

    fn give(&mut self, port: u16) {
        if self.range.contains(&port) && !self.is_free(port) {
            let at = usize::from(port - self.range.start());
            self.bits[at / 64] &= !(1 << (at % 64));
            self.taken -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_given_once() {
        let mut rng = Rng::from_seed(3);
        let mut ports = Ports::new(50_001..=50_100);
        let mut seen: Vec<u16> = std::iter::from_fn(|| ports.take(Want::Any, &mut rng)).collect();
        assert_ne!(seen[0] + 1, seen[1], "not in a row");
        seen.sort_unstable();
        assert!(seen.into_iter().eq(50_001..=50_100));
        ports.give(50_007);
        ports.give(50_007);
        assert_eq!(ports.take(Want::Even, &mut rng), None);
        assert_eq!(ports.take(Want::Any, &mut rng), Some(50_007));
    }

    #[test]
    fn pairs_are_even_and_in_a_row() {
        let mut rng = Rng::from_seed(2);
        let mut ports = Ports::new(50_001..=50_005);
        let pair = ports.take(Want::Pair, &mut rng).unwrap();
        assert!(pair == 50_002 || pair == 50_004);
        assert!(!ports.is_free(pair + 1));
        assert!(ports.take(Want::Pair, &mut rng).is_some());
        assert_eq!(ports.take(Want::Pair, &mut rng), None);
        assert_eq!(ports.take(Want::Even, &mut rng), None);
        assert_eq!(ports.take(Want::Any, &mut rng), Some(50_001));
    }
}
