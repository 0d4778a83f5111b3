//! The `random` function: `random(n, m, .., seed = s, dist = "normal")`.
//!
//! The numbers are a pure function of a key, a stream and their position, so they are the same for any number of
//! threads and ranks. The generator is Philox4x32-10, with the counter words `(block low, block high, stream low,
//! stream high)`:
//! * With a `seed`, the key is the seed (two's complement, 64 bits) and the stream 0: the numbers depend on
//!   nothing else, as with numpy's `default_rng(seed)`, though they are not numpy's.
//! * Without one, the key is a hash of the task and of which `random` of the expression it is, and the stream
//!   is the instance's index. So `random(5) - random(5)` is not zero.
//!
//! A block gives elements 2k and 2k+1: the words, in pairs, low word first, are two integers of 64 bits,
//! whose upper 53 bits times 2^-53 are uniform in [0, 1). Normal numbers come from the same two by Box and
//! Muller's transform: with u and v, `sqrt(-2 ln(1 - u))` times the cosine (element 2k) and sine (2k+1)
//! of `2 pi v`. Its logarithm and sine are the system library's, whose last bit may differ between unlike
//! machines; uniform numbers have the same bits everywhere.

use super::philox::{WIDTH, blocks};
use crate::arrays::error::Fault;
use crate::arrays::shapes::shape;
use ndarray::ArrayD;
use rayon::prelude::*;

/// The inputs that take the place of a seed where an expression gives `random` none: two instances draw different
/// numbers, and a repeated run the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RandomContext {
    /// A hash of the task's name: equal in every run of the script and on every rank.
    pub task: u64,
    /// The index of the instance among those of its task; 0 for a task without parameters.
    pub index: u64,
}

/// The probability distribution of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    Uniform,
    Normal,
}

/// An infinite sequence of random numbers, determined by its key and stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RandomStream {
    key: u64,
    stream: u64,
}

impl RandomStream {
    pub(crate) fn seeded(seed: i64) -> RandomStream {
        RandomStream { key: seed.cast_unsigned(), stream: 0 }
    }

    /// The sequence for the `call`-th `random` without a seed in an expression, counted from 0.
    pub(crate) fn of(context: RandomContext, call: u64) -> RandomStream {
        RandomStream { key: mix(context.task ^ mix(call)), stream: context.index }
    }

    /// Makes an array of the first numbers of the sequence, in C order.
    pub(crate) fn array(self, shape: &[usize], distribution: Distribution) -> Result<ArrayD<f64>, Fault> {
        let mut array = shape::zeros(shape)?;
        if let Some(out) = array.as_slice_mut() {
            self.fill(out, distribution);
        }
        Ok(array)
    }

    fn fill(self, out: &mut [f64], distribution: Distribution) {
        const CHUNK: usize = 1 << 14;
        if out.len() <= CHUNK {
            return self.part(0, out, distribution);
        }
        let parts = out.par_chunks_mut(CHUNK).enumerate();
        parts.for_each(|(i, part)| self.part((i * CHUNK / 2) as u64, part, distribution));
    }

    /// Fills `out` with numbers of the sequence, from those of random block number `first` on.
    fn part(self, first: u64, out: &mut [f64], distribution: Distribution) {
        for (i, out) in out.chunks_mut(2 * WIDTH).enumerate() {
            let [a, b, c, d] = blocks(self.key, self.stream, first + (i * WIDTH) as u64);
            for (i, out) in out.chunks_mut(2).enumerate() {
                let (mut x, mut y) = (unit(a[i], b[i]), unit(c[i], d[i]));
                if distribution == Distribution::Normal {
                    // 1 - u is never 0, whose logarithm is infinite.
                    let radius = (-2.0 * (1.0 - x).ln()).sqrt();
                    let (sine, cosine) = (std::f64::consts::TAU * y).sin_cos();
                    (x, y) = (radius * cosine, radius * sine);
                }
                out[0] = x;
                if let Some(second) = out.get_mut(1) {
                    *second = y;
                }
            }
        }
    }
}

/// Makes a number in [0, 1) with 53 random bits out of two random words.
fn unit(low: u32, high: u32) -> f64 {
    let bits = u64::from(low) | u64::from(high) << 32;
    (bits >> 11) as f64 * (f64::EPSILON / 2.0)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): each input bit affects the whole result.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
