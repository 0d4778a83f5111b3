//! Random programs over the whole library, each with the values that it must have when it is computed serially.
//!
//! A program is a task. [`plan`] draws its operations from a seed; [`run`] carries them out and knows for each result
//! what it must be. A result goes into one of the program's slots, where later operations take it from.

mod coordination;
pub mod plan;
pub mod run;
mod tasks;

use crate::bodies::Random;
use dtask::Future;

/// The values of all results: some fit into a message, others travel as bulk data.
pub type List = Vec<u64>;

/// What a result must be.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The value; `None` if the task fails.
    pub value: Option<List>,
    /// Whether the task, or one that it takes a result of, was cancelled: then it may have failed instead.
    pub cancelled: bool,
}

/// A result of a program with what it must be.
pub struct Slot {
    /// `None` once it is dropped, and where the program is only computed serially.
    pub future: Option<Future<List>>,
    pub is_dropped: bool,
    pub expected: Expected,
    /// The slots whose results its task takes.
    inputs: Vec<usize>,
    /// Whether its call has no twin: equal calls are one task, and are cancelled together.
    is_single: bool,
}

impl Expected {
    pub fn sure(value: Option<List>) -> Expected {
        Expected { value, cancelled: false }
    }

    /// What a task gives that takes these.
    pub fn of<'a>(
        inputs: impl IntoIterator<Item = &'a Expected>,
        compute: impl FnOnce(&[List]) -> Option<List>,
    ) -> Expected {
        let (mut values, mut cancelled) = (Some(Vec::new()), false);
        for input in inputs {
            cancelled |= input.cancelled;
            match (&mut values, &input.value) {
                (Some(values), Some(value)) => values.push(value.clone()),
                _ => values = None,
            }
        }
        Expected { value: values.and_then(|values| compute(&values)), cancelled }
    }
}

/// What a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// The test that runs the program.
    pub test: u64,
    /// Levels of programs below this one.
    pub depth: u8,
    /// Whether it uses objects: what they hold is lost with their rank, unlike results.
    pub objects: bool,
    /// Whether ranks may die: then what uses objects may fail.
    pub lossy: bool,
    /// Whether a task may wait for what only its program does, and so for ever if the program's rank dies.
    pub waits: bool,
}

/// The value that a task makes from its seed alone.
pub fn fresh(salt: u64, length: u64) -> List {
    let mut random = Random(salt);
    (0..length).map(|_| random.next() >> 8).collect()
}

/// The value that a task makes of others.
pub fn mix(salt: u64, length: u64, inputs: &[List]) -> List {
    let start = inputs.iter().fold(salt, |hash, list| {
        list.iter().fold(hash ^ list.len() as u64, |hash, n| {
            (hash ^ n).wrapping_mul(0x0100_0000_01B3).rotate_left(7)
        })
    });
    (0..length).map(|k| start.wrapping_mul(2 * k + 1) >> 8).collect()
}
