//! The submitter: it hands a plan over to the engine window by window, in the order of the instances' indices.
//!
//! Of each task at most a window of instances is with the engine, so that instances which have not started cost
//! nothing. A task that reads another follows it closely, and a result is dropped when all instances that read it are
//! submitted. A family without dependencies and dependants goes to the engine as a whole, which expands it as it runs.

use crate::batch::artifact::Artifact;
use crate::batch::head::dataset_files::DatasetFiles;
use crate::batch::head::failures::failed_members::Losses;
use crate::batch::head::placement;
use crate::batch::head::reduce::any_order::Merging;
use crate::batch::head::reduce::{self, fixed};
use crate::batch::head::retained::RetainedResults;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::head::submitted::{OpenTask, SubmittedFutures, SubmittedInstances};
use crate::batch::rank::mpi_program::JobHosts;
use crate::batch::rank::{array, command, save_array};
use crate::batch::resume::todo::{TaskTodo, Todo};
use crate::batch::task_def::{ReadOutputs, TaskDef, streams};
use crate::client::Client;
use crate::client::family::{FAMILY_MAX, Family};
use crate::client::future::Future;
use crate::client::options::Options;
use crate::compact::{Ranges, Runs};
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, TaskAction};
use std::collections::HashMap;
use std::ops::Range;

/// The size of a window: the largest number of instances of a task that are submitted and have not ended. Larger where
/// the job has many slots ([`WINDOW_SLOT`]).
const WINDOW: u64 = 65_536;
/// The number of instances in a window for each slot of the job (a slot runs one task at a time), if that makes more
/// than [`WINDOW`].
const WINDOW_SLOT: u64 = 8;
/// The largest number of instances that are submitted at once. A task without dependencies is submitted in parts of
/// just this size, since each has a definition of its own, which every rank has to get: that pays off only for many.
pub(super) const PART: u64 = 16_384;
/// The number of instances from which on those without inputs are submitted as a family of the engine. Gaps between
/// what is done can be smaller.
const FAMILY_LEAST: u64 = 16;

/// Submits the instances of a plan's tasks to the engine, when their inputs are submitted and the window has room. A
/// task that gathers an optional family (whose instances are allowed to fail) is submitted when all failures of the
/// family are known.
pub(crate) struct Submitter<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) client: &'a Client,
    folder: String,
    pub(crate) team: &'a Team,
    /// The ranks that run tasks: those with at least one slot.
    pub(crate) computing: Vec<Rank>,
    /// The HDF5 files into which arrays are saved, with the rank that writes each.
    pub(crate) files: DatasetFiles,
    /// By task number, the index of the instance that is submitted next.
    pub(crate) next: Vec<u64>,
    pub(super) begun: Vec<Option<Box<OpenTask>>>,
    /// Numbers of the tasks with instances left to submit, in the order of the plan.
    pub(super) left: Vec<usize>,
    /// By task, the tasks that depend on it.
    users: Vec<Vec<usize>>,
    /// Results whose futures are held, since tasks that are not submitted yet will read them.
    pub(crate) retained: RetainedResults<'a>,
    pub(super) read: ReadOutputs,
    /// By task number, whether the definition is too long for a family that the engine expands.
    pub(super) too_long: Vec<bool>,
    /// By task number, optional families (whose instances are allowed to fail), with the failures so far.
    pub(super) losses: HashMap<usize, Losses>,
    /// By task number, reductions with `order = "any"` whose last merge steps are not submitted yet, since inputs are
    /// still to come.
    pub(super) unordered: HashMap<usize, Merging<'a>>,
    /// The number of merge steps submitted so far, over all reductions that merge results as they come
    /// (`order = "any"`).
    pub(crate) merged: u64,
    pub(super) window: u64,
    /// The instances that run; all others are done.
    pub(crate) todo: &'a Todo,
}

