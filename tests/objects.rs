//! Queues, events, semaphores, locks, variables, actors, channels, and functions on every rank: in the simulated
//! cluster and on real ranks.

mod common;
#[path = "bodies/objects.rs"]
mod objects;

#[allow(dead_code)] // the generator of random numbers alone is used here
#[path = "bodies/mod.rs"]
mod bodies_random;
#[path = "bodies/random_objects.rs"]
mod random_objects;

use bodies_random::Random;
use common::mpirun::Mpirun;
use dtask::Rank;
use dtask::simulated::Cluster;
use std::path::PathBuf;
use std::time::Duration;

const STEPS: usize = 3_000_000;

/// Runs a body as a task of the simulated cluster.
fn simulated(name: &str, ranks: u32, slots: u32, seed: u64) {
    let told = |what: String| panic!("{name}, {ranks} ranks, {slots} slots, seed {seed}: {what}");
    let (mut cluster, client) = Cluster::new(ranks, slots, seed);
    let root = client.submit(objects::root, (name,));
    let pending = client.pending([&root]);
    cluster.settle(STEPS, |_| pending.is_ready()).unwrap_or_else(told);
    if let Err(error) = pending.take().expect("ready").remove(0) {
        told(error.to_string());
    }
    drop(root);
    cluster
        .settle(STEPS, Cluster::is_empty)
        .unwrap_or_else(|what| told(format!("something is left: {what}")));
}

fn program() -> PathBuf {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_dtask"));
    command.parent().expect("a folder").join("examples").join("test_objects")
}

/// Runs a body in the simulated cluster and on real ranks.
fn everywhere(name: &str) {
    for (seed, (ranks, slots)) in [(1, 1), (2, 1), (3, 2), (4, 1), (2, 3), (5, 2)].into_iter().enumerate() {
        if name != "time_limits" {
            simulated(name, ranks, slots, seed as u64);
        }
    }
    for ranks in [1, 2, 4] {
        for inside in [&[][..], &["inside"]] {
            let run = Mpirun::new(ranks).program(program()).args([name]).args(inside.iter().copied());
            run.limit(Duration::from_secs(60))
                .run()
                .assert_success()
                .assert_stdout_has(&format!("ok {name}"));
        }
    }
}

fn example(name: &str) -> PathBuf {
    program().with_file_name(name)
}

#[test]
fn examples_show_what_they_say() {
    for ranks in [1, 3, 4] {
        let run = |name: &str, args: &[&str]| {
            Mpirun::new(ranks).program(example(name)).args(args).limit(Duration::from_secs(60)).run()
        };
        let stream = run("stream", &["20000"]);
        stream.assert_success().assert_stdout_has("4 windows of 5000 readings, means 0.500 to 0.500");
        stream.assert_stdout_has("20000 items of 100 bytes between two ranks: ");
        let server = run("parameter_server", &[]);
        server
            .assert_success()
            .assert_stdout_has("1600 gradients pushed to rank ")
            .assert_stdout_has("y = 3.000 x + 2.000");
        let local = run("local_state", &[]);
        local.assert_success().assert_stdout_has("1000 points classified: 500 left, 500 right");
        let existing = run("existing_mpi_program", &[]);
        existing.assert_success().assert_stdout_has("refined 24 cells, the hardest in 4000 steps");
        existing.assert_stdout_has("phase 2: residual 0.0156");
        let cholesky = run("cholesky", &["4", "16"]);
        cholesky.assert_success().assert_stdout_has("4 x 4 tiles of 16 x 16 numbers: ");
        let difference = cholesky.stdout.trim().rsplit(' ').next().and_then(|word| word.parse::<f64>().ok());
        cholesky.assert(difference.is_some_and(|it| it < 1e-10), "as the plain factorization");
    }
}

macro_rules! bodies {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            everywhere(stringify!($name));
        }
    )*};
}

bodies! { event semaphore lock variable queue bounded nested every_rank long time_limits actor actors_of_tasks failing_actors channel pipeline
reader_goes
sender_never_begins handles_in_results shared_capacity futures published rebalanced }

/// The bodies whose tasks have no effects, so that they may be done again where a rank dies.
const WITHOUT_EFFECTS: [&str; 6] =
    ["completed", "cancelled_fetch", "released_fetch", "dropped", "deep_error", "data"];

#[test]
fn futures_of_every_kind_in_the_simulated_cluster() {
    for (name, _) in objects::FUTURES {
        for seed in seeds(0..6) {
            simulated(name, 1 + (seed % 5) as u32, 1 + (seed % 3) as u32, seed);
        }
    }
}

#[test]
fn futures_of_every_kind_when_a_rank_is_lost() {
    let (mut deaths, mut right) = (0, 0);
    for (seed, name) in seeds(0..8).flat_map(|seed| WITHOUT_EFFECTS.map(|name| (seed, name))) {
        let ranks = 3 + (seed % 4) as u32;
        let told = |what: String| panic!("{name}, seed {seed}, {ranks} ranks: {what}");
        let (mut cluster, client) = Cluster::new(ranks, 1 + (seed % 3) as u32, seed);
        let mut random = Random(seed ^ 0xF07);
        let root = client.submit(objects::root, (name,));
        let pending = client.pending([&root]);
        let mut lost = None;
        for step in 0.. {
            if pending.is_ready() {
                break;
            }
            if step == STEPS {
                told(format!("hangs: {} messages under way, lost {lost:?}", cluster.under_way()));
            }
            if lost.is_none() && random.below(200) == 0 {
                let rank = Rank(1 + random.below(u64::from(ranks) - 1) as u32);
                cluster.lose(rank);
                lost = Some(rank);
                deaths += 1;
            }
            cluster.step().unwrap_or_else(told);
        }
        match pending.take().expect("ready").remove(0) {
            Ok(_) => right += 1,
            // a task that was pinned there, or a value that lay there alone
            Err(error) => {
                let text = error.to_string();
                let names_it = ["died", "lost", "dead"].iter().any(|word| text.contains(word));
                assert!(lost.is_some() && names_it, "{name}, seed {seed}: {text}");
            }
        }
        drop(root);
        cluster
            .settle(STEPS, Cluster::is_empty)
            .unwrap_or_else(|what| told(format!("something is left: {what}")));
    }
    assert!(deaths >= 20 && right >= 10, "{deaths} ranks lost, {right} right: the test tests nothing");
}

