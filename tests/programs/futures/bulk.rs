//! Data, bulk work, and values of every form.

use super::{Outcome, check};
use dtask::prelude::*;
use dtask::{Error, Executor, LocalExecutor, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

fn add(a: f64, b: f64) -> f64 {
    a + b
}

pub(crate) fn reduce(client: &Client) -> Result<()> {
    for count in [1_usize, 2, 3, 7, 8, 100] {
        let values: Vec<f64> = (0..count).map(|k| 1.0 / (k as f64 + 0.1)).collect();
        let xs = client.map(|x: f64| x, values.clone());
        let mut level = values;
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| if let [a, b] = pair { a + b } else { pair[0] }).collect();
        }
        let total = client.reduce_tree(add, &xs).result()?;
        check(total.to_bits() == level[0].to_bits(), "the same bits as by hand")?;
    }
    let none: [Future<f64>; 0] = [];
    let error = client.reduce_tree(add, none).exception().map(|error| error.to_string());
    check(error.is_some_and(|text| text.contains("no futures")), "nothing to reduce")
}

pub(crate) fn chunks(client: &Client) -> Result<()> {
    let squares = client.gather(client.map_chunked(|n: u64| n * n, 0..1_000, 64))?;
    check(
        squares.len() == 16 && squares.concat() == (0..1_000).map(|n| n * n).collect::<Vec<u64>>(),
        "chunks",
    )?;
    let fails = |n: u64| -> Outcome<u64> { if n == 77 { Err(Failure::new("77")) } else { Ok(n) } };
    let ends = client.gather_each(client.map_chunked(fails, 0..100, 10))?;
    check(ends.iter().filter(|end| end.is_err()).count() == 1, "one chunk fails")?;
    // half a million items in one map
    let sum: u64 = client.gather(client.map(|n: u64| n, 0..500_000_u64))?.iter().sum();
    check(sum == 499_999 * 250_000, "500,000 items")
}

fn words(text: String) -> Vec<(String, u64)> {
    text.split_whitespace().map(|word| (word.to_owned(), 1)).collect()
}

pub(crate) fn map_reduce(client: &Client) -> Result<()> {
    let texts: Vec<String> = (0..100).map(|k| format!("all {} some{}", k % 10, k % 3)).collect();
    let mut serial: BTreeMap<String, u64> = BTreeMap::new();
    texts
        .iter()
        .flat_map(|text| text.split_whitespace())
        .for_each(|word| *serial.entry(word.into()).or_default() += 1);
    for partitions in [1, 8] {
        let counts = client.map_reduce(texts.clone(), words, |a: u64, b: u64| a + b, partitions);
        check(counts.len() == partitions, "a future a partition")?;
        let all: BTreeMap<String, u64> = client.gather(counts)?.concat().into_iter().collect();
        check(all == serial, "the counts")?;
    }
    let futures = client.map(|k: u64| format!("a b{k}"), 0..3_u64);
    let counts = client.gather(client.map_reduce(futures, words, |a: u64, b: u64| a + b, 2))?.concat();
    check(counts.contains(&("a".into(), 3)), "futures as items")?;
    let none: Vec<String> = Vec::new();
    check(
        client.gather(client.map_reduce(none, words, |a: u64, b: u64| a + b, 3))? == vec![Vec::new(); 3],
        "nothing",
    )
}

pub(crate) fn parts(client: &Client) -> Result<()> {
    let y = client.submit(|x: u64| x + 1, (1,)).then(|x: u64| x * 10);
    check(y.result()? == 20, "then")?;
    let (half, rest) = client.submit(|n: u64| (n / 2, vec![n; 100]), (7,)).split();
    check(half.result()? == 3 && rest.result()?.len() == 100, "two outputs")?;
    let (a, b, c) = client.submit(|| (1u8, "b".to_owned(), 2.5), ()).split();
    check(a.result()? == 1 && b.result()? == "b" && c.result()? == 2.5, "three outputs")?;
    let nested = |n: u64| -> Outcome<u64> {
        let (a, b) = dtask::current()?.submit(|n: u64| (n, n + 1), (n,)).split();
        Ok(a.then(|a: u64| a * 100).result()? + b.result()?)
    };
    check(client.submit(nested, (3,)).result()? == 304, "in a task")
}

pub(crate) fn containers(client: &Client) -> Result<()> {
    let f = |n: u64| client.submit(|n: u64| n, (n,));
    let rows = client.submit(
        |rows: Vec<Vec<u64>>| rows.iter().map(|row| row.iter().sum::<u64>()).collect::<Vec<u64>>(),
        (vec![vec![f(1), f(2)], vec![], vec![f(3)]],),
    );
    check(rows.result()? == [3, 0, 3], "vectors of vectors")?;
    let some = client.submit(|n: Option<u64>| n.unwrap_or(9), (Some(f(5)),));
    let none: Option<Future<u64>> = None;
    let none = client.submit(|n: Option<u64>| n.unwrap_or(9), (&none,));
    check(some.result()? == 5 && none.result()? == 9, "options")?;
    let array = client.submit(|all: [u64; 3]| all[0] + all[2], ([f(1), f(2), f(4)],));
    check(array.result()? == 5, "arrays")?;
    let tuple = client.submit(
        |pair: (u64, String)| format!("{}{}", pair.0, pair.1),
        ((f(1), client.submit(|| "x".to_owned(), ())),),
    );
    check(tuple.result()? == "1x", "tuples")?;
    let map: HashMap<String, Future<u64>> = (0..50).map(|n| (format!("k{n}"), f(n))).collect();
    let sum =
        client.submit(|all: &HashMap<String, u64>| all["k7"] * 1_000 + all.values().sum::<u64>(), (&map,));
    check(sum.result()? == 7_000 + 1_225, "maps")?;
    let many: Vec<Future<u64>> = client.map(|n: u64| n, 0..10_000);
    check(client.submit(|all: Vec<u64>| all.len() as u64, (&many,)).result()? == 10_000, "10,000 futures")?;
    let failing = client.submit(|| -> Outcome<u64> { Err(Failure::new("inside")) }, ());
    let error = client.submit(|n: Option<u64>| n.unwrap_or(0), (Some(failing),)).exception();
    check(error.is_some_and(|error| error.to_string().contains("inside")), "an error inside")
}

