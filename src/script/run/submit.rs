//! Handing a plan over to the engine.

use super::RunFolder;
use super::array::{self, Step};
use super::command;
use super::def::{Def, Group, Kind, streams};
use super::inputs::Array;
use super::pack::{self, Pack};
use crate::call::array::reduce::Reduce;
use crate::call::array::tree;
use crate::client::{Client, Family, Future};
use crate::error::{Error, Result};
use crate::script::{Action, Plan};
use std::collections::HashMap;

/// What is kept of a task until it is collected.
pub enum Collected {
    /// Watched until they end.
    Packs(Vec<Option<Future<Pack>>>),
    /// Watched until they end.
    Arrays(Vec<Option<Future<Array>>>),
    /// A large family that nothing refers to.
    Lazy(Family<Pack>),
}

/// What becomes of a task.
pub struct Entry {
    /// Its instances.
    pub instances: Collected,
    /// Where its streams go to files: for each instance a pack that has them. Without it the instances themselves are
    /// such packs, and nothing else refers to them.
    pub parts: Option<Vec<Option<Future<Pack>>>>,
}

/// A plan that is under way.
pub struct Submission {
    /// For each task of the plan.
    pub collected: Vec<Entry>,
    /// Tasks of the engine that it is.
    pub steps: u64,
}

/// What an instance gets, as its task function takes it.
type Arguments = (Vec<Future<Pack>>, Vec<Future<Array>>);

struct Submitter<'a> {
    plan: &'a Plan,
    client: &'a Client,
    done: Vec<Entry>,
    keeps: Vec<Vec<u32>>,
    /// Parts of packs and tokens of arrays, which several tasks may want.
    parts: HashMap<(usize, u64, Vec<u32>), Future<Pack>>,
    steps: u64,
}

/// Submits every instance of every task.
///
/// # Errors
/// When the run has ended.
pub fn submit(plan: &Plan, folder: &RunFolder, client: &Client, ranks: usize) -> Result<Submission> {
    let mut submitter = Submitter {
        plan,
        client,
        done: Vec::with_capacity(plan.tasks.len()),
        keeps: Vec::with_capacity(plan.tasks.len()),
        parts: HashMap::new(),
        steps: 0,
    };
    let folder = folder.path().display().to_string();
    for number in 0..plan.tasks.len() {
        let def = Def::new(plan, number, &folder, ranks)
            .ok_or_else(|| Error::Other("internal error: a task is not in its plan".into()))?;
        submitter.keeps.push(def.keep.clone());
        let entry = submitter.task(number, def)?;
        submitter.done.push(entry);
    }
    Ok(Submission { collected: submitter.done, steps: submitter.steps })
}

