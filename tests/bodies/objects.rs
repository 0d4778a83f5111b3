//! Programs over queues, events, semaphores, locks, variables, actors and channels, which run in the closure of a run
//! and inside a task alike: in the simulated cluster there are only tasks.

use dtask::{Client, Error, Event, Failure, Lock, Queue, Rank, Semaphore, Variable};
use std::time::Duration;

pub type Body = fn(&Client) -> Result<(), Failure>;

pub const BODIES: &[(&str, Body)] = &[
    ("event", event),
    ("semaphore", semaphore),
    ("lock", lock),
    ("variable", variable),
    ("queue", queue),
    ("bounded", bounded),
    ("nested", nested),
    ("every_rank", every_rank),
    ("long", long),
    ("time_limits", time_limits),
];

/// Runs a body as a task.
pub fn root(name: String) -> Result<bool, Failure> {
    let client = dtask::current()?;
    let body = BODIES.iter().find(|body| body.0 == name).expect("a body of this name").1;
    body(&client).map(|()| true)
}

fn check(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(what)) }
}

fn waits(go: Event, n: u64) -> Result<u64, Failure> {
    go.wait()?;
    Ok(n)
}

/// 64 tasks that wait on one event.
fn event(client: &Client) -> Result<(), Failure> {
    let go = client.event("go");
    check(!go.is_set()?, "an event is not set at first")?;
    let waiting = client.starmap(waits, (0..64).map(|n| (&go, n)));
    // computed although all slots have a task that waits
    check(client.submit(|n: u64| n + 1, (1,)).result()? == 2, "a task among those that wait")?;
    go.set()?;
    check(client.gather(&waiting)?.iter().sum::<u64>() == 2016, "the sum of those that have waited")?;
    go.wait()?;
    go.clear()?;
    check(!go.is_set()?, "cleared")?;
    Ok(())
}

/// Holds a permit; fails or panics with it in two of three cases. The tokens are as many as the permits: who has a
/// permit finds one.
fn holds(db: Semaphore, tokens: Queue<u64>, n: u64) -> Result<u64, Failure> {
    let _permit = db.acquire()?;
    let token = tokens.try_get()?;
    let token = token.ok_or_else(|| Failure::new("more holders than permits"))?;
    tokens.put(token)?;
    match n % 3 {
        0 => Ok(n),
        1 => Err(Failure::new("fails on purpose")),
        _ => panic!("panics on purpose"),
    }
}

/// A semaphore whose holders fail.
fn semaphore(client: &Client) -> Result<(), Failure> {
    let (db, tokens) = (client.semaphore("db", 3), client.queue("tokens"));
    for token in 0..3 {
        tokens.put(token)?;
    }
    let futures = client.starmap(holds, (0..60).map(|n| (&db, &tokens, n)));
    for (future, n) in futures.iter().zip(0u64..) {
        match future.result() {
            Ok(value) => check(value == n && n % 3 == 0, "the value of a holder")?,
            Err(error) => {
                let text = error.to_string();
                check(text.contains("on purpose") && n % 3 > 0, &format!("{n}: {text}"))?;
            }
        }
    }
    let all: Vec<_> = (0..3).map(|_| db.acquire()).collect::<Result<_, _>>()?;
    check(db.try_acquire()?.is_none(), "all permits are held")?;
    drop(all);
    drop(db.acquire()?);
    Ok(())
}

fn count(lock: Lock, total: Variable<u64>, n: u64) -> Result<u64, Failure> {
    let _guard = lock.acquire()?;
    let before = total.get()?;
    total.set(before + n)?;
    Ok(before)
}

/// A variable that tasks read and set under a lock.
fn lock(client: &Client) -> Result<(), Failure> {
    let (lock, total) = (client.lock("total"), client.variable("sum"));
    total.set(0u64)?;
    client.gather(client.starmap(count, (1..=50).map(|n| (&lock, &total, n))))?;
    check(total.get()? == 1275, "every addition counts once")?;
    Ok(())
}

