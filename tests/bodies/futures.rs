//! Programs over futures: waits in every order, cancel and release at every moment, errors deep in a tree, data.

use super::{Body, check};
use dtask::{Client, Event, Failure, Future, Queue, Rank, TaskErrorKind};

pub const FUTURES: &[(&str, Body)] = &[
    ("completed", completed),
    ("first", first),
    ("cancelled", cancelled),
    ("cancelled_fetch", cancelled_fetch),
    ("released_fetch", released_fetch),
    ("dropped", dropped),
    ("deep_error", deep_error),
    ("detached", detached),
    ("data", data),
];

/// All of them, one after the other.
pub fn all(client: &Client) -> Result<(), Failure> {
    FUTURES
        .iter()
        .try_for_each(|(name, body)| body(client).map_err(|error| Failure::new(format!("{name}: {error}"))))
}

fn half(n: u64) -> u64 {
    n / 2
}

/// A search that adds what it finds, in the order of the ends.
fn completed(client: &Client) -> Result<(), Failure> {
    let mut done = client.as_completed(client.map(half, 0..40_u64));
    let (mut sum, mut count) = (0, 0);
    while let Some(future) = done.next() {
        let n = future.result()?;
        (sum, count) = (sum + n, count + 1);
        if n > 0 {
            done.add(client.options().pure(false).submit(half, (n,)));
        }
    }
    let chain = |n: u64| std::iter::successors(Some(n / 2), |n| (*n > 0).then_some(n / 2));
    let should: (u64, u64) = (0..40).flat_map(chain).fold((0, 0), |(sum, count), n| (sum + n, count + 1));
    check((sum, count) == should, "all that was added has come")
}

fn waits(go: Event, n: u64) -> Result<u64, Failure> {
    go.wait()?;
    Ok(n)
}

fn odd(n: u64) -> Result<u64, Failure> {
    if n % 2 == 1 { Ok(n) } else { Err(Failure::new(format!("{n} is even"))) }
}

/// The first end, and the first failure.
fn first(client: &Client) -> Result<(), Failure> {
    let go = client.event("first");
    let open = client.submit(waits, (&go, 5));
    let (ended, left) = client.wait_any([&open, &client.submit(odd, (1,))])?;
    check(ended.len() == 1 && left.len() == 1 && ended[0].result()? == 1, "the one that has ended")?;
    let (ended, left) = client.wait_first_error([&open, &client.submit(odd, (2,))])?;
    check(ended.len() == 1 && left.len() == 1 && ended[0].exception().is_some(), "the one that has failed")?;
    go.set()?;
    check(client.wait_first_error([&open])?.0.len() == 1 && open.result()? == 5, "none has failed")
}

fn is_cancelled(future: &Future<u64>) -> bool {
    matches!(future.exception(), Some(dtask::Error::Task(error)) if error.kind == TaskErrorKind::Cancelled)
}

/// Tasks that run, wait for inputs, or are queued are cancelled.
fn cancelled(client: &Client) -> Result<(), Failure> {
    let go = client.event("cancelled");
    let running = client.submit(waits, (&go, 5));
    let dependent = client.submit(half, (&running,));
    let last = client.submit(half, (&dependent,));
    let many = client.options().pure(false).starmap(waits, (0..30).map(|n| (&go, n)));
    running.cancel();
    check([&running, &dependent, &last].into_iter().all(is_cancelled), "with all that depends on it")?;
    client.cancel(&many);
    check(many.iter().all(is_cancelled), "in every state")?;
    go.set()?;
    let done = client.submit(half, (8,));
    client.wait([&done])?;
    done.cancel();
    check(done.result()? == 4, "what has ended keeps its result")
}

fn numbers(n: u64) -> Vec<u64> {
    (0..20_000).map(|k| k + n).collect()
}

fn at(numbers: &[u64], k: usize) -> u64 {
    numbers[k]
}

/// The ranks that compute, in turn.
fn rank(client: &Client, k: u64) -> Rank {
    match client.ranks() as u64 {
        1 => Rank(0),
        ranks => Rank(1 + (k % (ranks - 1)) as u32),
    }
}

