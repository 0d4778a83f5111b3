//! The decision which instances of a plan run, and which are skipped since an earlier run has done them.
//!
//! Two passes over the plan. Forwards: an instance runs if it is not done, or if it reads one that was not done.
//! Backwards: an instance runs if one that runs reads its result, and the result was not saved.

use crate::batch::resume::checkpointed::CheckpointLookup;
use crate::batch::resume::known::{KnownInstances, KnownTask};
use crate::batch::resume::loops::{has_on_loop, last_of_loop, note_behind};
use crate::batch::resume::lost_files;
use crate::batch::resume::resumed_file::ResumedFile;
use crate::batch::resume::saved_paths;
use crate::batch::resume::shared::{FileWriters, SharedOutput};
use crate::compact::Ranges;
use crate::journal::record::{CheckpointRecord, FileStamp};
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, Reference, Select};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// The reason why an instance runs, for `dtask plan --why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunReason {
    /// The journal has no record of the instance as done.
    NotDone,
    /// The user has named the task with `--force`.
    Forced,
    /// Several ranks have died with the instance, so that it fails without being started; the text says which.
    Quarantined(String),
    /// A file that the instance saved is missing or was changed; the path.
    Lost(String),
    /// The instance reads one that was not done; the number of that instance's task.
    InputNotDone(usize),
    /// An instance that runs reads the result, which was not saved; its task number and index.
    NeededBy(usize, u64),
    /// The instance writes into a file with others, and the file is incomplete or another of them runs; the path.
    SharedFile(String),
    /// A file that instances share, and that is to be completed, lacks its output: the file.
    NotInFile(String),
    /// The instances of the task can only run all together, and another one runs.
    Together,
}

impl RunReason {
    /// Whether the instance runs for another result than it had, and not to make the same one again.
    fn is_for_new_result(&self) -> bool {
        match self {
            RunReason::NotDone
            | RunReason::Forced
            | RunReason::Quarantined(_)
            | RunReason::InputNotDone(_)
            | RunReason::Together => true,
            RunReason::Lost(_)
            | RunReason::NeededBy(..)
            | RunReason::SharedFile(_)
            | RunReason::NotInFile(_) => false,
        }
    }
}

/// The instances of one task that run, with the reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskTodo {
    /// The indices of the instances that run.
    pub run: Ranges,
    /// The number of all instances of the task.
    pub all: u64,
    /// The reason for each range of indices that run; the ranges do not overlap.
    pub why: Vec<(Range<u64>, RunReason)>,
}

/// The instances of a plan that run. All others were done by an earlier run, and are skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Todo {
    /// The instances that run, by task number.
    pub tasks: Vec<TaskTodo>,
    /// Files that instances share, which are completed.
    pub resumed: Vec<ResumedFile>,
    /// By task number, the instances that earlier runs have skipped, and those that they did not need; empty if there
    /// are none. Some of them may run now.
    pub(super) absent: Vec<[Ranges; 2]>,
    /// By task number, the instances that have met `until` in earlier runs; empty if there are none.
    pub(super) met: Vec<Ranges>,
    /// The checkpoints from which results of instances that do not run are read, by task number and index.
    pub checkpoints: BTreeMap<(usize, u64), CheckpointRecord>,
}

impl TaskTodo {
    fn new(all: u64) -> TaskTodo {
        TaskTodo { run: Ranges::default(), all, why: Vec::new() }
    }

    /// Whether all instances of the task run.
    pub(crate) fn is_whole(&self) -> bool {
        self.run.first() == Some(0..self.all)
    }

    /// The instances that fail without being started, as ranges of indices, each with the reason.
    pub(crate) fn quarantined(&self) -> Vec<(Range<u64>, String)> {
        let reason = |(range, why): &(Range<u64>, RunReason)| match why {
            RunReason::Quarantined(why) => Some((range.clone(), why.clone())),
            _ => None,
        };
        self.why.iter().filter_map(reason).collect()
    }

    /// The number of instances of the task that are skipped.
    pub(crate) fn skipped(&self) -> u64 {
        self.all - self.run.count()
    }

    fn add(&mut self, index: u64, reason: impl FnOnce() -> RunReason) -> bool {
        let new = self.run.insert(index);
        if new {
            self.explain(index..index + 1, reason());
        }
        new
    }

    /// Adds a range of instances that run, for this reason; some of them may be in the list already. Returns whether
    /// the list has changed.
    fn add_range(&mut self, range: Range<u64>, reason: &RunReason) -> bool {
        let mut gaps = Vec::new();
        let mut next = range.start;
        for run in self.run.iter_from(range.start).take_while(|run| run.start < range.end) {
            gaps.push(next..run.start);
            next = run.end;
        }
        gaps.push(next..range.end);
        gaps.retain(|gap| !gap.is_empty());
        for gap in &gaps {
            self.run.insert_range(gap.clone());
            self.explain(gap.clone(), reason.clone());
        }
        !gaps.is_empty()
    }

