//! The identifiers of ranks, tasks and task definitions, and a hash map keyed by them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// Converts the number into an index for a table with a place for each number.
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
    /// The number of a rank (MPI process) in dtask's communicator. Rank 0 schedules.
    Rank(u32), "r"
}
id! {
    /// The number of a task, unique within a run. Each rank numbers the tasks that it submits in the order of
    /// submission.
    TaskId(u64), "t"
}
id! {
    /// The number of a task definition: the function and options that many tasks share. A definition is sent once to
    /// each rank that runs one of its tasks.
    DefId(u32), "d"
}

/// Rank 0, which schedules and runs the client's closure.
pub const HEAD: Rank = Rank(0);

/// Number of low bits of a [`TaskId`] that count the tasks of its owner, the rank that submitted it. The bits above
/// hold the owner's rank.
const COUNT_BITS: u32 = 40;

impl TaskId {
    /// The first task number of `rank`. Each rank counts its own tasks from there, so no rank has to ask for numbers.
    pub fn first_of(rank: Rank) -> TaskId {
        TaskId(u64::from(rank.0) << COUNT_BITS)
    }

    /// The rank that submitted the task (its owner). Only this rank holds futures of it.
    pub fn owner(self) -> Rank {
        Rank((self.0 >> COUNT_BITS) as u32)
    }

    /// The number of tasks that the owner (the submitting rank) submitted before this one, usable as an index into a
    /// table per owner.
    pub fn count(self) -> u64 {
        self.0 & ((1 << COUNT_BITS) - 1)
    }
}

/// The number that stands for no task, in place of a task's: for functions of actors, which are called on a rank
/// without being tasks.
pub(crate) const NO_TASK: TaskId = TaskId(u64::MAX);

/// The number of a start of a task, counted from 1; 0 before the first. Reports of an earlier attempt than the last one
/// are dropped.
pub type Attempt = u16;

/// The pause before a task that failed `failures` times starts again (exponential back-off): `first` after the first
/// failure, and twice as long after each further one, up to 65536 times `first`. The result has the unit of `first`.
pub(crate) fn pause(first: u64, failures: u32) -> u64 {
    first.saturating_mul(1 << failures.saturating_sub(1).min(16))
}

/// A hasher for identifiers: one multiplication per key (Fibonacci hashing), with the same result in every process.
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

/// A hash map keyed by identifiers. Code must not iterate over it where the order could influence a result.
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
