//! Queues, events, semaphores, locks, variables, actors, channels, and functions on every rank: in the simulated cluster
//! and on real ranks.

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
