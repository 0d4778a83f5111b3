//! Results that rank 0 retains, because tasks which are not submitted yet will read them.

use crate::batch::artifact::{Absence, Artifact, take_outputs};
use crate::batch::head::until::running::{ChainResult, RunningChains};
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
    /// The results that stand for those of instances that do not run although nothing has failed: of instances that were
    /// skipped, and of those that are not needed.
    absent: [Option<Future<Artifact>>; 2],
    /// By task number, the chains of tasks with `until`.
    pub(crate) chains: Vec<Option<Box<RunningChains>>>,
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
        let chains = (0..plan.tasks.len()).map(|number| RunningChains::new(plan, number, todo).map(Box::new));
        let chains = chains.collect();
        let folder = folder.display().to_string();
        RetainedResults { client, tasks, plan, todo, folder, nothing: None, absent: [None, None], chains }
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
        self.chains.iter_mut().flatten().for_each(|running| running.clear());
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
                inputs.push(match group.last {
                    true => self.last_result(group.task, instance, &group.wanted)?,
                    false => self.result(group.task, instance, &group.wanted)?,
                });
            }
        }
        Ok(inputs)
    }

    /// The future of the outputs `wanted` of the last instance of the loop that `first` begins. The loop has ended.
    fn last_result(&mut self, task: usize, first: u64, wanted: &[u32]) -> Result<Future<Artifact>> {
        let running = self.chains.get(task).and_then(Option::as_ref).ok_or_else(missing)?;
        if let Some(broken) = running.broken(first) {
            return Ok(broken);
        }
        let last = running.chains.last(first).ok_or_else(missing)?;
        self.result(task, last, wanted)
    }

    /// The result of an instance that does not run although nothing has failed.
    fn absent(&mut self, why: Absence) -> Future<Artifact> {
        let client = self.client;
        let known = &mut self.absent[usize::from(why == Absence::NotNeeded)];
        known.get_or_insert_with(|| client.scatter(Artifact::Absent(why))).clone()
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
        if let Some(why) = self.todo.absence(task, instance) {
            return Ok(self.absent(why));
        }
        if let Some(Some(running)) = self.chains.get(task) {
            match running.result(instance) {
                Some(ChainResult::Submitted(whole)) => {
                    return Ok(self.link_result(task, instance, &whole, wanted));
                }
                Some(ChainResult::Broken(verdict)) => return Ok(verdict),
                Some(ChainResult::NotNeeded) => return Ok(self.absent(Absence::NotNeeded)),
                None => {}
            }
        }
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

impl RetainedResults<'_> {
    /// The outputs `wanted` of an instance of a chain, whose whole result is `whole`.
    fn link_result(
        &mut self,
        task: usize,
        instance: u64,
        whole: &Future<Artifact>,
        wanted: &[u32],
    ) -> Future<Artifact> {
        let (client, held) = (self.client, &mut self.tasks[task]);
        if held.keep == wanted {
            return whole.clone();
        }
        let part = held.parts.entry((instance, wanted.to_vec()));
        part.or_insert_with(|| outputs_of(client, whole, wanted)).clone()
    }

    /// Notes which outputs the results of a task with `until` have.
    pub(crate) fn keep_of(&mut self, task: usize, keep: &[u32]) {
        if let Some(held) = self.tasks.get_mut(task).filter(|held| held.keep.is_empty()) {
            held.keep = keep.to_vec();
        }
    }

    /// Drops the results of a task with `until` that nobody reads any more, as [`RunningChains::let_go`] says.
    pub(crate) fn let_chains_go(&mut self, task: usize, others: u64, lasts: impl Fn(u64) -> bool) {
        if let (Some(Some(running)), Some(held)) = (self.chains.get_mut(task), self.tasks.get_mut(task)) {
            running.let_go(others, lasts);
            held.parts.retain(|(instance, _), _| running.has(*instance));
        }
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