impl<'a> Submitter<'a> {
    /// Makes a submitter for a plan of which no instance is submitted yet.
    pub(crate) fn new(
        plan: &'a Plan,
        folder: &RunFolder,
        client: &'a Client,
        team: &'a Team,
        todo: &'a Todo,
    ) -> Self {
        let count = plan.tasks.len();
        let mut users = vec![Vec::new(); count];
        for number in 0..count {
            plan.needs(number).into_iter().for_each(|need| users[need].push(number));
        }
        let slots = &team.slots;
        let ranks = (0u32..).zip(slots).filter(|(_, slots)| **slots > 0).map(|(rank, _)| Rank(rank));
        let computing: Vec<Rank> = ranks.collect();
        let all: u64 = slots.iter().map(|slots| u64::from(*slots)).sum();
        Submitter {
            plan,
            client,
            folder: folder.path().display().to_string(),
            team,
            files: DatasetFiles::new(&plan.dir, computing.clone()),
            computing,
            next: (0..count).map(|number| todo.next(number, 0)).collect(),
            begun: (0..count).map(|_| None).collect(),
            left: (0..count)
                .filter(|number| todo.next(*number, 0) < plan.tasks[*number].family.len())
                .collect(),
            users,
            retained: RetainedResults::new(client, plan, todo, folder.path()),
            read: ReadOutputs::new(plan),
            too_long: vec![false; count],
            losses: done_families(plan, todo),
            unordered: HashMap::new(),
            merged: 0,
            window: WINDOW.max(all.saturating_mul(WINDOW_SLOT)),
            todo,
        }
    }