pub(crate) fn results(client: &Client) -> Result<()> {
    fn reads(path: PathBuf) -> std::io::Result<u64> {
        Ok(std::fs::read(path)?.len() as u64)
    }
    #[derive(Debug)]
    struct Own;
    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an error of one's own")
        }
    }
    let own = |_: u64| -> std::result::Result<u64, Own> { Err(Own) };
    let error = client.submit(reads, (PathBuf::from("/no/such/file"),)).exception();
    check(error.is_some_and(|error| error.to_string().contains("No such file")), "io::Result")?;
    check(
        client.submit(own, (1,)).exception().is_some_and(|error| error.to_string().contains("one's own")),
        "own",
    )?;
    let passes = |_: u64| -> dtask::Result<u64> {
        dtask::current()?.submit(|| -> Outcome<u64> { Err(Failure::new("first")) }, ()).result()
    };
    let Some(Error::Task(cause)) = client.submit(passes, (1,)).exception() else {
        return check(false, "a cause");
    };
    check(cause.message == "first", "the first cause is handed on")?;
    let retried = client.options().retries(1).submit(own, (2,));
    let Some(Error::Task(cause)) = retried.exception() else { return check(false, "a failure") };
    check(cause.attempt == 2, "it is started again")
}

pub(crate) fn data(client: &Client) -> Result<()> {
    let ranks = client.ranks();
    let parts = client.scatter_each((0..8).map(|k| vec![f64::from(k); 10_000]));
    client.wait(&parts)?;
    let holders: Vec<Vec<Rank>> = parts.iter().map(|part| client.who_has(part)).collect::<Result<_>>()?;
    let first: std::collections::BTreeSet<u32> = holders.iter().flatten().map(|rank| rank.0).collect();
    check(first.len() >= (ranks - 1).clamp(1, 8), "spread over the ranks")?;
    check(client.nbytes(&parts[0])? == 80_000, "bytes")?;
    let sums = client.gather(client.map(|part: &[f64]| part.iter().sum::<f64>(), &parts))?;
    check(sums[3] == 30_000.0, "sums")?;
    check(client.has_what(holders[0][0])?.contains(&parts[0].key()), "what a rank has")?;
    check(client.has_what(Rank(99)).is_err(), "a rank that does not exist")?;
    let table = std::sync::Arc::new(vec![2.5f64; 100_000]);
    let shared = client.scatter(&table);
    check(std::sync::Arc::ptr_eq(&shared.shared()?, &table), "an Arc is shared, not copied")?;
    check(client.submit(|t: &[f64]| t[99_999], (&shared,)).result()? == 2.5, "and is an argument")?;
    check(
        client.submit(|t: Vec<f64>, k: &usize| t[*k], (&table, &7)).result()? == 2.5,
        "so is the Arc itself",
    )?;
    client.publish("table", &shared)?;
    check(client.published_names()? == ["table"] && client.unpublish("table")?, "names")?;
    let everywhere = client.broadcast(vec![1u64; 100_000]);
    let begin = std::time::Instant::now();
    while client.who_has(&everywhere)?.len() < ranks {
        check(begin.elapsed().as_secs() < 30, "a copy on each rank")?;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let small = client.submit(|| 5u8, ());
    client.wait([&small])?;
    check(
        client.who_has(&small)? == [Rank(0)] && client.nbytes(&small)? == 1,
        "a small result is at rank 0",
    )?;
    client.replicate(&small, 2);
    check(
        client.who_has(&client.submit(super::waiting::endless_for, (50,)))?.is_empty(),
        "nothing before it is there",
    )
}

/// An argument of 3 GiB, by value and as a result; see `tests/futures.rs`.
pub(crate) fn huge(client: &Client) -> Result<()> {
    const LENGTH: usize = 3 << 27; // 3 GiB of numbers of eight bytes
    let last = |numbers: &[u64]| (numbers.len() as u64, numbers[numbers.len() - 1]);
    let ends = client.submit(last, (vec![7_u64; LENGTH],));
    check(ends.result()? == (LENGTH as u64, 7), "by value")
}

fn sum_of_squares(executor: &impl Executor, n: u64) -> Result<u64> {
    let squares = executor.map(|k: u64| k * k, 0..n);
    squares.into_iter().map(|square| executor.result(square)).sum()
}

pub(crate) fn executors(client: &Client) -> Result<()> {
    let local = LocalExecutor::new(2)?;
    check(sum_of_squares(client, 10)? == 285 && sum_of_squares(&local, 10)? == 285, "both compute the same")?;
    let fails = |_: u64| -> Outcome<u64> { Err(Failure::new("no")) };
    for error in [client.result(Executor::submit(client, fails, 1)), local.result(local.submit(fails, 1))] {
        check(error.is_err_and(|error| error.to_string().contains("no")), "errors")?;
    }
    let panics = |_: u64| -> u64 { panic!("oh") };
    check(
        local.result(local.submit(panics, 1)).is_err_and(|error| error.to_string().contains("oh")),
        "a panic",
    )?;
    local.shutdown();
    Ok(())
}
