//! Waits of every kind.

use super::{Outcome, check};
use dtask::prelude::*;
use dtask::{Error, Result, Status};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn slow(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

fn odd(n: u64) -> Outcome<u64> {
    if n % 2 == 1 { Ok(n) } else { Err(Failure::new(format!("{n} is even"))) }
}

/// A function that runs until it is cancelled.
pub(crate) fn endless(n: u64) -> u64 {
    while !dtask::cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    n
}

/// A function that runs for some milliseconds.
pub(crate) fn endless_for(millis: u64) -> u64 {
    slow(millis)
}

pub(crate) fn as_completed(client: &Client) -> Result<()> {
    // the slow one comes last, the failed one comes like any other
    let late = client.submit(slow, (300,));
    let failing = client.submit(odd, (2,));
    let mut done = client.as_completed([&late, &failing, &client.submit(slow, (0,)), &failing]);
    check(done.len() == 4, "four futures")?;
    let mut ended = Vec::new();
    while let Some(future) = done.next() {
        ended.push(future.result().ok());
    }
    check(ended.last() == Some(&Some(300)) && ended[..3].contains(&Some(0)), "the order of the ends")?;
    check(ended.iter().filter(|end| end.is_none()).count() == 2, "a future may come twice, with its error")?;
    check(done.next().is_none() && done.is_empty(), "no more")?;
    // one is added while the last is taken out
    done.extend([client.submit(slow, (1,)), client.submit(slow, (2,))]);
    check(done.by_ref().count() == 2, "what was added later")?;
    let never = client.submit(endless, (1,));
    done.add(never.clone());
    check(matches!(done.next_timeout(Duration::from_millis(20)), Err(Error::Timeout(_))), "a time limit")?;
    never.cancel();
    let last = done.next_timeout(Duration::from_secs(60))?;
    check(last.is_some_and(|future| future.cancelled()), "what is cancelled has ended")?;
    check(done.next_timeout(Duration::from_secs(60))?.is_none(), "the end")
}

/// Each of 10,000 futures adds one. The time of twice as many must not be four times as long.
pub(crate) fn as_completed_many(client: &Client) -> Result<()> {
    let run = |count: u64| -> Result<Duration> {
        let begin = Instant::now();
        let mut done = client.as_completed(client.options().pure(false).map(|n: u64| n, 0..count));
        let mut sum = 0;
        while let Some(future) = done.next() {
            let n = future.result()?;
            sum += 1;
            if n < count {
                done.add(client.options().pure(false).submit(|n: u64, m: u64| n + m, (n, count)));
            }
        }
        check(sum == 2 * count, "each has added one")?;
        Ok(begin.elapsed())
    };
    run(1_000)?;
    let (once, twice) = (run(10_000)?, run(40_000)?);
    println!("10,000: {once:?}, 40,000: {twice:?}");
    check(twice < once * 10 + Duration::from_secs(2), "it is not quadratic")
}

pub(crate) fn as_completed_nested(client: &Client) -> Result<()> {
    let search = |n: u64| -> Outcome<u64> {
        let client = dtask::current()?;
        let mut done = client.as_completed(client.map(|n: u64| n, 1..=n));
        let mut sum = 0;
        while let Some(future) = done.next() {
            let n = future.result()?;
            sum += n;
            if n > 1 {
                done.add(client.submit(|n: u64| n / 2, (n,)));
            }
        }
        let (ended, open) = client.wait_any([client.submit(|| 0, ())])?;
        Ok(sum + ended.len() as u64 - 1 + open.len() as u64)
    };
    let serial = |n: u64| {
        (1..=n)
            .map(|n| std::iter::successors(Some(n), |n| Some(n / 2).filter(|_| *n > 1)).sum::<u64>())
            .sum::<u64>()
    };
    let got = client.gather(client.map(search, [5, 20, 50]))?;
    check(got == [5, 20, 50].map(serial), "searches within tasks")
}

pub(crate) fn wait_any(client: &Client) -> Result<()> {
    let fast = client.submit(|| 1u64, ());
    let never = client.submit(endless, (2,));
    let (ended, open) = client.wait_any([&never, &fast])?;
    check(ended.len() == 1 && ended[0].result()? == 1 && open.len() == 1, "the fast one")?;
    let limit = Duration::from_millis(20);
    check(matches!(client.wait_any_timeout([&never], limit), Err(Error::Timeout(_))), "a time limit")?;
    check(matches!(client.wait_timeout([&never], limit), Err(Error::Timeout(_))), "a time limit of all")?;
    check(client.wait_any_timeout([&fast], limit)?.0.len() == 1, "within the limit")?;
    let none: [&Future<u64>; 0] = [];
    check(client.wait_any(none)?.0.is_empty(), "nothing to wait for")?;
    never.cancel();
    client.wait([&never, &fast])?;
    check(never.exception().is_some() && fast.exception().is_none(), "how they have ended")
}

pub(crate) fn first_error(client: &Client) -> Result<()> {
    let never = client.submit(endless, (1,));
    let failing = client.submit(odd, (4,));
    let (ended, open) = client.wait_first_error([&never, &failing, &client.submit(odd, (5,))])?;
    check(open.iter().any(|future| !future.done()), "one goes on")?;
    check(ended.iter().any(|future| future.exception().is_some()), "one has failed")?;
    let good = client.map(odd, [1, 3, 5]);
    check(client.wait_first_error(&good)?.0.len() == 3, "all, if none fails")?;
    let limit = Duration::from_millis(20);
    let outcome = client.wait_first_error_timeout([&never], limit);
    check(matches!(outcome, Err(Error::Timeout(_))), "a time limit")?;
    client.cancel([&never]);
    Ok(())
}

pub(crate) fn gather_each(client: &Client) -> Result<()> {
    let mut got = client.gather_each(client.map(odd, 1..=4))?.into_iter();
    let mut next = || got.next().unwrap_or_else(|| Err(Error::Other("too few".into())));
    check(next()? == 1 && next().is_err() && next()? == 3, "values beside errors")?;
    let Err(Error::Task(error)) = next() else { return check(false, "an error") };
    check(error.message == "4 is even" && error.task.starts_with("odd-"), "the error of its task")
}

pub(crate) fn on_done(client: &Client) -> Result<()> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = |text: String| {
        told.lock().map(|mut told| told.push(text)).map_err(|_| Error::Other("a panic".into()))
    };
    let (own, log) = (client.clone(), told.clone());
    let first = client.submit(odd, (7,));
    first.on_done(move |ended| {
        // it may submit, and wait
        let next = own.submit(|n: u64| n * 2, (ended,));
        let text = format!("{:?}, {:?}", ended.status(), next.result().ok());
        let log_of_next = log.clone();
        next.on_done(move |_| log_of_next.lock().unwrap().push("nested".into()));
        log.lock().unwrap().push(text);
    });
    let log = told.clone();
    client.submit(odd, (8,)).on_done(move |ended| {
        log.lock().unwrap().push(ended.exception().map_or("none".into(), |error| error.to_string()));
    });
    client.submit(odd, (9,)).on_done(|_| panic!("a panic is printed"));
    let within = |n: u64| -> Outcome<u64> {
        let (send, receive) = std::sync::mpsc::channel();
        dtask::current()?.submit(slow, (n,)).on_done(move |ended| _ = send.send(ended.result().ok()));
        Ok(receive.recv()?.unwrap_or(0))
    };
    note(format!("{}", client.submit(within, (3,)).result()?))?;
    for wanted in ["Finished, Some(14)", "nested", "8 is even", "3"] {
        let begin = Instant::now();
        while !told.lock().unwrap().iter().any(|text| text.contains(wanted)) {
            check(begin.elapsed() < Duration::from_secs(30), wanted)?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    // the run ends after this one
    client.submit(slow, (200,)).on_done(|ended| println!("last: {:?}", ended.result().ok()));
    Ok(())
}

pub(crate) fn names(client: &Client) -> Result<()> {
    let mesh = client.submit(odd, (2,)).named("mesh 7");
    check(mesh.key() == "mesh 7" && format!("{mesh:?}").contains("key: mesh 7"), "the key")?;
    let error = mesh.clone().result().map_err(|error| error.to_string());
    check(error.is_err_and(|text| text.contains("task mesh 7 failed")), "the error")?;
    let other = client.submit(odd, (2,));
    check(other.key() == "mesh 7", "the same call is the same task")?;
    drop((mesh, other));
    check(client.submit(odd, (2,)).key().starts_with("odd-"), "the name goes with the future")
}

pub(crate) fn retry(client: &Client) -> Result<()> {
    fn first_time(path: String) -> Outcome<String> {
        if std::fs::exists(&path)? {
            Ok("second".into())
        } else {
            Err(Failure::new(std::fs::write(path, "").map_or("?", |()| "first")))
        }
    }
    let folder = tempfile::tempdir()?;
    let root = client.submit(first_time, (folder.path().join("seen").display().to_string(),));
    let next = client.submit(|text: &String| text.len() as u64, (&root,));
    drop(root);
    check(next.exception().is_some_and(|error| error.to_string().contains("first")), "it fails first")?;
    check(next.status() == Status::Failed, "it has failed")?;
    next.retry();
    check(next.result()? == 6, "it works when it is started again")?;
    next.retry();
    check(next.result()? == 6, "what has a result keeps it")
}

/// Eight tasks in one slot wait in every way for tasks that need that slot.
pub(crate) fn waits_give_back(client: &Client) -> Result<()> {
    let parent = |k: u64| -> Outcome<u64> {
        let client = dtask::current()?;
        let child = client.options().pure(false).submit(slow, (k % 3,));
        match k % 8 {
            0 => _ = child.result()?,
            1 => _ = child.shared()?,
            2 => _ = client.gather([&child])?,
            3 => client.wait([&child])?,
            4 => _ = client.wait_any([&child])?,
            5 => _ = client.wait_first_error([&child])?,
            6 => _ = client.as_completed([&child]).next(),
            _ => _ = child.exception(),
        }
        Ok(child.result()?)
    };
    let parents = client.options().pure(false).map(parent, 0..16_u64);
    check(client.gather(parents)? == (0..16).map(|k| k % 3).collect::<Vec<u64>>(), "tasks that wait")
}