    /// Whether all instances of the plan are submitted.
    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Submits all instances whose inputs are submitted and for which the window has room. `open` has, for each task,
    /// the number of instances that are submitted and have not ended.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn advance(&mut self, mut open: Vec<u64>) -> Result<Vec<SubmittedInstances>> {
        for losses in self.losses.values_mut() {
            losses.look()?;
        }
        self.look_at_chains()?;
        let (mut entries, mut began) = (Vec::new(), false);
        loop {
            let before = entries.len();
            for number in self.left.clone() {
                if self.is_merging(number)? {
                    continue;
                }
                // dependants that are ready come first: submitting them allows results to be dropped
                let is_apart = |user: &&usize| {
                    let knot = self.plan.tasks[number].knot;
                    knot == 0 || self.plan.tasks[**user].knot != knot
                };
                let mut users = self.users[number].iter().filter(is_apart);
                if users.any(|user| self.is_ready(*user, self.next[*user])) {
                    continue;
                }
                if self.retained.chains[number].is_some() {
                    if let Some(entry) = self.submit_chains(number, open[number])? {
                        open[number] += entry.indices.len() as u64;
                        entries.push(entry);
                    }
                    continue;
                }
                let ranges = self.part(number, open[number])?;
                if !ranges.is_empty() && self.begin_unordered(number)? {
                    began = true;
                } else if !ranges.is_empty() {
                    open[number] += ranges.iter().map(|range| range.end - range.start).sum::<u64>();
                    entries.push(self.submit(number, &ranges)?);
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

    /// Gives up all instances that are not submitted, because the run stops early. Returns them as ranges by task.
    ///
    /// # Errors
    /// When a file name cannot be rendered.
    pub(crate) fn give_up(&mut self) -> Result<Vec<(usize, Range<u64>)>> {
        self.unordered.clear();
        let left = std::mem::take(&mut self.left).into_iter();
        let never: Vec<_> = left
            .flat_map(|number| {
                match &self.retained.chains[number] {
                    Some(running) => running.chains.unsubmitted(self.todo),
                    None => self.todo.from(number, self.next[number]).collect(),
                }
                .iter()
                .map(|range| (number, range))
                .collect::<Vec<_>>()
            })
            .collect();
        self.retained.clear();
        for (number, range) in &never {
            self.files.expect_all(&self.plan.tasks[*number], range.clone())?;
        }
        Ok(never)
    }

    /// Drops the futures of results that no instance still to be submitted will read, so that the ranks can free them.
    fn let_go(&mut self) {
        for number in 0..self.plan.tasks.len() {
            if self.retained.chains[number].is_some() {
                let (others, lasts) = (self.first_wanted(number, false), self.first_wanted(number, true));
                let task = &self.plan.tasks[number];
                let first_of = |instance: u64| {
                    let until = task.until.as_ref()?;
                    until.instance(&task.family, until.place(&task.family, instance)?.0, 0)
                };
                self.retained
                    .let_chains_go(number, others, |at| first_of(at).is_some_and(|first| first >= lasts));
            } else if !self.retained.is_empty(number) {
                let first = self.first_wanted(number, false);
                self.retained.let_go(number, first);
            }
        }
    }

    /// The lowest index among the instances of a task that others which are still to be submitted will read. `last`
    /// chooses the references to last instances of loops, whose lowest index is that of the first instance of a loop.
    /// `u64::MAX` if there are none. An instance of a task with `until` itself does not count as one of the others.
    fn first_wanted(&self, number: usize, last: bool) -> u64 {
        let is_chain = self.retained.chains[number].is_some();
        let users = self.users[number].iter().filter(|user| !self.unordered.contains_key(user));
        let users = users.filter(|user| !(is_chain && **user == number));
        let users = users.map(|user| (&self.plan.tasks[*user], self.next[*user]));
        let left = users.filter(|(user, next)| *next < user.family.len());
        let wanted = left.flat_map(|(user, next)| {
            let references = user.references.iter();
            let references =
                references.filter(|reference| (reference.task, reference.last) == (number, last));
            references.map(move |reference| reference.join.first_from(next))
        });
        wanted.min().unwrap_or(u64::MAX)
    }

    /// Makes the definition of a task, as the ranks get it. Its inputs do not include failed instances of optional
    /// families.
    pub(super) fn begin(&self, number: usize) -> Result<Box<OpenTask>> {
        let mut def = TaskDef::new(self.plan, number, &self.read, &self.folder, self.team.slots.len())
            .ok_or_else(|| Error::internal("a task is not in its plan"))?;
        def.hosts = def.task.needs.ranks.map(|_| JobHosts::of(self.team));
        def.quarantined = self.todo.tasks.get(number).map(TaskTodo::quarantined).unwrap_or_default();
        // nothing waits for tasks that earlier runs have done
        let is_done = |task: usize| self.todo.next(task, 0) == self.plan.tasks[task].family.len();
        def.leave_out(|group| group.wanted.is_empty() && is_done(group.task));
        for group in def.groups.iter_mut().filter(|group| !group.one) {
            if let Some(losses) = self.losses.get(&group.task) {
                group.without = losses.without(self.plan.tasks[group.task].optional);
            }
            if let Some(running) = self.retained.chains[group.task].as_ref().filter(|_| !group.last) {
                group.without.extend(running.chains.not_needed.iter().flatten());
                group.without.sort_unstable();
                group.without.dedup();
            }
        }
        Ok(Box::new(OpenTask::new(def)))
    }

    fn submit(&mut self, number: usize, ranges: &[Range<u64>]) -> Result<SubmittedInstances> {
        let is_lazy = self.is_lazy(number);
        let mut begun = match self.begun[number].take() {
            Some(begun) => begun,
            None => self.begin(number)?,
        };
        let lazy = match ranges {
            [range] if is_lazy => self.family(&begun, range),
            _ => None,
        };
        let is_too_long = lazy.is_none() && is_lazy;
        self.too_long[number] |= is_too_long;
        let mut indices = Runs::default();
        let instances = match lazy {
            Some(family) => {
                ranges.iter().for_each(|range| indices.extend(range.start, range.end - range.start));
                SubmittedFutures::Lazy(family)
            }
            None => {
                let mut futures = Vec::new();
                for range in ranges {
                    // the engine takes no family whose definition or range is so long
                    let most = range.end.min(range.start + PART);
                    let range = if is_too_long { range.start..most } else { range.clone() };
                    indices.extend(range.start, range.end - range.start);
                    futures.extend(self.instances(&mut begun, range, ranges.len() > 1)?);
                }
                SubmittedFutures::Each(futures)
            }
        };
        let end = indices.get(indices.len().saturating_sub(1)).map_or(u64::MAX, |last| last + 1);
        self.next[number] = self.todo.next(number, end);
        let last = self.next[number] == begun.def.task.family.len();
        let sunk = streams(&begun.def.task);
        let extract = if begun.def.keep == sunk { Vec::new() } else { sunk };
        let mut saves = Vec::new();
        // A family that the engine expands has no dependants and saves no arrays, so nothing is to be done for it here.
        if let SubmittedFutures::Each(futures) = &instances {
            if begun.def.task.optional || begun.def.task.skippable {
                let losses = self.losses.entry(number).or_default();
                losses.watch(indices.clone(), self.client.watch(futures), last);
            }
            saves = self.save(&mut begun, &indices, futures)?;
            if !self.users[number].is_empty() && !begun.def.reads_itself() {
                self.retained.hold(number, &indices, futures, &begun.def.keep);
            }
        }
        if !last {
            self.begun[number] = Some(begun);
        }
        let (verdicts, beyond, lost) = (Vec::new(), Ranges::default(), Vec::new());
        Ok(SubmittedInstances {
            task: number,
            indices,
            last,
            instances,
            extract,
            saves,
            verdicts,
            beyond,
            lost,
        })
    }

    /// Submits a range of instances of a task without dependencies as one engine family. `None` if the definition is
    /// too long for the engine to take, or the range is.
    fn family(&self, begun: &OpenTask, range: &Range<u64>) -> Option<Family<Artifact>> {
        let (def, count) = (&begun.def, range.end - range.start);
        if !def.task.references.is_empty() || count > FAMILY_MAX {
            return None;
        }
        let (options, def) = (self.options(&def.task), TaskDef { first: range.start, ..def.clone() });
        match def.task.action {
            TaskAction::Run { .. } | TaskAction::Shell { .. } => {
                options.family_with(command::run_command_alone, def, count).ok()
            }
            TaskAction::Array { .. } | TaskAction::Call { .. } => {
                options.family_with(array::eval_array_alone, def, count).ok()
            }
            TaskAction::MapReduce(_) | TaskAction::Reduce { .. } | TaskAction::Merge { .. } => None,
        }
    }

    /// Submits a range of instances. `is_sparse` tells that it is one of many, with gaps between them.
    fn instances(
        &mut self,
        begun: &mut OpenTask,
        range: Range<u64>,
        is_sparse: bool,
    ) -> Result<Vec<Future<Artifact>>> {
        // sending a family to the engine has a fixed cost: short ranges are cheaper one instance at a time
        if (!is_sparse || range.end - range.start >= FAMILY_LEAST)
            && let Some(family) = self.family(begun, &range)
        {
            return Ok(family.range(0..family.len()));
        }
        match begun.def.task.action {
            TaskAction::Run { .. } | TaskAction::Shell { .. } => {
                self.one_by_one(begun, range, |options, sent, index, inputs| {
                    options.submit(command::run_command, (sent, index, inputs))
                })
            }
            TaskAction::Array { .. } | TaskAction::Call { .. } => {
                self.one_by_one(begun, range, |options, sent, index, inputs| {
                    options.submit(array::eval_array, (sent, index, inputs))
                })
            }
            TaskAction::MapReduce(_) => self.mapreduce(begun.def.clone()),
            TaskAction::Reduce { .. } | TaskAction::Merge { .. } => self.reduce(&begun.def, range),
        }
    }

    /// Submits the merge steps of a range of instances of a `reduce` task. Returns for each instance the future of its
    /// last step, which is its result.
    fn reduce(&mut self, def: &TaskDef, range: Range<u64>) -> Result<Vec<Future<Artifact>>> {
        if let Some(merging) = self.unordered.remove(&(def.number as usize)) {
            let last = merging.last_steps();
            return last.ok_or_else(|| Error::internal("a reduction that is not at its end"));
        }
        let (first, options) = (range.start, self.options(&def.task).pure(false));
        fixed::submit(reduce::prepare(def, range, &mut self.retained, options)?, first)
    }

    /// Starts to merge the inputs of a task that reduces with `order = "any"`, unless it was started before. Returns
    /// whether this call started it.
    fn begin_unordered(&mut self, number: usize) -> Result<bool> {
        if !self.plan.tasks[number].is_unordered() || self.unordered.contains_key(&number) {
            return Ok(false);
        }
        let def = self.begin(number)?.def;
        let (all, options) = (0..def.task.family.len(), self.options(&def.task).pure(false));
        let reduction = reduce::prepare(&def, all, &mut self.retained, options)?;
        self.unordered.insert(number, Merging::new(reduction, self.client));
        Ok(true)
    }

    /// Submits merge steps of a task with `order = "any"` whose inputs have arrived. Returns whether the reduction
    /// still waits for inputs.
    fn is_merging(&mut self, number: usize) -> Result<bool> {
        let Some(merging) = self.unordered.get_mut(&number) else { return Ok(false) };
        self.merged += merging.turn(self.client)?;
        Ok(!merging.is_done())
    }

    /// Submits helper tasks that save the `arrays` of a task, from instance `first` on, to files. Returns one list of
    /// futures for each `save` of the script; no list for commands, which save their outputs on their own rank.
    pub(super) fn save(
        &mut self,
        begun: &mut OpenTask,
        indices: &Runs,
        arrays: &[Future<Artifact>],
    ) -> Result<Vec<Vec<Future<Artifact>>>> {
        if begun.def.task.action.is_command() || begun.def.task.saves.is_empty() {
            return Ok(Vec::new());
        }
        let sent = begun.sent(self.client);
        let options = self.client.options().pure(false);
        let mut all = Vec::with_capacity(begun.def.task.saves.len());
        for number in 0..begun.def.task.saves.len() {
            let mut saves = Vec::with_capacity(arrays.len());
            for (index, array) in indices.iter().zip(arrays) {
                let arguments = (&sent, index, number as u32, array);
                saves.push(match self.files.expect(&begun.def.task, number, index)? {
                    None => options.submit(save_array::save_file, arguments),
                    Some(owner) => options.clone().on(owner).submit(save_array::save_dataset, arguments),
                });
            }
            all.push(saves);
        }
        Ok(all)
    }

    /// The scheduling options of the engine for the instances of a task.
    pub(super) fn options(&self, task: &PlanTask) -> Options<'a> {
        placement::options(self.client, task, &self.team.slots)
    }

    /// Submits a range of instances that have inputs, by calling `submit` for each instance.
    fn one_by_one(
        &mut self,
        begun: &mut OpenTask,
        range: Range<u64>,
        submit: impl Fn(&Options<'_>, &Future<TaskDef>, u64, Vec<Future<Artifact>>) -> Future<Artifact>,
    ) -> Result<Vec<Future<Artifact>>> {
        let options = self.options(&begun.def.task).pure(false);
        let sent = begun.sent(self.client);
        let TaskDef { groups, number, keep, .. } = &begun.def;
        let reads_itself = begun.def.reads_itself();
        let mut futures = Vec::with_capacity((range.end - range.start) as usize);
        for index in range {
            let future = submit(&options, &sent, index, self.retained.inputs(groups, index)?);
            if reads_itself {
                // the next instance may read it
                let mut own = Runs::default();
                own.push(index);
                self.retained.hold(*number as usize, &own, std::slice::from_ref(&future), keep);
            }
            futures.push(future);
        }
        Ok(futures)
    }
}

/// The optional families of which all instances are done: none of them has failed.
fn done_families(plan: &Plan, todo: &Todo) -> HashMap<usize, Losses> {
    let tasks = plan.tasks.iter().enumerate();
    let done = tasks.filter(|(number, task)| task.optional && todo.next(*number, 0) == task.family.len());
    done.map(|(number, _)| (number, Losses::none())).collect()
}
