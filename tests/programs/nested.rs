//! Tasks that submit tasks.

use super::bodies::Random;
use super::{check, nested_graph};
use dtask::prelude::*;
use dtask::{Error, Result};
use rayon::prelude::*;
use std::time::Duration;

pub fn all(client: &Client) -> Result<()> {
    fibonacci(client)?;
    deep(client)?;
    wide(client)?;
    everything(client)?;
    parallel(client)?;
    errors(client)?;
    check(dtask::current().is_err(), "a client outside of a task")
}

fn fib(n: u64) -> std::result::Result<u64, Failure> {
    if n < 2 {
        return Ok(n);
    }
    let client = dtask::current()?;
    let options = client.options().pure(false);
    let (a, b) = (options.submit(fib, (n - 1,)), options.submit(fib, (n - 2,)));
    Ok(a.result()? + b.result()?)
}

fn pure_fib(n: u64) -> std::result::Result<u64, Failure> {
    if n < 2 {
        return Ok(n);
    }
    let client = dtask::current()?;
    let (a, b) = (client.submit(pure_fib, (n - 1,)), client.submit(pure_fib, (n - 2,)));
    Ok(client.gather([a, b])?.iter().sum())
}

fn fibonacci(client: &Client) -> Result<()> {
    check(client.submit(fib, (14,)).result()? == 377, "the 14th Fibonacci number")?;
    check(client.submit(pure_fib, (60,)).result()? == 1_548_008_755_920, "the 60th, each once a rank")?;
    let many = client.options().pure(false).map(fib, [9; 20]);
    check(client.gather(many)? == [34; 20], "many at once")
}

fn down(n: u64) -> std::result::Result<u64, Failure> {
    match n {
        0 => Ok(0),
        n => Ok(dtask::current()?.submit(down, (n - 1,)).result()? + 1),
    }
}

fn deep(client: &Client) -> Result<()> {
    check(client.submit(down, (300,)).result()? == 300, "300 tasks that wait, one in the other")
}

fn wide(client: &Client) -> Result<()> {
    // more tasks that wait for one other each than there are threads for
    let parent = |k: u64| -> std::result::Result<u64, Failure> {
        let client = dtask::current()?;
        Ok(client.submit(|k: u64| k * k, (k,)).result()? + 1)
    };
    let sums = client.gather(client.map(parent, 0..3_000))?;
    check(sums.iter().sum::<u64>() == (0..3_000u64).map(|k| k * k + 1).sum(), "3,000 that wait")
}

/// Everything that a client does, in a task.
fn everything(client: &Client) -> Result<()> {
    let task = |seed: u64| -> std::result::Result<u64, Failure> {
        let client = dtask::current()?;
        let last = Rank(client.ranks() as u32 - 1);
        // large results and values, on another rank and back
        let numbers = client
            .options()
            .on(last)
            .submit(|n: u64, seed: u64| (0..n).map(|k| k ^ seed).collect::<Vec<u64>>(), (10_000, seed));
        let table = client.scatter(vec![seed; 10_000]);
        let sum = client.submit(
            |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| a ^ b).sum::<u64>(),
            (&numbers, &table),
        );
        let total = (0..10_000).sum::<u64>();
        if sum.result()? != total || numbers.result()?.len() != 10_000 || table.result()?[9_999] != seed {
            return Err(Failure::new("large values"));
        }
        // a long argument, many futures in one
        let long = client.submit(|text: String| text.len(), ("x".repeat(5_000 + seed as usize),));
        let many = client.map(move |k: u64| k, 0..1_000);
        let added = client.submit(|many: Vec<u64>| many.iter().sum::<u64>(), (&many,));
        if long.result()? != 5_000 + seed as usize || added.result()? != 999 * 500 {
            return Err(Failure::new("many inputs"));
        }
        // without waiting for values, with a limit, as a family, and what tasks are doing
        client.wait(&many)?;
        let slow = client.submit(|_: u64| std::thread::sleep(Duration::from_millis(300)), (seed,));
        if !matches!(slow.result_timeout(Duration::from_millis(10)), Err(Error::Timeout(_))) {
            return Err(Failure::new("a limit"));
        }
        slow.result()?;
        let family = client.family(|k: u64| k * 2, 50);
        if client.gather(family.range(10..12))? != [20, 22] || !slow.done() {
            return Err(Failure::new("a family"));
        }
        let text = format!("{slow:?}");
        if !text.contains("status: finished, type: (), key: closure-") {
            return Err(Failure::new(text));
        }
        let at_rank_0 = dtask::internal::running().is_some_and(|(rank, _)| rank == Rank(0));
        if dtask::internal::finished(&client).is_ok() != at_rank_0 {
            return Err(Failure::new("totals are rank 0's"));
        }
        Ok(seed)
    };
    check(client.gather(client.map(task, 0..6))? == [0, 1, 2, 3, 4, 5], "everything in a task")
}

/// Parallel parts of a task that wait.
fn parallel(client: &Client) -> Result<()> {
    let task = |n: u64| -> std::result::Result<u64, Failure> {
        let client = dtask::current()?;
        let parts: Result<Vec<u64>> =
            (0..n).into_par_iter().map(|k| client.submit(|k: u64| k + 1, (k,)).result()).collect();
        Ok(parts?.iter().sum())
    };
    check(client.gather(client.map(task, [40, 41, 42]))? == [820, 861, 903], "parallel parts that wait")
}

fn errors(client: &Client) -> Result<()> {
    fn fails(n: u64) -> std::result::Result<u64, Failure> {
        match n {
            0 => Err(Failure::new("the first cause")),
            n => Ok(dtask::current()?.submit(fails, (n - 1,)).result()?),
        }
    }
    let unwraps = |n: u64| dtask::current().unwrap().submit(fails, (n,)).result().unwrap();
    let handles = |n: u64| match dtask::current().map(|client| client.submit(fails, (n,)).result()) {
        Ok(Err(Error::Task(error))) => error.message.clone(),
        other => format!("{other:?}"),
    };
    for outcome in [client.submit(fails, (5,)).result(), client.submit(unwraps, (3,)).result()] {
        let Err(Error::Task(error)) = outcome else { return check(false, "a nested task fails") };
        check(error.message == "the first cause" && error.task.starts_with("fails-"), &error.to_string())?;
    }
    check(client.submit(handles, (2,)).result()? == "the first cause", "a failure that is dealt with")
}

/// A random nested graph: tasks of random trees that take futures, wait, and drop them.
pub fn graph(client: &Client, seed: u64) -> Result<()> {
    let mut random = Random(seed);
    for _ in 0..10 {
        let (seed, depth) = (random.next(), 3 + random.below(3));
        let root = client.submit(nested_graph::grow, (seed, depth));
        let expected = nested_graph::serial(seed, depth);
        check(root.result().ok() == expected, "another result than computed serially")?;
    }
    Ok(())
}
