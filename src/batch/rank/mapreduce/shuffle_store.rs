//! Sorted lines that wait at a rank until all of its partitions are complete: in memory, or spilled to scratch.

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

/// The partitions of a rank: every `step`th from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionShare {
    /// The first.
    pub first: usize,
    /// How many ranks reduce.
    pub step: usize,
    /// The partitions of all ranks.
    pub all: usize,
}

impl PartitionShare {
    /// The partitions of the rank.
    pub(crate) fn partitions(self) -> impl Iterator<Item = usize> {
        (self.first..self.all).step_by(self.step.max(1))
    }

    /// The place of one of them among the others of the rank.
    fn place(self, partition: usize) -> usize {
        partition / self.step.max(1)
    }
}

/// The lines that wait for one task at one rank.
pub(crate) struct ShuffleStore {
    share: PartitionShare,
    /// How many groups of splits are here.
    groups: u64,
    held: Vec<CommandOutputs>,
    used: usize,
    budget: usize,
    spills: Spills,
    /// Partitions that are not reduced yet.
    left: usize,
    _scratch: Scratch,
}

/// The stores of a rank, by the numbers of their tasks.
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

    /// Drops the lines that are still there: of tasks that have failed.
    pub(crate) fn forget(&self) {
        let left = std::mem::take(&mut *self.0.lock());
        drop(left); // not under the lock: there may be much to remove
    }

    /// Puts the lines of a group of splits on the task's store; the first group begins a new one.
    ///
    /// # Errors
    /// When scratch is full, or earlier groups are not there.
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
            std::cmp::Ordering::Less => return Ok(()), // a second attempt
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

    /// The sorted runs of a partition of which all groups are there, those first that have come first.
    ///
    /// # Errors
    /// When they are not there.
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
            // a part of the pack, which many partitions share
            runs.push(Box::new(Cursor::new(pack.slice(outputs::file(partition))?)));
        }
        Ok(runs)
    }

    /// Notes that a partition is reduced; after the last one the task has no store.
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
        let scratch = ScratchRoot::current()?.lend()?;
        let left = share.partitions().count();
        let spills = Spills::new(scratch.path(), left, None);
        Ok(ShuffleStore { share, groups: 0, held: vec![], used: 0, budget, spills, left, _scratch: scratch })
    }

    fn spill(&mut self) -> Result<(), Failure> {
        let partitions: Vec<usize> = self.share.partitions().collect();
        let held = std::mem::take(&mut self.held);
        self.used = 0;
        self.spills.add(|place, file| {
            let which = outputs::file(partitions[place]);
            let runs = held.iter().map(|pack| pack.slice(which));
            let runs = runs.collect::<Result<Vec<OutputSlice>, Failure>>()?;
            // without the operator: how much was spilled together must not change the bits of a sum
            merge(runs.iter().map(OutputSlice::as_ref).collect::<Vec<&[u8]>>(), None, file)
        })
    }
}
