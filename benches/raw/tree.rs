//! The tree reduction as one would write it by hand.

use super::{receive, receive_asleep, send, timed};
use crate::parts::{add, random};
use mpi::traits::*;
use ndarray::Array1;
use rayon::ThreadPool;
use std::ops::Range;

/// What is summed, and how.
#[derive(Clone, Copy)]
pub struct Arrays {
    /// How many.
    pub count: u64,
    /// Numbers in each.
    pub len: usize,
    /// The seed of the first array; the others follow.
    pub seed: u64,
    /// Whether sums are made in place, in the left array's memory.
    pub in_place: bool,
}

/// The tree of `random` and `add`, over the ranks that compute (all but rank 0), each with the threads of its pool.
pub struct Tree<'a, C> {
    /// The ranks.
    pub comm: &'a C,
    /// The threads of this rank: as many as dtask would use here.
    pub threads: &'a ThreadPool,
    /// What is summed.
    pub arrays: Arrays,
}

impl<C: Communicator> Tree<'_, C> {
    /// Seconds until rank 0 has the sum, and there the sum.
    ///
    /// It does what dtask does, with the same functions and the same pairs, on the same ranks and as many threads: the
    /// arrays are dealt to the ranks in blocks; each rank makes and sums its block by `rayon::join`, depth first, so
    /// that few arrays live at a time; then the ranks' sums go along the tree, by blocking sends, and the last one to
    /// rank 0, which sleeps until it comes. Every array, sum and received array is new memory, as every result of a
    /// task has to be (but see `in_place`, which only hand-written code can do).
    pub fn run(&self) -> (f64, Option<Array1<f64>>) {
        let mut sum = None;
        let seconds = timed(self.comm, true, || {
            let last = self.node(0..self.arrays.count);
            let root = self.owner(0);
            if self.comm.rank() == root {
                let last =
                    last.as_ref().and_then(|sum| sum.as_slice()).expect("the root's owner has the sum");
                send(self.comm, 0, last);
            } else if self.comm.rank() == 0 {
                sum = Some(Array1::from_vec(receive_asleep(self.comm, root, self.arrays.len)));
            }
        });
        (seconds, sum)
    }

    /// The rank that makes array `k`, and whatever begins with it.
    fn owner(&self, k: u64) -> i32 {
        1 + (k * (self.comm.size() as u64 - 1) / self.arrays.count) as i32
    }

    /// The sum of some arrays, at the owner of the first.
    fn node(&self, arrays: Range<u64>) -> Option<Array1<f64>> {
        let (first, last) = (self.owner(arrays.start), self.owner(arrays.end - 1));
        let own = self.comm.rank();
        if own < first || own > last {
            return None;
        }
        if first == last {
            let all = self.arrays;
            return Some(self.threads.install(|| all.block(arrays)));
        }
        let middle = middle(&arrays);
        let left = self.node(arrays.start..middle);
        let right = self.node(middle..arrays.end);
        let other = self.owner(middle);
        if own == first {
            let left = left.expect("made here");
            let right = match right {
                Some(right) => right,
                None => Array1::from_vec(receive(self.comm, other, self.arrays.len)),
            };
            return Some(self.arrays.sum(left, right));
        }
        if own == other {
            send(self.comm, first, right.as_ref().and_then(|sum| sum.as_slice()).expect("made here"));
        }
        None
    }
}

impl Arrays {
    fn block(self, arrays: Range<u64>) -> Array1<f64> {
        if arrays.end - arrays.start == 1 {
            return random(self.seed + arrays.start, self.len);
        }
        let middle = middle(&arrays);
        let (left, right) =
            rayon::join(|| self.block(arrays.start..middle), || self.block(middle..arrays.end));
        self.sum(left, right)
    }

    fn sum(self, mut left: Array1<f64>, right: Array1<f64>) -> Array1<f64> {
        if self.in_place {
            left += &right;
            return left;
        }
        add(&left, &right)
    }
}

/// Where the tree divides: pairs of neighbours, then pairs of pairs, so the left part is a power of two.
fn middle(arrays: &Range<u64>) -> u64 {
    arrays.start + ((arrays.end - arrays.start).div_ceil(2)).next_power_of_two()
}
