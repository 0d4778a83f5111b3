//! Handing a plan over to the engine: of each task as many instances as are soon wanted, in the order of their indices.
//!
//! A family is submitted in windows, so that what has not started costs nothing; what refers to it follows it closely, and
//! its results are let go of when all have been submitted that read them. A family that nothing refers to, and that refers
//! to nothing, goes to the engine as a whole, which expands it as it runs.

use super::reduce::{Unordered, is_unordered};
use crate::batch::head::dataset_files::DatasetFile;
use crate::batch::head::failed_members::Losses;
use crate::batch::head::placement;
use crate::batch::head::retained::{Arguments, RetainedResults, parts_of};
use crate::batch::head::run_folder::RunFolder;
use crate::batch::outputs::CommandOutputs;
use crate::batch::rank::array;
use crate::batch::rank::command;
use crate::batch::rank::inputs::Array;
use crate::batch::task_def::{Read, TaskDef, streams};
use crate::client::Client;
use crate::client::family::Family;
use crate::client::future::Future;
use crate::client::options::Options;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, TaskAction};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;

/// Instances of a task that may have been submitted and not have ended; more where there are more slots to fill.
const WINDOW: u64 = 65_536;
/// For each slot.
const WINDOW_SLOT: u64 = 8;
/// Instances that are submitted together. A part of a family has a definition of its own, so it is not small.
const PART: u64 = 16_384;

/// Instances of a task, as the engine has them.
pub(crate) enum SubmittedFutures {
    /// Watched until they end.
    Packs(Vec<Future<CommandOutputs>>),
    /// Watched until they end.
    Arrays(Vec<Future<Array>>),
    /// A family that nothing refers to, taken a part at a time.
    Lazy(Family<CommandOutputs>),
    /// The same of arrays.
    LazyArrays(Family<Array>),
}

/// Some instances of a task that were submitted.
pub(crate) struct SubmittedInstances {
    /// The task's number.
    pub task: usize,
    /// The index of the first.
    pub first: u64,
    /// Whether they are the last.
    pub last: bool,
    /// The instances.
    pub instances: SubmittedFutures,
    /// Where the task's streams go to files: for each instance a pack that has them. Without it the instances themselves
    /// are such packs, and nothing else refers to them.
    pub parts: Option<Vec<Future<CommandOutputs>>>,
    /// Where arrays are saved: for each `save`, what writes each of them.
    pub saves: Vec<Vec<Future<CommandOutputs>>>,
}

/// A task of which instances are submitted.
pub(crate) struct OpenTask {
    pub(crate) def: TaskDef,
    /// The same, at rank 0 for others to fetch.
    sent: Option<Future<TaskDef>>,
}

/// Submits the tasks of a plan. Those that gather a family whose failed instances they go on without wait until it is
/// known which have failed.
pub(crate) struct Submitter<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) client: &'a Client,
    folder: String,
    pub(crate) team: &'a Team,
    /// The ranks that compute.
    pub(crate) computing: Vec<Rank>,
    /// The files of datasets.
    pub(crate) files: BTreeMap<PathBuf, DatasetFile>,
    /// How many instances of each task are submitted.
    pub(crate) next: Vec<u64>,
    begun: Vec<Option<Box<OpenTask>>>,
    /// Tasks of which instances are left to be submitted, in the order of the plan.
    left: Vec<usize>,
    /// The tasks that refer to each.
    users: Vec<Vec<usize>>,
    /// Of each task, what others that are not submitted yet will read.
    pub(crate) held: Vec<RetainedResults>,
    read: Read,
    /// Families whose failures are to be known.
    losses: HashMap<usize, Losses>,
    /// Reductions that merge what is ready first, until their last steps are submitted.
    pub(crate) unordered: HashMap<usize, Unordered<'a>>,
    /// How many steps they have taken.
    pub(crate) merged: u64,
    window: u64,
}

