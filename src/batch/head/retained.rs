//! Results that tasks which are not submitted yet will read.

use crate::batch::head::submitter::{Collected, Submitter, internal};
use crate::batch::outputs::{self, Pack};
use crate::batch::rank::array;
use crate::batch::rank::inputs::Array;
use crate::batch::task_def::{Group, Kind};
use crate::client::Client;
use crate::client::future::Future;
use crate::error::Result;
use std::collections::{BTreeMap, VecDeque};

/// What an instance gets, as its task function takes it.
pub(crate) type Arguments = (Vec<Future<Pack>>, Vec<Future<Array>>);

/// Results of a task.
#[derive(Default)]
pub(crate) struct Held {
    /// The index of the first.
    first: u64,
    results: Results,
    /// The outputs that a pack has.
    keep: Vec<u32>,
    /// Some outputs of packs, and tokens of arrays, which several tasks may want.
    parts: BTreeMap<(u64, Vec<u32>), Future<Pack>>,
}

#[derive(Default)]
enum Results {
    #[default]
    None,
    Packs(VecDeque<Future<Pack>>),
    Arrays(VecDeque<Future<Array>>),
}

impl Held {
    /// Holds what comes after what is held.
    pub(crate) fn hold(&mut self, first: u64, instances: &Collected, keep: &[u32]) {
        if self.is_empty() {
            self.first = first;
        }
        match (&mut self.results, instances) {
            (Results::Packs(held), Collected::Packs(new)) => held.extend(new.iter().cloned()),
            (Results::Arrays(held), Collected::Arrays(new)) => held.extend(new.iter().cloned()),
            (results, Collected::Packs(new)) => {
                *results = Results::Packs(new.iter().cloned().collect());
                self.keep = keep.to_vec();
            }
            (results, Collected::Arrays(new)) => *results = Results::Arrays(new.iter().cloned().collect()),
            (_, Collected::Lazy(_) | Collected::LazyArrays(_)) => {} // nothing refers to it
        }
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.results {
            Results::None => true,
            Results::Packs(held) => held.is_empty(),
            Results::Arrays(held) => held.is_empty(),
        }
    }

    /// Drops what comes before an instance.
    pub(crate) fn let_go(&mut self, first: u64) {
        let count = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let dropped = match &mut self.results {
            Results::None => 0,
            Results::Packs(held) => held.drain(..count.min(held.len())).count(),
            Results::Arrays(held) => held.drain(..count.min(held.len())).count(),
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
                Kind::Packs(wanted) => {
                    for instance in present(group, index) {
                        packs.push(self.pack_of(group.task, instance, wanted)?);
                    }
                }
                Kind::Arrays => arrays.extend(self.arrays_of(group, index)?),
            }
        }
        Ok((packs, arrays))
    }

    /// The arrays that an instance gets.
    pub(crate) fn arrays_of(&self, group: &Group, index: u64) -> Result<Vec<Future<Array>>> {
        let Some(held) = self.held.get(group.task) else { return Err(missing()) };
        let Results::Arrays(arrays) = &held.results else { return Err(internal("an array that is none")) };
        let found = present(group, index).into_iter().map(|instance| arrays.get(held.at(instance)?).cloned());
        found.collect::<Option<Vec<_>>>().ok_or_else(missing)
    }

    /// The outputs of an instance that somebody wants, without those that they do not: these would travel with them.
    fn pack_of(&mut self, task: usize, instance: u64, wanted: &[u32]) -> Result<Future<Pack>> {
        let client = self.client;
        let held = self.held.get_mut(task).ok_or_else(missing)?;
        let at = held.at(instance).ok_or_else(missing)?;
        if let Results::Packs(packs) = &held.results
            && held.keep == wanted
        {
            return packs.get(at).cloned().ok_or_else(missing);
        }
        let key = (instance, wanted.to_vec());
        if let Some(part) = held.parts.get(&key) {
            return Ok(part.clone());
        }
        let part = match &held.results {
            Results::Packs(packs) => parts_of(client, packs.get(at).ok_or_else(missing)?, wanted),
            Results::Arrays(arrays) => client.submit(array::token_of, (arrays.get(at).ok_or_else(missing)?,)),
            Results::None => return Err(missing()),
        };
        held.parts.insert(key, part.clone());
        Ok(part)
    }
}

/// Some of a pack's outputs, taken out where it lies.
pub(crate) fn parts_of(client: &Client, whole: &Future<Pack>, wanted: &[u32]) -> Future<Pack> {
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
