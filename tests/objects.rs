//! Queues, events, semaphores, locks, variables, actors, channels, and functions on every rank: in the simulated
//! cluster and on real ranks.

mod common;
#[path = "bodies/objects.rs"]
mod objects;

use common::mpirun::Mpirun;
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
reader_goes }