fn readers(client: &Client, large: &Future<Vec<u64>>, round: u64) -> Vec<Future<u64>> {
    let read =
        |k: u64| client.options().pure(false).on(rank(client, k)).submit(at, (large, (round + k) as usize));
    (0..4).map(read).collect()
}

/// Tasks are cancelled while their ranks fetch their input.
fn cancelled_fetch(client: &Client) -> Result<(), Failure> {
    for round in 0..6_u64 {
        let large = client.options().on(rank(client, round)).submit(numbers, (round,));
        client.wait([&large])?;
        let readers = readers(client, &large, round);
        client.cancel(&readers);
        drop(large);
        for (end, k) in client.gather_each(&readers)?.into_iter().zip(0..) {
            check(end.as_ref().map_or(true, |n| *n == 2 * round + k), "a value or an error")?;
        }
    }
    check(client.submit(half, (8,)).result()? == 4, "all goes on")
}

/// The futures of a result and of its readers are dropped while ranks fetch it.
fn released_fetch(client: &Client) -> Result<(), Failure> {
    for round in 0..6_u64 {
        let large = client.options().on(rank(client, round)).submit(numbers, (round,));
        client.wait([&large])?;
        let mut readers = readers(client, &large, round);
        drop(large);
        let kept = readers.remove(round as usize % 4);
        drop(readers);
        check(kept.result()? == 2 * round + round % 4, "the reader that was kept")?;
    }
    Ok(())
}

/// Futures are dropped before their tasks are done, but for the last of a chain.
fn dropped(client: &Client) -> Result<(), Failure> {
    let mut ends = Vec::new();
    for k in 0..5_u64 {
        let mut future =
            client.options().pure(false).submit(numbers, (k,)).then(|all: Vec<u64>| all.len() as u64);
        for _ in 0..6 {
            future = client.options().pure(false).submit(half, (&future,));
        }
        ends.push(future);
    }
    drop(client.map(numbers, 100..110_u64));
    check(client.gather(&ends)? == [20_000 / 64; 5], "the last of each chain")
}

/// An error deep in a tree reaches its root, with the name of the task that has failed; the other branches have results.
fn deep_error(client: &Client) -> Result<(), Failure> {
    let add = |a: u64, b: u64| a + b;
    let leaves = client.map(odd, (0..64_u64).map(|k| if k == 37 { 2 } else { 2 * k + 1 }));
    let halves: Vec<Future<u64>> = leaves.chunks(32).map(|half| client.reduce_tree(add, half)).collect();
    let root = client.submit(add, (&halves[0], &halves[1]));
    let Some(dtask::Error::Task(error)) = root.exception() else { return Err(Failure::new("no error")) };
    check(error.message == "2 is even" && error.task.starts_with("odd-"), &error.to_string())?;
    check(halves[0].result()? == 32 * 32, "the other half")?;
    let ends = client.gather_each(&leaves)?;
    check(ends.iter().filter(|end| end.is_err()).count() == 1, "one leaf")
}

fn put(queue: Queue<u64>, n: u64) -> Result<(), Failure> {
    Ok(queue.put(n)?)
}

/// Tasks whose futures nobody keeps.
fn detached(client: &Client) -> Result<(), Failure> {
    let queue = client.queue("detached");
    for n in 1..=10 {
        client.fire_and_forget(client.submit(put, (&queue, n)));
    }
    let sum: u64 = (0..10).map(|_| queue.get()).sum::<dtask::Result<u64>>()?;
    check(sum == 55, "each has run")
}

/// Values of the program, in copies on every rank.
fn data(client: &Client) -> Result<(), Failure> {
    let parts = client.scatter_each((0..5_u64).map(numbers));
    let everywhere = client.broadcast(numbers(7));
    let pairs = |a: &[u64], b: Vec<u64>| a[1] + b[2];
    let sums = client.starmap(pairs, parts.iter().map(|part| (part, &everywhere)));
    check(client.gather(sums)? == [10, 11, 12, 13, 14], "sums")?;
    client.replicate(&parts[0], 2);
    client.rebalance()?;
    let (low, high) = client.submit(|n: u64| (n, n + 1), (7,)).split();
    check(low.then(half).result()? + high.result()? == 11, "parts of a tuple")
}
