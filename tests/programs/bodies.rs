//! What the tests run under `mpirun`: `bodies NAME [ARGUMENT]`. Prints `ok NAME` on rank 0 when all is as it should be.

#[path = "../bodies/mod.rs"]
mod bodies;
mod nested;
#[path = "../bodies/nested.rs"]
mod nested_graph;

use bodies::{Results, random_graph, serial, submit};
use dtask::prelude::*;
use dtask::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let argument: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    if name == "run_on" {
        return run_on();
    }
    let shown = name.clone();
    dtask::run(move |client| {
        match name.as_str() {
            "graph" => graph(client, argument)?,
            "errors" => errors(client)?,
            "types" => types(client)?,
            "values" => values(client)?,
            "fan_in" => fan_in(client)?,
            "large" => large(client)?,
            "many" => many(client)?,
            "retries" => retries(client)?,
            "timeout" => timeout(client)?,
            "locals" => locals(client)?,
            "nested" => nested::all(client)?,
            "nested_graph" => nested::graph(client, argument)?,
            "closure_fails" => return Err(Error::Other("the closure has had enough".into())),
            "closure_panics" => panic!("the closure panics"),
            "rank_dies" => {
                client.options().on(Rank(1)).submit(|| -> i64 { std::process::abort() }, ()).result()?;
            }
            other => return Err(Error::Other(format!("there is no test `{other}`"))),
        }
        println!("ok {shown}");
        Ok(())
    })
}

fn graph(client: &Client, seed: u64) -> Result<()> {
    let graph = random_graph(seed, 400);
    let futures = submit(client, &graph);
    let numbers = client.pending(&futures.numbers);
    client.wait(&futures.texts)?;
    let texts = futures.texts.iter().map(|text| text.result().ok()).collect();
    client.wait(&futures.numbers)?;
    while !numbers.is_ready() {
        std::thread::yield_now();
    }
    let numbers = numbers.take().unwrap_or_default().into_iter().map(Result::ok).collect();
    check(Results { numbers, texts } == serial(&graph), "other results than computed serially")
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Other(what.to_owned())) }
}

/// Goes into a message but does not come out.
#[derive(Clone, Serialize)]
struct OneWay(u8);

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Err(serde::de::Error::custom("this type cannot be decoded"))
    }
}

/// Does not even go in.
#[derive(Clone, Deserialize)]
struct NoWay;

impl Serialize for NoWay {
    fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this type cannot be encoded"))
    }
}

fn errors(client: &Client) -> Result<()> {
    let told = |future: Future<i64>, words: &[&str]| {
        let Err(Error::Task(error)) = future.result() else {
            return Err(Error::Other(format!("no error where one with {words:?} should be")));
        };
        let text = error.to_string();
        check(words.iter().all(|word| text.contains(word)), &format!("{text:?} lacks one of {words:?}"))
    };
    told(
        client.submit(|x: i64| if x > 0 { panic!("too large: {x}") } else { x }, (3,)),
        &["the task panicked: too large: 3", "bodies.rs:", "task closure-", "on rank", "attempt 1"],
    )?;
    told(client.submit(|_: OneWay| 1i64, (OneWay(1),)), &["cannot decode", "OneWay", "cannot be decoded"])?;
    told(client.submit(|_: NoWay| 1i64, (NoWay,)), &["this type cannot be encoded"])?;
    told(
        client.submit(
            |n: i64| (0..n).into_par_iter().map(|x| if x == 7 { panic!("odd: {x}") } else { x }).sum::<i64>(),
            (1000,),
        ),
        &["the task panicked: odd: 7", "bodies.rs:"],
    )?;
    told(
        client.submit(|x: i64| -> std::result::Result<i64, Failure> { Err(Failure::new(x)) }, (42,)),
        &["42"],
    )?;
    let first =
        client.submit(|| -> std::result::Result<i64, Failure> { Err(Failure::new("root cause")) }, ());
    let key = first.key();
    let middle = client.submit(|x: i64| x, (&first,));
    told(client.submit(|x: i64, y: i64| x + y, (middle, 1)), &["root cause", &key])?;
    // and the ranks are as good as before
    check(client.submit(|x: i64| x + 1, (1,)).result()? == 2, "1 + 1")
}

