//! The compute threads of a rank, and what a thread knows of the task that it runs. Start with [`pool`].
//!
//! * [`pool`]: a work-stealing pool (rayon) of one thread a slot; [`job`]: one task on a thread, its panics caught;
//! * [`compute_event`]: what these threads report to the reactor;
//! * [`short_tasks`]: which definitions are so short that a hand-over would cost more than the task;
//! * [`blocking`]: compensating threads, which take over the slots of tasks that wait inside themselves;
//! * [`calls`]: the threads for functions that are no tasks, such as those of actors;
//! * [`oversubscription`]: slots of tasks that hardly compute, lent to others for as long;
//! * [`rank_locals`]: values that a rank makes once for all its tasks;
//! * [`task_context`]: the running task's rank, number and attempt, kept in thread-local variables;
//! * [`task_teams`]: on which ranks' slots the programs of tasks run that have several processes;
//! * `simulated`: the same without a thread, for a cluster in one process.

pub(crate) mod blocking;
pub(crate) mod calls;
pub(crate) mod cancelled_tasks;
pub(crate) mod compute_event;
pub(crate) mod job;
pub(crate) mod oversubscription;
pub(crate) mod pool;
pub(crate) mod rank_locals;
pub(crate) mod short_tasks;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod simulated;
pub(crate) mod task_belongings;
pub(crate) mod task_context;
pub(crate) mod task_teams;

/// Starts a pool of one thread of this name, with a stack of `stack` bytes.
///
/// # Errors
/// When the thread cannot be started.
fn single_thread(name: &'static str, stack: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(stack).thread_name(move |_| name.into()).build()
}
