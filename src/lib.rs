//! Dynamic task scheduling over MPI: write ordinary functions, submit them with futures as arguments, and a scheduler
//! runs them over a whole MPI job, with results moving from rank to rank.
//!
//! ```no_run
//! use dtask::prelude::*;
//!
//! fn random(n: usize) -> Array1<f64> {
//!     Array1::from_shape_fn(n, |i| (i as f64).sin())
//! }
//!
//! fn add(a: &Array1<f64>, b: &Array1<f64>) -> Array1<f64> {
//!     a + b
//! }
//!
//! fn main() -> dtask::Result<()> {
//!     // every rank calls it; the closure runs for rank 0
//!     dtask::run(|client| {
//!         let x = client.submit(|x: i64| x + 1, (1,)); // a Future<i64>, at once
//!         let y = client.submit(|a: i64, b: i64| a * b, (&x, 10));
//!         println!("{x:?}"); // <Future: status: pending, type: i64, key: closure-8bca9db4…>
//!         println!("{}", y.result()?);
//!
//!         let mut xs = client.options().pure(false).map(random, [1_000_000; 16]);
//!         while xs.len() > 1 {
//!             xs = xs.chunks(2).map(|p| client.submit(add, (&p[0], &p[1]))).collect();
//!         }
//!         println!("{}", xs[0].result()?);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Run with `mpirun -n 64 program`: rank 0 schedules and runs the closure, the others compute. Without `mpirun` there is
//! one rank, which computes with every core.
//!
//! # What can be a task
//! Any `fn` item and any closure that captures nothing, of up to eight parameters, each by value (`T`) or by reference
//! (`&T`, `&[T]`). An argument is a value, a [`Future`], a `&Future`, or a `Vec` of futures for a `Vec` parameter; futures
//! need not be done. Parameters, arguments and results are anything that is `Serialize + DeserializeOwned + Clone + Send +
//! Sync`; vectors and `ndarray` arrays of numbers travel as their own memory, without being encoded. A result that is on
//! the rank already is borrowed, not copied, by a parameter `&T`.
//!
//! Two things to know: text is taken as `String` or `&String` (the compiler cannot tell a `&str` parameter from a value),
//! and a task that can fail returns `Result<T, dtask::Failure>`, made from any error by `?`. A panic in a task is its error
//! too, never a dead rank.
//!
//! # Pure tasks
//! The same function with the same arguments is one task with one key, computed once while any future of it is alive.
//! For functions that draw random numbers or have effects: `client.options().pure(false)`.
//!
//! # Where things are
//! `docs/architecture.md` has the picture. From the top: [`client`], [`runtime`], then the two pure state machines
//! [`scheduler`] and [`worker`], [`transport`] and [`task`], and [`protocol`], which is every message between ranks. With
//! [`simulated`] a whole cluster runs in one process on one thread, for tests.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod arrays;
pub mod batch;
pub mod cli;
pub mod client;
pub mod codec;
pub mod commands;
pub mod compact;
pub mod config;
pub mod console;
pub mod error;
pub mod ids;
pub mod mapreduce;
pub mod protocol;
pub mod runtime;
pub mod scheduler;
pub mod script;
pub mod simulated;
pub mod task;
pub mod transport;
pub mod worker;

pub use client::{Client, Family, Future, Pending, current, run, run_on, run_on_with, run_with};
pub use config::Config;
pub use error::{Error, Failure, Result, TaskError};
pub use ids::Rank;

/// What most programs need.
pub mod prelude {
    pub use crate::{Client, Failure, Family, Future, Rank};
    pub use ndarray::{Array1, Array2, ArrayD};
}
