//! The two state machines in a closed loop: rank 0's scheduler and one worker a rank, joined by queues that a seeded
//! generator empties in any order that a network could. No thread, no clock, no MPI.
//!
//! Every invariant of every machine is checked after every event; every value is a hash of the values it was made
//! from, so that wrong data shows; nothing may be left over in the end.
//!
//! ```text
//! DTASK_SEED=17 cargo test --test machines one -- --nocapture     replays a seed and prints every event
//! DTASK_SEEDS=20000 cargo test --release --test machines many     runs more of them
//! ```

mod client;
mod cluster;
mod rng;

use cluster::Cluster;

/// Says which seed it was when a run of it panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}: replay it with DTASK_SEED={0}", self.0);
        }
    }
}

/// A number that any difference would change, and how many tasks tasks have submitted: in all, and on ranks that died.
fn run(seed: u64, aloud: bool) -> (u64, [u64; 2]) {
    let _seed = Seed(seed);
    let mut cluster = Cluster::new(seed, aloud);
    cluster.run();
    (cluster.fingerprint(), cluster.nested())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn many_seeds() {
    let seeds = number("DTASK_SEEDS").unwrap_or(300);
    let (mut nested, mut lost) = (0, 0);
    for seed in 0..seeds {
        let (_, [all, of_dead]) = run(seed, false);
        nested += all;
        lost += of_dead;
    }
    assert!(nested > 10 * seeds && lost > seeds, "{nested} nested tasks, {lost} on ranks that died: too few");
}

#[test]
fn one_seed() {
    run(number("DTASK_SEED").unwrap_or(0), number("DTASK_SEED").is_some());
}

#[test]
fn equal_events_give_equal_actions() {
    for seed in 0..20 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}
