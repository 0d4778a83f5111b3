//! Programs over queues, events, semaphores, locks, variables, actors and channels, which run in the closure of a run
//! and inside a task alike: in the simulated cluster there are only tasks.

mod channels;
mod futures;
mod handles;
mod results;

use channels::{channel, pipeline, reader_goes};
use dtask::{Actor, Client, Error, Event, Failure, Lock, Queue, Rank, Semaphore, Variable};
pub use futures::FUTURES;
use handles::{handles_in_results, sender_never_begins, shared_capacity};
use results::{published, rebalanced};
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
    ("actor", actor),
    ("actors_of_tasks", actors_of_tasks),
    ("failing_actors", failing_actors),
    ("channel", channel),
    ("pipeline", pipeline),
    ("reader_goes", reader_goes),
    ("sender_never_begins", sender_never_begins),
    ("handles_in_results", handles_in_results),
    ("shared_capacity", shared_capacity),
    ("futures", futures::all),
    ("published", published),
    ("rebalanced", rebalanced),
    ("time_limits", time_limits),
];

/// Runs a body as a task.
pub fn root(name: String) -> Result<bool, Failure> {
    let client = dtask::current()?;
    let body = BODIES.iter().chain(FUTURES).find(|body| body.0 == name).expect("a body of this name").1;
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
    check(
        error.as_ref().is_err_and(|error| error.contains(&text) && error.contains("not here")),
        &format!("{error:?}"),
    )?;
    Ok(())
}

/// Waits with a time limit: afterwards the call has had no effect. Not in the simulated cluster, which knows no time.
fn time_limits(client: &Client) -> Result<(), Failure> {
    let late =
        |error: Result<(), Error>| check(matches!(error, Err(Error::Timeout(_))), &format!("{error:?}"));
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

/// Not `Serialize`: it never leaves its rank.
struct Counter {
    total: i64,
    calls: Vec<i64>,
}

impl Counter {
    fn new(start: i64) -> Counter {
        assert!(start >= 0, "a counter of less than nothing");
        Counter { total: start, calls: Vec::new() }
    }

    fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.calls.push(n);
        self.total
    }

    fn add_all(&mut self, all: &[i64], times: i64) -> i64 {
        all.iter().for_each(|n| self.total += n * times);
        self.total
    }

    fn calls(&self) -> Vec<i64> {
        self.calls.clone()
    }

    fn checked(&mut self, n: i64) -> Result<i64, Failure> {
        if n < 0 { Err(Failure::new("less than nothing")) } else { Ok(self.add(n)) }
    }

    fn panics(&mut self) -> i64 {
        self.total += 1000;
        panic!("on purpose")
    }

    /// Waits for a task, while the actor runs.
    fn with_a_task(&mut self, n: i64) -> Result<i64, Failure> {
        let doubled = dtask::current()?.submit(|n: i64| 2 * n, (n,)).result()?;
        Ok(self.add(doubled))
    }
}

