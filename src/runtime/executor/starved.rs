//! Results that wait for memory: when their fetches are tried again, and when they are given up.

use super::Executor;
use crate::clock;
use crate::error::{CodecError, TaskError};
use crate::ids::TaskId;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::transport::Transport;
use std::time::Duration;

/// Time between two attempts to fetch what waits for memory.
const FEED: Duration = Duration::from_millis(2);
/// Time for which a result waits for memory while nothing on this rank will free any: whoever holds a result on rank 0
/// may give it up only a moment after its last task has ended.
const PATIENCE: Duration = Duration::from_secs(5);

impl<C: Compute> Executor<C> {
    /// Tries once more to fetch what waits for memory, every few milliseconds. Where nothing here will free any, and for
    /// a while no release has come from rank 0 either, the result that has waited longest is refused; its task then
    /// frees its other inputs.
    pub(super) fn feed<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        let now = clock::now();
        if !self.fetches.are_starved() || self.fed.is_some_and(|fed| now - fed < FEED) {
            return Ok(());
        }
        self.fed = Some(now);
        self.fetches.try_again();
        self.start_fetches(links)?;
        if self.machine.will_free() {
            self.hungry = None;
        } else if now - *self.hungry.get_or_insert(now) > PATIENCE
            && let Some((task, why)) = self.fetches.give_up()
        {
            self.hungry = None;
            self.refuse(task, &why);
        }
        self.tell_refused(links)
    }

    /// Notes a result that cannot be taken in, which fails the tasks that take it.
    pub(super) fn refuse(&mut self, task: TaskId, why: &CodecError) {
        let message = format!("an input cannot be taken in: {why}");
        let (rank, host) = (self.place.rank, self.place.host.to_string());
        let error = TaskError::of_attempt(message, String::new(), rank, host, 1);
        self.refused.push((task, Box::new(error)));
    }
}
