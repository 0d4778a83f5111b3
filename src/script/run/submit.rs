//! Handing a plan over to the engine.

use super::RunFolder;
use super::array;
use super::command;
use super::datasets::DatasetFile;
use super::def::{Def, Group, Kind, Read, streams};
use super::failure::is_left;
use super::inputs::Array;
use super::needs;
use super::pack::{self, Pack};
use crate::client::{Client, Family, Future, Options, Watch};
use crate::error::{Error, Result, TaskError};
use crate::ids::Rank;
use crate::script::{Action, Plan, Task};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// What is kept of a task until it is collected.
pub enum Collected {
    /// Watched until they end.
    Packs(Vec<Option<Future<Pack>>>),
    /// Watched until they end.
    Arrays(Vec<Option<Future<Array>>>),
    /// A family that nothing refers to, taken a part at a time.
    Lazy(Family<Pack>),
    /// The same of arrays.
    LazyArrays(Family<Array>),
}

/// What becomes of a task.
pub struct Entry {
    /// Its instances.
    pub instances: Collected,
    /// Where its streams go to files: for each instance a pack that has them. Without it the instances themselves are
    /// such packs, and nothing else refers to them.
    pub parts: Option<Vec<Option<Future<Pack>>>>,
    /// Where its arrays are saved: for each `save`, what writes each of them.
    pub saves: Vec<Vec<Option<Future<Pack>>>>,
}

/// What an instance gets, as its task function takes it.
type Arguments = (Vec<Future<Pack>>, Vec<Future<Array>>);

/// Submits the tasks of a plan: all at once, but for those that gather a family whose failed instances they go on without.
/// These wait until it is known which have failed.
pub struct Submitter<'a> {
    pub(super) plan: &'a Plan,
    pub(super) client: &'a Client,
    folder: String,
    /// Of each rank.
    slots: &'a [u32],
    /// The ranks that compute.
    pub(super) computing: Vec<Rank>,
    /// The files of datasets.
    pub(super) files: BTreeMap<PathBuf, DatasetFile>,
    /// What others that are not submitted yet will refer to.
    done: Vec<Option<Entry>>,
    submitted: Vec<bool>,
    keeps: Vec<Vec<u32>>,
    /// Parts of packs and tokens of arrays, which several tasks may want.
    parts: HashMap<(usize, u64, Vec<u32>), Future<Pack>>,
    read: Read,
    /// Families whose failures are to be known, with those that are.
    optional: HashMap<usize, Optional>,
    /// Tasks of the engine so far.
    pub steps: u64,
}

/// A family that others go on without.
enum Optional {
    Running(Watch),
    /// Instances without a result.
    Ended(Vec<u64>),
}

impl<'a> Submitter<'a> {
    /// Nothing is submitted yet. `slots` are those of all ranks.
    pub fn new(plan: &'a Plan, folder: &RunFolder, client: &'a Client, slots: &'a [u32]) -> Self {
        let count = plan.tasks.len();
        Submitter {
            plan,
            client,
            folder: folder.path().display().to_string(),
            slots,
            computing: (0u32..)
                .zip(slots)
                .filter(|(_, slots)| **slots > 0)
                .map(|(rank, _)| Rank(rank))
                .collect(),
            files: BTreeMap::new(),
            done: (0..count).map(|_| None).collect(),
            submitted: vec![false; count],
            keeps: vec![Vec::new(); count],
            parts: HashMap::new(),
            read: Read::new(plan),
            optional: HashMap::new(),
            steps: 0,
        }
    }

    /// Whether all is submitted.
    pub fn is_done(&self) -> bool {
        self.submitted.iter().all(|submitted| *submitted)
    }