fn actor(client: &Client) -> Result<(), Failure> {
    let counter = client.actor(Counter::new, (100,));
    let results: Vec<_> = (1..=50).map(|n| counter.call(Counter::add, (n,))).collect();
    let totals = client.gather(&results)?;
    check(totals[49] == 1375 && totals.is_sorted(), "the calls of one caller run in their order")?;
    check(counter.call(Counter::calls, ()).result()? == (1..=50).collect::<Vec<i64>>(), "each once")?;
    check(results[3].result()? == 110 && results[3].result()? == 110, "a result can be asked for again")?;
    // a promised result among those of tasks, as an argument of a task and of another call
    let task = client.submit(|n: i64| n + 1, (&results[49],));
    check(client.gather([&results[0], &task, &results[1]])? == [101, 1376, 103], "beside results of tasks")?;
    let late = counter.call(Counter::add, (5,));
    check(client.submit(|n: i64| -n, (late,)).result()? == -1380, "taken by a task before it has come")?;
    let added = counter.call(Counter::add_all, (vec![1, 2, 3], &task));
    check(added.result()? == 1380 + 6 * 1376, "a future as an argument")?;
    check(
        counter.call(|counter: &Counter| counter.calls.len(), ()).result()? == 51,
        "a closure is called too",
    )?;
    check(
        counter.call(Counter::with_a_task, (7,)).result()? == 1380 + 6 * 1376 + 14,
        "a call that waits for a task",
    )?;
    client.wait([&counter.call(Counter::add, (1,)), &results[0]])?;
    // on a rank of one's choice, rank 0 too
    for rank in 0..client.ranks() as u32 {
        let there = client.options().on(Rank(rank)).actor(Counter::new, (1,));
        check(there.rank() == Rank(rank), "the rank that was named")?;
        let own = |_: &Counter| dtask::internal::running().map_or(99, |(rank, _)| rank.0);
        check(there.call(own, ()).result()? == rank, "is where its functions run")?;
    }
    let nowhere = client.options().on(Rank(99)).actor(Counter::new, (1,));
    let error = nowhere.call(Counter::add, (1,)).result().map_err(|error| error.to_string());
    check(error.as_ref().is_err_and(|error| error.contains("rank 99")), &format!("{error:?}"))?;
    Ok(())
}

fn calls_it(counter: Actor<Counter>, n: i64) -> Result<i64, Failure> {
    Ok(counter.call(Counter::add, (n,)).result()?)
}

/// An actor that 1,000 tasks call, and one that is a field of a type that travels on.
fn actors_of_tasks(client: &Client) -> Result<(), Failure> {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Holder {
        counter: Option<Actor<Counter>>,
        n: i64,
    }
    let counter = client.actor(Counter::new, (0,));
    client.gather(client.starmap(calls_it, (0..1000).map(|n| (&counter, n))))?;
    check(counter.call(Counter::add, (0,)).result()? == 499_500, "each task calls it once")?;
    // made in a task, which returns it
    let make = |n: i64| -> Result<Holder, Failure> {
        let counter = dtask::current()?.actor(Counter::new, (n,));
        Ok(Holder { counter: Some(counter), n })
    };
    let made = client.submit(make, (30,));
    let pass = |holder: Holder| -> Result<Holder, Failure> {
        let counter = holder.counter.as_ref().ok_or_else(|| Failure::new("no counter"))?;
        counter.call(Counter::add, (holder.n,)).result()?;
        Ok(holder)
    };
    let passed = client.submit(pass, (client.submit(pass, (&made,)),)).result()?;
    drop(made);
    let counter = passed.counter.ok_or_else(|| Failure::new("no counter"))?;
    check(counter.call(Counter::add, (1,)).result()? == 91, "it lives as long as a handle does")?;
    Ok(())
}

fn failing_actors(client: &Client) -> Result<(), Failure> {
    let text = |error: Result<i64, Error>| error.map_or_else(|error| error.to_string(), |n| format!("{n}"));
    let counter = client.actor(Counter::new, (0,));
    let error = text(counter.call(Counter::checked, (-1,)).result());
    check(error.contains("less than nothing") && error.contains("checked"), &error)?;
    let error = text(counter.call(Counter::panics, ()).result());
    check(error.contains("panicked: on purpose"), &error)?;
    check(counter.call(Counter::checked, (1,)).result()? == 1001, "the actor goes on")?;
    let broken = client.actor(Counter::new, (-1,));
    for _ in 0..2 {
        let error = text(broken.call(Counter::add, (1,)).result());
        check(error.contains("a counter of less than nothing"), &error)?;
    }
    let task = client.submit(|n: i64| n, (&broken.call(Counter::add, (1,)),));
    let error = text(task.result());
    check(error.contains("a counter of less than nothing"), &error)?;
    let fails = client.submit(|| -> Result<i64, Failure> { Err(Failure::new("the argument fails")) }, ());
    let error = text(counter.call(Counter::add, (&fails,)).result());
    check(error.contains("the argument fails"), &error)?;
    Ok(())
}
