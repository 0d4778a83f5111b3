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
//! Run with `mpirun -n 64 program`: rank 0 schedules and runs the closure, the others compute. Without `mpirun` there
//! is one rank, which computes with every core.
//!
//! # What can be a task
//! Any `fn` item and any closure that captures nothing, of up to eight parameters, each by value (`T`) or by
//! reference (`&T`, `&[T]`). An argument is a value, a [`Future`], a `&Future`, or a `Vec` of futures for a `Vec`
//! parameter; futures need not be done. Parameters, arguments and results are anything that is `Serialize +
//! DeserializeOwned + Clone + Send + Sync`; vectors and `ndarray` arrays of numbers travel as their own memory,
//! without being encoded. A result that is on the rank already is borrowed, not copied, by a parameter `&T`.
//!
//! Text parameters are `String` or `&String`, since the compiler cannot tell a `&str` parameter from a value; for the
//! same reason bytes are `Vec<u8>` or `&Vec<u8>` and paths `PathBuf` or `&PathBuf`. Types may use serde's derives with
//! `default`, `rename`, `alias` and `skip`. With `skip_serializing_if`, `flatten`, `untagged` or
//! `tag` a value does not travel: the task fails and names the field. A task
//! that can fail returns `Result<T, dtask::Failure>`; `?` makes a `Failure` from any error. A panic in a task fails
//! the task, and its rank goes on.
//!
//! # Pure tasks
//! A task is pure unless told otherwise: equal functions with equal arguments are one task with one key, computed
//! once while any future of it is alive. For functions that draw random numbers or have effects, use
//! `client.options().pure(false)`.
//!
//! # Features
//! `default-features = false, features = ["mpi"]` is the library without the tool: neither scripts nor the command,
//! and without what only they need (HDF5, clap, toml and others). Without `mpi` too there is no `run`: what
//! is left is for tests of programs on machines that have no MPI ([`LocalExecutor`], and with `testing` the module
//! `simulated`).
//!
//! # Where things are
//! `docs/architecture.md` gives the overview. The engine consists of `client`, `runtime`, the two pure state machines
//! `scheduler` and `worker`, `transport`, `task`, and `protocol`, which defines every message between ranks. The
//! batch tool consists of `script`, which compiles a script to a plan, and `batch`, which executes the plan with
//! `arrays`, `commands` and `mapreduce`; `cli` is the command line. With the feature `testing`, the module
//! `simulated` runs a whole cluster in one process on one thread.

#![warn(unreachable_pub)]
// the tool uses more of the engine than the library's public face
#![cfg_attr(not(feature = "tool"), allow(dead_code))]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/objects.md")]
struct ObjectsPage;

#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct LibraryPage;

#[cfg(feature = "tool")]
mod arrays;
#[cfg(feature = "tool")]
mod batch;
#[cfg(feature = "tool")]
mod cli;
mod client;
mod clock;
mod codec;
#[cfg(feature = "tool")]
mod commands;
mod compact;
mod config;
mod console;
mod error;
mod ids;
#[cfg(feature = "tool")]
mod journal;
#[cfg(feature = "tool")]
mod mapreduce;
mod objects;
mod protocol;
mod runtime;
mod scheduler;
#[cfg(feature = "tool")]
pub mod script;
#[cfg(feature = "testing")]
pub mod simulated;
mod task;
mod transport;
mod worker;

pub use client::Client;
pub use client::arguments::{Arg, Args};
pub use client::data::ScatterValue;
pub use client::executors::{Executor, LocalExecutor, LocalFuture};
pub use client::family::Family;
pub use client::future::Future;
pub use client::local::{local, try_local};
pub use client::nested::current;
pub use client::objects::actor::Actor;
pub use client::objects::channel::{ReceivedItems, Receiver, Sender};
pub use client::objects::coordination::{Event, Lock, Permit, Semaphore, Variable};
pub use client::objects::queue::{Queue, QueueValues};
pub use client::options::Options;
pub use client::pending::Pending;
pub use client::resources::MemorySize;
#[cfg(feature = "mpi")]
pub use client::run::{run, run_on, run_on_with, run_with};
pub use client::task_info::{TaskInfo, cancelled, task};
pub use client::waiting::AsCompleted;
pub use config::{Config, StartHook};
pub use error::{Error, Failure, Result, TaskError, TaskErrorKind};
pub use ids::Rank;
pub use protocol::Status;
pub use task::actor_fn::{MakerFn, MethodFn};
pub use task::shared::Shared;
pub use task::task_fn::TaskFn;
pub use task::value::Data;
#[cfg(feature = "mpi")]
pub use transport::mpi::Communicator;

/// The names that most programs need.
pub mod prelude {
    pub use crate::{
        Actor, Client, Event, Failure, Family, Future, Lock, Queue, Rank, Receiver, Semaphore, Sender,
        Variable,
    };
    pub use ndarray::{Array1, Array2, ArrayD};
}

/// Parts of dtask for its own command, tests and benchmarks. Other programs should not use this module: it changes
/// without notice.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "tool")]
    pub use crate::cli::main;
    pub use crate::runtime::threads::job::current as running;

    /// The number of tasks that have finished, counted after rank 0 has processed all submissions and dropped futures
    /// so far.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn finished(client: &crate::Client) -> crate::Result<u64> {
        client.totals().map(|totals| totals.finished)
    }

    #[cfg(feature = "tool")]
    pub mod arrays {
        pub use crate::arrays::{Binding, Expr, RandomContext, Scope, Sketch, text};
    }
    pub mod client {
        pub use crate::client::family::FAMILY_MAX;
    }
    #[cfg(feature = "tool")]
    pub mod commands {
        #[cfg(feature = "testing")]
        pub use crate::commands::outputs::wire::rewritten as outputs_rewritten;
        #[cfg(feature = "testing")]
        pub use crate::commands::spawner::wire::rewritten as spawner_rewritten;
        pub use crate::commands::{ScratchRoot, outputs};
    }
    pub mod compact {
        pub use crate::compact::*;
    }
    pub mod error {
        pub use crate::error::*;
    }
    pub mod ids {
        pub use crate::ids::*;
    }
    pub mod protocol {
        pub use crate::protocol::*;
    }
    pub mod scheduler {
        pub use crate::scheduler::*;
    }
    #[cfg(feature = "tool")]
    pub mod script {
        pub use crate::script::diagnostics::source::ScriptSource;
        pub use crate::script::load::parse;
        pub use crate::script::options::LoadOptions;
    }
    pub mod transport {
        pub use crate::transport::*;
    }
    pub mod worker {
        pub use crate::worker::*;
    }
}
