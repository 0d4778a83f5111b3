//! Sorted lines that wait at a rank until all of its partitions are complete: in memory, or spilled to scratch.

use crate::batch::artifact::Artifact;
use crate::batch::outputs;
use crate::batch::rank::rank_state;
use crate::commands::Scratch;
use crate::commands::outputs::{CommandOutputs, OutputSlice};
use crate::error::Failure;
use crate::mapreduce::merge::merge;
use crate::mapreduce::spill::Spills;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Cursor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// By rank (in tests several share a process) and task.
type Shelves = BTreeMap<(u32, u32), Arc<Mutex<ShuffleStore>>>;

static SHELVES: Mutex<Shelves> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing() -> Failure {
    Failure::new(
        "the lines that this rank held for its partitions are gone: they were lost with an earlier attempt",
    )
}

fn find(task: u32) -> Result<Arc<Mutex<ShuffleStore>>, Failure> {
    let key = (rank_state::here().0.0, task);
    lock(&SHELVES).get(&key).cloned().ok_or_else(missing)
}

/// Drops what a rank still holds: of tasks that have failed.
pub(crate) fn forget(rank: u32) {
    lock(&SHELVES).retain(|(other, _), _| *other != rank);
}

/// Puts the lines of a group of splits on the rank's store; the first group begins a new one.
///
/// # Errors
/// When scratch is full, or earlier groups are not there.
pub(crate) fn add(
    task: u32,
    share: PartitionShare,
    budget: usize,
    group: u64,
    lines: &[Artifact],
) -> Result<(), Failure> {
    if group == 0 {
        let scratch = rank_state::scratch()?;
        let left = share.partitions().count();
        let spills = Spills::new(scratch.path(), left, None);
        let store =
            ShuffleStore { share, groups: 0, held: vec![], used: 0, budget, spills, left, _scratch: scratch };
        lock(&SHELVES).insert((rank_state::here().0.0, task), Arc::new(Mutex::new(store)));
    }
    let store = find(task)?;
    let mut store = lock(&store);
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
pub(crate) fn runs(task: u32, partition: usize, groups: u64) -> Result<Vec<Box<dyn BufRead>>, Failure> {
    let store = find(task)?;
    let store = lock(&store);
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

/// Notes that a partition is reduced; after the last one the store is empty.
pub(crate) fn done(task: u32) {
    let Ok(store) = find(task) else { return };
    let mut store = lock(&store);
    store.left = store.left.saturating_sub(1);
    if store.left == 0 {
        lock(&SHELVES).remove(&(rank_state::here().0.0, task));
    }
}

impl ShuffleStore {
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