impl Submitter<'_> {
    fn task(&mut self, number: usize, def: Def) -> Result<Entry> {
        let sunk = streams(&def.task);
        let is_read = self.plan.consumers(number).next().is_some();
        let whole = def.keep == sunk;
        let instances = match def.task.action {
            Action::Run { .. } | Action::Shell { .. } => self.commands(def, is_read)?,
            Action::Array { .. } => Collected::Arrays(self.arrays(def)?),
            Action::Reduce { of, with, arity, .. } => Collected::Arrays(self.reduce(&def, of, with, arity)?),
        };
        let parts = match &instances {
            _ if sunk.is_empty() => None,
            Collected::Packs(futures) if is_read || !whole => Some(if whole {
                futures.clone()
            } else {
                self.steps += futures.len() as u64;
                futures.iter().map(|future| Some(self.parts_of(future.as_ref()?, &sunk))).collect()
            }),
            Collected::Packs(_) | Collected::Lazy(_) => None,
            Collected::Arrays(futures) => {
                self.steps += futures.len() as u64;
                let text = |future: &Future<Array>| self.client.submit(array::text_of, (future,));
                Some(futures.iter().map(|future| future.as_ref().map(text)).collect())
            }
        };
        Ok(Entry { instances, parts })
    }

    fn parts_of(&self, whole: &Future<Pack>, wanted: &[u32]) -> Future<Pack> {
        self.client.submit(pack::parts_of, (whole, wanted.to_vec()))
    }

    fn commands(&mut self, def: Def, is_read: bool) -> Result<Collected> {
        let count = def.task.family.len();
        self.steps += count;
        let alone = def.task.references.is_empty();
        let def = match alone.then(|| self.client.family_with(command::run_command_alone, def.clone(), count))
        {
            Some(Ok(family)) if is_read || def.keep != streams(&def.task) => {
                return Ok(Collected::Packs(family.range(0..count).into_iter().map(Some).collect()));
            }
            Some(Ok(family)) => return Ok(Collected::Lazy(family)),
            Some(Err(_)) | None => def, // its definition is too long for a family
        };
        let (sent, options) = (self.client.scatter(def.clone()), self.client.options().pure(false));
        let mut futures = Vec::new();
        for index in 0..count {
            let (packs, arrays) = self.inputs(&def.groups, index)?;
            let future = options.submit(command::run_command, (&sent, index, packs, arrays));
            futures.push(Some(future));
        }
        Ok(Collected::Packs(futures))
    }

    fn arrays(&mut self, def: Def) -> Result<Vec<Option<Future<Array>>>> {
        let count = def.task.family.len();
        self.steps += count;
        if def.task.references.is_empty()
            && let Ok(family) = self.client.family_with(array::eval_array_alone, def.clone(), count)
        {
            return Ok(family.range(0..count).into_iter().map(Some).collect());
        }
        let (sent, options) = (self.client.scatter(def.clone()), self.client.options().pure(false));
        let mut futures = Vec::new();
        for index in 0..count {
            let (packs, arrays) = self.inputs(&def.groups, index)?;
            futures.push(Some(options.submit(array::eval_array, (&sent, index, packs, arrays))));
        }
        Ok(futures)
    }

    fn reduce(
        &mut self,
        def: &Def,
        of: usize,
        with: Reduce,
        arity: usize,
    ) -> Result<Vec<Option<Future<Array>>>> {
        let group = def.sources.get(of).copied().flatten().and_then(|at| def.groups.get(at));
        let group = group.ok_or_else(|| internal("a reduction of nothing"))?;
        let options = self.client.options().pure(false);
        let mut roots = Vec::new();
        for index in 0..def.task.family.len() {
            let leaves = self.arrays_of(group, index)?;
            let count = leaves.len() as u64;
            let tree = tree::plan(leaves.len(), arity).map_err(|error| Error::Other(error.to_string()))?;
            // leaves, and what steps have made, until the step that takes them
            let place = |index| tree::Place { level: 0, index };
            let mut made: HashMap<tree::Place, Future<Array>> =
                leaves.into_iter().enumerate().map(|(index, leaf)| (place(index), leaf)).collect();
            for step in tree.steps() {
                let leaves = (step.at == tree.root()).then_some(count);
                let is_leaf = step.inputs.iter().map(|at| at.level == 0).collect();
                let this = Step { task: def.number, index, with, is_leaf, leaves };
                let inputs: Option<Vec<_>> = step.inputs.iter().map(|at| made.remove(at)).collect();
                let inputs = inputs.ok_or_else(|| internal("a step of a reduction lacks an input"))?;
                made.insert(step.at, options.submit(array::reduce_step, (this, inputs)));
                self.steps += 1;
            }
            let mut root = made.remove(&tree.root());
            if tree.count() == 0 && !with.keeps_single() {
                let this = Step { task: def.number, index, with, is_leaf: vec![true], leaves: Some(1) };
                root = root.map(|leaf| options.submit(array::reduce_step, (this, vec![leaf])));
                self.steps += 1;
            }
            roots.push(root);
        }
        Ok(roots)
    }

    /// What an instance gets.
    fn inputs(&mut self, groups: &[Group], index: u64) -> Result<Arguments> {
        let (mut packs, mut arrays) = (Vec::new(), Vec::new());
        for group in groups {
            match &group.kind {
                Kind::Packs(wanted) => {
                    for instance in group.join.instances(index) {
                        packs.push(self.pack_of(group.task, instance, wanted)?);
                    }
                }
                Kind::Arrays => arrays.extend(self.arrays_of(group, index)?),
            }
        }
        Ok((packs, arrays))
    }

    fn arrays_of(&self, group: &Group, index: u64) -> Result<Vec<Future<Array>>> {
        let Some(Collected::Arrays(futures)) = self.done.get(group.task).map(|entry| &entry.instances) else {
            return Err(internal("an array that is none"));
        };
        let instances = group.join.instances(index);
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
        let part = match self.done.get(task).map(|entry| &entry.instances) {
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

fn internal(what: &str) -> Error {
    Error::Other(format!("internal error: {what}"))
}
