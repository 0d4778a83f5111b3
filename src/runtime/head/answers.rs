//! The answers of rank 0 to threads that wait for tasks.

use super::Head;
use crate::compact::Bytes;
use crate::ids::{HEAD, TaskId};
use crate::runtime::executor::Executor;
use crate::runtime::threads::pool::Compute;
use crate::runtime::wait::{TINY, WaitAnswer};
use crate::scheduler::TaskOutcome;
use std::sync::Arc;

impl Head {
    pub(super) fn resolve<C: Compute>(&mut self, task: TaskId, outcome: TaskOutcome, node: &mut Executor<C>) {
        if outcome == TaskOutcome::Done {
            let answer = self.end_of(task);
            return self.waiters.done(task, &answer);
        }
        let answer = self.answer(task, outcome, node);
        self.waiters.resolve(task, &answer);
    }

    /// The answer for a thread that asks for the end of a task only: the value comes with it where it is tiny.
    fn end_of(&self, task: TaskId) -> WaitAnswer {
        let value = self.machine.tiny_result(task, TINY);
        value.map_or(WaitAnswer::Done, |bytes| WaitAnswer::Inline(Bytes::new(bytes)))
    }

    pub(super) fn answer<C: Compute>(
        &self,
        task: TaskId,
        outcome: TaskOutcome,
        node: &mut Executor<C>,
    ) -> WaitAnswer {
        match outcome {
            TaskOutcome::Done => self.end_of(task),
            TaskOutcome::Inline(bytes) => WaitAnswer::Inline(Bytes::new(&bytes)),
            TaskOutcome::Here(_) => match node.value(task) {
                Some(value) => WaitAnswer::Value(value.clone()),
                None => {
                    let message = "internal error: its value is not in the store".into();
                    WaitAnswer::Failed(Arc::new(self.machine.error_of(task, HEAD, message)))
                }
            },
            TaskOutcome::Failed(cause) => WaitAnswer::Failed(cause),
        }
    }
}
