//! Cancelling, options, and a task's view of itself.

use super::waiting::endless;
use super::{Outcome, check};
use dtask::prelude::*;
use dtask::{Error, Result, Status, TaskError, TaskErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn failure<T: std::fmt::Debug>(outcome: Result<T>) -> Result<Arc<TaskError>> {
    match outcome {
        Err(Error::Task(error)) => Ok(error),
        other => Err(Error::Other(format!("no failure of a task, but {other:?}"))),
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !holds() {
        check(begin.elapsed() < Duration::from_secs(30), what)?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

static RUN: AtomicU64 = AtomicU64::new(0);

fn touch(path: String) -> u64 {
    std::fs::write(path, "").map_or(0, |()| 1)
}

pub(crate) fn cancel(client: &Client) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    fn begun(n: u64, path: String) -> Outcome<u64> {
        std::fs::write(path.clone() + ".begun", "")?;
        let n = endless(n);
        std::fs::write(path + ".ended", "")?;
        Ok(n)
    }
    let running = client.submit(begun, (1, path("one")));
    let dependent = client.submit(|n: u64| n, (&running,));
    let waiting = client.submit(|n: u64, path: String| n + touch(path), (&dependent, path("never")));
    until("it runs", || folder.path().join("one.begun").exists())?;
    running.cancel();
    for (future, kind) in [(&running, "running"), (&dependent, "dependent"), (&waiting, "waiting")] {
        let error = failure(future.result())?;
        check(error.kind == TaskErrorKind::Cancelled && error.task.starts_with("begun-"), kind)?;
        check(future.cancelled() && future.status() == Status::Cancelled, kind)?;
    }
    until("it sees that it is cancelled", || folder.path().join("one.ended").exists())?;
    running.retry();
    check(running.cancelled(), "what was cancelled does not start again")?;
    // a thousand in the queues of all ranks
    let many = client.options().pure(false).map(|path: String| touch(path), vec![path("many"); 1_000]);
    let block = client.map(endless, 0..64_u64);
    let behind = client.options().pure(false).map(|path: String| touch(path), vec![path("behind"); 1_000]);
    client.wait(&many)?;
    client.cancel(behind.iter());
    client.cancel(&block);
    check(client.gather_each(&behind)?.iter().all(|end| end.is_err()), "what was in a queue has failed")?;
    check(client.submit(|| 5u64, ()).result()? == 5, "slots are free again")?;
    let done = client.submit(|| 6u64, ());
    client.wait([&done])?;
    done.cancel();
    check(done.result()? == 6, "what has ended keeps its result")
}

pub(crate) fn cancel_nested(client: &Client) -> Result<()> {
    let parent = |_: u64| -> Outcome<u64> {
        let client = dtask::current()?;
        let child = client.submit(endless, (7,));
        let next = client.submit(|n: u64| n, (&child,));
        client.cancel([&child]);
        let told = next.exception().map(|error| error.to_string()).unwrap_or_default();
        Ok(u64::from(told.contains("it was cancelled") && next.cancelled()))
    };
    check(client.gather(client.map(parent, 0..4_u64))? == [1; 4], "tasks that cancel tasks")
}

/// A task is cancelled while it fetches a large input from another rank.
pub(crate) fn cancel_fetch(client: &Client) -> Result<()> {
    let last = Rank(client.ranks() as u32 - 1);
    for round in 0..20_u64 {
        let large = client.options().on(last).submit(|n: u64| vec![n; 4_000_000], (round,));
        client.wait([&large])?;
        let reads = |numbers: &[u64], k: u64| numbers[0] + k;
        let readers: Vec<Future<u64>> = (1..client.ranks().max(2) as u32)
            .map(|rank| client.options().on(Rank(rank % client.ranks() as u32)).submit(reads, (&large, 5)))
            .collect();
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(round / 2));
        }
        client.cancel(&readers);
        drop(large);
        for end in client.gather_each(&readers)? {
            check(end.as_ref().map_or(true, |n| *n == round + 5), "a value or an error")?;
        }
    }
    check(client.submit(|| 5u64, ()).result()? == 5, "all goes on")
}

pub(crate) fn timeout(client: &Client) -> Result<()> {
    let limited = client.options().timeout(Duration::from_millis(50));
    let error = failure(limited.submit(endless, (1,)).result())?;
    check(error.kind == TaskErrorKind::TimedOut && error.message.contains("50ms"), "the limit is told")?;
    check(limited.submit(|n: u64| n, (2,)).result()? == 2, "what is fast has a result")?;
    // the first attempt takes too long, the second does not
    let again = |_: u64| -> u64 {
        let attempt = dtask::task().map_or(0, |task| task.attempt());
        if attempt == 1 { endless(1) } else { 10 + u64::from(attempt) }
    };
    check(limited.clone().retries(1).submit(again, (3,)).result()? == 12, "another attempt")?;
    // one that does not look keeps its slot, and its dependents fail at once
    let deaf = limited.submit(|| std::thread::sleep(Duration::from_millis(600)), ());
    let begin = Instant::now();
    let error = failure(client.submit(|(): ()| 1u64, (&deaf,)).result())?;
    check(begin.elapsed() < Duration::from_millis(500) && error.kind == TaskErrorKind::TimedOut, "at once")
}

pub(crate) fn counters(client: &Client) -> Result<()> {
    fn alone() -> Outcome<u64> {
        let now = RUN.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        RUN.fetch_sub(1, Ordering::SeqCst);
        Ok(now)
    }
    client.set_counter("licence", 1);
    client.set_counter("port", 3);
    let licensed = client.options().pure(false).counter("licence", 1);
    let runs: Vec<Future<u64>> = (0..10).map(|_| licensed.submit(alone, ())).collect();
    check(client.gather(&runs)? == [0; 10], "one at a time")?;
    let error = failure(client.options().counter("port", 4).submit(|| 1u64, ()).result())?;
    check(error.message.contains("4 of a counter that has 3"), &error.message)?;
    let error = failure(client.options().counter("seat", 1).submit(|| 1u64, ()).result())?;
    check(
        error.message.contains("no counter `seat`") && error.message.contains("set_counter"),
        &error.message,
    )?;
    // tasks know the names too
    let nested = || -> Outcome<u64> {
        let client = dtask::current()?;
        Ok(client.options().counter("licence", 1).submit(|| 7u64, ()).result()?)
    };
    check(client.submit(nested, ()).result()? == 7, "a counter in a task")
}

fn rank() -> u64 {
    dtask::task().map_or(99, |task| task.rank().0.into())
}

pub(crate) fn places(client: &Client) -> Result<()> {
    let last = Rank(client.ranks() as u32 - 1);
    let own = client.options().pure(false);
    check(own.clone().on(last).submit(rank, ()).result()? == u64::from(last.0), "on a rank")?;
    check(own.clone().prefer(last).submit(rank, ()).result()? == u64::from(last.0), "a preferred rank")?;
    let some = own.clone().on_any([last, last]);
    let ran: Vec<u64> = client.gather((0..20).map(|_| some.submit(rank, ())).collect::<Vec<_>>())?;
    check(ran.iter().all(|rank| *rank == u64::from(last.0)), "one of some ranks")?;
    let host = client.submit(|| dtask::task().map(|task| task.host().to_owned()), ()).result()?;
    let host = host.unwrap_or_default();
    check(!host.is_empty() && own.clone().on_host(&host).submit(rank, ()).result().is_ok(), "on a host")?;
    let error = failure(own.clone().on_host("nowhere").submit(rank, ()).result())?;
    check(
        error.message.contains("no rank is on the host `nowhere`") && error.message.contains(&host),
        "hosts",
    )?;
    let error = failure(own.clone().on_any([Rank(77), Rank(78)]).submit(rank, ()).result())?;
    check(error.message.contains("ranks 77 and 78"), &error.message)?;
    let wide = own.on_any([last]).threads(2).submit(rank, ()).result()?;
    check(wide == u64::from(last.0), "two slots of one of some ranks")
}

pub(crate) fn refused(client: &Client) -> Result<()> {
    let error = failure(client.options().memory("much").submit(rank, ()).result())?;
    check(
        error.message.contains("`much` is no size of memory") && error.message.contains("2 GiB"),
        "memory",
    )?;
    check(client.options().memory("1 MiB").submit(|| 3u64, ()).result()? == 3, "a size as a text")?;
    check(client.options().memory(1 << 20).submit(|| 4u64, ()).result()? == 4, "a size in bytes")?;
    let outcomes = client.gather_each(client.options().on_any([]).map(|n: u64| n, [1, 2]))?;
    check(outcomes.len() == 2 && outcomes.iter().all(|end| end.is_err()), "each of a map fails")?;
    check(client.options().on_any([]).family_with(|_: u64, n: u64| n, 1, 5).is_err(), "a family is an error")
}

pub(crate) fn view(client: &Client) -> Result<()> {
    check(dtask::task().is_none() && !dtask::cancelled(), "the closure is no task")?;
    fn seen(_: u64) -> Outcome<(String, u64, u64, String)> {
        let task = dtask::task().ok_or_else(|| Failure::new("no task"))?;
        let folder = task.scratch()?;
        std::fs::write(folder.join("file"), "text")?;
        let same = task.scratch()? == folder && dtask::task().is_some_and(|task| task.scratch().is_ok());
        let other = std::thread::scope(|scope| {
            scope.spawn(|| task.scratch().is_err() && dtask::task().is_none()).join()
        });
        if !same || !other.unwrap_or(false) || task.cancelled() || !task.devices().is_empty() {
            return Err(Failure::new("the view is wrong"));
        }
        let (rank, threads) = (u64::from(task.rank().0), u64::from(task.threads()));
        Ok((
            task.key().to_owned(),
            rank * 100 + u64::from(task.attempt()),
            threads,
            folder.display().to_string(),
        ))
    }
    let future = client.options().threads(2).submit(seen, (5,));
    let (key, rank, threads, folder) = future.result()?;
    check(key == future.key(), "the key is that of the future")?;
    check(rank % 100 == 1 && threads == 2, "attempt and threads")?;
    check(folder.contains("dtask-"), "a folder")?;
    until("the folder goes with the task", || !std::path::Path::new(&folder).exists())?;
    let keys = client.family(|n: u64| dtask::task().map_or(n.to_string(), |task| task.key().to_owned()), 3);
    let future = keys.get(2).ok_or_else(|| Error::Other("no future".into()))?;
    check(
        future.result()? != "2" && future.result()?.ends_with("-0000000000000002"),
        "an instance of a family",
    )
}