    fn explain(&mut self, range: Range<u64>, reason: RunReason) {
        let is_same = |known: &RunReason| match (known, &reason) {
            (RunReason::NeededBy(one, _), RunReason::NeededBy(other, _)) => one == other,
            (RunReason::Lost(_), RunReason::Lost(_)) => true,
            (known, reason) => known == reason,
        };
        match self.why.last_mut() {
            Some((last, known)) if last.end == range.start && is_same(known) => last.end = range.end,
            _ => self.why.push((range, reason)),
        }
    }
}

impl Todo {
    /// Makes the decision that all instances of a plan run.
    pub(crate) fn all(plan: &Plan) -> Todo {
        let whole = |task: &PlanTask| {
            let mut todo = TaskTodo::new(task.family.len());
            todo.add_range(0..task.family.len(), &RunReason::NotDone);
            todo
        };
        Todo { tasks: plan.tasks.iter().map(whole).collect(), ..Todo::default() }
    }

    /// Decides which instances of a plan run. `forced` has the numbers of tasks whose instances all run, even if they
    /// are done.
    pub(crate) fn decide(
        plan: &Plan,
        known: &KnownInstances,
        mut shared: Vec<SharedOutput>,
        mut checkpoints: CheckpointLookup<'_>,
        forced: &[usize],
    ) -> Todo {
        let mut todo = Todo { tasks: Vec::with_capacity(plan.tasks.len()), ..Todo::default() };
        todo.absent =
            known.tasks.iter().map(|task| [task.skipped.clone(), task.not_needed.clone()]).collect();
        todo.met = known.tasks.iter().map(|task| task.met.clone()).collect();
        // by task, the instances that were not done: a reader of one is not done either, even if it is recorded as done
        let mut undone: Vec<Ranges> = Vec::with_capacity(plan.tasks.len());
        for (number, task) in plan.tasks.iter().enumerate() {
            let (own, without) = forward(plan, number, known.tasks.get(number), &undone, forced);
            todo.tasks.push(own);
            undone.push(without);
            debug_assert_eq!(todo.tasks[number].all, task.family.len());
            let is_last = plan.tasks.iter().skip(number + 1).all(|other| other.knot != task.knot);
            if task.knot > 0 && is_last {
                while todo.spread(plan, task.knot, &mut undone) {}
            }
        }
        while todo.backward(plan, &mut shared, &mut checkpoints) {}
        let is_written = |output: &SharedOutput| {
            !output.is_there || output.writers.iter().any(|writers| todo.writes(writers))
        };
        let resumed = shared.into_iter().filter(is_written).filter_map(|output| output.grown).collect();
        todo.resumed = resumed;
        todo.checkpoints = checkpoints.found();
        todo.tasks.iter_mut().for_each(|task| task.why.sort_by_key(|(range, _)| range.start));
        todo
    }

    /// Adds the instances of a knot (tasks that read each other in a circle) that read an instance of the knot that is
    /// not done. Returns whether any was added.
    fn spread(&mut self, plan: &Plan, knot: u32, undone: &mut [Ranges]) -> bool {
        let mut grown = false;
        for (number, task) in plan.tasks.iter().enumerate().filter(|(_, task)| task.knot == knot) {
            let is_inside = |other: usize| plan.tasks.get(other).is_some_and(|other| other.knot == knot);
            for reference in task.references.iter().filter(|reference| is_inside(reference.task)) {
                let all = self.tasks[number].all;
                for index in undone[number].complement(all).iter().flatten() {
                    if task.inputs(reference, index).any(|input| undone[reference.task].contains(input)) {
                        undone[number].insert(index);
                        self.tasks[number].add(index, || RunReason::InputNotDone(reference.task));
                        grown = true;
                    }
                }
            }
        }
        grown
    }