impl<'a> Submitter<'a> {
    /// Nothing is submitted yet.
    pub(crate) fn new(plan: &'a Plan, folder: &RunFolder, client: &'a Client, team: &'a Team) -> Self {
        let count = plan.tasks.len();
        let mut users = vec![Vec::new(); count];
        for number in 0..count {
            plan.needs(number).into_iter().for_each(|need| users[need].push(number));
        }
        let slots = &team.slots;
        let ranks = (0u32..).zip(slots).filter(|(_, slots)| **slots > 0).map(|(rank, _)| Rank(rank));
        let all: u64 = slots.iter().map(|slots| u64::from(*slots)).sum();
        Submitter {
            plan,
            client,
            folder: folder.path().display().to_string(),
            team,
            computing: ranks.collect(),
            files: BTreeMap::new(),
            next: vec![0; count],
            begun: (0..count).map(|_| None).collect(),
            left: (0..count).collect(),
            users,
            held: (0..count).map(|_| RetainedResults::default()).collect(),
            read: Read::new(plan),
            losses: HashMap::new(),
            unordered: HashMap::new(),
            merged: 0,
            window: WINDOW.max(all.saturating_mul(WINDOW_SLOT)),
        }
    }

    /// Whether all is submitted.
    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Submits what is soon wanted; `open` says of each task how many instances have been submitted and not ended.
    ///
    /// # Errors
    /// When the run has ended.
    pub(crate) fn advance(&mut self, mut open: Vec<u64>) -> Result<Vec<SubmittedInstances>> {
        for losses in self.losses.values_mut() {
            losses.look()?;
        }
        let (mut entries, mut began) = (Vec::new(), false);
        loop {
            let before = entries.len();
            for number in self.left.clone() {
                if self.is_merging(number)? {
                    continue;
                }
                // what refers to it comes first: it lets go of results
                if self.users[number].iter().any(|user| self.is_ready(*user, self.next[*user])) {
                    continue;
                }
                let range = self.part(number, open[number])?;
                if !range.is_empty() && self.begin_unordered(number)? {
                    began = true;
                } else if !range.is_empty() {
                    open[number] += range.end - range.start;
                    entries.push(self.submit(number, range)?);
                }
            }
            if entries.len() == before {
                break;
            }
            let Self { left, next, plan, .. } = self;
            left.retain(|number| next[*number] < plan.tasks[*number].family.len());
        }
        if began || !entries.is_empty() {
            self.let_go();
        }
        Ok(entries)
    }

    /// Gives up what is not submitted: for each task the instances that never will be.
    ///
    /// # Errors
    /// When the name of a file cannot be made up.
    pub(crate) fn give_up(&mut self) -> Result<Vec<(usize, Range<u64>)>> {
        self.held.iter_mut().for_each(|held| *held = RetainedResults::default());
        self.unordered.clear();
        let left = std::mem::take(&mut self.left).into_iter();
        let never: Vec<_> =
            left.map(|number| (number, self.next[number]..self.plan.tasks[number].family.len())).collect();
        for (number, range) in &never {
            self.expect_files(*number, range.clone())?;
        }
        Ok(never)
    }

    /// Whether all that an instance refers to has been submitted. There is no such instance after the last.
    fn is_ready(&self, number: usize, index: u64) -> bool {
        let task = &self.plan.tasks[number];
        let whole = is_whole(task);
        let is_there = |reference: &crate::script::plan::task::Reference| {
            let (submitted, all) = (self.next[reference.task], self.plan.tasks[reference.task].family.len());
            if self.plan.tasks[reference.task].optional && reference.join.is_gather() {
                return submitted == all && self.losses.get(&reference.task).is_some_and(Losses::are_known);
            }
            submitted == all || !whole && reference.join.last(index).is_none_or(|last| last < submitted)
        };
        index < task.family.len() && task.references.iter().all(is_there)
    }

    /// The instances of a task that are to be submitted now.
    fn part(&mut self, number: usize, open: u64) -> Result<Range<u64>> {
        let (task, next) = (&self.plan.tasks[number], self.next[number]);
        let all = task.family.len();
        if !self.is_ready(number, next) {
            return Ok(next..next);
        }
        if is_whole(task) || self.begun[number].is_none() && self.is_lazy(number) {
            return Ok(next..all);
        }
        let room = self.window.saturating_sub(open).min(PART).min(all - next);
        if task.references.is_empty() && room < PART.min(all - next) {
            return Ok(next..next);
        }
        let complete = task
            .references
            .iter()
            .all(|reference| self.next[reference.task] == self.plan.tasks[reference.task].family.len());
        let mut end = next;
        while end < next + room && (complete || self.is_ready(number, end)) {
            end += 1;
        }
        Ok(next..end)
    }