fn types(client: &Client) -> Result<()> {
    let matrix = client.submit(|n: usize| Array2::from_shape_fn((n, n), |(i, j)| (i * n + j) as f64), (50,));
    let turned = client.submit(|a: &Array2<f64>| a.t().to_owned(), (&matrix,));
    let trace = client.submit(|a: &Array2<f64>, b: Array2<f64>| (a - &b).sum(), (&matrix, &turned));
    check(trace.result()? == 0.0, "a matrix and its transpose have the same sum")?;
    let turned = turned.result()?;
    check(turned[[1, 0]] == 1.0 && turned[[0, 1]] == 50.0, "the transpose is transposed")?;
    let big = client.scatter((0..100_000u64).collect::<Vec<u64>>());
    let sums = client
        .starmap(|v: &[u64], from: usize| v[from..from + 10].iter().sum::<u64>(), (0..20).map(|k| (&big, k)));
    check(client.gather(sums)? == (0..20).map(|k| 10 * k + 45).collect::<Vec<u64>>(), "sums of slices")?;
    let words = client.map(|n: usize| "word ".repeat(n), [0, 1, 1000]);
    let lengths =
        client.submit(|words: Vec<String>| words.iter().map(String::len).collect::<Vec<_>>(), (&words,));
    check(lengths.result()? == [0, 5, 5000], "lengths of words")?;
    let tuple = client.submit(|| (1u8, Some("x".to_owned()), [0.5f32; 3]), ());
    check(tuple.result()? == (1, Some("x".to_owned()), [0.5; 3]), "a tuple")?;
    let nothing = client.submit(|| (), ());
    nothing.result()?;
    let eight = client.submit(
        |a: u8, b: &u16, c: u32, d: &u64, e: i8, f: &i16, g: i32, h: &i64| {
            i64::from(a)
                + i64::from(*b)
                + i64::from(c)
                + *d as i64
                + i64::from(e)
                + i64::from(*f)
                + i64::from(g)
                + h
        },
        (1, 2, 3, 4, 5, 6, 7, 8),
    );
    check(eight.result()? == 36, "eight parameters")?;
    let empty =
        client.submit(|v: Vec<f64>, w: &[f64]| v.len() + w.len(), (Vec::<f64>::new(), Vec::<f64>::new()));
    check(empty.result()? == 0, "empty vectors")
}

fn fan_in(client: &Client) -> Result<()> {
    let numbers = client.map(|x: u64| x, 0..5_000);
    let sum = client.submit(|xs: Vec<u64>| xs.iter().sum::<u64>(), (&numbers,));
    check(sum.result()? == 4_999 * 2_500, "5,000 small results in one task")?;
    let vectors = client.map(|x: u64| vec![x; 100], 0..1_000);
    let sum = client.submit(|xs: &[Vec<u64>]| xs.iter().flatten().sum::<u64>(), (&vectors,));
    check(sum.result()? == 999 * 500 * 100, "1,000 vectors in one task")
}

fn large(client: &Client) -> Result<()> {
    let n = 20_000_000;
    let numbers = client.submit(|n: usize| (0..n as u64).map(|k| k as f64).collect::<Vec<f64>>(), (n,));
    let last = Rank(client.ranks() as u32 - 1);
    let elsewhere = client.options().on(last).submit(|v: &[f64]| v.iter().sum::<f64>(), (&numbers,));
    check(elsewhere.result()? == (n as f64 - 1.0) * n as f64 / 2.0, "the sum of 160 MB")?;
    check(numbers.result()?.len() == n, "160 MB at rank 0")?;
    let text = client.submit(|n: usize| "0123456789".repeat(n), (1_000_000,));
    let length = client.options().on(last).submit(|s: &String| s.len(), (&text,));
    check(length.result()? == 10_000_000, "10 MB of text")
}

fn many(client: &Client) -> Result<()> {
    let futures: Vec<_> = (0..50_000i64).map(|x| client.submit(|x: i64| x + 1, (x,))).collect();
    let sum: i64 = client.gather(futures)?.iter().sum();
    check(sum == 50_000 * 50_001 / 2, "the sum of 50,000 results")?;
    let chain = (0..5_000).fold(client.submit(|| 0i64, ()), |x, _| client.submit(|x: i64| x + 1, (x,)));
    check(chain.result()? == 5_000, "a chain of 5,000")?;
    let family = client.family(|i: u64| i % 7, 100_000);
    let sum: u64 = client.gather(family.range(0..100_000))?.iter().sum();
    check(sum == (0..100_000).map(|i| i % 7).sum(), "a family of 100,000")
}

fn retries(client: &Client) -> Result<()> {
    let marker = tempfile::NamedTempFile::new()?.into_temp_path();
    let path = marker.to_str().unwrap_or_default().to_owned();
    // fails until the third attempt has left its mark
    let attempt = |path: String| -> std::result::Result<usize, Failure> {
        let marks = std::fs::read(&path)?.len() + 1;
        std::fs::write(&path, "x".repeat(marks))?;
        if marks < 3 { Err(Failure::new("not yet")) } else { Ok(marks) }
    };
    check(
        client.options().pure(false).retries(5).submit(attempt, (path.clone(),)).result()? == 3,
        "third time lucky",
    )?;
    std::fs::write(&marker, "")?;
    match client.options().pure(false).retries(1).submit(attempt, (path,)).result() {
        Err(Error::Task(error)) => check(error.attempt == 2, &format!("fails at attempt {}", error.attempt)),
        other => Err(Error::Other(format!("{other:?} where the second attempt fails"))),
    }
}

fn timeout(client: &Client) -> Result<()> {
    let slow = client.submit(|ms: u64| std::thread::sleep(Duration::from_millis(ms)), (1_500,));
    match slow.result_timeout(Duration::from_millis(50)) {
        Err(Error::Timeout(_)) => {}
        other => return Err(Error::Other(format!("{other:?} where the wait should end"))),
    }
    slow.result()
}