    /// Makes one backward pass: adds instances whose results are needed by others that run, and those that share a file
    /// with one that runs. Returns whether any was added.
    fn backward(
        &mut self,
        plan: &Plan,
        shared: &mut [SharedOutput],
        checkpoints: &mut CheckpointLookup<'_>,
    ) -> bool {
        let mut grown = false;
        for (number, task) in plan.tasks.iter().enumerate().rev() {
            let own = &mut self.tasks[number];
            if task.is_whole() && !own.run.is_empty() {
                grown |= own.add_range(0..own.all, &RunReason::Together);
            }
            grown |= self.need(plan, number, task, checkpoints);
        }
        for output in shared {
            grown |= self.complete(output);
            if output.grown.is_some() {
                continue;
            }
            let is_whole = |FileWriters { task, range, .. }: &FileWriters| {
                self.tasks[*task]
                    .run
                    .iter_from(range.start)
                    .next()
                    .is_some_and(|run| run.end >= range.end && run.start == range.start)
            };
            let runs = |FileWriters { task, range, .. }: &FileWriters| {
                self.tasks[*task].run.iter_from(range.start).next().is_some_and(|run| run.start < range.end)
            };
            let must = !output.is_there || output.writers.iter().any(runs);
            if !must || output.writers.iter().all(is_whole) {
                continue;
            }
            for FileWriters { task, range, .. } in &output.writers {
                let reason = RunReason::SharedFile(output.name.clone());
                grown |= self.tasks[*task].add_range(range.clone(), &reason);
            }
        }
        grown
    }

    /// Whether one of the writers of a file runs.
    fn writes(&self, writers: &FileWriters) -> bool {
        let runs = self.from(writers.task, writers.range.start).next();
        runs.is_some_and(|run| run.start < writers.range.end)
    }

    /// Adds the instances whose outputs a file lacks that an earlier run has begun. A file cannot be completed if it
    /// has outputs that are not to stay, since their instances run for a new result. Returns whether instances were
    /// added.
    fn complete(&mut self, output: &mut SharedOutput) -> bool {
        let SharedOutput { name, grown, writers, .. } = output;
        let Some(file) = grown else { return false };
        let (mut added, mut clashes) = (false, false);
        for writers in writers.iter() {
            let lacking = file.lacking(writers);
            let own = &mut self.tasks[writers.task];
            for range in lacking.iter() {
                added |= own.add_range(range, &RunReason::NotInFile(name.clone()));
            }
            let anew = own.why.iter().filter(|(_, reason)| reason.is_for_new_result());
            clashes |= anew.map(|(range, _)| range).any(|range| {
                let start = range.start.max(writers.range.start);
                let end = range.end.min(writers.range.end);
                let gap = lacking.iter_from(start).next();
                start < end && gap.is_none_or(|gap| gap.start > start || gap.end < end)
            });
        }
        if clashes {
            *grown = None;
        }
        added
    }

    /// Adds the instances whose results are read by those instances of a task that run. Returns whether any was added.
    fn need(
        &mut self,
        plan: &Plan,
        number: usize,
        task: &PlanTask,
        checkpoints: &mut CheckpointLookup<'_>,
    ) -> bool {
        let mut grown = false;
        for reference in task.references.iter().filter(|reference| reference.select != Select::Order) {
            let Some(other) = plan.tasks.get(reference.task) else { continue };
            // a result that was saved is read from its file
            if saved_paths::save_of(other, reference.select).is_some() {
                continue;
            }
            // where the last instance of each loop is: found before the tasks are borrowed
            let mut lasts: HashMap<u64, u64> = HashMap::new();
            if reference.last {
                let running = self.tasks[number].run.iter().flatten();
                for first in running.flat_map(|index| reference.instances(index)) {
                    let met = self.met.get(reference.task);
                    if let Some(last) = last_of_loop(other, met, first) {
                        lasts.insert(first, last);
                    }
                }
            }
            let last_of = |first: u64| lasts.get(&first).copied();
            let (read, rest) = if reference.task < number {
                let (before, from) = self.tasks.split_at_mut(number);
                (&mut before[reference.task], &from[0])
            } else {
                // in a plan a task comes after the tasks that it reads, except those of its own knot
                grown |= self.need_in_knot(number, task, reference, checkpoints);
                continue;
            };
            'all: for index in rest.run.iter().flatten() {
                if read.is_whole() {
                    break 'all;
                }
                if !task.reads(reference, index) {
                    continue;
                }
                let inputs = reference.instances(index);
                if reference.last {
                    for last in inputs.filter_map(last_of) {
                        if !read.run.contains(last) && checkpoints.has(reference, last) {
                            continue;
                        }
                        grown |= read.add(last, || RunReason::NeededBy(number, index));
                    }
                    continue;
                }
                let may_be_on_disk = checkpoints.has_any(reference.task);
                if let Some(range) = inputs.as_range().filter(|_| !may_be_on_disk) {
                    grown |= read.add_range(range, &RunReason::NeededBy(number, index));
                    continue;
                }
                for input in inputs {
                    if may_be_on_disk && !read.run.contains(input) && checkpoints.has(reference, input) {
                        continue;
                    }
                    grown |= read.add(input, || RunReason::NeededBy(number, index));
                }
            }
        }
        grown
    }

    /// Adds the instances that running instances of the task read, among the tasks of its knot.
    fn need_in_knot(
        &mut self,
        number: usize,
        task: &PlanTask,
        reference: &Reference,
        checkpoints: &mut CheckpointLookup<'_>,
    ) -> bool {
        let mut left: Vec<u64> = self.tasks[number].run.iter().flatten().collect();
        let mut grown = false;
        while let Some(index) = left.pop() {
            for input in task.inputs(reference, index) {
                if checkpoints.has(reference, input) {
                    continue;
                }
                let is_new = self.tasks[reference.task].add(input, || RunReason::NeededBy(number, index));
                grown |= is_new;
                if is_new && reference.task == number {
                    left.push(input);
                }
            }
        }
        grown
    }

    /// Whether an instance runs.
    pub(crate) fn runs(&self, task: usize, index: u64) -> bool {
        self.tasks.get(task).is_none_or(|task| task.run.contains(index))
    }

    /// The index of the first instance of a task that runs, from `index` on; the number of all instances if none does.
    pub(crate) fn next(&self, task: usize, index: u64) -> u64 {
        let Some(task) = self.tasks.get(task) else { return index };
        task.run.iter_from(index).next().map_or(task.all, |run| run.start)
    }

    /// The ranges of instances of a task that run, from `index` on.
    pub(crate) fn from(&self, task: usize, index: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        self.tasks.get(task).into_iter().flat_map(move |task| task.run.iter_from(index))
    }

    /// The number of instances that are skipped, over all tasks.
    pub(crate) fn skipped(&self) -> u64 {
        self.tasks.iter().map(TaskTodo::skipped).sum()
    }
}

