//! Results that rank 0 retains, because tasks which are not submitted yet will read them.

use crate::batch::artifact::{Artifact, take_outputs};
use crate::batch::rank::checkpoints::{CheckpointSource, load_checkpoint};
use crate::batch::rank::saved_results::load_saved;
use crate::batch::resume::saved_paths::saved_outputs;
use crate::batch::resume::todo::Todo;
use crate::batch::task_def::Group;
use crate::client::Client;
use crate::client::future::Future;
use crate::compact::Runs;
use crate::error::{Error, Result};
use crate::script::plan::Plan;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

/// The results that rank 0 retains by holding their futures, since tasks that are not submitted yet will read them. By
/// task of the plan.
pub(crate) struct RetainedResults<'a> {
    client: &'a Client,
    tasks: Vec<TaskResults>,
    plan: &'a Plan,
    todo: &'a Todo,
    /// The path of the run folder, which has the checkpoints.
    folder: String,
    /// The result that stands for those of instances that are done and that nobody reads.
    nothing: Option<Future<Artifact>>,
}

/// The results of one task that rank 0 retains: those of its instances from index `first` on.
#[derive(Default)]
struct TaskResults {
    /// The index of the instance to which the first future in `futures` belongs.
    first: u64,
    /// The results; `None` for instances between these that are done.
    futures: VecDeque<Option<Future<Artifact>>>,
    /// The numbers of the outputs that each result has, streams and files.
    keep: Vec<u32>,
    /// Futures of outputs that were extracted from the results, or read from where an earlier run has saved them, by
    /// instance index and output numbers. Kept, since several tasks may read the same outputs.
    parts: BTreeMap<(u64, Vec<u32>), Future<Artifact>>,
}

impl<'a> RetainedResults<'a> {
    /// Makes an empty store for a plan, of whose instances those in `todo` run. `folder` is the run folder.
    pub(crate) fn new(client: &'a Client, plan: &'a Plan, todo: &'a Todo, folder: &Path) -> Self {
        let tasks = plan.tasks.iter().map(|_| TaskResults::default()).collect();
        let folder = folder.display().to_string();
        RetainedResults { client, tasks, plan, todo, folder, nothing: None }
    }

    /// The client through which the results were submitted.
    pub(crate) fn client(&self) -> &'a Client {
        self.client
    }

    /// Retains the results of newly submitted instances of a task, which follow the last one retained. `keep` has the
    /// numbers of the outputs that each result has.
    pub(crate) fn hold(&mut self, task: usize, indices: &Runs, futures: &[Future<Artifact>], keep: &[u32]) {
        let held = &mut self.tasks[task];
        for (index, future) in indices.iter().zip(futures) {
            if held.futures.is_empty() {
                held.first = index;
                held.keep = keep.to_vec();
            }
            while held.first + (held.futures.len() as u64) < index {
                held.futures.push_back(None);
            }
            held.futures.push_back(Some(future.clone()));
        }
    }

    /// Whether rank 0 retains no result of a task.
    pub(crate) fn is_empty(&self, task: usize) -> bool {
        self.tasks[task].futures.is_empty() && self.tasks[task].parts.is_empty()
    }

    /// Drops the results of those instances of a task whose index is below `first`, since no task will read them any
    /// more.
    pub(crate) fn let_go(&mut self, task: usize, first: u64) {
        let held = &mut self.tasks[task];
        let count = usize::try_from(first.saturating_sub(held.first)).unwrap_or(usize::MAX);
        held.first += held.futures.drain(..count.min(held.futures.len())).count() as u64;
        held.parts = held.parts.split_off(&(first, Vec::new()));
    }

    /// Drops the retained results of all tasks.
    pub(crate) fn clear(&mut self) {
        self.tasks.iter_mut().for_each(|held| *held = TaskResults::default());
    }

    /// The futures of all inputs of the instance `index`, in the order of the groups, each of which is what it reads of
    /// one task.
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

    /// The future of the outputs `wanted` of an instance that an earlier run has done: they are read from the files in
    /// which they were saved, or from the checkpoint. If nobody reads any, an empty result.
    fn earlier(&mut self, task: usize, instance: u64, wanted: &[u32]) -> Result<Future<Artifact>> {
        let client = self.client;
        let held = self.tasks.get_mut(task).ok_or_else(missing)?;
        let key = (instance, wanted.to_vec());
        if let Some(known) = held.parts.get(&key) {
            return Ok(known.clone());
        }
        if let Some(record) = self.todo.checkpoints.get(&(task, instance)).filter(|_| !wanted.is_empty()) {
            let label = self.plan.tasks.get(task).map(|task| task.label(instance)).unwrap_or_default();
            let source = CheckpointSource { folder: self.folder.clone(), record: record.clone(), label };
            let loaded = client.options().pure(false).submit(load_checkpoint, (source, wanted.to_vec()));
            held.parts.insert(key, loaded.clone());
            return Ok(loaded);
        }
        let files = saved_outputs(self.plan, task, instance, wanted);
        if files.is_empty() {
            return Ok(self.nothing.get_or_insert_with(|| client.scatter(Artifact::empty())).clone());
        }
        let loaded = client.options().pure(false).submit(load_saved, (files,));
        held.parts.insert(key, loaded.clone());
        Ok(loaded)
    }

    /// The future of the outputs `wanted` of an instance. If its result has more outputs, a task on the rank that has
    /// it extracts these, so that the others do not travel.
    fn result(&mut self, task: usize, instance: u64, wanted: &[u32]) -> Result<Future<Artifact>> {
        if !self.todo.runs(task, instance) {
            return self.earlier(task, instance, wanted);
        }
        let held = self.tasks.get_mut(task).ok_or_else(missing)?;
        let at = instance.checked_sub(held.first).and_then(|at| usize::try_from(at).ok());
        let whole = at.and_then(|at| held.futures.get(at)?.as_ref()).ok_or_else(missing)?;
        if held.keep == wanted {
            return Ok(whole.clone());
        }
        let key = (instance, wanted.to_vec());
        let part = held.parts.entry(key).or_insert_with(|| outputs_of(self.client, whole, wanted));
        Ok(part.clone())
    }
}

/// Submits a helper task that extracts the outputs with the numbers `wanted` from a result, at the rank that has the
/// result.
fn outputs_of(client: &Client, whole: &Future<Artifact>, wanted: &[u32]) -> Future<Artifact> {
    client.submit(take_outputs, (whole, wanted.to_vec()))
}

fn missing() -> Error {
    Error::internal("an instance that is not there")
}

/// The instances of the task of `group` that are inputs of instance `index`: those that have a result. If none has a
/// result, one that failed, so that the instance fails in turn.
fn present(group: &Group, index: u64) -> Vec<u64> {
    let there: Vec<u64> = group.present(index).collect();
    if there.is_empty() && group.is_read(index) {
        group.join.instances(index).take(1).collect()
    } else {
        there
    }
}
