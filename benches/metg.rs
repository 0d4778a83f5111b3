//! METG(50 %) of Task Bench's patterns: how long a task has to be so that at least half of the time on the cores goes
//! into the functions. In dtask, with one computing rank for all cores up to one for each, and beside it in
//! hand-written MPI with one rank for each core.
//!
//! `cargo bench --bench metg [-- pattern ...] [points]`, such as `-- stencil_1d fft points`; `points` also prints each
//! grain that was measured. It starts itself under `mpirun`: for each pattern MPI first, which also measures the peak,
//! then dtask, with what its time goes into over the sweeps of both widths. Widths are the cores × 1 and × 4. In dtask,
//! rank 0 schedules beside the computing ranks, on the same cores.

mod common;
mod taskbench;

use common::Rounds;
use common::launch::{Outcome, cores, job, rank_arguments, words};
use common::table::{Row, head, time};
use dtask::Config;
use mpi::Threading;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;
use std::str::FromStr;
use taskbench::by_hand::ByHand;
use taskbench::graph::{Graph, PATTERNS, Pattern};
use taskbench::sweep::{Sweep, sweep};
use taskbench::with_dtask;

/// A job is ended after so many seconds.
const LIMIT: u64 = 60;
/// Tasks with which a sweep begins, in seconds.
const BEGIN_BY_HAND: f64 = 30e-6;
const BEGIN_WITH_DTASK: f64 = 250e-6;
/// Begins a line of results between a rank and the program that started it.
const RESULT: &str = "result";

fn main() {
    match rank_arguments() {
        Some(arguments) => rank(&arguments),
        None => launch(),
    }
}

fn widths() -> [u16; 2] {
    [cores() as u16, 4 * cores() as u16]
}

/// Computing ranks of dtask's jobs: each number by which the cores can be divided.
fn computing_ranks() -> Vec<usize> {
    (1..=cores()).filter(|ranks| cores().is_multiple_of(*ranks)).collect()
}

fn launch() {
    let words = words();
    let known = |word: &String| word == "points" || PATTERNS.iter().any(|(_, name)| name == word);
    if let Some(unknown) = words.iter().find(|word| !known(word)) {
        let names: Vec<&str> = PATTERNS.iter().map(|(_, name)| *name).collect();
        eprintln!("there is no pattern `{unknown}`; there are: {}", names.join(", "));
        std::process::exit(2);
    }
    let points = words.iter().any(|word| word == "points");
    let chosen =
        |name: &str| words.iter().all(|word| word == "points") || words.iter().any(|word| word == name);
    let mut outcome = Outcome::default();
    println!("METG(50 %) on {} cores; in brackets, the granularity of tasks that compute nothing\n", cores());
    head();
    for (number, (pattern, name)) in PATTERNS.into_iter().enumerate().filter(|(_, (_, name))| chosen(name)) {
        let measure = |ranks: usize, peak: f64, outcome: &mut Outcome| {
            let mut results = Vec::new();
            let arguments = [number.to_string(), peak.to_string(), points.to_string()];
            let ended = job(ranks, LIMIT, &arguments, |line| match line.strip_prefix(RESULT) {
                Some(numbers) => results.push(Measured::from(numbers)),
                None => println!("{line}"),
            });
            outcome.ended(name, ended);
            results
        };
        let by_hand = measure(cores(), f64::NAN, &mut outcome);
        let Some(peak) = by_hand.first().map(|result| result.peak) else { continue };
        for ranks in computing_ranks() {
            for (own, raw) in measure(ranks + 1, peak, &mut outcome).iter().zip(&by_hand) {
                outcome.print(line(pattern, name, ranks, own, raw));
            }
        }
    }
    outcome.finish();
}

fn line(pattern: Pattern, name: &str, ranks: usize, own: &Measured, raw: &Measured) -> String {
    let ratio = own.metg / raw.metg;
    let both = |result: &Measured| format!("{} ({})", time(result.metg), time(result.empty));
    let what = format!("{name}, width {}, {ranks} × {} slots", own.width, cores() / ranks);
    let row =
        Row::new(&what, both(own)).beside(format!("MPI by hand: {}", both(raw))).ratio(&Rounds(vec![ratio]));
    if pattern == Pattern::Stencil1d { row.below(ratio, 6.0, 2.0, "") } else { row }.line()
}

/// What came out of a sweep.
struct Measured {
    width: u16,
    peak: f64,
    metg: f64,
    empty: f64,
}

impl Measured {
    fn from(numbers: &str) -> Self {
        let mut numbers = numbers.split_whitespace().map(|word| f64::from_str(word).unwrap_or(f64::NAN));
        let mut next = || numbers.next().unwrap_or(f64::NAN);
        Measured { width: next() as u16, peak: next(), metg: next(), empty: next() }
    }
}

fn report(who: &str, graph: &Graph, peak: f64, sweep: &Sweep, points: bool) {
    if points {
        println!("  {who}, {graph:?}, peak {:.1} GFLOP/s", peak / 1e9);
        for point in &sweep.points {
            let (iterations, granularity) = (point.iterations, time(point.granularity));
            println!("  {iterations:>10} iterations: {granularity:>9}, efficiency {:.3}", point.efficiency);
        }
    }
    println!("{RESULT} {} {peak} {} {}", graph.width, sweep.metg(), sweep.empty);
}

/// A rank: the sweeps of a pattern, in dtask if the peak is known already, or else by hand.
fn rank(arguments: &[String]) {
    let [number, peak, points] = arguments else { panic!("the arguments of a rank") };
    let (pattern, _) = PATTERNS[number.parse::<usize>().expect("the number of a pattern")];
    let (peak, points) = (peak.parse::<f64>().expect("a peak"), points == "true");
    let (universe, _) = mpi::initialize_with_threading(Threading::Serialized).expect("MPI starts");
    let world: SimpleCommunicator = universe.world();
    let graphs = widths().map(|width| Graph { pattern, width });
    if peak.is_nan() {
        let by_hand = ByHand::new(&world);
        let peak = by_hand.peak();
        for graph in &graphs {
            let run = &mut |graph: &Graph, steps, iterations| by_hand.run(graph, steps, iterations);
            let sweep = sweep(graph, peak, BEGIN_BY_HAND, run);
            if world.rank() == 0 {
                report("MPI by hand", graph, peak, &sweep, points);
            }
        }
        return;
    }
    let config = Config { profile: true, ..Config::default() };
    dtask::run_on_with(&world, &config, |client| -> dtask::Result<()> {
        for graph in &graphs {
            let run = &mut |graph: &Graph, steps, iterations| {
                with_dtask::run(client, graph, steps, iterations).expect("the graph runs")
            };
            let sweep = sweep(graph, peak, BEGIN_WITH_DTASK, run);
            report(&format!("dtask, {} ranks", client.ranks()), graph, peak, &sweep, points);
        }
        Ok(())
    })
    .expect("the bench runs");
}