    /// Whether the engine expands the task as it runs: it refers to nothing, and nothing refers to it.
    fn is_lazy(&self, number: usize) -> bool {
        let task = &self.plan.tasks[number];
        let saved = !task.action.is_command() && !task.saves.is_empty();
        let family = !matches!(
            task.action,
            TaskAction::MapReduce(_) | TaskAction::Reduce { .. } | TaskAction::Merge { .. }
        );
        family && task.references.is_empty() && !self.read.referred[number] && !task.keep && !saved
    }

    /// Lets go of results that nothing will refer to any more.
    fn let_go(&mut self) {
        for number in 0..self.held.len() {
            if self.held[number].is_empty() {
                continue;
            }
            let users = self.users[number].iter().filter(|user| !self.unordered.contains_key(user));
            let users = users.map(|user| (&self.plan.tasks[*user], self.next[*user]));
            let left = users.filter(|(user, next)| *next < user.family.len());
            let wanted = left.flat_map(|(user, next)| {
                let references = user.references.iter().filter(|reference| reference.task == number);
                references.map(move |reference| reference.join.first_from(next))
            });
            let first = wanted.min().unwrap_or(u64::MAX);
            self.held[number].let_go(first);
        }
    }

    pub(crate) fn begin(&self, number: usize) -> Result<Box<OpenTask>> {
        let mut def = TaskDef::new(self.plan, number, &self.read, &self.folder, self.team.slots.len())
            .ok_or_else(|| internal("a task is not in its plan"))?;
        for group in def.groups.iter_mut().filter(|group| !group.one) {
            if let Some(losses) = self.losses.get(&group.task) {
                group.without.clone_from(losses.lost());
            }
        }
        Ok(Box::new(OpenTask { def, sent: None }))
    }

    fn submit(&mut self, number: usize, range: Range<u64>) -> Result<SubmittedInstances> {
        let lazy = self.begun[number].is_none() && self.is_lazy(number);
        let mut begun = match self.begun[number].take() {
            Some(begun) => begun,
            None => self.begin(number)?,
        };
        let Range { start: first, mut end } = range;
        let instances = match if lazy { self.family(&begun, &range) } else { None } {
            Some(family) => family,
            None => {
                if lazy {
                    end = end.min(first + PART); // its definition is too long for a family
                }
                self.instances(&mut begun, first..end)?
            }
        };
        let last = end == begun.def.task.family.len();
        self.next[number] = end;
        if begun.def.task.optional {
            let losses = self.losses.entry(number).or_default();
            match &instances {
                SubmittedFutures::Packs(futures) => losses.watch(first, self.client.watch(futures), last),
                SubmittedFutures::Arrays(futures) => losses.watch(first, self.client.watch(futures), last),
                SubmittedFutures::Lazy(_) | SubmittedFutures::LazyArrays(_) => {} // nothing refers to it
            }
        }
        let saves = match &instances {
            SubmittedFutures::Arrays(arrays) => self.save(&mut begun, first, arrays)?,
            _ => Vec::new(),
        };
        let parts = self.parts(&begun.def, &instances);
        if !self.users[number].is_empty() {
            self.held[number].hold(first, &instances, &begun.def.keep);
        }
        if !last {
            self.begun[number] = Some(begun);
        }
        Ok(SubmittedInstances { task: number, first, last, instances, parts, saves })
    }

