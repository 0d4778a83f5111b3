//! Results that tasks which are not submitted yet will read.

use crate::batch::head::submitter::{SubmittedFutures, Submitter, internal};
use crate::batch::outputs::{self, CommandOutputs};
use crate::batch::rank::array;
use crate::batch::rank::inputs::Array;
use crate::batch::task_def::{Group, ResultKind};
use crate::client::Client;
use crate::client::future::Future;
use crate::error::Result;
use std::collections::{BTreeMap, VecDeque};

/// What an instance gets, as its task function takes it.
pub(crate) type Arguments = (Vec<Future<CommandOutputs>>, Vec<Future<Array>>);

/// Results of a task.
#[derive(Default)]
pub(crate) struct RetainedResults {
    /// The index of the first.
    first: u64,
    results: RetainedFutures,
    /// The outputs that a pack has.
    keep: Vec<u32>,
    /// Some outputs of packs, and tokens of arrays, which several tasks may want.
    parts: BTreeMap<(u64, Vec<u32>), Future<CommandOutputs>>,
}

#[derive(Default)]
enum RetainedFutures {
    #[default]
    None,
    Packs(VecDeque<Future<CommandOutputs>>),
    Arrays(VecDeque<Future<Array>>),
}

impl RetainedResults {
    /// Holds what comes after what is held.
    pub(crate) fn hold(&mut self, first: u64, instances: &SubmittedFutures, keep: &[u32]) {
        if self.is_empty() {
            self.first = first;
        }
        match (&mut self.results, instances) {
            (RetainedFutures::Packs(held), SubmittedFutures::Packs(new)) => held.extend(new.iter().cloned()),
            (RetainedFutures::Arrays(held), SubmittedFutures::Arrays(new)) => {
                held.extend(new.iter().cloned())
            }
            (results, SubmittedFutures::Packs(new)) => {
                *results = RetainedFutures::Packs(new.iter().cloned().collect());
                self.keep = keep.to_vec();
            }
            (results, SubmittedFutures::Arrays(new)) => {
                *results = RetainedFutures::Arrays(new.iter().cloned().collect())
            }
            (_, SubmittedFutures::Lazy(_) | SubmittedFutures::LazyArrays(_)) => {} // nothing refers to it
        }
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.results {
            RetainedFutures::None => true,
            RetainedFutures::Packs(held) => held.is_empty(),
            RetainedFutures::Arrays(held) => held.is_empty(),
        }
    }

    /// Drops what comes before an instance.
    pub(crate) fn let_go(&mut self, first: u64) {
        let count = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let dropped = match &mut self.results {
            RetainedFutures::None => 0,
            RetainedFutures::Packs(held) => held.drain(..count.min(held.len())).count(),
            RetainedFutures::Arrays(held) => held.drain(..count.min(held.len())).count(),
        };
        self.first += dropped as u64;
        self.parts = self.parts.split_off(&(self.first, Vec::new()));
    }

    fn at(&self, instance: u64) -> Option<usize> {
        usize::try_from(instance.checked_sub(self.first)?).ok()
    }
}

impl Submitter<'_> {
    /// What an instance gets.
    pub(crate) fn inputs(&mut self, groups: &[Group], index: u64) -> Result<Arguments> {
        let (mut packs, mut arrays) = (Vec::new(), Vec::new());
        for group in groups {
            match &group.kind {
                ResultKind::Packs(wanted) => {
                    for instance in present(group, index) {
                        packs.push(self.pack_of(group.task, instance, wanted)?);
                    }
                }
                ResultKind::Arrays => arrays.extend(self.arrays_of(group, index)?),
            }
        }
        Ok((packs, arrays))
    }

    /// The arrays that an instance gets.
    pub(crate) fn arrays_of(&self, group: &Group, index: u64) -> Result<Vec<Future<Array>>> {
        let Some(held) = self.held.get(group.task) else { return Err(missing()) };
        let RetainedFutures::Arrays(arrays) = &held.results else {
            return Err(internal("an array that is none"));
        };
        let found = present(group, index).into_iter().map(|instance| arrays.get(held.at(instance)?).cloned());
        found.collect::<Option<Vec<_>>>().ok_or_else(missing)
    }

    /// The outputs of an instance that somebody wants, without those that they do not: these would travel with them.
    fn pack_of(&mut self, task: usize, instance: u64, wanted: &[u32]) -> Result<Future<CommandOutputs>> {
        let client = self.client;
        let held = self.held.get_mut(task).ok_or_else(missing)?;
        let at = held.at(instance).ok_or_else(missing)?;
        if let RetainedFutures::Packs(packs) = &held.results
            && held.keep == wanted
        {
            return packs.get(at).cloned().ok_or_else(missing);
        }
        let key = (instance, wanted.to_vec());
        if let Some(part) = held.parts.get(&key) {
            return Ok(part.clone());
        }
        let part = match &held.results {
            RetainedFutures::Packs(packs) => parts_of(client, packs.get(at).ok_or_else(missing)?, wanted),
            RetainedFutures::Arrays(arrays) => {
                client.submit(array::token_of, (arrays.get(at).ok_or_else(missing)?,))
            }
            RetainedFutures::None => return Err(missing()),
        };
        held.parts.insert(key, part.clone());
        Ok(part)
    }
}

/// Some of a pack's outputs, taken out where it lies.
pub(crate) fn parts_of(
    client: &Client,
    whole: &Future<CommandOutputs>,
    wanted: &[u32],
) -> Future<CommandOutputs> {
    client.submit(outputs::parts_of, (whole, wanted.to_vec()))
}

fn missing() -> crate::error::Error {
    internal("an instance that is not there")
}

/// The instances that are given to one: those that have a result. Without any it gets one that has none, and is not run.
fn present(group: &Group, index: u64) -> Vec<u64> {
    let there: Vec<u64> = group.present(index).collect();
    if there.is_empty() { group.join.instances(index).take(1).collect() } else { there }
}