/// A value of each rank is made once, by as many tasks as there are; a slow one too, and for rank 0's closure.
fn locals(client: &Client) -> Result<()> {
    fn made() -> u64 {
        std::thread::sleep(Duration::from_millis(50));
        static MADE: AtomicU64 = AtomicU64::new(0);
        // of one process in the high half, so that values of ranks differ
        (u64::from(std::process::id()) << 32) + MADE.fetch_add(1, Ordering::Relaxed)
    }
    let value = |_: u64| {
        let own = *dtask::local(made);
        // in a parallel part of a task too, which other threads compute
        let others =
            (0..8).into_par_iter().map(|_| *dtask::local(made)).filter(|other| *other == own).count();
        if others == 8 { Ok(own) } else { Err(Failure::new("a thread has another value")) }
    };
    let values = client.options().pure(false).map(value, 0..200_u64);
    let values: BTreeSet<u64> = client.gather(&values)?.into_iter().collect();
    let ranks = client.ranks();
    assert!(values.len() <= ranks.max(2) - usize::from(ranks > 1), "{values:?}");
    assert!(values.iter().all(|value| *value as u32 == 0), "each rank has made one: {values:?}");
    let own = *dtask::local(made);
    assert_eq!(own >> 32, u64::from(std::process::id()));
    assert_eq!((ranks == 1, own as u32), (values.contains(&own), 0));
    Ok(())
}

/// Inside a program with its own MPI: twice, beside messages of its own.
fn run_on() -> Result<()> {
    use dtask::internal::transport::mpi::check_thread;
    use mpi::traits::*;
    let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Funneled)
        .ok_or_else(|| Error::Other("MPI does not start".into()))?;
    let world = universe.world();
    check_thread()?;
    let other = std::thread::spawn(|| check_thread().is_err()).join().unwrap_or(false);
    check(other, "a thread that MPI does not allow")?;
    let (rank, size) = (world.rank(), world.size());
    let next = world.process_at_rank((rank + 1) % size);
    let mut got = 0;
    mpi::request::scope(|scope| {
        // a message of the program's own is under way while dtask runs, with dtask's own tag
        let send = next.immediate_send_with_tag(scope, &rank, 0);
        let outcome = (0..2).try_for_each(|_| {
            let squares = dtask::run_on(&world, |client| client.gather(client.map(|x: u64| x * x, 0..100)))?;
            check(squares.is_some() == (rank == 0), "rank 0 has the value")?;
            check(squares.is_none_or(|squares| squares[99] == 9801), "99²")
        });
        if let Err(error) = &outcome {
            eprintln!("rank {rank}: {error}");
            world.abort(1); // the others would wait for this rank
        }
        // an error of the closure, of any type, comes on every rank
        let failed = dtask::run_on(&world, |client| {
            let n: u64 = client.submit(|n: u64| n, (7,)).result()?;
            Err::<u64, OwnError>(OwnError(format!("{n} is no good")))
        });
        let text = failed.err().map(|error| error.0).unwrap_or_default();
        assert!(text.contains("7 is no good") && (rank == 0 || text.contains("on rank 0")), "{text}");
        (got, _) = world.process_at_rank((rank + size - 1) % size).receive_with_tag::<i32>(0);
        send.wait();
        outcome
    })?;
    check(got == (rank + size - 1) % size, "the program's own message")?;
    if rank == 0 {
        println!("ok run_on");
    }
    Ok(())
}

/// An error of the program's own.
#[derive(Debug)]
struct OwnError(String);

impl std::fmt::Display for OwnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for OwnError {
    fn from(error: Error) -> Self {
        OwnError(error.to_string())
    }
}

/// Equal bytes of another shape or type are another value, however they become arguments.
fn values(client: &Client) -> Result<()> {
    let shape = |a: &Array2<f64>| a.dim();
    let wide = client.submit(shape, (Array2::zeros((10, 200)),));
    let tall = client.submit(shape, (Array2::zeros((200, 10)),));
    check(client.gather([&wide, &tall])? == [(10, 200), (200, 10)], "shapes of arguments")?;
    let (a, b) =
        (client.scatter(Array2::<f64>::zeros((64, 128))), client.scatter(Array2::<f64>::zeros((128, 64))));
    check(a.result()?.dim() == (64, 128) && b.result()?.dim() == (128, 64), "shapes of scattered arrays")?;
    let (x, y) = (client.scatter(vec![0.0f64; 1000]), client.scatter(vec![0i64; 1000]));
    check(x.result()?.len() == y.result()?.len(), "types of scattered vectors")?;
    let (small, none) = (client.scatter(7i64), client.scatter(Vec::<f64>::new()));
    let sum = client.submit(|n: i64, v: &[f64]| n + v.len() as i64, (&small, &none));
    check(sum.result()? == 7, "small values")?;
    let family = client.family(|i: u64| i + 1, dtask::internal::client::FAMILY_MAX);
    let last = family.get(41).map(|task| task.result()).transpose()?;
    check(
        last == Some(42) && family.get(41).is_none() && family.get(u64::MAX).is_none(),
        "a family of 2^32",
    )?;
    drop(family);
    check(small.result_timeout(Duration::MAX)? == 7, "a limit beyond the clock")
}
