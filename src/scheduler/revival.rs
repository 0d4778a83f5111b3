//! Revival: a task that has failed for good is started again since the user asks for it (`Future::retry`), with the
//! failed tasks that it depends on. Also the names that users give to tasks.
//!
//! The recipe of a failed task is kept as long as somebody holds its future, or that of a task that takes its result.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{SCATTERED, TaskState};
use crate::error::{ProtocolError, TaskErrorKind};
use crate::ids::{Rank, TaskId};
use smallvec::SmallVec;

impl Scheduler {
    /// Gives a task of `owner` a name, by which errors call it. No effect on a task that was released.
    pub(super) fn on_name(&mut self, owner: Rank, task: TaskId, name: Box<str>) -> Result<(), ProtocolError> {
        self.touch(task);
        if task.owner() == owner && self.tasks.get(task).is_some() {
            self.names.insert(task, name);
        }
        Ok(())
    }

    /// Starts a failed task of `owner` again. Results that it takes and that were released are made again, as after the
    /// loss of a rank.
    pub(super) fn on_retry(
        &mut self,
        owner: Rank,
        task: TaskId,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        if task.owner() != owner || !self.can_revive(task) {
            return Ok(());
        }
        let (mut todo, mut revived) = (vec![task], Vec::new());
        while let Some(task) = todo.pop() {
            let is_released = self.tasks.get(task).is_some_and(|record| record.state == TaskState::Released);
            if !is_released && !self.can_revive(task) {
                continue;
            }
            let Some(record) = self.tasks.get_mut(task) else { continue };
            record.state = TaskState::Blocked { missing: 0 };
            record.failures = 0;
            self.deaths.forget(task);
            revived.push(task);
            let inputs: SmallVec<[TaskId; 2]> = self.tasks.inputs(task).collect();
            for input in inputs {
                if let Some(record) = self.tasks.get_mut(input) {
                    record.pending += 1;
                    todo.push(input);
                }
            }
        }
        for &task in &revived {
            // an input that has not ended may list the task since its first attempt
            let inputs: SmallVec<[TaskId; 2]> = self.tasks.inputs(task).collect();
            for input in inputs {
                for consumer in self.tasks.take_waiting(input).into_iter().filter(|other| *other != task) {
                    self.tasks.push_waiting(input, consumer);
                }
            }
        }
        for task in revived {
            self.rewire(task, out);
        }
        Ok(())
    }

    /// Whether a task has failed and could be started again: it was not cancelled, and is no value that is lost for
    /// good.
    fn can_revive(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|record| match &record.state {
            TaskState::Failed(cause) => cause.kind != TaskErrorKind::Cancelled && record.def != SCATTERED,
            _ => false,
        })
    }
}
