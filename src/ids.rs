//! The numbers that name things: ranks, tasks, task definitions.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number as an index into a dense table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id! {
    /// A rank of the communicator that dtask works on; rank 0 schedules.
    Rank(u32), "r"
}
id! {
    /// One task. Each rank numbers what it submits in the order of submission; no number is used twice in a run.
    TaskId(u64), "t"
}
id! {
    /// A task definition: what many instances share, sent once to each rank that runs one of them.
    DefId(u32), "d"
}

/// The rank that schedules and runs the client.
pub const HEAD: Rank = Rank(0);

/// Bits of a task's number that count the tasks which one rank has submitted; those above are the rank.
const COUNT_BITS: u32 = 40;

impl TaskId {
    /// The first number that `rank` gives to a task: each rank counts its own from there, so none has to ask for numbers.
    pub fn first_of(rank: Rank) -> TaskId {
        TaskId(u64::from(rank.0) << COUNT_BITS)
    }

    /// The rank that has submitted the task, and alone holds futures of it.
    pub fn owner(self) -> Rank {
        Rank((self.0 >> COUNT_BITS) as u32)
    }

    /// How many tasks its owner had submitted before: an index into a dense table of the owner's.
    pub fn count(self) -> u64 {
        self.0 & ((1 << COUNT_BITS) - 1)
    }
}

/// How often a task has been started; reports of an earlier attempt are dropped.
pub type Attempt = u16;

/// The pause before a task starts again that has failed `failures` times: `first` after the first failure, and twice as long
/// after each one more.
pub(crate) fn pause(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(16))
}

/// Hasher for keys that are ids: one multiplication, the same in every process.
#[derive(Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        // Fibonacci hashing; the swap brings the well-mixed high half where tables take their bits from.
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

/// A map keyed by ids. Never iterated where the order could show.
pub type IdMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<IdHasher>>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn consecutive_ids_spread_over_the_low_bits() {
        let build = BuildHasherDefault::<IdHasher>::default();
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..4096u64 {
            seen.insert(build.hash_one(TaskId(n)) & 0xFFF);
        }
        assert!(seen.len() > 2048, "only {} of 4096 buckets used", seen.len());
    }

    #[test]
    fn a_task_number_says_who_has_submitted_it() {
        for (rank, count) in [(0, 0), (0, (1 << 40) - 1), (3, 7), (65_535, 1 << 39)] {
            let task = TaskId(TaskId::first_of(Rank(rank)).0 + count);
            assert_eq!((task.owner(), task.count()), (Rank(rank), count));
        }
    }

    #[test]
    fn ids_print_short() {
        assert_eq!(format!("{:?} {:?} {}", Rank(3), TaskId(7), DefId(2)), "r3 t7 2");
    }
}
