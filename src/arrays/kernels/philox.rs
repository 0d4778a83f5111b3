//! The counter-based random number generator Philox4x32-10.
//!
//! Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC'11, <https://doi.org/10.1145/2063384.2063405>; constants as in the paper's table 2 and the Random123
//! library. The numbers are a pure function of key and counter, so that any part of a sequence can be made
//! anywhere, by any thread.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The number of Philox blocks (four random words each) computed side by side in vector instructions: 16 are twice as
/// fast as 8 or fewer.
pub(crate) const WIDTH: usize = 16;

/// The four words of `WIDTH` random blocks: word 0 of all blocks first, then word 1 of all, and so on, for vector
/// instructions.
pub(crate) type Blocks = [[u32; WIDTH]; 4];

/// Computes `WIDTH` blocks of random words (Philox4x32-10), those of the counters `(first, stream)`, `(first + 1,
/// stream)`, .. Each 64-bit number is two words, the low one first.
pub(crate) fn blocks(key: u64, stream: u64, first: u64) -> Blocks {
    let at: [u64; WIDTH] = std::array::from_fn(|i| first.wrapping_add(i as u64));
    let counters = [
        at.map(|at| at as u32),
        at.map(|at| (at >> 32) as u32),
        [stream as u32; WIDTH],
        [(stream >> 32) as u32; WIDTH],
    ];
    rounds([key as u32, (key >> 32) as u32], counters)
}

fn rounds(mut key: [u32; 2], [mut a, mut b, mut c, mut d]: Blocks) -> Blocks {
    for _ in 0..ROUNDS {
        for i in 0..WIDTH {
            let p = u64::from(a[i]) * u64::from(MULTIPLIERS[0]);
            let q = u64::from(c[i]) * u64::from(MULTIPLIERS[1]);
            a[i] = (q >> 32) as u32 ^ b[i] ^ key[0];
            b[i] = q as u32;
            c[i] = (p >> 32) as u32 ^ d[i] ^ key[1];
            d[i] = p as u32;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the `philox4x32 10` lines of Random123's `tests/kat_vectors`: counter, key, result.
    #[test]
    fn known_answers() {
        let cases: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            let found = rounds(key, counter.map(|word| [word; WIDTH]));
            assert_eq!(found, expected.map(|word| [word; WIDTH]));
        }
    }

    #[test]
    fn key_and_counter_are_low_word_first() {
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let key = join(0xa409_3822, 0x299f_31d0);
        let found = blocks(key, join(0x1319_8a2e, 0x0370_7344), join(0x243f_6a88, 0x85a3_08d3));
        assert_eq!(found.map(|word| word[0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn a_block_does_not_depend_on_its_place() {
        for first in [0, 5, u64::from(u32::MAX) - 3] {
            let wide = blocks(7, 3, first);
            for i in 0..WIDTH {
                let alone = blocks(7, 3, first + i as u64);
                assert_eq!(wide.map(|word| word[i]), alone.map(|word| word[0]));
            }
        }
    }
}
