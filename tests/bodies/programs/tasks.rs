//! The functions of tasks that need no objects.

use super::{List, fresh, mix};
use dtask::Failure;
use std::collections::HashMap;

pub(super) const ON_PURPOSE: &str = "fails on purpose";

pub(super) fn references(salt: u64, length: u64, first: &[u64], second: &List) -> List {
    mix(salt, length, &[first.to_vec(), second.clone()])
}

pub(super) fn vector(salt: u64, length: u64, inputs: Vec<List>) -> List {
    mix(salt, length, &inputs)
}

pub(super) fn optional(salt: u64, length: u64, input: Option<List>) -> List {
    mix(salt, length, &Vec::from_iter(input))
}

pub(super) fn nested(salt: u64, length: u64, inputs: Vec<Vec<List>>) -> List {
    mix(salt, length, &inputs.concat())
}

pub(super) fn map(salt: u64, length: u64, inputs: HashMap<u64, List>) -> List {
    let mut inputs: Vec<(u64, List)> = inputs.into_iter().collect();
    inputs.sort();
    mix(salt, length, &inputs.into_iter().map(|(_, list)| list).collect::<Vec<List>>())
}

pub(super) fn step(input: List) -> List {
    mix(11, input.len() as u64 + 1, &[input])
}

pub(super) fn halves(salt: u64) -> (List, List) {
    (fresh(salt, salt % 50), fresh(salt + 1, salt % 500))
}

pub(super) fn join(left: List, right: List) -> List {
    mix(13, 20, &[left, right])
}

pub(super) fn of_pair(pair: (u64, u64)) -> List {
    fresh(pair.0 + pair.1, 3 + pair.1)
}

pub(super) fn of_index(salt: u64, index: u64) -> List {
    fresh(salt + index, 40 * index)
}

/// Keys and values of a list: few keys, so that many values meet.
pub(super) fn pairs(list: List) -> Vec<(u64, u64)> {
    list.iter().map(|n| (n % 5, *n)).collect()
}

pub(super) fn sum(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

/// The pairs of a partition as a list.
pub(super) fn flat(pairs: Vec<(u64, u64)>) -> List {
    pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()
}

pub(super) fn fails(_: u64) -> Result<List, Failure> {
    Err(Failure::new(ON_PURPOSE))
}

pub(super) fn panics(_: u64) -> Result<List, Failure> {
    panic!("{ON_PURPOSE}")
}

/// Fails at its first attempt.
pub(super) fn fails_once(salt: u64) -> Result<List, Failure> {
    match dtask::task().map_or(1, |task| task.attempt()) {
        1 => Err(Failure::new(ON_PURPOSE)),
        _ => Ok(fresh(salt, 7)),
    }
}
