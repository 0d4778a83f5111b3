//! Checkpoints of earlier runs: which results this run can read from them, and which it still needs.

use crate::batch::outputs::VALUE;
use crate::batch::resume::known::KnownInstances;
use crate::batch::resume::loops::last_that;
use crate::batch::resume::saved_paths;
use crate::batch::task_def::output_of;
use crate::compact::Ranges;
use crate::journal::checkpoint;
use crate::journal::record::CheckpointRecord;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, Reference, Select};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The checkpoints that the journal has of a plan's instances. Each file is looked at when it is first asked for.
pub(crate) struct CheckpointLookup<'k> {
    folder: &'k Path,
    known: &'k KnownInstances,
    looked: HashMap<(usize, u64), bool>,
}

impl<'k> CheckpointLookup<'k> {
    /// Prepares for the look-up of `known` checkpoints in the run folder `folder`.
    pub(crate) fn new(folder: &'k Path, known: &'k KnownInstances) -> Self {
        CheckpointLookup { folder, known, looked: HashMap::new() }
    }

    /// Whether the journal has a checkpoint of any instance of a task.
    pub(super) fn has_any(&self, task: usize) -> bool {
        self.known.tasks.get(task).is_some_and(|known| !known.checkpoints.is_empty())
    }

    /// Whether what a reference reads of the instance `index` can be read from a checkpoint.
    pub(super) fn has(&mut self, reference: &Reference, index: u64) -> bool {
        let known = self.known.tasks.get(reference.task);
        let Some(record) = known.and_then(|known| known.checkpoints.get(&index)) else { return false };
        let is_in = |which: u32| record.outputs == [VALUE] || record.outputs.contains(&which);
        if !output_of(reference).is_none_or(is_in) {
            return false;
        }
        let there =
            || checkpoint::is_there(&checkpoint::path_of(self.folder, record.family, record.index), record);
        *self.looked.entry((reference.task, index)).or_insert_with(there)
    }

    /// The checkpoints that were asked for and are there, by task and index.
    pub(super) fn found(self) -> BTreeMap<(usize, u64), CheckpointRecord> {
        let there = self.looked.into_iter().filter(|(_, there)| *there);
        let record = |(task, index): (usize, u64)| {
            let record = self.known.tasks.get(task)?.checkpoints.get(&index)?;
            Some(((task, index), record.clone()))
        };
        there.filter_map(|(instance, _)| record(instance)).collect()
    }
}

/// Whether results of a task have to be made again when a later run needs them: something of them is read that no
/// `save` keeps.
pub(crate) fn is_unsaved(plan: &Plan, task: usize) -> bool {
    let references = plan.tasks.iter().flat_map(|reader| &reader.references);
    references.filter(|reference| reference.task == task).any(|reference| is_lost(plan, reference))
}

/// Whether what a reference reads is gone with the run, unless a checkpoint has it.
fn is_lost(plan: &Plan, reference: &Reference) -> bool {
    let is_saved = |task: &PlanTask| saved_paths::save_of(task, reference.select).is_some();
    reference.select != Select::Order && !plan.tasks.get(reference.task).is_none_or(is_saved)
}

/// Finds the unsaved results of done instances that a next run would read, by task: those that an instance reads which
/// is not `done`, directly or by way of done instances whose own results would have to be made again. `has` tells
/// whether a checkpoint has the result of an instance.
pub(crate) fn wanted(plan: &Plan, done: &[Ranges], has: impl Fn(usize, u64) -> bool) -> Vec<Ranges> {
    let mut run: Vec<Ranges> =
        plan.tasks.iter().zip(done).map(|(task, done)| done.complement(task.family.len())).collect();
    let mut wanted = vec![Ranges::default(); run.len()];
    for number in (0..run.len()).rev() {
        let mut left: Vec<(usize, u64)> = Vec::new();
        for first in run[number].clone().iter().flatten() {
            left.push((number, first));
            while let Some((reader, index)) = left.pop() {
                let Some(task) = plan.tasks.get(reader) else { continue };
                for reference in task.references.iter().filter(|reference| is_lost(plan, reference)) {
                    let other = reference.task;
                    let inputs = task.inputs(reference, index).filter_map(|input| match reference.last {
                        true => last_that(plan.tasks.get(other)?, input, |at| has(other, at)),
                        false => Some(input),
                    });
                    for input in inputs {
                        if done.get(other).is_none_or(|done| !done.contains(input)) {
                            continue;
                        }
                        let is_new = wanted[other].insert(input);
                        // in a plan a task comes after those that it reads, except those of its own knot
                        if is_new && !has(other, input) && run[other].insert(input) && other >= number {
                            left.push((other, input));
                        }
                    }
                }
            }
        }
    }
    wanted
}
