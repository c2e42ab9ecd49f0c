//! The simulation's randomness: xoshiro256++ seeded by SplitMix64. Small, fast, and the same bits on every platform,
//! which is all a replayable network asks of it. Every link direction and every NAT has a generator of its own, so that
//! changing one of them leaves the fate of packets elsewhere as it was.

/// A seeded generator. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator whose whole future follows from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        let mut next = || {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = counter;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self { state: [next(), next(), next(), next()] }
    }

    /// A generator for part `index` of something seeded with `seed`, independent of its other parts.
    pub fn for_part(seed: u64, index: u64) -> Self {
        Self::new(Self::new(seed).next_u64() ^ Self::new(index.wrapping_add(1)).next_u64())
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with the given probability. Draws nothing for 0 and 1, so that an unused fault costs no randomness.
    pub fn chance(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            false
        } else if probability >= 1.0 {
            true
        } else {
            self.unit() < probability
        }
    }

    /// A standard normal deviate, cut at ±6: the sum of twelve uniform ones, because it needs nothing but additions and
    /// so gives the same bits everywhere, which a platform's `ln` and `cos` do not promise.
    pub fn normal(&mut self) -> f64 {
        let mut sum = 0u64;
        for _ in 0..6 {
            let bits = self.next_u64();
            sum += (bits >> 32) + (bits & 0xffff_ffff);
        }
        sum as f64 / (1u64 << 32) as f64 - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_first_outputs() {
        // SplitMix64 of seed 0 begins with this word, and xoshiro256++ of state 1, 2, 3, 4 with 41943041, 58720359.
        assert_eq!(Rng::new(0).state[0], 0xe220_a839_7b1d_cdaf);
        let mut rng = Rng { state: [1, 2, 3, 4] };
        assert_eq!([rng.next_u64(), rng.next_u64()], [41_943_041, 58_720_359]);
    }

    #[test]
    fn normal_has_mean_zero_and_deviation_one() {
        let mut rng = Rng::new(7);
        let n = 20_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = rng.normal();
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(n);
        let variance = squares / f64::from(n) - mean * mean;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new(1);
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(3) < 3));
    }
}