/// Makes the forward pass for one task: decides which instances run without regard to those that read them. Also
/// returns those of them that were not done.
fn forward(
    plan: &Plan,
    number: usize,
    known: Option<&KnownTask>,
    undone: &[Ranges],
    forced: &[usize],
) -> (TaskTodo, Ranges) {
    let task = &plan.tasks[number];
    let all = task.family.len();
    let mut todo = TaskTodo::new(all);
    if forced.contains(&number) {
        todo.add_range(0..all, &RunReason::Forced);
    }
    let nothing = KnownTask::default();
    let known = known.unwrap_or(&nothing);
    for (index, why) in known.quarantined.range(..all).filter(|(index, _)| !known.done.contains(**index)) {
        todo.add(*index, || RunReason::Quarantined(why.clone()));
    }
    let mut done = known.done.clone();
    if let Some(until) = &task.until {
        note_behind(task, until, known, &mut done);
    }
    for gap in done.complement(all).iter() {
        todo.add_range(gap, &RunReason::NotDone);
    }
    for reference in &task.references {
        let Some(undone) = undone.get(reference.task).filter(|undone| !undone.is_empty()) else { continue };
        let is_undone = |index: u64| {
            if !task.reads(reference, index) {
                return false;
            }
            let mut inputs = reference.instances(index);
            if reference.last {
                // the loop may go on
                let other = plan.tasks.get(reference.task);
                return inputs.any(|first| other.is_some_and(|other| has_on_loop(other, first, undone)));
            }
            match inputs.as_range() {
                Some(range) => undone.iter_from(range.start).next().is_some_and(|run| run.start < range.end),
                None => inputs.any(|input| undone.contains(input)),
            }
        };
        for index in todo.run.complement(all).iter().flatten().filter(|index| is_undone(*index)) {
            todo.add(index, || RunReason::InputNotDone(reference.task));
        }
    }
    let without = todo.run.clone();
    if saved_paths::writes_own(task) {
        let done: Vec<u64> = without.complement(all).iter().flatten().collect();
        for (index, path) in lost_files::among(&done, |index| lost(plan, task, known, index)) {
            todo.add(index, || RunReason::Lost(path));
        }
    }
    (todo, without)
}

/// The first file of a done instance that is missing or was changed; `None` if there is none.
fn lost(plan: &Plan, task: &PlanTask, known: &KnownTask, index: u64) -> Option<String> {
    // what was skipped, or was not needed, has saved nothing
    let is_absent = known.skipped.contains(index) || known.not_needed.contains(index);
    if is_absent || !known.done.contains(index) {
        return None;
    }
    let recorded = known.saved.get(&index).map(Vec::as_slice).unwrap_or_default();
    saved_paths::own(plan, task, index).into_iter().find_map(|path| {
        let path = path?;
        let stamp = recorded.iter().find(|stamp| stamp.path == path);
        let is_there = stamp.is_some_and(|stamp| FileStamp::of(&plan.dir, &path).as_ref() == Some(stamp));
        (!is_there).then_some(path)
    })
}
