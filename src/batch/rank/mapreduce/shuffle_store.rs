//! The shuffle store: sorted lines that wait at the reducer's rank until its partitions are complete, in memory or
//! spilled to scratch.

use crate::batch::artifact::Artifact;
use crate::batch::outputs;
use crate::commands::outputs::{CommandOutputs, OutputSlice};
use crate::commands::{Scratch, ScratchRoot};
use crate::error::Failure;
use crate::mapreduce::merge::merge;
use crate::mapreduce::spill::Spills;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Cursor};
use std::sync::Arc;

/// The partitions of a `mapreduce` task's keys that one rank reduces: every `step`th, starting with `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionShare {
    /// The number of the first partition that the rank reduces.
    pub first: usize,
    /// The number of ranks that reduce, and so the distance between the numbers of two partitions of a rank.
    pub step: usize,
    /// The number of partitions of the task, over all ranks.
    pub all: usize,
}

impl PartitionShare {
    /// The numbers of the partitions that the rank reduces.
    pub(crate) fn partitions(self) -> impl Iterator<Item = usize> {
        (self.first..self.all).step_by(self.step.max(1))
    }

    /// The position of the partition with number `partition` in the list of those that the rank reduces.
    fn place(self, partition: usize) -> usize {
        partition / self.step.max(1)
    }
}

/// The sorted lines of one `mapreduce` task that have been moved to one rank, and wait there to be reduced.
pub(crate) struct ShuffleStore {
    share: PartitionShare,
    /// The number of groups of splits (parts of the task's input) whose lines have arrived. Groups arrive in order.
    groups: u64,
    held: Vec<CommandOutputs>,
    used: usize,
    budget: usize,
    spills: Spills,
    /// The number of partitions of this rank that are not reduced yet.
    left: usize,
    _scratch: Scratch,
}

/// The lines that wait on a rank to be reduced, by task number.
#[derive(Default)]
pub(crate) struct ShuffleStores(Mutex<BTreeMap<u32, Arc<Mutex<ShuffleStore>>>>);

fn missing() -> Failure {
    Failure::new(
        "the lines that this rank held for its partitions are gone: they were lost with an earlier attempt",
    )
}

impl ShuffleStores {
    fn find(&self, task: u32) -> Result<Arc<Mutex<ShuffleStore>>, Failure> {
        self.0.lock().get(&task).cloned().ok_or_else(missing)
    }

    /// Drops the lines that remain at the end of a run, which are those of failed tasks.
    pub(crate) fn forget(&self) {
        let left = std::mem::take(&mut *self.0.lock());
        drop(left); // after the lock is released: removing files takes time
    }

    /// Adds the lines of a group of splits (parts of the input) to those of a task that wait on this rank. The first
    /// group creates the store of the task, which spills to scratch when it holds more than `budget` bytes.
    ///
    /// # Errors
    /// When scratch is full, or earlier groups are missing.
    pub(crate) fn add(
        &self,
        task: u32,
        share: PartitionShare,
        budget: usize,
        group: u64,
        lines: &[Artifact],
    ) -> Result<(), Failure> {
        if group == 0 {
            let store = ShuffleStore::new(share, budget)?;
            self.0.lock().insert(task, Arc::new(Mutex::new(store)));
        }
        let store = self.find(task)?;
        let mut store = store.lock();
        match group.cmp(&store.groups) {
            std::cmp::Ordering::Less => return Ok(()), // an earlier attempt of the task has added the group
            std::cmp::Ordering::Greater => return Err(missing()),
            std::cmp::Ordering::Equal => {}
        }
        for lines in lines {
            let lines = lines.outputs()?;
            store.used += lines.memory();
            store.held.push(lines.clone());
            if store.used > store.budget {
                store.spill()?;
            }
        }
        store.groups += 1;
        Ok(())
    }

    /// The sorted runs of lines of a partition to which all splits, `groups` groups of them, have added theirs, in the
    /// order of arrival.
    ///
    /// # Errors
    /// When the store or the partition does not exist, or a group is missing.
    pub(crate) fn runs(
        &self,
        task: u32,
        partition: usize,
        groups: u64,
    ) -> Result<Vec<Box<dyn BufRead>>, Failure> {
        let store = self.find(task)?;
        let store = store.lock();
        if store.groups != groups {
            return Err(missing());
        }
        let spilled = store.spills.runs(store.share.place(partition));
        let mut runs: Vec<Box<dyn BufRead>> = Vec::with_capacity(spilled.len() + store.held.len());
        runs.extend(spilled.into_iter().map(|run| Box::new(run) as Box<dyn BufRead>));
        for pack in &store.held {
            // no copy: the lines of all partitions are in one buffer, of which this is a slice
            runs.push(Box::new(Cursor::new(pack.slice(outputs::file(partition))?)));
        }
        Ok(runs)
    }

    /// Notes that a partition of a task has been reduced. After the last one on this rank, the store of the task is
    /// removed.
    pub(crate) fn done(&self, task: u32) {
        let Ok(store) = self.find(task) else { return };
        let mut store = store.lock();
        store.left = store.left.saturating_sub(1);
        if store.left == 0 {
            self.0.lock().remove(&task);
        }
    }
}

impl ShuffleStore {
    fn new(share: PartitionShare, budget: usize) -> Result<ShuffleStore, Failure> {
        let scratch = ScratchRoot::current()?.lend_large()?;
        let left = share.partitions().count();
        let spills = Spills::new(scratch.path(), left, None);
        Ok(ShuffleStore { share, groups: 0, held: vec![], used: 0, budget, spills, left, _scratch: scratch })
    }

    fn spill(&mut self) -> Result<(), Failure> {
        let partitions: Vec<usize> = self.share.partitions().collect();
        let held = std::mem::take(&mut self.held);
        self.used = 0;
        let folder = self.spills.folder().display().to_string();
        self.spills.add(|place, file| {
            let which = outputs::file(partitions[place]);
            let runs = held.iter().map(|pack| pack.slice(which));
            let runs = runs.collect::<Result<Vec<OutputSlice>, Failure>>()?;
            // without the operator: a sum's rounding must not depend on how much was spilled at once
            let merged = merge(runs.iter().map(OutputSlice::as_ref).collect::<Vec<&[u8]>>(), None, file);
            let in_scratch = |why| format!("lines cannot be kept in scratch, `{folder}`: {why}");
            merged.map_err(|failure| failure.map(in_scratch))
        })
    }
}
