//! What a task costs beside its function: throughput, round trips, a tree, memory, idle processors; each beside the
//! raw MPI limit measured in the same run.
//!
//! `cargo bench --bench overhead [-- tasks]`; starts itself under `mpirun`.

mod common;
mod raw;

use common::{median, row};
use dtask::prelude::*;
use mpi::Threading;
use mpi::traits::*;
use std::time::{Duration, Instant};

/// Bytes of the large result.
const BULK: usize = 512 << 20;

fn inc(x: i64) -> i64 {
    x + 1
}

fn random(seed: u64, n: usize) -> Array1<f64> {
    let mut state = seed;
    Array1::from_shape_simple_fn(n, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

fn add(a: &Array1<f64>, b: &Array1<f64>) -> Array1<f64> {
    a + b
}

fn compute(seconds: f64) -> f64 {
    let begin = Instant::now();
    let mut x = 1.0f64;
    while begin.elapsed().as_secs_f64() < seconds {
        x = (0..1000).fold(x, |x, _| (x + 1.0).sqrt());
    }
    x
}

fn throughput(client: &Client, tasks: i64) -> dtask::Result<(f64, f64)> {
    let begin = Instant::now();
    let futures: Vec<_> = (0..tasks).map(|x| client.submit(inc, (x,))).collect();
    let submitted = begin.elapsed().as_secs_f64();
    let results = client.gather(&futures)?;
    let took = begin.elapsed().as_secs_f64();
    assert!(results.iter().zip(1..).all(|(a, b)| *a == b), "wrong results");
    Ok((tasks as f64 / took, submitted / tasks as f64))
}

fn tree(client: &Client, arrays: u64, round: u64) -> dtask::Result<f64> {
    let begin = Instant::now();
    let mut xs = client.starmap(random, (0..arrays).map(|seed| (seed + (round << 32), 1_000_000)));
    while xs.len() > 1 {
        xs = xs.chunks(2).map(|pair| client.submit(add, (&pair[0], &pair[1]))).collect();
    }
    assert_eq!(xs[0].result()?.len(), 1_000_000);
    Ok(begin.elapsed().as_secs_f64())
}

fn two_ranks(client: &Client, tasks: i64, rate: f64, round_trip: f64) -> dtask::Result<()> {
    let warm = throughput(client, 10_000)?.0;
    row("no-op tasks, the first 10,000", format!("{warm:.0} tasks/s"), String::new());
    for count in [tasks / 10, tasks, tasks] {
        let (tasks_per_second, submit) = throughput(client, count)?;
        let share = tasks_per_second / rate;
        let what = format!("{count} no-op tasks submitted one by one, gathered");
        row(&what, format!("{tasks_per_second:.0} tasks/s"), format!("{share:.2} of raw MPI, window 64"));
        row("  submit() alone", format!("{:.0} ns", submit * 1e9), String::new());
    }
    let trips: Vec<f64> = (0..2_000)
        .map(|x| {
            let begin = Instant::now();
            client.options().pure(false).submit(inc, (x,)).result().map(|_| begin.elapsed().as_secs_f64())
        })
        .collect::<dtask::Result<_>>()?;
    let trip = median(trips);
    let beside = format!("{:.1} raw 8-byte round trips of {:.2} µs", trip / round_trip, round_trip * 1e6);
    row("submit → result, median", format!("{:.2} µs", trip * 1e6), beside);
    for _ in 0..2 {
        let begin = Instant::now();
        let last =
            (0..1_000).fold(client.submit(inc, (0,)), |x, _| client.options().pure(false).submit(inc, (x,)));
        assert_eq!(last.result()?, 1_001);
        row(
            "chain of 1,000, per link",
            format!("{:.2} µs", begin.elapsed().as_secs_f64() * 1e3),
            String::new(),
        );
    }
    Ok(())
}

fn trees(client: &Client, raw_tree: f64) -> dtask::Result<()> {
    for round in 0..4 {
        let took = tree(client, 16, round)?;
        let beside = format!("{:.2} × hand-written MPI's {:.0} ms", took / raw_tree, raw_tree * 1e3);
        row("tree of 16 × 1,000,000", format!("{:.0} ms", took * 1e3), beside);
    }
    Ok(())
}

/// A result of 512 MiB on one rank, summed on another.
fn bulk(client: &Client, raw_bulk: f64) -> dtask::Result<()> {
    let (from, to) = (Rank(1), Rank(2));
    for round in 0..3 {
        let fill = |n: usize, x: f64| vec![x; n];
        let data = client.options().on(from).submit(fill, (BULK / 8, f64::from(round)));
        client.wait([&data])?;
        let begin = Instant::now();
        let sum = |v: &[f64]| {
            let parts = v.chunks(8).fold([0.0; 8], |mut parts, chunk| {
                parts.iter_mut().zip(chunk).for_each(|(part, x)| *part += x);
                parts
            });
            parts.iter().sum::<f64>()
        };
        let total = client.options().on(to).submit(sum, (&data,)).result()?;
        let took = begin.elapsed().as_secs_f64();
        assert_eq!(total, f64::from(round) * (BULK / 8) as f64, "numbers were lost");
        let beside = format!("{:.2} of raw MPI's {:.2} GB/s", raw_bulk / took, BULK as f64 / raw_bulk / 1e9);
        row("512 MiB moved and summed", format!("{:.2} GB/s", BULK as f64 / took / 1e9), beside);
    }
    Ok(())
}

fn memory(client: &Client) -> dtask::Result<()> {
    let before = common::status_kib("VmRSS");
    let count = 1_000_000;
    let futures: Vec<_> = (0..count).map(|x| client.submit(inc, (-x,))).collect();
    client.wait(&futures)?;
    let after = common::status_kib("VmHWM");
    let bytes = (after - before) * 1024.0 / count as f64;
    row(
        "peak memory of rank 0 at 10^6 tasks with their futures",
        format!("{bytes:.0} bytes/task"),
        String::new(),
    );
    Ok(())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let tasks = words.iter().find_map(|word| word.parse::<i64>().ok()).unwrap_or(100_000);
    let named = |name: &str| words.iter().any(|word| word == name);
    let all = ["two", "tree", "bulk", "memory", "idle"].iter().all(|part| !named(part));
    let parts = [("two", 2), ("tree", 2), ("tree", 3), ("bulk", 3), ("memory", 2), ("idle", 3)];
    // each part has a job of its own, so that one does not warm or burden the next
    for (part, ranks) in parts.into_iter().filter(|(part, _)| all || named(part)) {
        if common::under_mpirun(ranks, &["--part", part, &tasks.to_string()]) {
            break;
        }
    }
    let Some(at) = words.iter().position(|word| word == "--part") else { return };
    let part = words[at + 1].clone();
    let (universe, _) = mpi::initialize_with_threading(Threading::Funneled).expect("MPI starts");
    let world = universe.world();
    if world.rank() == 0 {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("\n--- {part}: {} ranks on {cores} cores", world.size());
    }
    let outcome = match part.as_str() {
        "two" => {
            let rate = raw::request_reply(&world, 64, 300_000, 64);
            let round_trip = 2.0 * raw::ping_pong(&world, 8, 20_000);
            dtask::run_on(&world, |client| two_ranks(client, tasks, rate, round_trip))
        }
        "tree" => {
            let raw_tree = median((0..5).map(|_| raw::tree(&world, 16, 1_000_000)).collect());
            dtask::run_on(&world, |client| trees(client, raw_tree))
        }
        "bulk" => {
            let raw_bulk = median((0..3).map(|_| raw::bulk(&world, BULK)).collect());
            dtask::run_on(&world, |client| bulk(client, raw_bulk))
        }
        "memory" => dtask::run_on(&world, memory),
        _ => idle(&world),
    };
    outcome.expect("the bench runs");
}

/// Rank 1 computes for ten seconds; what do the others burn?
fn idle(world: &mpi::topology::SimpleCommunicator) -> dtask::Result<()> {
    let begin = common::cpu_seconds();
    let time = Instant::now();
    dtask::run_on(world, |client| {
        client.options().on(Rank(1)).submit(compute, (10.0,)).result_timeout(Duration::from_secs(60))?;
        Ok(())
    })?;
    let share = (common::cpu_seconds() - begin) / time.elapsed().as_secs_f64() * 100.0;
    let what = format!("rank {} of 3 while rank 1 computes for 10 s", world.rank());
    row(&what, format!("{share:.2} % of a core"), String::new());
    Ok(())
}