fn below(depth: u64) -> Result<u64, dtask::Failure> {
    match depth {
        0 => Ok(0),
        _ => Ok(dtask::current()?.submit(below, (depth - 1,)).result()? + 1),
    }
}

#[test]
fn the_messages_of_nested_tasks_grow_with_their_depth_alone() {
    let messages = |depth: u64| {
        let (mut cluster, client) = Cluster::new(3, 2, 5);
        let root = client.submit(below, (depth,));
        let pending = client.pending([&root]);
        cluster.settle(STEPS, |_| pending.is_ready()).expect("it ends");
        assert_eq!(pending.take().expect("ready").remove(0).expect("a depth"), depth);
        cluster.delivered().0
    };
    let (once, twice) = (messages(60), messages(120));
    assert!(twice < once * 5 / 2, "{once} messages at depth 60, {twice} at 120");
}

#[test]
fn results_that_are_gathered_come_many_in_a_message() {
    for length in [100_usize, 200, 1_000] {
        let (mut cluster, client) = Cluster::new(3, 2, 7);
        let make = |length: usize, n: u64| (n, "x".repeat(length));
        let futures = client.options().pure(false).starmap(make, (0..600).map(|n| (length, n)));
        let last = client.submit(|all: Vec<(u64, String)>| all.len(), (&futures,));
        let done = client.pending([&last]);
        cluster.settle(STEPS, |_| done.is_ready()).expect("all are made");
        let before = cluster.delivered().0;
        let all = client.pending(&futures);
        cluster.settle(STEPS, |_| all.is_ready()).expect("all come");
        assert!(all.take().expect("ready").iter().all(Result::is_ok));
        let messages = cluster.delivered().0 - before;
        // requests, and answers of at most 64 KiB
        assert!(
            messages <= 80 + 600 * length as u64 / 10_000,
            "{messages} messages for 600 results of {length} bytes"
        );
    }
}

/// The seeds to look at: `DTASK_SEEDS=0..10000 cargo test --release --test objects random` looks at more.
fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("DTASK_SEEDS") else { return default };
    let (from, to) = text.split_once("..").expect("DTASK_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn random_programs_agree_with_a_serial_model_and_leave_nothing() {
    for seed in seeds(0..60) {
        let (ranks, slots) = (1 + (seed % 5) as u32, 1 + (seed % 3) as u32);
        let told = |what: String| panic!("seed {seed}, {ranks} ranks, {slots} slots: {what}");
        let (mut cluster, client) = Cluster::new(ranks, slots, seed);
        let root = client.submit(random_objects::program, (seed,));
        let pending = client.pending([&root]);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap_or_else(told);
        match pending.take().expect("ready").remove(0) {
            Ok(sums) => assert_eq!(sums, random_objects::serial(seed), "seed {seed}, {ranks} ranks"),
            Err(error) => told(error.to_string()),
        }
        drop(root);
        cluster
            .settle(STEPS, Cluster::is_empty)
            .unwrap_or_else(|what| told(format!("something is left: {what}")));
    }
}

#[test]
fn random_programs_end_although_ranks_are_lost() {
    let (mut deaths, mut errors) = (0, 0);
    for seed in seeds(0..60) {
        let ranks = 3 + (seed % 4) as u32;
        let told = |what: String| panic!("seed {seed}, {ranks} ranks: {what}");
        let (mut cluster, client) = Cluster::new(ranks, 1 + (seed % 3) as u32, seed);
        let mut random = Random(seed ^ 0xDEAD);
        let root = client.submit(random_objects::program, (seed,));
        let pending = client.pending([&root]);
        let mut lost = None;
        for step in 0.. {
            if pending.is_ready() {
                break;
            }
            if step == STEPS {
                told(format!("hangs: {} messages under way, lost {lost:?}", cluster.under_way()));
            }
            if lost.is_none() && random.below(300) == 0 {
                let rank = Rank(1 + random.below(u64::from(ranks) - 1) as u32);
                cluster.lose(rank);
                lost = Some(rank);
                deaths += 1;
            }
            cluster.step().unwrap_or_else(told);
        }
        match pending.take().expect("ready").remove(0) {
            // what a dead rank had taken out of a queue is gone, and its tasks do again what they had done
            Ok(sums) if lost.is_some() => assert_eq!(sums.len(), random_objects::serial(seed).len()),
            Ok(sums) => assert_eq!(sums, random_objects::serial(seed), "seed {seed}"),
            Err(error) => {
                errors += 1;
                let text = error.to_string();
                assert!(
                    lost.is_some() && ["died", "closed", "gone", "receives"].iter().any(|w| text.contains(w)),
                    "seed {seed}: {text}"
                );
            }
        }
    }
    assert!(deaths >= 20 && errors > 0, "{deaths} ranks lost, {errors} errors: the test tests nothing");
}
