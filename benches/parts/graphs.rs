//! Tasks that take other tasks' results: a layered random graph, and the tree reduction.

use super::{add, random, run, settle, timed};
use crate::common::Rounds;
use crate::common::launch::cores;
use crate::common::table::{Row, head, time};
use crate::raw::tree::{Arrays, Tree};
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

const ROUNDS: usize = 5;

fn leaf(x: u64) -> u64 {
    x.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn mix(a: u64, b: u64, c: u64) -> u64 {
    (a ^ b.rotate_left(21) ^ c.rotate_left(42)).wrapping_mul(0xD129_0D3A_2E5B_1F6B)
}

/// Layers of tasks, each of which takes three results of the layer before, drawn at random.
pub fn layers(world: &SimpleCommunicator) {
    const LAYERS: usize = 50;
    const WIDTH: usize = 200;
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % WIDTH
    };
    let edges: Vec<Vec<[usize; 3]>> =
        (1..LAYERS).map(|_| (0..WIDTH).map(|_| [draw(), draw(), draw()]).collect()).collect();
    let mut rounds = Rounds::default();
    for round in 0..ROUNDS as u64 {
        run(world, round + 1 == ROUNDS as u64, |client| {
            let mut times = Rounds::default();
            for repeat in 0..5u64 {
                let seed = (round << 32) + repeat;
                let numbers = (0..WIDTH as u64).map(|k| seed + (k << 8));
                let (seconds, layers) = timed(|| {
                    let first: Vec<_> = numbers.clone().map(|x| client.submit(leaf, (x,))).collect();
                    let mut layers = vec![first];
                    for edges in &edges {
                        let last = &layers[layers.len() - 1];
                        let next = edges
                            .iter()
                            .map(|&[a, b, c]| client.submit(mix, (&last[a], &last[b], &last[c])))
                            .collect();
                        layers.push(next);
                    }
                    client.wait(layers.iter().flatten())?;
                    Ok(layers)
                })?;
                let mut expected: Vec<u64> = numbers.map(leaf).collect();
                for edges in &edges {
                    expected =
                        edges.iter().map(|&[a, b, c]| mix(expected[a], expected[b], expected[c])).collect();
                }
                assert_eq!(client.gather(&layers[LAYERS - 1])?, expected, "wrong results");
                times.push(seconds / (LAYERS * WIDTH) as f64);
                drop(layers);
                settle(client)?;
            }
            rounds.push(times.median());
            Ok(())
        });
    }
    if world.rank() > 0 {
        return;
    }
    head();
    let (least, greatest) = rounds.range();
    let row = Row::new("random graph, 50 × 200, 3 inputs each, per task", time(rounds.median()))
        .beside(format!("{} to {}", time(least), time(greatest)));
    // the limit is for one computing rank; more of them share the cores
    let one = world.size() == 2;
    if one { row.below(rounds.median() * 1e6, 5.0, 2.0, " µs") } else { row }.print();
}

fn tree(client: &Client, arrays: u64, len: usize, seed: u64) -> dtask::Result<Array1<f64>> {
    let mut xs = client.starmap(random, (seed..seed + arrays).map(|seed| (seed, len)));
    while xs.len() > 1 {
        xs = xs.chunks(2).map(|pair| client.submit(add, (&pair[0], &pair[1]))).collect();
    }
    xs[0].result()
}

/// The tree reduction of 16 and of 128 arrays of a million numbers, beside the same by hand in MPI.
pub fn trees(world: &SimpleCommunicator) {
    const LEN: usize = 1_000_000;
    let (rank, computing) = (world.rank() as usize, world.size() as usize - 1);
    let cores = cores();
    let slots = (cores / computing + usize::from(rank > 0 && rank <= cores % computing)).max(1);
    let threads = rayon::ThreadPoolBuilder::new().num_threads(slots).build().expect("threads can be started");
    if rank == 0 {
        head();
    }
    for (arrays, repeats) in [(16, 4), (128, 2)] {
        let (mut by_hand, mut in_place, mut own) = (Rounds::default(), Rounds::default(), Rounds::default());
        for round in 0..ROUNDS as u64 {
            let seed = |repeat: u64| ((round * repeats + repeat) << 16) + arrays;
            let raw = |repeat: u64, in_place: bool| {
                let arrays = Arrays { count: arrays, len: LEN, seed: seed(repeat), in_place };
                Tree { comm: world, threads: &threads, arrays }.run()
            };
            let mut of_round = Rounds::default();
            for repeat in 0..repeats {
                of_round.push(raw(repeat, true).0);
            }
            in_place.push(of_round.median());
            let mut of_round = Rounds::default();
            let mut sums = Vec::new();
            for repeat in 0..repeats {
                let (seconds, sum) = raw(repeat, false);
                of_round.push(seconds);
                sums.extend(sum);
            }
            by_hand.push(of_round.median());
            run(world, round + 1 == ROUNDS as u64, |client| {
                let mut of_round = Rounds::default();
                for repeat in 0..repeats {
                    let (seconds, sum) = timed(|| tree(client, arrays, LEN, seed(repeat)))?;
                    assert_eq!(sum, sums[repeat as usize], "not the sum that was made by hand");
                    of_round.push(seconds);
                    settle(client)?;
                }
                own.push(of_round.median());
                Ok(())
            });
        }
        if rank == 0 {
            let ratios = own.over(&by_hand);
            Row::new(&format!("tree of {arrays} × 1,000,000"), time(own.median()))
                .beside(format!("MPI by hand: {}", time(by_hand.median())))
                .ratio(&ratios)
                .below(ratios.median(), 1.3, 1.05, "")
                .print();
            Row::new("", String::new())
                .beside(format!("the same, adding in place: {}", time(in_place.median())))
                .ratio(&own.over(&in_place))
                .print();
        }
    }
}