fn variable(client: &Client) -> Result<(), Failure> {
    let best: Variable<f64> = client.variable("best");
    check(best.try_get()?.is_none(), "no value at first")?;
    let reader = |best: Variable<f64>| -> Result<f64, Failure> { Ok(best.get()?) };
    let readers: Vec<_> = (0..8).map(|_| client.submit(reader, (&best,))).collect();
    best.set(0.5)?;
    check(client.gather(readers)? == [0.5; 8], "all readers are told")?;
    let wrong: Variable<String> = client.variable("best");
    check(wrong.get().is_err(), "a value of another type is an error")?;
    best.clear()?;
    check(best.try_get()?.is_none(), "the value is gone")?;
    Ok(())
}

fn work(jobs: Queue<u64>, done: Queue<u64>) -> Result<u64, Failure> {
    let mut number = 0;
    for job in &jobs {
        done.put(job? * 2)?;
        number += 1;
    }
    Ok(number)
}

/// A queue by its name: producers and consumers on all ranks.
fn queue(client: &Client) -> Result<(), Failure> {
    let (jobs, done) = (client.queue::<u64>("jobs"), client.queue::<u64>("done"));
    let workers: Vec<_> = (0..4).map(|_| client.submit(work, (&jobs, &done))).collect();
    let put = |jobs: Queue<u64>, n: u64| -> Result<(), Failure> { Ok(jobs.put(n)?) };
    client.gather(client.starmap(put, (1..=40).map(|n| (&jobs, n))))?;
    jobs.close()?;
    check(client.gather(workers)?.iter().sum::<u64>() == 40, "every job is done once")?;
    check(done.len()? == 40, "and has its result")?;
    let mut sum = 0;
    while let Some(value) = done.try_get()? {
        sum += value;
    }
    check(sum == 1640, "the results")?;
    check(matches!(jobs.put(1), Err(Error::Gone(_))), "a closed queue takes nothing")?;
    let error = jobs.get().map_err(|error| error.to_string());
    check(error == Err("the queue \"jobs\" is closed".into()), &format!("{error:?}"))?;
    Ok(())
}

/// A queue with a limit, and a field of a type that travels.
fn bounded(client: &Client) -> Result<(), Failure> {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Pipe {
        items: Queue<String>,
        number: usize,
    }
    let items = client.bounded_queue::<String>("pipe", 2);
    let fill = |pipe: Pipe| -> Result<usize, Failure> {
        for n in 0..pipe.number {
            pipe.items.put(format!("item {n}"))?;
        }
        Ok(pipe.number)
    };
    let filled = client.submit(fill, (Pipe { items: items.clone(), number: 20 },));
    for n in 0..20 {
        check(items.len()? <= 2, "at most two")?;
        check(items.get()? == format!("item {n}"), "in their order")?;
    }
    check(filled.result()? == 20, "all were put")?;
    items.put("a".into())?;
    items.put("b".into())?;
    items.close()?;
    Ok(())
}

fn parent(inbox: Queue<u64>, n: u64) -> Result<u64, Failure> {
    let client = dtask::current()?;
    let child = |inbox: Queue<u64>, n: u64| -> Result<u64, Failure> {
        inbox.put(n)?;
        Ok(n)
    };
    let child = client.submit(child, (&inbox, n));
    let got = inbox.get()?; // of any child: one for each parent
    Ok(got + 1000 * child.result()?)
}

/// Tasks that wait for a queue that tasks below them fill, and for those.
fn nested(client: &Client) -> Result<(), Failure> {
    let inbox = client.queue::<u64>("inbox");
    let got = client.gather(client.starmap(parent, (0..20).map(|n| (&inbox, n))))?;
    check(got.iter().map(|got| got % 1000).sum::<u64>() == 190, "each value is taken once")?;
    check(got.iter().map(|got| got / 1000).sum::<u64>() == 190, "each child has its result")?;
    Ok(())
}

