//! Results that are published under a name, for tasks on all ranks.
//!
//! A future does not travel, so a name stands for it: whoever asks for the name learns the number of the task, and
//! submits a task of its own whose input is that result. The task runs where the result is and hands it on without a
//! copy. The name counts as a use of the result until it is taken back.

use super::Scheduler;
use super::event::{NewTask, SchedulerAction};
use super::task::{ScheduledTask, TaskState};
use crate::error::ProtocolError;
use crate::ids::{HEAD, Rank, TaskId};
use crate::protocol::{Blob, PublishAnswer, RegistryRequest, ReportedResult};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The name of the function by which a task takes a published result over.
pub const TAKES_PUBLISHED: &str = "published";

/// The published results, by name.
#[derive(Debug, Default)]
pub(super) struct PublishedResults(BTreeMap<Box<str>, TaskId>);

impl PublishedResults {
    /// Whether the result of `task` is published.
    pub(super) fn contains(&self, task: TaskId) -> bool {
        self.0.values().any(|known| *known == task)
    }

    /// The tasks whose results are published, once for each name. Read by the checks of tests.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.0.values().copied()
    }
}

impl Scheduler {
    /// Handles a request of `owner` about results, whose answer has the number `task`.
    pub(super) fn on_registry(
        &mut self,
        owner: Rank,
        task: TaskId,
        request: RegistryRequest,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        let answer = match request {
            RegistryRequest::Publish { name, of } => {
                self.touch(of);
                vec![self.publish(owner, name, of) as u8]
            }
            RegistryRequest::Unpublish { name } => {
                let before = self.published.0.remove(&name);
                if let Some(of) = before {
                    if let Some(record) = self.tasks.get_mut(of) {
                        record.pending -= 1;
                    }
                    self.release_if_unneeded(of, out);
                }
                vec![u8::from(before.is_some())]
            }
            RegistryRequest::Find { name } => {
                let found = self.published.0.get(&name);
                found.map_or(Vec::new(), |task| task.0.to_le_bytes().to_vec())
            }
            RegistryRequest::Rebalance => return self.on_rebalance(owner, task, out),
        };
        self.on_scatter(owner, task, 0, ReportedResult::Inline(Blob::new(&answer)))
    }

    fn publish(&mut self, owner: Rank, name: Box<str>, of: TaskId) -> PublishAnswer {
        match self.published.0.get(&name) {
            Some(known) if *known == of => return PublishAnswer::Published,
            Some(_) => return PublishAnswer::Taken,
            None => {}
        }
        let record = self.tasks.get_mut(of).filter(|record| record.state != TaskState::Released);
        let Some(record) = record.filter(|_| of.owner() == owner) else { return PublishAnswer::Unknown };
        record.pending += 1;
        self.published.0.insert(name, of);
        PublishAnswer::Published
    }

    /// The names under which results are published.
    pub fn published_names(&self) -> Vec<String> {
        self.published.0.keys().map(|name| name.to_string()).collect()
    }

    /// Fails a task that takes a result which is published no more.
    pub(super) fn fail_unpublished(&mut self, new: NewTask, out: &mut Vec<SchedulerAction>) {
        let nested = new.parent.is_some();
        let record =
            ScheduledTask { nested, ..ScheduledTask::new(TaskState::Ready, new.def, new.key, &new.args) };
        self.tasks.insert(new.task, record, SmallVec::new());
        let message = "the result that it takes was published under a name that was taken back meanwhile";
        self.fail_unplaced(new.task, HEAD, message.into(), out);
    }

    /// Whether `task` takes over a published result, which may be of another owner.
    pub(super) fn takes_a_published_result(&self, task: TaskId) -> bool {
        let def = self.tasks.get(task).and_then(|record| self.defs.get(record.def.index()));
        def.is_some_and(|def| def.definition.name == TAKES_PUBLISHED)
    }
}
