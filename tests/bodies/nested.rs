//! Random nested graphs, computed twice: by tasks that submit tasks, and serially.

use crate::bodies::Random;
use dtask::{Client, Failure, Future, Result};

/// What a task of a nested graph does, drawn from its seed.
struct Plan {
    /// Seeds of the tasks that it submits.
    children: Vec<u64>,
    /// Which of the results a further task adds up, as futures.
    added: Vec<usize>,
    /// Length of the result: some fit into a message, others are moved.
    length: u64,
    /// Waits for one after the other, and not for all at once.
    one_by_one: bool,
    /// Drops the last child without waiting for it.
    drops: bool,
    fails: bool,
    pure: bool,
}

fn plan(seed: u64, depth: u64) -> Plan {
    let mut random = Random(seed);
    let count = if depth == 0 { 0 } else { random.below(4) };
    // few different seeds, so that some calls are equal
    let children: Vec<u64> = (0..count).map(|_| random.next() % 64).collect();
    let added = (0..random.below(3)).filter(|_| count > 0).map(|_| random.below(count) as usize).collect();
    Plan {
        added,
        length: [1, 5, 300, 3000][random.below(4) as usize],
        one_by_one: random.below(2) == 0,
        drops: random.below(8) == 0,
        fails: random.below(200) == 0,
        pure: random.below(3) > 0,
        children,
    }
}

fn mix(seed: u64, values: &[Vec<u64>], length: u64) -> Vec<u64> {
    let start = values
        .iter()
        .flatten()
        .fold(seed, |hash, n| (hash ^ n).wrapping_mul(0x0100_0000_01B3).rotate_left(7));
    (0..length).map(|k| start.wrapping_mul(2 * k + 1)).collect()
}

fn add(values: Vec<Vec<u64>>) -> Vec<u64> {
    mix(7, &values, 10)
}

/// A task of a nested graph.
pub fn grow(seed: u64, depth: u64) -> Result<Vec<u64>, Failure> {
    let plan = plan(seed, depth);
    if plan.fails {
        return Err(Failure::new("this one always fails"));
    }
    if plan.children.is_empty() {
        return Ok(mix(seed, &[], plan.length));
    }
    let client: Client = dtask::current()?;
    let options = client.options().pure(plan.pure);
    let mut children: Vec<Future<Vec<u64>>> =
        plan.children.iter().map(|&seed| options.submit(grow, (seed, depth - 1))).collect();
    let added: Vec<Future<Vec<u64>>> = plan.added.iter().map(|&at| children[at].clone()).collect();
    let added = client.submit(add, (added,));
    if plan.drops {
        children.pop();
    }
    let mut values = match plan.one_by_one {
        true => children.iter().map(Future::result).collect::<Result<Vec<_>>>()?,
        false => client.gather(children)?,
    };
    values.push(added.result()?);
    Ok(mix(seed, &values, plan.length))
}

/// The same computed here; `None` where it fails.
pub fn serial(seed: u64, depth: u64) -> Option<Vec<u64>> {
    let plan = plan(seed, depth);
    if plan.fails {
        return None;
    }
    if plan.children.is_empty() {
        return Some(mix(seed, &[], plan.length));
    }
    let mut children: Vec<Option<Vec<u64>>> =
        plan.children.iter().map(|&seed| serial(seed, depth - 1)).collect();
    let added = plan.added.iter().map(|&at| children[at].clone()).collect::<Option<Vec<_>>>();
    if plan.drops {
        children.pop();
    }
    let mut values = children.into_iter().collect::<Option<Vec<_>>>()?;
    values.push(add(added?));
    Some(mix(seed, &values, plan.length))
}
