//! METG(50 %), the minimum effective task granularity: the time per task at which half of the peak is reached.
//!
//! As in the paper and its `chart_metg.py`: the grain, in iterations of the kernel, is swept down by powers of two;
//! efficiency is FLOP/s beside the peak; granularity is time × cores / tasks; between the last grain with an efficiency
//! of at least 50 % and the next finer one, efficiency is taken to be linear in the logarithm of granularity.

use super::graph::Graph;
use super::point::flops;
use crate::common::Rounds;
use crate::common::launch::cores;

/// Runs of each grain, whose median counts.
const RUNS: usize = 3;
/// What a run should take, in seconds.
const RUN: f64 = 0.06;
/// Tasks of a run, at most.
const TASKS: f64 = 200_000.0;
/// Steps of a run, at least.
const STEPS: f64 = 32.0;
/// A task that still loses half of the time when it takes so long is given up, in seconds.
const COARSEST: f64 = 0.05;

/// One grain, measured.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Iterations of the kernel.
    pub iterations: u32,
    /// FLOP/s beside the peak.
    pub efficiency: f64,
    /// Seconds × cores / tasks.
    pub granularity: f64,
}

/// What runs a graph of so many steps with so many iterations in each task, in seconds.
pub type Run<'a> = &'a mut dyn FnMut(&Graph, usize, u32) -> f64;

/// A sweep, coarsest grain first.
pub struct Sweep {
    /// The grains.
    pub points: Vec<Point>,
    /// Granularity of tasks that compute nothing.
    pub empty: f64,
}

/// Sweeps the grain of `graph`, from tasks of about `begin` seconds on.
pub fn sweep(graph: &Graph, peak: f64, begin: f64, run: Run<'_>) -> Sweep {
    let per_iteration = flops(1) / (peak / cores() as f64);
    let mut expected = 0.0;
    let mut measure = |iterations: u32| {
        let seconds_each = (f64::from(iterations) * per_iteration).max(expected / 2.0).max(1e-7);
        let tasks = (RUN * cores() as f64 / seconds_each).min(TASKS);
        let steps = (tasks / f64::from(graph.width)).max(STEPS) as usize;
        let seconds = Rounds((0..RUNS).map(|_| run(graph, steps, iterations)).collect()).median();
        let tasks = graph.tasks(steps) as f64;
        let granularity = seconds * cores() as f64 / tasks;
        expected = granularity;
        Point { iterations, efficiency: tasks * flops(iterations) / seconds / peak, granularity }
    };
    let begin = ((begin / per_iteration).log2().max(0.0) as u32).min(30);
    measure(1 << begin); // warms up
    let mut points = vec![measure(1 << begin)];
    while points[0].efficiency < 0.5 && points[0].granularity < COARSEST {
        points.insert(0, measure(points[0].iterations * 2));
    }
    for iterations in (0..begin).rev().map(|exponent| 1 << exponent) {
        // two in a row below the half, or one might be a bad moment of the machine
        if points.iter().rev().take(2).all(|point| point.efficiency < 0.5) && points.len() > 1 {
            break;
        }
        points.push(measure(iterations));
    }
    Sweep { empty: measure(0).granularity, points }
}

impl Sweep {
    /// METG(50 %) in seconds; `NaN` if the coarsest grain is not effective, or the finest is.
    pub fn metg(&self) -> f64 {
        let Some(last) = self.points.iter().rposition(|point| point.efficiency >= 0.5) else {
            return f64::NAN;
        };
        let Some(below) = self.points.get(last + 1) else { return f64::NAN };
        let above = self.points[last];
        let part = (above.efficiency - 0.5) / (above.efficiency - below.efficiency);
        let (from, to) = (above.granularity.ln(), below.granularity.ln());
        (from + part * (to - from)).exp()
    }
}
