//! Nested tasks: the client of a running task, by which it submits other tasks.

use super::Client;
use super::future::FutureHandle;
use crate::error::{Error, Result};
use crate::ids::HEAD;
use crate::runtime::threads::task_context;

/// Returns a client by which the running task submits other tasks and waits for them.
///
/// The client has the interface of [`Client`]: `submit`, `map`, futures as arguments, `result`, `gather`, options.
/// While the task waits for others it gives its slot back, so any depth goes on any number of ranks and slots; each
/// task that waits keeps a thread. Deeper tasks come first. The task keeps the devices and memory that it takes
/// (`options().gpus(..)`, `options().memory(..)`): the tasks that it waits for must not need the same ones.
///
/// ```
/// fn fib(n: u64) -> Result<u64, dtask::Failure> {
///     if n < 2 {
///         return Ok(n);
///     }
///     let client = dtask::current()?;
///     let a = client.submit(fib, (n - 1,));
///     let b = client.submit(fib, (n - 2,));
///     Ok(a.result()? + b.result()?)
/// }
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// assert_eq!(client.submit(fib, (30,)).result()?, 832_040);
/// # Ok(()) }
/// ```
///
/// A pure call is one task for all tasks on the same rank; another rank computes it anew. So `fib(30)` above is at most
/// 31 tasks a rank. A future that is dropped releases its result; when a rank dies, the results that its tasks held are
/// released too. A task that fails because another has failed, by `?` or by a panic that says so, fails with that first
/// cause.
///
/// Code before the first call of `current` may run twice. Tasks that have always been short run on the thread that
/// serves MPI, which must not wait for them; when such a task first asks for a client, it is stopped and run again from
/// its start on another thread.
///
/// # Errors
/// Outside of a task, where the client is the one that [`run`](crate::run) hands to its closure. Also in a parallel
/// part of a task that another thread computes: ask before the parallel part, and use that client in it.
pub fn current() -> Result<Client> {
    let outside = || {
        Error::Other(
            "`dtask::current` is for the thread of a task: elsewhere use the client that `dtask::run` hands to its \
             closure, and in a parallel part of a task (`par_iter`) one that the task has asked for before"
                .into(),
        )
    };
    let (task, home) = task_context::nest().ok_or_else(outside)?;
    let client = home.downcast_ref::<Client>().ok_or_else(outside)?;
    Ok(Client { parent: Some(task), ..client.clone() })
}

/// The client by which a task on a result is submitted: that of the running task, else that of rank 0. A thread of
/// another rank that runs no task, such as one for callbacks, submits as if the task of the result did.
pub(super) fn client_of(handle: &FutureHandle) -> Client {
    let shared = handle.shared.clone();
    let ranks = shared.ranks;
    match task_context::nest() {
        Some((task, _)) => Client { shared, ranks, parent: Some(task) },
        None if shared.rank == HEAD => Client { shared, ranks, parent: None },
        None => Client { parent: Some(handle.task()), ranks, shared },
    }
}

impl Client {
    /// Returns an error on ranks other than 0, where the method named `what` is not available.
    pub(super) fn only_at_rank_0(&self, what: &str) -> Result<()> {
        match self.shared.rank {
            HEAD => Ok(()),
            rank => Err(Error::Other(format!(
                "`Client::{what}` is for rank 0, and this task runs on rank {rank}"
            ))),
        }
    }
}
