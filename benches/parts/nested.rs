//! Tasks that submit tasks and wait for them: Fibonacci numbers by their definition, each call a task.

use super::{run, settle, timed};
use crate::common::Rounds;
use crate::common::launch::cores;
use crate::common::table::{Row, head, rate, time};
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

const ROUNDS: usize = 5;
const N: u64 = 20;

fn fib(n: u64) -> Result<u64, Failure> {
    if n < 2 {
        return Ok(n);
    }
    let client = dtask::current()?;
    let options = client.options().pure(false);
    let (a, b) = (options.submit(fib, (n - 1,)), options.submit(fib, (n - 2,)));
    Ok(a.result()? + b.result()?)
}

/// The same calls, each half of a call of `rayon::join`.
fn joined(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| joined(n - 1), || joined(n - 2));
    a + b
}

/// How many calls the `n`th number takes.
fn calls(n: u64) -> u64 {
    let (mut last, mut this) = (1, 1);
    for _ in 1..n {
        (last, this) = (this, last + this + 1);
    }
    this
}

/// Nested Fibonacci: tasks a second, beside the same calls by `rayon::join` on as many threads as this machine has
/// cores.
pub fn fibonacci(world: &SimpleCommunicator) {
    let threads =
        rayon::ThreadPoolBuilder::new().num_threads(cores()).build().expect("threads can be started");
    let tasks = calls(N) as f64;
    let (mut own, mut by_join) = (Rounds::default(), Rounds::default());
    for round in 1..=ROUNDS {
        let mut expected = 0;
        if world.rank() == 0 {
            let (seconds, value) = timed(|| Ok(threads.install(|| joined(N)))).expect("it cannot fail");
            by_join.push(seconds);
            expected = value;
        }
        run(world, round == ROUNDS, |client| {
            let (seconds, value) = timed(|| client.options().pure(false).submit(fib, (N,)).result())?;
            assert_eq!(value, expected, "a wrong Fibonacci number");
            own.push(seconds);
            settle(client)
        });
    }
    if world.rank() > 0 {
        return;
    }
    head();
    Row::new(&format!("fib({N}), {tasks:.0} nested tasks"), rate(tasks / own.median()))
        .beside(format!("rayon::join: {}", rate(tasks / by_join.median())))
        .ratio(&own.over(&by_join))
        .print();
    let (least, greatest) = own.range();
    Row::new("  per task", time(own.median() / tasks))
        .beside(format!("{} to {}", time(least / tasks), time(greatest / tasks)))
        .print();
}
