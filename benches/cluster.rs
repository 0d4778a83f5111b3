//! What dtask costs beside the functions that it calls: tasks a second, latencies, graphs, results that move, memory,
//! idle processors. Each figure stands beside what MPI itself, or hand-written MPI, gives in the same run.
//!
//! `cargo bench --bench cluster [-- part ...]`, such as `-- chain tree`; it starts itself under `mpirun`, each part in
//! a job of its own, so that one does not warm or burden the next. Raw MPI and dtask take turns in every round, on the
//! same ranks; a figure is the median of the rounds, a ratio is that of each round's own figures, and in brackets are
//! the least and the greatest of them. Below each part, what the time of each rank of its last run went into.

mod common;
mod parts;
mod raw;

use common::launch::{Outcome, cores, job, rank_arguments, words};
use mpi::Threading;
use mpi::topology::SimpleCommunicator;
use parts::{data, footprint, graphs, nested, tasks};

/// One part of the bench, in a job of its own.
struct Part {
    /// Chosen by this name on the command line; several parts may share one.
    name: &'static str,
    /// Ranks of its job, rank 0 included.
    ranks: usize,
    /// It is ended after so many seconds.
    seconds: u64,
    /// Runs on every rank.
    run: fn(&SimpleCommunicator),
}

const PARTS: &[Part] = &[
    Part { name: "tasks", ranks: 2, seconds: 120, run: tasks::throughput },
    Part { name: "trip", ranks: 2, seconds: 60, run: tasks::trip },
    Part { name: "chain", ranks: 2, seconds: 60, run: tasks::chain },
    Part { name: "graph", ranks: 2, seconds: 60, run: graphs::layers },
    Part { name: "graph", ranks: 3, seconds: 60, run: graphs::layers },
    Part { name: "nested", ranks: 1, seconds: 60, run: nested::fibonacci },
    Part { name: "nested", ranks: 2, seconds: 60, run: nested::fibonacci },
    Part { name: "tree", ranks: 2, seconds: 120, run: graphs::trees },
    Part { name: "tree", ranks: 3, seconds: 120, run: graphs::trees },
    Part { name: "bulk", ranks: 3, seconds: 60, run: data::bulk },
    Part { name: "small", ranks: 3, seconds: 60, run: data::small },
    Part { name: "gathers", ranks: 3, seconds: 90, run: data::gathers },
    Part { name: "idle", ranks: 3, seconds: 60, run: footprint::idle },
    Part { name: "memory", ranks: 2, seconds: 60, run: footprint::memory },
    Part { name: "many", ranks: 2, seconds: 180, run: footprint::many },
];

fn main() {
    if let Some(arguments) = rank_arguments() {
        let part = &PARTS[arguments[0].parse::<usize>().expect("the number of a part")];
        let (universe, _) = mpi::initialize_with_threading(Threading::Serialized).expect("MPI starts");
        return (part.run)(&universe.world());
    }
    let words = words();
    if let Some(unknown) = words.iter().find(|word| PARTS.iter().all(|part| part.name != **word)) {
        let mut names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        names.dedup();
        eprintln!("there is no part `{unknown}`; there are: {}", names.join(", "));
        std::process::exit(2);
    }
    let mut outcome = Outcome::default();
    let chosen = |part: &Part| words.is_empty() || words.iter().any(|word| word == part.name);
    for (number, part) in PARTS.iter().enumerate().filter(|(_, part)| chosen(part)) {
        println!("\n{}: {} ranks on {} cores", part.name, part.ranks, cores());
        let ended = job(part.ranks, part.seconds, &[number.to_string()], |line| outcome.print(line));
        outcome.ended(part.name, ended);
    }
    outcome.finish();
}