    /// Submits what can be; gives the tasks that nothing will refer to any more.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn advance(&mut self) -> Result<Vec<(usize, Entry)>> {
        self.look()?;
        let before = self.submitted.iter().filter(|submitted| **submitted).count();
        for number in 0..self.plan.tasks.len() {
            if self.submitted[number] || !self.is_ready(number) {
                continue;
            }
            let mut def = Def::new(self.plan, number, &self.read, &self.folder, self.slots.len())
                .ok_or_else(|| internal("a task is not in its plan"))?;
            for group in def.groups.iter_mut().filter(|group| !group.one) {
                if let Some(Optional::Ended(lost)) = self.optional.get(&group.task) {
                    group.without.clone_from(lost);
                }
            }
            self.keeps[number].clone_from(&def.keep);
            let entry = self.task(def)?;
            if self.plan.tasks[number].optional {
                let watch = match &entry.instances {
                    Collected::Packs(futures) => self.client.watch(futures.iter().flatten()),
                    Collected::Arrays(futures) => self.client.watch(futures.iter().flatten()),
                    // nothing refers to it
                    Collected::Lazy(_) | Collected::LazyArrays(_) => {
                        self.client.watch(&[] as &[Future<Pack>])
                    }
                };
                self.optional.insert(number, Optional::Running(watch));
            }
            self.done[number] = Some(entry);
            self.submitted[number] = true;
        }
        let moved = self.submitted.iter().filter(|submitted| **submitted).count() > before;
        Ok(if moved { self.release() } else { Vec::new() })
    }

    /// What was not given away: the tasks that others, not submitted yet, would have referred to; and these others.
    pub fn give_up(&mut self) -> (Vec<(usize, Entry)>, Vec<usize>) {
        let held = (0..self.done.len()).filter_map(|at| Some((at, self.done[at].take()?))).collect();
        let never = (0..self.submitted.len()).filter(|at| !self.submitted[*at]).collect();
        self.parts.clear();
        (held, never)
    }

    /// Notes which of the optional families have ended.
    fn look(&mut self) -> Result<()> {
        for state in self.optional.values_mut() {
            if let Optional::Running(watch) = state
                && let Some(outcomes) = watch.take()
            {
                // those who gather it wait for what is left, and are left themselves
                let lost = |cause: &Arc<TaskError>| !is_left(cause);
                let failed = outcomes?.into_iter().enumerate();
                let failed = failed.filter(|(_, outcome)| outcome.as_ref().is_err_and(lost));
                *state = Optional::Ended(failed.map(|(index, _)| index as u64).collect());
            }
        }
        Ok(())
    }

    fn is_ready(&self, number: usize) -> bool {
        self.plan.tasks[number].references.iter().all(|reference| {
            let waits = self.plan.tasks[reference.task].optional && reference.join.is_gather();
            self.submitted[reference.task]
                && (!waits || matches!(self.optional.get(&reference.task), Some(Optional::Ended(_))))
        })
    }

    fn release(&mut self) -> Vec<(usize, Entry)> {
        let mut wanted = vec![false; self.done.len()];
        let left = self.plan.tasks.iter().zip(&self.submitted).filter(|(_, submitted)| !**submitted);
        for reference in left.flat_map(|(task, _)| &task.references) {
            wanted[reference.task] = true;
        }
        let free = (0..self.done.len()).filter(|at| !wanted[*at] && self.submitted[*at]);
        let free: Vec<usize> = free.filter(|at| self.done[*at].is_some()).collect();
        if free.len() == self.done.len() {
            self.parts.clear();
        }
        free.into_iter().filter_map(|at| Some((at, self.done[at].take()?))).collect()
    }

    fn task(&mut self, def: Def) -> Result<Entry> {
        let sunk = streams(&def.task);
        let is_read = self.read.referred.get(def.number as usize).copied().unwrap_or(false) || def.task.keep;
        let whole = def.keep == sunk;
        let saving = (!def.task.action.is_command() && !def.task.saves.is_empty()).then(|| def.clone());
        let instances = match def.task.action {
            Action::Run { .. } | Action::Shell { .. } => self.commands(def, is_read)?,
            Action::MapReduce(_) => self.mapreduce(def)?,
            Action::Array { .. } | Action::Call { .. } => self.arrays(def, is_read || saving.is_some())?,
            Action::Reduce { of, with, arity, .. } => Collected::Arrays(self.reduce(&def, of, with, arity)?),
        };
        let saves = match (saving, &instances) {
            (Some(def), Collected::Arrays(arrays)) => self.save(&def, arrays)?,
            _ => Vec::new(),
        };
        let parts = match &instances {
            _ if sunk.is_empty() => None,
            Collected::Packs(futures) if is_read || !whole => Some(if whole {
                futures.clone()
            } else {
                self.steps += futures.len() as u64;
                futures.iter().map(|future| Some(self.parts_of(future.as_ref()?, &sunk))).collect()
            }),
            Collected::Packs(_) | Collected::Lazy(_) | Collected::LazyArrays(_) => None,
            Collected::Arrays(futures) => {
                self.steps += futures.len() as u64;
                let text = |future: &Future<Array>| self.client.submit(array::text_of, (future,));
                Some(futures.iter().map(|future| future.as_ref().map(text)).collect())
            }
        };
        Ok(Entry { instances, parts, saves })
    }

    pub(super) fn options(&self, task: &Task) -> Options<'a> {
        needs::options(self.client, task, self.slots)
    }

    fn parts_of(&self, whole: &Future<Pack>, wanted: &[u32]) -> Future<Pack> {
        self.client.submit(pack::parts_of, (whole, wanted.to_vec()))
    }

    fn commands(&mut self, def: Def, is_read: bool) -> Result<Collected> {
        let count = def.task.family.len();
        self.steps += count;
        let alone = def.task.references.is_empty();
        let options = self.options(&def.task);
        let def = match alone.then(|| options.family_with(command::run_command_alone, def.clone(), count)) {
            Some(Ok(family)) if is_read || def.keep != streams(&def.task) => {
                return Ok(Collected::Packs(family.range(0..count).into_iter().map(Some).collect()));
            }
            Some(Ok(family)) => return Ok(Collected::Lazy(family)),
            Some(Err(_)) | None => def, // its definition is too long for a family
        };
        let (sent, options) = (self.client.scatter(def.clone()), self.options(&def.task).pure(false));
        let mut futures = Vec::new();
        for index in 0..count {
            let (packs, arrays) = self.inputs(&def.groups, index)?;
            let future = options.submit(command::run_command, (&sent, index, packs, arrays));
            futures.push(Some(future));
        }
        Ok(Collected::Packs(futures))
    }

    fn arrays(&mut self, def: Def, is_read: bool) -> Result<Collected> {
        let count = def.task.family.len();
        self.steps += count;
        if def.task.references.is_empty()
            && let Ok(family) =
                self.options(&def.task).family_with(array::eval_array_alone, def.clone(), count)
        {
            return Ok(if is_read {
                Collected::Arrays(family.range(0..count).into_iter().map(Some).collect())
            } else {
                Collected::LazyArrays(family)
            });
        }
        let options = self.options(&def.task).pure(false);
        let sent = self.client.scatter(def.clone());
        let mut futures = Vec::new();
        for index in 0..count {
            let (packs, arrays) = self.inputs(&def.groups, index)?;
            futures.push(Some(options.submit(array::eval_array, (&sent, index, packs, arrays))));
        }
        Ok(Collected::Arrays(futures))
    }

    /// What an instance gets.
    pub(super) fn inputs(&mut self, groups: &[Group], index: u64) -> Result<Arguments> {
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

    pub(super) fn arrays_of(&self, group: &Group, index: u64) -> Result<Vec<Future<Array>>> {
        let entry = self.done.get(group.task).and_then(Option::as_ref);
        let Some(Collected::Arrays(futures)) = entry.map(|entry| &entry.instances) else {
            return Err(internal("an array that is none"));
        };
        let instances = present(group, index).into_iter();
        let found =
            instances.map(|at| usize::try_from(at).ok().and_then(|at| futures.get(at)).cloned().flatten());
        found.collect::<Option<Vec<_>>>().ok_or_else(|| internal("an instance that is not there"))
    }

    /// The outputs of an instance that somebody wants, without those that they do not: these would travel with them.
    fn pack_of(&mut self, task: usize, instance: u64, wanted: &[u32]) -> Result<Future<Pack>> {
        let missing = || internal("an instance that is not there");
        let at = usize::try_from(instance).map_err(|_| missing())?;
        let keep = self.keeps.get(task).map(Vec::as_slice).unwrap_or_default();
        let key = (task, instance, wanted.to_vec());
        if let Some(part) = self.parts.get(&key) {
            return Ok(part.clone());
        }
        let part = match self.done.get(task).and_then(Option::as_ref).map(|entry| &entry.instances) {
            Some(Collected::Packs(futures)) => {
                let whole = futures.get(at).and_then(Option::as_ref).ok_or_else(missing)?;
                if keep == wanted {
                    return Ok(whole.clone());
                }
                self.parts_of(whole, wanted)
            }
            Some(Collected::Arrays(futures)) => {
                let array = futures.get(at).and_then(Option::as_ref).ok_or_else(missing)?;
                self.client.submit(array::token_of, (array,))
            }
            _ => return Err(missing()),
        };
        self.steps += 1;
        self.parts.insert(key, part.clone());
        Ok(part)
    }
}

/// The instances that are given to one: those that have a result. Without any it gets one that has none, and is not run.
fn present(group: &Group, index: u64) -> Vec<u64> {
    let there: Vec<u64> = group.present(index).collect();
    if there.is_empty() { group.join.instances(index).take(1).collect() } else { there }
}

pub(super) fn internal(what: &str) -> Error {
    Error::Other(format!("internal error: {what}"))
}
