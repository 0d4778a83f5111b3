//! One task: it looks at what it was given, computes, and says who it is.

use super::graph::Graph;
use std::hint::black_box;

/// Numbers that the kernel works on.
const NUMBERS: usize = 64;

/// The result of a task: its step and its column. Task Bench's is as large.
pub type Stamp = (u64, u64);

/// Floating-point operations of a task, as Task Bench counts them.
pub fn flops(iterations: u32) -> f64 {
    (2 * NUMBERS) as f64 * f64::from(iterations) + NUMBERS as f64
}

/// Task Bench's compute-bound kernel: a multiplication and an addition of each number with itself in each iteration.
///
/// Fused, where the build is for a processor that can (`RUSTFLAGS=-Ctarget-cpu=native`). It makes tasks shorter, but
/// not METG, which is a time and stands beside the peak of this kernel.
#[inline(never)]
fn kernel(iterations: u32) -> f64 {
    let mut numbers = black_box([1.2345f64; NUMBERS]);
    for _ in 0..iterations {
        for x in &mut numbers {
            *x = if cfg!(target_feature = "fma") { x.mul_add(*x, *x) } else { *x * *x + *x };
        }
    }
    numbers.iter().product()
}

/// Computes a task, after a look at its inputs.
///
/// # Panics
/// When they are not those of the columns that it depends on, of the step before, in order.
pub fn point(graph: &Graph, step: usize, column: usize, iterations: u32, inputs: &[Stamp]) -> Stamp {
    let expected = graph.inputs(step, column);
    assert!(
        inputs.len() == expected.len()
            && inputs.iter().zip(expected).all(|(stamp, other)| *stamp == (step as u64 - 1, other as u64)),
        "step {step}, column {column} of {graph:?} was given {inputs:?}"
    );
    black_box(kernel(iterations));
    (step as u64, column as u64)
}
