//! A tiled Cholesky factorization: A = L·Lᵀ, as a graph of tasks over tiles.
//!
//! Shows a graph that is submitted at once, in the order of the plain algorithm; futures as arguments by reference, so
//! that a tile is neither copied nor moved where it lies already; priorities for the critical path; and that the result
//! has the same bits on any number of ranks. `mpirun -n 4 cholesky [TILES] [SIZE]` prints something like
//!
//! ```text
//! 8 x 8 tiles of 64 x 64 numbers: 120 tasks in 0.41 s
//! largest difference from the plain factorization: 1.1e-13
//! ```
//!
//! The four functions are those of LAPACK and BLAS (`potrf`, `trsm`, `syrk`, `gemm`), written out plainly; in earnest
//! they would call a library.

use dtask::prelude::*;
use std::collections::BTreeMap;
use std::time::Instant;

type Tile = Array2<f64>;

/// The element of a symmetric, positive definite matrix of `n` rows.
fn element(i: usize, j: usize, n: usize) -> f64 {
    let distance = i.abs_diff(j) as f64;
    if i == j { n as f64 } else { 1.0 / (1.0 + distance) }
}

fn tile(row: usize, column: usize, size: usize, n: usize) -> Tile {
    Array2::from_shape_fn((size, size), |(i, j)| element(row * size + i, column * size + j, n))
}

/// The lower triangle of A = L·Lᵀ, of one tile or of the whole matrix.
fn potrf(a: &Tile) -> Result<Tile, Failure> {
    let n = a.nrows();
    let mut l = Tile::zeros((n, n));
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum();
            let rest = a[[i, j]] - sum;
            l[[i, j]] = match i == j {
                true if rest > 0.0 => rest.sqrt(),
                true => return Err(Failure::new("the matrix is not positive definite")),
                false => rest / l[[j, j]],
            };
        }
    }
    Ok(l)
}

/// X of X·Lᵀ = A.
fn trsm(a: &Tile, l: &Tile) -> Tile {
    let n = l.nrows();
    let mut x = Tile::zeros(a.dim());
    for i in 0..a.nrows() {
        for j in 0..n {
            let sum: f64 = (0..j).map(|k| x[[i, k]] * l[[j, k]]).sum();
            x[[i, j]] = (a[[i, j]] - sum) / l[[j, j]];
        }
    }
    x
}

/// A − X·Xᵀ, for a tile of the diagonal.
fn syrk(a: &Tile, x: &Tile) -> Tile {
    a - &x.dot(&x.t())
}

/// A − X·Yᵀ.
fn gemm(a: &Tile, x: &Tile, y: &Tile) -> Tile {
    a - &x.dot(&y.t())
}

/// Submits the whole graph. Gives the tiles of L below and on the diagonal, by row and column, and the number of tasks.
fn factorize(client: &Client, tiles: usize, size: usize) -> (BTreeMap<(usize, usize), Future<Tile>>, usize) {
    let mut a = BTreeMap::new();
    for row in 0..tiles {
        for column in 0..=row {
            a.insert((row, column), client.submit(tile, (row, column, size, tiles * size)));
        }
    }
    let mut tasks = a.len();
    // what the next column waits for goes first
    let urgent = client.options().priority(2);
    let soon = client.options().priority(1);
    for k in 0..tiles {
        a.insert((k, k), urgent.submit(potrf, (&a[&(k, k)],)));
        for row in k + 1..tiles {
            a.insert((row, k), soon.submit(trsm, (&a[&(row, k)], &a[&(k, k)])));
        }
        for row in k + 1..tiles {
            a.insert((row, row), soon.submit(syrk, (&a[&(row, row)], &a[&(row, k)])));
            for column in k + 1..row {
                let updated = client.submit(gemm, (&a[&(row, column)], &a[&(row, k)], &a[&(column, k)]));
                a.insert((row, column), updated);
                tasks += 1;
            }
            tasks += 2;
        }
        tasks += 1;
    }
    (a, tasks)
}

/// The largest difference between the tiles and the factorization of the whole matrix by one task.
fn difference(
    client: &Client,
    l: &BTreeMap<(usize, usize), Future<Tile>>,
    size: usize,
) -> dtask::Result<f64> {
    let n = size * l.keys().map(|(row, _)| row + 1).max().unwrap_or(0);
    let plain = client.submit(tile, (0, 0, n, n)).then(|a: Tile| potrf(&a));
    let apart = |plain: &Tile, tile: &Tile, row: usize, column: usize| -> f64 {
        let size = tile.nrows();
        tile.indexed_iter()
            .map(|((i, j), value)| (value - plain[[row * size + i, column * size + j]]).abs())
            .fold(0.0, f64::max)
    };
    let all: Vec<Future<f64>> =
        l.iter().map(|(&(row, column), tile)| client.submit(apart, (&plain, tile, row, column))).collect();
    Ok(client.gather(all)?.into_iter().fold(0.0, f64::max))
}

fn main() -> dtask::Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let (tiles, size): (usize, usize) = (numbers.next().unwrap_or(8), numbers.next().unwrap_or(64));
    dtask::run(|client| {
        let begin = Instant::now();
        let (l, tasks) = factorize(client, tiles, size);
        client.wait(l.values())?;
        let seconds = begin.elapsed().as_secs_f64();
        println!("{tiles} x {tiles} tiles of {size} x {size} numbers: {tasks} tasks in {seconds:.2} s");
        let apart = difference(client, &l, size)?;
        println!("largest difference from the plain factorization: {apart:.1e}");
        if apart > 1e-9 {
            return Err(dtask::Error::Other("the factorizations differ".into()));
        }
        Ok(())
    })
}