    /// A part of a family that refers to nothing; none where its definition is too long for one.
    fn family(&self, begun: &OpenTask, range: &Range<u64>) -> Option<SubmittedFutures> {
        let (def, count) = (&begun.def, range.end - range.start);
        if !def.task.references.is_empty() {
            return None;
        }
        let (options, def) = (self.options(&def.task), TaskDef { first: range.start, ..def.clone() });
        Some(match def.task.action {
            TaskAction::Run { .. } | TaskAction::Shell { .. } => {
                SubmittedFutures::Lazy(options.family_with(command::run_command_alone, def, count).ok()?)
            }
            TaskAction::Array { .. } | TaskAction::Call { .. } => {
                SubmittedFutures::LazyArrays(options.family_with(array::eval_array_alone, def, count).ok()?)
            }
            TaskAction::MapReduce(_) | TaskAction::Reduce { .. } | TaskAction::Merge { .. } => return None,
        })
    }

    fn instances(&mut self, begun: &mut OpenTask, range: Range<u64>) -> Result<SubmittedFutures> {
        match self.family(begun, &range) {
            Some(SubmittedFutures::Lazy(family)) => {
                return Ok(SubmittedFutures::Packs(family.range(0..family.len())));
            }
            Some(SubmittedFutures::LazyArrays(family)) => {
                return Ok(SubmittedFutures::Arrays(family.range(0..family.len())));
            }
            _ => {}
        }
        Ok(match begun.def.task.action {
            TaskAction::Run { .. } | TaskAction::Shell { .. } => SubmittedFutures::Packs(self.one_by_one(
                begun,
                range,
                |options, sent, index, (packs, arrays)| {
                    options.submit(command::run_command, (sent, index, packs, arrays))
                },
            )?),
            TaskAction::Array { .. } | TaskAction::Call { .. } => SubmittedFutures::Arrays(self.one_by_one(
                begun,
                range,
                |options, sent, index, (packs, arrays)| {
                    options.submit(array::eval_array, (sent, index, packs, arrays))
                },
            )?),
            TaskAction::MapReduce(_) => SubmittedFutures::Packs(self.mapreduce(begun.def.clone())?),
            TaskAction::Reduce { .. } | TaskAction::Merge { .. } => self.reduce(&begun.def, range)?,
        })
    }

    /// What goes to files of rank 0, taken out of what others read.
    fn parts(&self, def: &TaskDef, instances: &SubmittedFutures) -> Option<Vec<Future<CommandOutputs>>> {
        let sunk = streams(&def.task);
        let is_read = self.read.referred[def.number as usize] || def.task.keep;
        let whole = def.keep == sunk;
        match instances {
            _ if sunk.is_empty() => None,
            SubmittedFutures::Packs(futures) if whole && is_read => Some(futures.clone()),
            SubmittedFutures::Packs(futures) if !whole => {
                Some(futures.iter().map(|future| parts_of(self.client, future, &sunk)).collect())
            }
            SubmittedFutures::Packs(_) | SubmittedFutures::Lazy(_) | SubmittedFutures::LazyArrays(_) => None,
            SubmittedFutures::Arrays(futures) => {
                Some(futures.iter().map(|array| self.client.submit(array::text_of, (array,))).collect())
            }
        }
    }

    pub(crate) fn options(&self, task: &PlanTask) -> Options<'a> {
        placement::options(self.client, task, &self.team.slots)
    }

    fn one_by_one<T>(
        &mut self,
        begun: &mut OpenTask,
        range: Range<u64>,
        submit: impl Fn(&Options<'_>, &Future<TaskDef>, u64, Arguments) -> Future<T>,
    ) -> Result<Vec<Future<T>>> {
        let options = self.options(&begun.def.task).pure(false);
        let sent = begun.sent(self.client);
        range
            .map(|index| Ok(submit(&options, &sent, index, self.inputs(&begun.def.groups, index)?)))
            .collect()
    }
}

impl OpenTask {
    /// The definition, for others to fetch.
    pub(crate) fn sent(&mut self, client: &Client) -> Future<TaskDef> {
        self.sent.get_or_insert_with(|| client.scatter(self.def.clone())).clone()
    }
}

/// Whether a task is submitted as a whole, when all that it refers to is.
fn is_whole(task: &PlanTask) -> bool {
    matches!(task.action, TaskAction::MapReduce(_)) || is_unordered(task)
}

pub(crate) fn internal(what: &str) -> Error {
    Error::Other(format!("internal error: {what}"))
}
