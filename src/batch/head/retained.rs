//! Results that tasks which are not submitted yet will read.

use crate::batch::artifact::{Artifact, take_outputs};
use crate::batch::task_def::Group;
use crate::client::Client;
use crate::client::future::Future;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, VecDeque};

/// The results of all tasks of a plan that others will read.
pub(crate) struct RetainedResults<'a> {
    client: &'a Client,
    tasks: Vec<TaskResults>,
}

/// The retained results of one task.
#[derive(Default)]
struct TaskResults {
    /// The index of the first.
    first: u64,
    futures: VecDeque<Future<Artifact>>,
    /// The outputs that a result has.
    keep: Vec<u32>,
    /// Some outputs of results, which several tasks may want.
    parts: BTreeMap<(u64, Vec<u32>), Future<Artifact>>,
}

impl<'a> RetainedResults<'a> {
    /// Retains nothing yet of that many tasks.
    pub(crate) fn new(client: &'a Client, tasks: usize) -> Self {
        RetainedResults { client, tasks: (0..tasks).map(|_| TaskResults::default()).collect() }
    }

    /// The client that has the results.
    pub(crate) fn client(&self) -> &'a Client {
        self.client
    }

    /// Retains results of a task from index `first` on, which come after those that are retained.
    pub(crate) fn hold(&mut self, task: usize, first: u64, futures: &[Future<Artifact>], keep: &[u32]) {
        let held = &mut self.tasks[task];
        if held.futures.is_empty() {
            held.first = first;
            held.keep = keep.to_vec();
        }
        held.futures.extend(futures.iter().cloned());
    }

    /// Whether nothing is retained of a task.
    pub(crate) fn is_empty(&self, task: usize) -> bool {
        self.tasks[task].futures.is_empty()
    }

    /// Drops the results of a task that come before an instance.
    pub(crate) fn let_go(&mut self, task: usize, first: u64) {
        let held = &mut self.tasks[task];
        let count = usize::try_from(first.saturating_sub(held.first)).unwrap_or(usize::MAX);
        held.first += held.futures.drain(..count.min(held.futures.len())).count() as u64;
        held.parts = held.parts.split_off(&(held.first, Vec::new()));
    }

    /// Drops all results.
    pub(crate) fn clear(&mut self) {
        self.tasks.iter_mut().for_each(|held| *held = TaskResults::default());
    }

    /// The inputs of an instance, group by group.
    ///
    /// # Errors
    /// When a result is not retained.
    pub(crate) fn inputs(&mut self, groups: &[Group], index: u64) -> Result<Vec<Future<Artifact>>> {
        let mut inputs = Vec::new();
        for group in groups {
            for instance in present(group, index) {
                inputs.push(self.result(group.task, instance, &group.wanted)?);
            }
        }
        Ok(inputs)
    }

    /// The outputs of an instance that somebody wants, without the others: these would travel with them.
    fn result(&mut self, task: usize, instance: u64, wanted: &[u32]) -> Result<Future<Artifact>> {
        let held = self.tasks.get_mut(task).ok_or_else(missing)?;
        let at = instance.checked_sub(held.first).and_then(|at| usize::try_from(at).ok());
        let whole = at.and_then(|at| held.futures.get(at)).ok_or_else(missing)?;
        if held.keep == wanted {
            return Ok(whole.clone());
        }
        let key = (instance, wanted.to_vec());
        let part = held.parts.entry(key).or_insert_with(|| outputs_of(self.client, whole, wanted));
        Ok(part.clone())
    }
}

/// Some outputs of a result, taken out where it lies.
pub(crate) fn outputs_of(client: &Client, whole: &Future<Artifact>, wanted: &[u32]) -> Future<Artifact> {
    client.submit(take_outputs, (whole, wanted.to_vec()))
}

fn missing() -> Error {
    Error::internal("an instance that is not there")
}

/// The instances that are given to one: those that have a result. Without any it gets one that has none, and is not
/// run.
fn present(group: &Group, index: u64) -> Vec<u64> {
    let there: Vec<u64> = group.present(index).collect();
    if there.is_empty() { group.join.instances(index).take(1).collect() } else { there }
}
