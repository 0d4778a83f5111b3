//! Executors: the part of the client's interface against which a program can be written so that it runs with MPI and,
//! for tests, without.

use super::Client;
use super::future::Future;
use crate::error::{Error, Failure, Result, TaskError};
use crate::ids::HEAD;
use crate::protocol::ARGUMENT_INPUT;
use crate::task::arguments::{Arguments, SharedArguments};
use crate::task::function;
use crate::task::task_fn::TaskFn;
use crate::task::value::{AnyValue, Data, panic_text};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

/// A place where functions are computed: a [`Client`], or a [`LocalExecutor`] in a test.
///
/// ```
/// use dtask::{Executor, LocalExecutor};
///
/// fn sum_of_squares(executor: &impl Executor, n: u64) -> dtask::Result<u64> {
///     let squares = executor.map(|k: u64| k * k, 0..n);
///     squares.into_iter().map(|square| executor.result(square)).sum()
/// }
///
/// let executor = LocalExecutor::new(2)?;
/// assert_eq!(sum_of_squares(&executor, 4)?, 14); // in a program: `dtask::run(|client| sum_of_squares(client, 4))`
/// # Ok::<(), dtask::Error>(())
/// ```
pub trait Executor {
    /// The name of a result that may not exist yet.
    type Future<T: Data>;

    /// Begins to compute the function with this argument.
    fn submit<M, F, X>(&self, function: F, argument: X) -> Self::Future<F::Output>
    where
        F: TaskFn<M, Params = (X,)>,
        X: Data;

    /// Begins to compute the function for each item.
    fn map<M, F, X>(&self, function: F, items: impl IntoIterator<Item = X>) -> Vec<Self::Future<F::Output>>
    where
        F: TaskFn<M, Params = (X,)>,
        X: Data,
    {
        items.into_iter().map(|item| self.submit(function, item)).collect()
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// The error of the function, or its panic.
    fn result<T: Data>(&self, future: Self::Future<T>) -> Result<T>;

    /// Waits until all that was submitted has ended.
    fn shutdown(self)
    where
        Self: Sized;
}

impl Executor for Client {
    type Future<T: Data> = Future<T>;

    #[track_caller]
    fn submit<M, F, X>(&self, function: F, argument: X) -> Future<F::Output>
    where
        F: TaskFn<M, Params = (X,)>,
        X: Data,
    {
        Client::submit(self, function, (argument,))
    }

    fn result<T: Data>(&self, future: Future<T>) -> Result<T> {
        future.into_result()
    }

    /// Drops this copy of the client: `run` waits for what can still be wanted.
    fn shutdown(self) {}
}

/// Threads of this process (rayon) that compute functions as tasks are computed, without MPI: for tests of programs
/// that are written against [`Executor`].
///
/// ```
/// use dtask::{Executor, LocalExecutor};
///
/// let threads = LocalExecutor::new(2)?;
/// let future = threads.submit(|n: u64| n + 1, 1);
/// assert_eq!(threads.result(future)?, 2);
/// # Ok::<(), dtask::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalExecutor {
    threads: rayon::ThreadPool,
}

/// The name of a result of a [`LocalExecutor`].
///
/// ```
/// use dtask::{Executor, LocalExecutor};
///
/// let threads = LocalExecutor::new(2)?;
/// let future: dtask::LocalFuture<u64> = threads.submit(|n: u64| n + 1, 1);
/// assert_eq!(threads.result(future)?, 2);
/// # Ok::<(), dtask::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalFuture<T> {
    answer: mpsc::Receiver<Result<T, Failure>>,
    name: String,
}

impl LocalExecutor {
    /// Makes an executor with this many threads; 0 for as many as there are cores.
    ///
    /// ```
    /// use dtask::{Executor, LocalExecutor};
    ///
    /// let threads = LocalExecutor::new(2)?;
    /// let future = threads.submit(|n: u64| n + 1, 1);
    /// assert_eq!(threads.result(future)?, 2);
    /// # Ok::<(), dtask::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(threads: usize) -> Result<Self> {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Ok(LocalExecutor { threads: threads.map_err(|error| Error::Other(error.to_string()))? })
    }
}

impl Executor for LocalExecutor {
    type Future<T: Data> = LocalFuture<T>;

    fn submit<M, F, X>(&self, function: F, argument: X) -> LocalFuture<F::Output>
    where
        F: TaskFn<M, Params = (X,)>,
        X: Data,
    {
        function::offset_of::<F, M>(&function); // what could not be sent does not compile here either
        let (answer, receiver) = mpsc::channel();
        let name = function::name_of(&function);
        self.threads.spawn_fifo(move || {
            let values = [AnyValue::new(argument)];
            let call = || {
                let shared = SharedArguments::default();
                function.call(&mut Arguments::new(&shared, &[ARGUMENT_INPUT], &values))
            };
            let outcome = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
                Err(Failure::new(format!("the task panicked: {}", panic_text(&*payload))))
            });
            let _ = answer.send(outcome); // the future may have been dropped
        });
        LocalFuture { answer: receiver, name }
    }

    fn result<T: Data>(&self, future: LocalFuture<T>) -> Result<T> {
        let LocalFuture { answer, name } = future;
        let outcome = answer.recv().map_err(|_| Error::Closed("the executor has ended".into()))?;
        outcome.map_err(|failure| {
            let error = failure.into_error(HEAD, "this process", 1, None);
            Error::Task(Arc::new(TaskError { task: name, ..error }))
        })
    }

    fn shutdown(self) {
        self.threads.install(|| ()); // behind all that was queued
    }
}
