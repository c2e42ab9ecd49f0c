//! Eight messages in vectors of 256 bits: word `t` of each message is one vector, and the steps of FIPS 180-4 §6.1.2 are written
//! once, for two kinds of CPU. With AVX-512 a rotation and each of the three functions is one instruction; with AVX2 three.

use std::arch::{is_x86_feature_detected as has, x86_64::*};

use crate::{Block, LANES, State};

/// A way of which this CPU was found capable. Only [`Kernel::detect`] makes one, and [`Kernel::all`] in tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    set: Set,
    /// One message alone has instructions for it.
    has_sha: bool,
}

#[derive(Clone, Copy, Debug)]
enum Set {
    Avx2,
    #[cfg(has_avx512)]
    Avx512,
}

impl Kernel {
    /// The fastest. The standard library remembers what the CPU said.
    pub(crate) fn detect() -> Option<Self> {
        let set = Set::avx512().or(Set::avx2())?;
        Some(Self { set, has_sha: has!("sha") })
    }

    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let sets = [Set::avx2(), Set::avx512()];
        sets.into_iter().flatten().map(|set| Self { set, has_sha: has!("sha") }).collect()
    }

    /// From so many messages on it is faster than one after the other. Measured: a block takes eight lanes as long as 4.7
    /// blocks take SHA instructions with AVX2, 2.9 with AVX-512; without those instructions, as long as 2 blocks or fewer.
    pub(crate) fn least_messages(self) -> usize {
        match self.set {
            _ if !self.has_sha => 2,
            Set::Avx2 => 5,
            #[cfg(has_avx512)]
            Set::Avx512 => 3,
        }
    }

    /// Takes the blocks of each lane, as many as the shortest has.
    #[allow(unsafe_code)]
    pub(crate) fn compress(self, states: &mut [State; LANES], messages: &[&[Block]; LANES]) {
        match self.set {
            // SAFETY: `compress_avx2` is unsafe to call only where the CPU lacks AVX2. A `Set::Avx2` is made by
            // `Set::avx2` alone, after the CPU has said that it has it.
            Set::Avx2 => unsafe { compress_avx2(states, messages) },
            // SAFETY: the same with `Set::avx512`, which asks for all three features of `compress_avx512`.
            #[cfg(has_avx512)]
            Set::Avx512 => unsafe { compress_avx512(states, messages) },
        }
    }
}

impl Set {
    fn avx2() -> Option<Self> {
        has!("avx2").then_some(Self::Avx2)
    }

    #[cfg(has_avx512)]
    fn avx512() -> Option<Self> {
        (has!("avx2") && has!("avx512f") && has!("avx512vl")).then_some(Self::Avx512)
    }

    #[cfg(not(has_avx512))]
    fn avx512() -> Option<Self> {
        None
    }
}

/// Twenty steps with one function and one constant (FIPS 180-4 §4.2.1).
macro_rules! steps {
    ($step:ident, $f:ident, $k:expr, $($t:literal)*) => { $($step!($t, $f, $k as i32);)* };
}

