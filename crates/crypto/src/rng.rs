//! The one source of randomness that protocol crates know.
//!
//! It is handed over at construction. Seeded, it makes a whole run replay bit for bit; from the operating system, it is a
//! cryptographic generator (ChaCha20).

use std::{fmt, ops::Range};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use zeroize::Zeroizing;

/// A random generator: ChaCha20 under a key from the operating system, or under a seed for replay.
///
/// It is `Send` and deliberately not `Clone`: two copies would give the same "random" bytes twice.
/// Use [`fork`](Self::fork) to make another, independent one.
pub struct Rng {
    inner: ChaCha20Rng,
    seeded: bool,
}

impl Rng {
    /// A generator keyed by the operating system.
    ///
    /// # Panics
    ///
    /// If the operating system cannot supply randomness: nothing secure can be done then.
    pub fn from_os() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        if let Err(error) = getrandom::fill(&mut *key) {
            panic!("the operating system supplies no randomness: {error}");
        }
        Self { inner: ChaCha20Rng::from_seed(*key), seeded: false }
    }

    /// A generator that gives the same bytes for the same seed, on every platform. For tests and replay only: whoever
    /// knows the seed knows every key.
    pub fn from_seed(seed: u64) -> Self {
        let mut key = *b"........peerage seeded generator";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self { inner: ChaCha20Rng::from_seed(key), seeded: true }
    }

    /// Whether this generator came from [`from_seed`](Self::from_seed), directly or by [`fork`](Self::fork). Providers
    /// then take every random byte from here; otherwise they may use a generator of their own.
    pub fn is_seeded(&self) -> bool {
        self.seeded
    }

    /// Makes an independent generator, keyed from this one.
    pub fn fork(&mut self) -> Self {
        let key = Zeroizing::new(self.array::<32>());
        Self { inner: ChaCha20Rng::from_seed(*key), seeded: self.seeded }
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.inner.fill_bytes(out);
    }

    /// An array of random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A random `u32`.
    pub fn u32(&mut self) -> u32 {
        self.inner.next_u32()
    }

    /// A random `u64`.
    pub fn u64(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// A random number in `range`, without bias. An empty range gives its start.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        let Some(span) = range.end.checked_sub(range.start).filter(|span| *span > 0) else {
            return range.start;
        };
        // Numbers from the last, incomplete multiple of `span` would favour the small results: draw again.
        let limit = u64::MAX - u64::MAX % span;
        loop {
            let drawn = self.u64();
            if drawn < limit {
                return range.start + drawn % span;
            }
        }
    }
}

impl Drop for Rng {
    fn drop(&mut self) {
        // ChaCha20Rng cannot wipe itself: overwrite the key and the buffered output.
        self.inner = ChaCha20Rng::from_seed([0; 32]);
        std::hint::black_box(&mut self.inner);
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").field("seeded", &self.seeded).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_replay_and_differ() {
        let draw = |seed| Rng::from_seed(seed).array::<64>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(Rng::from_os().array::<32>(), Rng::from_os().array::<32>());
    }

    #[test]
    fn forks_are_independent_and_inherit_the_seeded_mark() {
        let mut a = Rng::from_seed(1);
        let mut fork = a.fork();
        assert!(fork.is_seeded());
        assert_ne!(a.array::<32>(), fork.array::<32>());
        assert!(!Rng::from_os().fork().is_seeded());
    }

    #[test]
    fn ranges_hold_their_bounds() {
        let mut rng = Rng::from_seed(3);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[(rng.range(10..15) - 10) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(rng.range(9..9), 9);
        assert!(rng.range(0..u64::MAX) < u64::MAX);
    }
}
