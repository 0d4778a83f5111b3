//! Random programs over queues, actors, channels and events, with what they give when they are computed serially.

use super::bodies_random::Random;
use dtask::{Actor, Event, Failure, Queue, Receiver, Sender};
use serde::{Deserialize, Serialize};

struct Sum(u64);

fn add(sum: &mut Sum, n: u64) -> u64 {
    sum.0 += n;
    sum.0
}

#[derive(Clone, Serialize, Deserialize)]
struct Ends {
    go: Event,
    queues: Vec<Queue<u64>>,
    senders: Vec<Sender<u64>>,
    actors: Vec<Actor<Sum>>,
}

const KINDS: u64 = 3;
const EACH: usize = 2;

/// What the worker number `worker` does: (kind, which, value, whether a nested task does it).
fn operations(seed: u64, worker: u64) -> Vec<(u64, usize, u64, bool)> {
    let mut random = Random(seed ^ (worker << 32));
    let number = random.below(12);
    (0..number)
        .map(|_| {
            (
                random.below(KINDS),
                random.below(EACH as u64) as usize,
                random.below(1000),
                random.below(6) == 0,
            )
        })
        .collect()
}

fn workers(seed: u64) -> u64 {
    1 + seed % 5
}

fn capacity(seed: u64, which: usize) -> u32 {
    1 + ((seed >> which) % 5) as u32
}

fn act(ends: &Ends, (kind, which, value): (u64, usize, u64)) -> Result<u64, Failure> {
    match kind {
        0 => ends.queues[which].put(value)?,
        1 => ends.senders[which].send(value)?,
        _ => drop(ends.actors[which].call(add, (value,)).result()?),
    }
    Ok(value)
}

fn worker(ends: Ends, seed: u64, number: u64) -> Result<u64, Failure> {
    ends.go.wait()?;
    let client = dtask::current()?;
    let mut children = Vec::new();
    for (kind, which, value, nested) in operations(seed, number) {
        if nested {
            let child = |ends: Ends, kind: u64, which: usize, value: u64| act(&ends, (kind, which, value));
            children.push(client.submit(child, (ends.clone(), kind, which, value)));
        } else {
            act(&ends, (kind, which, value))?;
        }
    }
    Ok(client.gather(children)?.len() as u64)
}

fn drain(queue: Queue<u64>) -> Result<u64, Failure> {
    let mut sum = 0;
    for value in &queue {
        sum += value?;
    }
    Ok(sum)
}

fn receive(input: Receiver<u64>) -> Result<u64, Failure> {
    let mut sum = 0;
    for value in &input {
        sum += value?;
    }
    Ok(sum)
}

/// Runs the program of this seed. An attempt has objects of its own, apart from those of an attempt whose rank has
/// died.
pub fn program(seed: u64) -> Result<Vec<u64>, Failure> {
    let client = dtask::current()?;
    let own = dtask::internal::running().map_or(0, |(rank, attempt)| rank.0 * 100 + u32::from(attempt));
    let name = |what: &str, which: usize| format!("{what} {which} of {own}");
    let queues: Vec<Queue<u64>> =
        (0..EACH).map(|q| client.bounded_queue(&name("queue", q), u64::from(capacity(seed, q)))).collect();
    let channels = (0..EACH).map(|c| client.channel(capacity(seed, c + EACH)));
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    let actors: Vec<Actor<Sum>> = (0..EACH).map(|_| client.actor(|n: u64| Sum(n), (0,))).collect();
    let ends =
        Ends { go: client.event(&name("go", 0)), queues: queues.clone(), senders, actors: actors.clone() };
    let drains: Vec<_> = queues.iter().map(|queue| client.submit(drain, (queue,))).collect();
    let received: Vec<_> = receivers.into_iter().map(|input| client.submit(receive, (input,))).collect();
    let work: Vec<_> = (0..workers(seed)).map(|n| client.submit(worker, (ends.clone(), seed, n))).collect();
    ends.go.set()?;
    drop(ends);
    let worked = client.gather(work);
    queues.iter().try_for_each(Queue::close)?;
    worked?;
    let mut sums = client.gather(drains)?;
    sums.extend(client.gather(received)?);
    for actor in &actors {
        sums.push(actor.call(add, (0,)).result()?);
    }
    Ok(sums)
}

/// What [`program`] gives.
pub fn serial(seed: u64) -> Vec<u64> {
    let mut sums = vec![0; KINDS as usize * EACH];
    for number in 0..workers(seed) {
        for (kind, which, value, _) in operations(seed, number) {
            sums[kind as usize * EACH + which] += value;
        }
    }
    sums
}
