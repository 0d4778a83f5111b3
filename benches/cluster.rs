//! What dtask costs beside the functions that it calls: tasks a second, latencies, graphs, results that move, memory, idle
//! processors. Each figure stands beside what MPI itself, or hand-written MPI, gives in the same run.
//!
//! `cargo bench --bench cluster [-- part ...]`, such as `-- chain tree`; it starts itself under `mpirun`, each part in a
//! job of its own, so that one does not warm or burden the next. Raw MPI and dtask take turns in every round, on the same
//! ranks; a figure is the median of the rounds, a ratio is that of each round's own figures, and in brackets are the least
//! and the greatest of them.

mod common;
mod parts;
mod raw;

use common::launch::{Part, part};
use mpi::Threading;
use parts::{data, footprint, graphs, tasks};

const PARTS: &[Part] = &[
    Part { name: "tasks", ranks: 2, seconds: 120, run: tasks::throughput },
    Part { name: "trip", ranks: 2, seconds: 60, run: tasks::trip },
    Part { name: "chain", ranks: 2, seconds: 60, run: tasks::chain },
    Part { name: "graph", ranks: 2, seconds: 60, run: graphs::layers },
    Part { name: "graph", ranks: 3, seconds: 60, run: graphs::layers },
    Part { name: "tree", ranks: 2, seconds: 120, run: graphs::trees },
    Part { name: "tree", ranks: 3, seconds: 120, run: graphs::trees },
    Part { name: "bulk", ranks: 3, seconds: 60, run: data::bulk },
    Part { name: "small", ranks: 3, seconds: 60, run: data::small },
    Part { name: "idle", ranks: 3, seconds: 60, run: footprint::idle },
    Part { name: "memory", ranks: 2, seconds: 60, run: footprint::memory },
    Part { name: "many", ranks: 2, seconds: 180, run: footprint::many },
];

fn main() {
    let Some(part) = part(PARTS) else { return };
    let (universe, _) = mpi::initialize_with_threading(Threading::Funneled).expect("MPI starts");
    (part.run)(&universe.world());
}
