//! The parts of the bench `cluster`.

pub mod data;
pub mod footprint;
pub mod graphs;
pub mod nested;
pub mod tasks;
pub mod threads;

use dtask::Config;
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use std::time::Instant;

/// The task that does nothing.
pub fn inc(x: i64) -> i64 {
    x + 1
}

/// Numbers from 0 to 1, by Knuth's linear congruential generator.
pub fn random(seed: u64, n: usize) -> Array1<f64> {
    let mut state = seed;
    Array1::from_shape_simple_fn(n, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// Their sum, as a new array.
pub fn add(a: &Array1<f64>, b: &Array1<f64>) -> Array1<f64> {
    a + b
}

/// The sum of all numbers; in parts, or the compiler must add one number after the other.
pub fn sum(numbers: &[f64]) -> f64 {
    let parts = numbers.chunks(8).fold([0.0; 8], |mut parts, chunk| {
        parts.iter_mut().zip(chunk).for_each(|(part, x)| *part += x);
        parts
    });
    parts.iter().sum()
}

/// Runs `body` on rank 0 with a client for all ranks; the last of several rounds is profiled.
///
/// # Panics
/// When it fails.
pub fn run(world: &SimpleCommunicator, last: bool, body: impl FnOnce(&Client) -> dtask::Result<()> + Send) {
    let config = Config { profile: last, ..Config::default() };
    dtask::run_on_with(world, &config, |client| body(client)).expect("the bench runs");
}

/// Seconds that `work` takes, with what it gives.
pub fn timed<T>(work: impl FnOnce() -> dtask::Result<T>) -> dtask::Result<(f64, T)> {
    let begin = Instant::now();
    let result = work()?;
    Ok((begin.elapsed().as_secs_f64(), result))
}

/// Waits until rank 0 has taken note of everything that was submitted and dropped.
pub fn settle(client: &Client) -> dtask::Result<()> {
    dtask::internal::finished(client).map(drop)
}
