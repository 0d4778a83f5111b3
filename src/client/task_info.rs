//! The view that a task has of itself: where it runs, as what, and whether anybody still wants its result.

use crate::ids::{Attempt, Rank, TaskId};
use crate::runtime::host::shares;
use crate::runtime::threads::cancelled_tasks::CancelledTasks;
use crate::runtime::threads::task_context;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Facts about a running task, returned by [`task`].
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let told = client.submit(|| dtask::task().map(|task| (task.rank(), task.attempt())), ());
/// println!("{:?}", told.result()?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TaskInfo {
    rank: Rank,
    host: Arc<str>,
    attempt: Attempt,
    key: String,
    threads: u32,
    devices: Vec<String>,
    task: TaskId,
    cancelled: Option<Arc<CancelledTasks>>,
}

/// The task that the calling thread computes; `None` outside of tasks, as in the closure given to
/// [`run`](crate::run), and in the parallel parts (`par_iter`) of a task that other threads compute: ask before those,
/// and use the copy.
///
/// ```
/// fn solve(n: u64) -> String {
///     let Some(task) = dtask::task() else { return String::new() };
///     format!("{n} on rank {} ({}), attempt {}", task.rank(), task.host(), task.attempt())
/// }
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// println!("{}", client.submit(solve, (7,)).result()?);
/// # Ok(()) }
/// ```
pub fn task() -> Option<TaskInfo> {
    let host = task_context::running().map(|_| shares::own_host())?;
    let (running, devices) =
        task_context::belongings(|running, belongings| (*running, belongings.devices(running.gpus)))?;
    Some(TaskInfo {
        rank: running.rank,
        host,
        attempt: running.attempt,
        key: format!("{}-{:016x}", running.name, running.key),
        threads: running.slots,
        devices,
        task: running.task,
        cancelled: task_context::cancelled_tasks(),
    })
}

/// Whether nobody wants the result of the calling thread's task any more: it was cancelled, or has taken longer than
/// [`Options::timeout`](crate::Options::timeout) allows. A long task looks from time to time, and returns whatever it
/// likes: its result is dropped. False outside of tasks. A look costs nanoseconds.
///
/// ```
/// fn search(from: u64) -> Option<u64> {
///     (from..).step_by(2).take_while(|_| !dtask::cancelled()).find(|n| n % 1_000_003 == 0)
/// }
/// ```
pub fn cancelled() -> bool {
    task_context::is_cancelled()
}

impl TaskInfo {
    /// The rank that computes the task.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.rank()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// The name of the rank's host.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.host().to_owned()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The number of this attempt to run the task: 1, and more after failures and lost ranks.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.attempt()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn attempt(&self) -> u32 {
        self.attempt.into()
    }

    /// The key of the task, as its future has it ([`Future::key`](crate::Future::key)), but without a name that it was
    /// given.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.key().to_owned()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Number of slots that the task takes ([`Options::threads`](crate::Options::threads)): with how many threads it
    /// should compute.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.threads()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// The devices that the task has for itself ([`Options::gpus`](crate::Options::gpus)), as `CUDA_VISIBLE_DEVICES`
    /// and its like list them.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.devices().to_vec()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn devices(&self) -> &[String] {
        &self.devices
    }

    /// An empty folder of the task's own on its host, below `TMPDIR`, which is removed when the task ends. The same at
    /// each call, which must come from the task's own thread.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// fn sort(lines: String) -> Result<String, dtask::Failure> {
    ///     let task = dtask::task().ok_or_else(|| dtask::Failure::new("not in a task"))?;
    ///     let file = task.scratch()?.join("lines"); // is gone when the task has ended
    ///     std::fs::write(&file, lines)?;
    ///     Ok(std::fs::read_to_string(&file)?)
    /// }
    /// client.submit(sort, ("b a".to_owned(),)).result()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When it cannot be made, or the thread computes another task or none.
    pub fn scratch(&self) -> io::Result<PathBuf> {
        let own = task_context::belongings(|running, belongings| {
            (running.task == self.task).then(|| belongings.scratch())
        });
        own.flatten().unwrap_or_else(|| {
            Err(io::Error::other("the scratch folder of a task is for the thread that computes the task"))
        })
    }

    /// Whether nobody wants the task's result any more, as [`cancelled`] says it; for other threads that compute parts
    /// of the task.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let told = client.submit(|| dtask::task().map(|task| task.cancelled()), ());
    /// println!("{:?}", told.result()?);
    /// # Ok(()) }
    /// ```
    pub fn cancelled(&self) -> bool {
        self.cancelled.as_ref().is_some_and(|list| list.contains(self.task))
    }
}
