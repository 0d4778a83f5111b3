//! The binary tree reduction of sixteen random arrays of a million elements.
//!
//! Shows a tree that is submitted level by level, before anything is done, with arrays that go from rank to rank as their
//! own memory. Prints a future, the first elements of the sum, and how long it took.
//!
//! `mpirun -n 4 target/release/examples/tree [arrays [elements]]`

use dtask::prelude::*;
use std::time::Instant;

/// Numbers in [0, 1) from a linear congruential generator; 0.0 for the first element.
fn random(seed: u64, n: usize) -> Array1<f64> {
    let mut state = seed;
    Array1::from_shape_simple_fn(n, || {
        // Knuth's MMIX constants
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

fn add(a: &Array1<f64>, b: &Array1<f64>) -> Array1<f64> {
    a + b
}

fn main() -> dtask::Result<()> {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>().expect("a number"));
    let arrays: u64 = words.next().unwrap_or(16) as u64;
    let elements: usize = words.next().unwrap_or(1_000_000) as usize;
    dtask::run(|client| {
        let begin = Instant::now();
        let mut xs = client.starmap(random, (0..arrays).map(|seed| (seed, elements)));
        while xs.len() > 1 {
            xs = xs
                .chunks(2)
                .map(|pair| match pair {
                    [a, b] => client.submit(add, (a, b)),
                    rest => rest[0].clone(),
                })
                .collect();
        }
        let total = xs[0].result()?;
        let took = begin.elapsed();
        println!("{:?}", xs[0]);
        let mut serial = random(0, elements);
        (1..arrays).for_each(|seed| serial += &random(seed, elements));
        let close = total.iter().zip(&serial).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs());
        println!("first elements: {:.6}", total.slice(ndarray::s![..6.min(elements)]));
        println!(
            "{arrays} arrays of {elements} on {} ranks in {took:.2?}; as computed serially: {close}",
            client.ranks()
        );
        if close { Ok(()) } else { Err(dtask::Error::Other("the sum is wrong".into())) }
    })
}