/// Functions that run once on each rank.
fn every_rank(client: &Client) -> Result<(), Failure> {
    let own = || dtask::internal::running().map_or(u32::MAX, |(rank, _)| rank.0);
    let all: Vec<u32> = (0..client.ranks() as u32).collect();
    check(client.run_on_all(own, ())? == all, "one on each rank, in their order")?;
    let last = Rank(client.ranks() as u32 - 1);
    check(client.run_on_ranks([last, Rank(0)], own, ())? == [last.0, 0], "on those that were named")?;
    check(client.run_on_ranks([Rank(99)], own, ()).is_err(), "on one that is not there")?;
    let future = client.submit(|n: u64| vec![n; 1000], (7,));
    let lengths = client.run_on_all(|text: String, v: &Vec<u64>| text.len() + v.len(), ("abc", &future))?;
    check(lengths == vec![1003; client.ranks()], "values and futures as arguments")?;
    let nested = || -> Result<u64, Failure> { Ok(dtask::current()?.submit(|n: u64| n + 1, (1,)).result()?) };
    check(client.run_on_all(nested, ())? == vec![2; client.ranks()], "they may submit tasks")?;
    let fails = |last: u32| -> Result<(), Failure> {
        let own = dtask::internal::running().map_or(0, |(rank, _)| rank.0);
        if own == last { Err(Failure::new("not here")) } else { Ok(()) }
    };
    let error = client.run_on_all(fails, (last.0,)).map_err(|error| error.to_string());
    let text = format!("failed on rank {last}");
    check(error.as_ref().is_err_and(|error| error.contains(&text) && error.contains("not here")), &format!("{error:?}"))?;
    Ok(())
}

/// Waits with a time limit: afterwards the call has had no effect. Not in the simulated cluster, which knows no time.
fn time_limits(client: &Client) -> Result<(), Failure> {
    let late = |error: Result<(), Error>| check(matches!(error, Err(Error::Timeout(_))), &format!("{error:?}"));
    let limit = Duration::from_millis(1);
    let waiting = client.starmap(waits, (0..64).map(|n| (client.event("later"), n)));
    check(waiting.iter().all(|future| !future.done()), "all wait")?;
    late(client.event("later").wait_timeout(limit))?;
    let db = client.semaphore("one", 1);
    let permit = db.acquire()?;
    late(db.acquire_timeout(limit).map(drop))?;
    drop(permit);
    drop(db.acquire()?);
    let best: Variable<f64> = client.variable("worst");
    late(best.get_timeout(limit).map(drop))?;
    let items = client.bounded_queue("two", 2);
    late(items.get_timeout(limit).map(drop))?;
    items.put("a".to_owned())?;
    items.put("b".to_owned())?;
    late(items.put_timeout("c".into(), limit))?;
    check(items.len()? == 2, "nothing was put")?;
    check(items.get_timeout(limit.saturating_mul(60_000))? == "a", "and nothing was taken")?;
    client.event("later").set()?;
    client.gather(waiting)?;
    Ok(())
}

/// Values that are longer than a message.
fn long(client: &Client) -> Result<(), Failure> {
    let queue = client.queue::<Vec<u64>>("long");
    let value: Vec<u64> = (0..100_000).collect();
    let put = |queue: Queue<Vec<u64>>, n: u64| -> Result<(), Failure> { Ok(queue.put((0..n).collect())?) };
    let puts = client.starmap(put, (0..4).map(|_| (&queue, 100_000)));
    for _ in 0..4 {
        check(queue.get()? == value, "a long value comes whole")?;
    }
    client.gather(puts)?;
    let sums = client.run_on_all(|value: &[u64]| value.iter().sum::<u64>(), (value,))?;
    check(sums == vec![4_999_950_000; client.ranks()], "a long argument")?;
    Ok(())
}
