//! Deterministic simulation of the whole of dtask: random scripts are run on the simulated cluster, by the code that
//! runs them under MPI: scheduler, workers, results that go to disk, journal, resume, the job's time.
//!
//! Time is virtual, commands are functions, the journal's disk forgets what was not synced. A seed says which script,
//! and what befalls it: everything is killed, ranks are lost, the job's time ends, a signal comes, the disk is full; the
//! next run has another number of ranks. What must hold is in [`campaign`]: no run hangs, nothing that is done runs
//! again, the files in the end are those that one instance after the other would have made, and nothing is left over.
//!
//! ```text
//! DTASK_SEED=17 cargo test --lib one_script_on_a_whole -- --nocapture     runs a seed again, and tells what happens
//! DTASK_SEEDS=0..10000 cargo test --lib scripts_on_a_whole                looks at more of them
//! ```

mod campaign;
mod dice;
mod disk;
mod random_script;
mod world;

use campaign::{Campaign, Met};
use std::ops::Range;

/// The seeds that the suite looks at.
const SEEDS: Range<u64> = 0..400;

/// Says which seed it was when a run of it panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {0}: DTASK_SEED={0} cargo test --lib one_script_on_a_whole -- --nocapture runs it again",
                self.0
            );
        }
    }
}

fn run(seed: u64, aloud: bool) -> Met {
    let _seed = Seed(seed);
    Campaign::new(seed, aloud).run()
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("DTASK_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").unwrap_or(("0", &text));
    from.parse().expect("DTASK_SEEDS=from..to")..to.parse().expect("DTASK_SEEDS=from..to")
}

#[test]
fn scripts_on_a_whole_cluster_lose_nothing_whatever_befalls_them() {
    let mut all = Met::default();
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let Met { runs, killed, stopped, lost, spilled, steps, .. } = run(seed, false);
        all.runs += runs;
        all.killed += killed;
        all.stopped += stopped;
        all.lost += lost;
        all.spilled += u64::from(spilled > 0);
        all.steps += steps;
    }
    println!("{count} seeds: {all:?}");
    let enough = [(all.killed, 2), (all.stopped, 5), (all.lost, 3), (all.spilled, 10)];
    let is_something = enough.iter().all(|(met, part)| *met > count / part);
    assert!(is_something || count < 100, "{all:?}: they test nothing");
}

#[test]
fn one_script_on_a_whole_cluster() {
    let seed = std::env::var("DTASK_SEED").ok().and_then(|seed| seed.parse().ok());
    run(seed.unwrap_or(0), seed.is_some());
}

#[test]
fn equal_seeds_give_equal_runs_of_scripts() {
    for seed in 0..10 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}