/// The compression function for one kind of CPU. `$rotate`, `$choose`, `$parity` and `$majority` are its ways of ROTL, Ch, Parity
/// and Maj (FIPS 180-4 §4.1.1).
macro_rules! compress {
    ($name:ident, $features:literal, $rotate:ident, $choose:ident, $parity:ident, $majority:ident) => {
        #[target_feature(enable = $features)]
        fn $name(states: &mut [State; LANES], messages: &[&[Block]; LANES]) {
            let count = messages.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
            // Cut to one length, so that it is not checked for each block.
            let messages: [&[Block]; LANES] = std::array::from_fn(|lane| &messages[lane][..count]);
            let mut state: [__m256i; 5] = std::array::from_fn(|word| {
                gather(std::array::from_fn(|lane| states[lane][word]))
            });
            for at in 0..count {
                let mut w = transpose(std::array::from_fn(|lane| &messages[lane][at]));
                let [mut a, mut b, mut c, mut d, mut e] = state;
                macro_rules! step {
                    ($t:expr, $f:ident, $k:expr) => {{
                        // FIPS 180-4 §6.1.3: the schedule in sixteen words, each written over by the one sixteen steps on.
                        if $t >= 16 {
                            let older = _mm256_xor_si256(w[($t + 2) & 15], w[$t & 15]);
                            w[$t & 15] = $rotate::<1, 31>($parity(
                                w[($t + 13) & 15],
                                w[($t + 8) & 15],
                                older,
                            ));
                        }
                        let fixed = _mm256_add_epi32(w[$t & 15], _mm256_set1_epi32($k));
                        let sum = _mm256_add_epi32($f(b, c, d), _mm256_add_epi32(e, fixed));
                        (e, d, c) = (d, c, $rotate::<30, 2>(b));
                        (b, a) = (a, _mm256_add_epi32($rotate::<5, 27>(a), sum));
                    }};
                }
                steps!(step, $choose, 0x5a82_7999_u32, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
                steps!(step, $parity, 0x6ed9_eba1_u32, 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
                steps!(step, $majority, 0x8f1b_bcdc_u32, 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
                steps!(step, $parity, 0xca62_c1d6_u32, 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
                let [h0, h1, h2, h3, h4] = state;
                state = [
                    _mm256_add_epi32(h0, a),
                    _mm256_add_epi32(h1, b),
                    _mm256_add_epi32(h2, c),
                    _mm256_add_epi32(h3, d),
                    _mm256_add_epi32(h4, e),
                ];
            }
            for (word, vector) in state.into_iter().enumerate() {
                for (state, value) in states.iter_mut().zip(scatter(vector)) {
                    state[word] = value;
                }
            }
        }
    };
}

compress!(compress_avx2, "avx2", rotate, choose, parity, majority);
#[cfg(has_avx512)]
compress!(
    compress_avx512,
    "avx2,avx512f,avx512vl",
    rotate_512,
    choose_512,
    parity_512,
    majority_512
);

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn parity(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(x, _mm256_xor_si256(y, z))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)))
}

/// The same by AVX-512. The numbers are truth tables: bit `4x + 2y + z`.
#[cfg(has_avx512)]
#[allow(clippy::incompatible_msrv, reason = "compiled only where the compiler has them")]
mod avx512 {
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    pub(super) fn rotate_512<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
        _mm256_rol_epi32::<LEFT>(x)
    }

    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    pub(super) fn choose_512(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0xca>(x, y, z)
    }

    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    pub(super) fn parity_512(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0x96>(x, y, z)
    }

    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    pub(super) fn majority_512(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_ternarylogic_epi32::<0xe8>(x, y, z)
    }
}
#[cfg(has_avx512)]
use avx512::{choose_512, majority_512, parity_512, rotate_512};

/// Half a block.
#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // The compiler makes one load of them.
    let (quads, _) = bytes.as_chunks::<8>();
    let quad = |at: usize| i64::from_le_bytes(quads[at]);
    _mm256_set_epi64x(quad(3), quad(2), quad(1), quad(0))
}

/// Word `t` of the blocks of all lanes in vector `t`, out of big-endian.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(blocks: [&Block; LANES]) -> [__m256i; 16] {
    let swap = _mm256_set_epi64x(
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
    );
    let mut w = [_mm256_setzero_si256(); 16];
    for (half, w) in w.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let r: [__m256i; LANES] = std::array::from_fn(|lane| {
            _mm256_shuffle_epi8(load(&blocks[lane].as_chunks::<32>().0[half]), swap)
        });
        // Pairs of lanes, then fours, then all eight.
        let low = |a: usize| _mm256_unpacklo_epi32(r[a], r[a + 1]);
        let high = |a: usize| _mm256_unpackhi_epi32(r[a], r[a + 1]);
        let fours = |a: usize| {
            let (l0, l1, h0, h1) = (low(a), low(a + 2), high(a), high(a + 2));
            [
                _mm256_unpacklo_epi64(l0, l1),
                _mm256_unpackhi_epi64(l0, l1),
                _mm256_unpacklo_epi64(h0, h1),
                _mm256_unpackhi_epi64(h0, h1),
            ]
        };
        let (first, second) = (fours(0), fours(4));
        for t in 0..4 {
            w[t] = _mm256_permute2x128_si256::<0x20>(first[t], second[t]);
            w[t + 4] = _mm256_permute2x128_si256::<0x31>(first[t], second[t]);
        }
    }
    w
}

/// One word of each lane's state.
#[inline]
#[target_feature(enable = "avx2")]
fn gather(words: [u32; LANES]) -> __m256i {
    let [a, b, c, d, e, f, g, h] = words.map(|word| word as i32);
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

#[inline]
#[target_feature(enable = "avx2")]
fn scatter(vector: __m256i) -> [u32; LANES] {
    [
        _mm256_extract_epi32::<0>(vector),
        _mm256_extract_epi32::<1>(vector),
        _mm256_extract_epi32::<2>(vector),
        _mm256_extract_epi32::<3>(vector),
        _mm256_extract_epi32::<4>(vector),
        _mm256_extract_epi32::<5>(vector),
        _mm256_extract_epi32::<6>(vector),
        _mm256_extract_epi32::<7>(vector),
    ]
    .map(|word| word as u32)
}
