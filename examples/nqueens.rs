//! The number of ways to place n queens on a board, by tasks that submit tasks.
//!
//! Shows `dtask::current`: each task places one queen more and submits a task for each way to do so, down to a depth from
//! which it counts alone. Prints `8 queens: 92 solutions`.
//!
//! `mpirun -n 4 target/release/examples/nqueens [n]`

use dtask::prelude::*;

/// Number of queens that tasks place; the rest is counted without further tasks.
const BY_TASKS: usize = 3;

fn is_free(queens: &[u8], column: u8) -> bool {
    queens
        .iter()
        .rev()
        .zip(1..)
        .all(|(&other, distance)| other != column && other.abs_diff(column) != distance)
}

fn count(queens: &mut Vec<u8>, n: u8) -> u64 {
    if queens.len() == usize::from(n) {
        return 1;
    }
    let mut all = 0;
    for column in 0..n {
        if is_free(queens, column) {
            queens.push(column);
            all += count(queens, n);
            queens.pop();
        }
    }
    all
}

fn solve(mut queens: Vec<u8>, n: u8) -> Result<u64, Failure> {
    if queens.len() >= BY_TASKS.min(usize::from(n)) {
        return Ok(count(&mut queens, n));
    }
    let client = dtask::current()?;
    let next = (0..n).filter(|&column| is_free(&queens, column)).map(|column| {
        let mut queens = queens.clone();
        queens.push(column);
        (queens, n)
    });
    Ok(client.gather(client.starmap(solve, next))?.iter().sum())
}

fn main() -> dtask::Result<()> {
    let n = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(8);
    dtask::run(|client| {
        println!("{n} queens: {} solutions", client.submit(solve, (Vec::<u8>::new(), n)).result()?);
        Ok(())
    })
}
