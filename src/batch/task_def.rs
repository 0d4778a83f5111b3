//! Definitions of tasks as they travel: sent to a rank once, they let it run any instance by its index.

use crate::batch::outputs;
use crate::batch::rank::logs::LogLimits;
use crate::batch::rank::mpi_program::JobHosts;
use crate::script::plan::Plan;
use crate::script::plan::runtime_vars::RuntimeVars;
use crate::script::plan::task::{PlanTask, Reference, Select, StreamTarget, TaskAction};
use crate::script::plan::template::{Template, TemplatePart};
use crate::script::plan::until::Until;
use crate::script::sweep::join::Join;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A task of the plan, with everything that a rank needs to run its instances. Rank 0 sends it to each rank once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TaskDef {
    /// The number of the task in the plan.
    pub number: u32,
    /// The task as the script was compiled, with references to other tasks by number.
    pub task: Arc<PlanTask>,
    /// The numbers of the outputs that other tasks or files of rank 0 need. The rank drops all others when the command
    /// ends.
    pub keep: Vec<u32>,
    /// The results of other tasks that an instance gets, a group for each task, in the order of its arguments.
    pub groups: Vec<Group>,
    /// For each reference to another task, the number of the group with its results; `None` if no result is needed.
    pub sources: Vec<Option<usize>>,
    /// For each reference to another task, the name of what it reads as scripts write it: `mesh`, `sim.probe`.
    pub names: Vec<String>,
    /// For each reference to another task, whether the command reads the results as files in its directory.
    pub staged: Vec<bool>,
    /// The folder of the script, an absolute path.
    pub here: String,
    /// The path of the run folder (`NAME.dtask/`), which has the logs.
    pub folder: String,
    /// The bounds of a rank's log.
    pub log: LogLimits,
    /// The number of ranks of the job.
    pub ranks: u32,
    /// The index of the first instance, if this is the definition of a part of a family; 0 for the whole family.
    pub first: u64,
    /// The hosts of the job, for a task that starts MPI programs; else `None`.
    pub hosts: Option<JobHosts>,
    /// The number of the merge step, if a merge step of a reduction runs like an instance; `None` for an ordinary
    /// instance.
    pub step: Option<u64>,
    /// The instances that fail without being started, as ranges of indices, each with the reason.
    pub quarantined: Vec<(Range<u64>, String)>,
}

/// The results of one other task that an instance gets as inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The number in the plan of the task whose results are read.
    pub task: usize,
    /// The join: the rule, by equal parameters, that tells which instances of that task an instance reads.
    pub join: Join,
    /// The numbers of the outputs of `task` that are read. If empty, its instances only have to have ended.
    pub wanted: Vec<u32>,
    /// Indices of the instances of `task` that have no result and therefore are no inputs, in ascending order.
    pub without: Vec<u64>,
    /// For a group after `else`, the joins with the tasks before the `else`: the group is read only where none of these
    /// joins gives an instance.
    pub unless: Vec<Join>,
    /// Whether the instances that are read are the last ones of loops that `until` stops. The join then gives the first
    /// instance of each of these loops.
    pub last: bool,
    /// Whether the script's reference is to a single instance of `task`; false for a gather of many, even if there is
    /// only one.
    pub one: bool,
}

impl Group {
    /// The indices of the instances of the task that is read which are inputs of instance `index`, in ascending order.
    pub(crate) fn present(&self, index: u64) -> impl Iterator<Item = u64> + '_ {
        let all = if self.is_read(index) { self.join.instances(index).remaining() } else { 0 };
        let all = self.join.instances(index).take(usize::try_from(all).unwrap_or(usize::MAX));
        all.filter(|at| self.without.binary_search(at).is_err())
    }

    /// Whether instance `index` reads the group. A group after `else` is not read where the instance before the `else`
    /// exists.
    pub(crate) fn is_read(&self, index: u64) -> bool {
        self.unless.iter().all(|before| before.instances(index).remaining() == 0)
    }

    /// Whether the results that the group reads are arrays.
    pub(crate) fn is_of_arrays(&self) -> bool {
        self.wanted == [outputs::VALUE]
    }

    /// Adds the output with the number `output` to those that are read. If the output is an array, it is the only one.
    fn want(&mut self, output: u32) {
        self.wanted.push(output);
        if self.wanted.contains(&outputs::VALUE) {
            self.wanted = vec![outputs::VALUE];
        }
        self.wanted.sort_unstable();
        self.wanted.dedup();
    }
}

impl TaskDef {
    /// Makes the definition of the task number `number` of a plan, as it is sent to the ranks; `None` if there is none.
    /// `folder` is the run folder, and `ranks` the number of ranks of the job.
    pub(crate) fn new(
        plan: &Plan,
        number: usize,
        read: &ReadOutputs,
        folder: &str,
        ranks: usize,
    ) -> Option<TaskDef> {
        let task = Arc::new(plan.tasks.get(number)?.clone());
        let mut groups: Vec<Group> = Vec::new();
        let mut sources = vec![None; task.references.len()];
        for (reference, source) in task.references.iter().zip(&mut sources) {
            let before = reference.instead_of.iter().filter_map(|at| task.references.get(*at));
            let unless: Vec<Join> =
                before.filter(|_| !reference.eager).map(|before| before.join.clone()).collect();
            let same = |group: &Group| {
                (group.task, group.last) == (reference.task, reference.last)
                    && group.join == reference.join
                    && group.unless == unless
            };
            let at = groups.iter().position(same).unwrap_or_else(|| {
                let (join, one) = (reference.join.clone(), !reference.join.is_gather());
                let task = reference.task;
                groups.push(Group {
                    task,
                    join,
                    wanted: vec![],
                    without: vec![],
                    unless: unless.clone(),
                    last: reference.last,
                    one,
                });
                groups.len() - 1
            });
            if let Some(output) = output_of(reference) {
                groups[at].want(output);
                *source = Some(at);
            }
        }
        if let Some(same_host_as) = &task.needs.same_host_as {
            // `on = "host of NAME"` means the host on which the inputs that are results of NAME were computed. So these
            // are passed whole: an extracted output is the result of a helper task, which may have run elsewhere.
            for group in &mut groups {
                let Some(other) = plan.tasks.get(group.task).filter(|other| other.name == *same_host_as)
                else {
                    continue;
                };
                group.wanted = read.keep(other, group.task);
            }
        }
        let staged = staged(&task);
        let names = task.references.iter().map(|reference| name_of(plan, reference)).collect();
        let keep = read.keep(&task, number);
        let here = plan.dir.display().to_string();
        let (folder, log) = (folder.to_owned(), LogLimits::new(&plan.policy, ranks));
        let ranks = ranks as u32;
        Some(TaskDef {
            number: number as u32,
            task,
            keep,
            groups,
            sources,
            names,
            staged,
            here,
            folder,
            log,
            ranks,
            first: 0,
            hosts: None,
            step: None,
            quarantined: Vec::new(),
        })
    }

    /// The reason why an instance fails without being started; `None` for almost all.
    pub(crate) fn quarantine(&self, index: u64) -> Option<&str> {
        let found = self.quarantined.iter().find(|(range, _)| range.contains(&index));
        found.map(|(_, why)| why.as_str())
    }

    /// Whether instances read other instances of the same task.
    pub(crate) fn reads_itself(&self) -> bool {
        self.groups.iter().any(|group| group.task == self.number as usize)
    }

    /// Removes those groups for which `is_gone` holds, of which an instance then gets nothing. No output of them may be
    /// read.
    pub(crate) fn leave_out(&mut self, is_gone: impl Fn(&Group) -> bool) {
        let stays: Vec<bool> = self.groups.iter().map(|group| !is_gone(group)).collect();
        for source in self.sources.iter_mut().flatten() {
            *source = stays.iter().take(*source).filter(|stays| **stays).count();
        }
        self.groups.retain(|group| !is_gone(group));
    }

    /// The name of an instance in logs, with its parameters and the number of a reduction's step: `total[T=300,
    /// step=2]`.
    pub(crate) fn label(&self, index: u64) -> String {
        let label = self.task.label(index);
        match (self.step, label.strip_suffix(']')) {
            (None, _) => label,
            (Some(step), Some(values)) => format!("{values}, step={step}]"),
            (Some(step), None) => format!("{label}[step={step}]"),
        }
    }

    /// The values for placeholders that are known before the instance runs, such as its index: enough to render names
    /// of files.
    pub(crate) fn facts(&self, index: u64) -> RuntimeVars {
        facts(&self.task, index, &self.here)
    }
}

/// The values for placeholders of an instance that are known before it runs and do not depend on the rank, such as the
/// seed.
pub(crate) fn facts(task: &PlanTask, index: u64, here: &str) -> RuntimeVars {
    let seed = xxh3_64_with_seed(task.name.as_bytes(), index);
    RuntimeVars {
        index,
        seed,
        here: here.to_owned(),
        attempt: 1,
        threads: task.needs.slots(),
        ..RuntimeVars::default()
    }
}

/// The outputs of each task that other tasks of the plan read. Computed once for a plan, which can have thousands of
/// tasks.
#[derive(Debug)]
pub(crate) struct ReadOutputs {
    /// By task number, the numbers of the task's outputs that other tasks read.
    outputs: Vec<Vec<u32>>,
    /// By task number, whether another task depends on the task, for its outputs or only to run after it.
    pub referred: Vec<bool>,
}

impl ReadOutputs {
    /// Collects which outputs of each task the tasks of a plan read.
    pub(crate) fn new(plan: &Plan) -> ReadOutputs {
        let count = plan.tasks.len();
        let mut read = ReadOutputs { outputs: vec![Vec::new(); count], referred: vec![false; count] };
        for reference in plan.tasks.iter().flat_map(|task| &task.references) {
            let (Some(outputs), Some(referred)) =
                (read.outputs.get_mut(reference.task), read.referred.get_mut(reference.task))
            else {
                continue;
            };
            *referred = true;
            outputs.extend(output_of(reference));
        }
        for (task, outputs) in plan.tasks.iter().zip(&mut read.outputs) {
            outputs.extend(task.until.iter().flat_map(Until::own).filter_map(number_of));
        }
        read
    }

    /// The numbers of the outputs of a task that its ranks keep, for other tasks or for files of rank 0.
    fn keep(&self, task: &PlanTask, number: usize) -> Vec<u32> {
        if !task.action.is_command() {
            return vec![outputs::VALUE];
        }
        let mut keep = self.outputs.get(number).cloned().unwrap_or_default();
        keep.extend(streams(task));
        keep.sort_unstable();
        keep.dedup();
        keep
    }
}

/// The name of what a reference reads, as scripts write it.
pub(crate) fn name_of(plan: &Plan, reference: &Reference) -> String {
    let Some(task) = plan.tasks.get(reference.task) else { return String::new() };
    let output = match reference.select {
        Select::File(number) => task.outs.get(number).and_then(|out| out.name.clone()),
        Select::Stdout => Some("stdout".to_owned()),
        Select::Order | Select::Value => None,
    };
    let list = reference.list.then(|| "list".to_owned());
    [Some(task.name.clone()), output, list].into_iter().flatten().collect::<Vec<_>>().join(".")
}

/// The number of the output that a reference to another task reads; `None` if the reference only means to run after it.
pub(crate) fn output_of(reference: &Reference) -> Option<u32> {
    number_of(reference.select)
}

fn number_of(select: Select) -> Option<u32> {
    match select {
        Select::Value => Some(outputs::VALUE),
        Select::Stdout => Some(outputs::STDOUT),
        Select::File(number) => Some(outputs::file(number)),
        Select::Order => None,
    }
}

/// The numbers of those streams of a task (standard output and error) that rank 0 appends to files.
pub(crate) fn streams(task: &PlanTask) -> Vec<u32> {
    let path = |stream: &StreamTarget| matches!(stream, StreamTarget::Path(_));
    let mut streams = Vec::new();
    streams.extend(path(&task.stdout).then_some(outputs::STDOUT));
    streams.extend((task.action.is_command() && path(&task.stderr)).then_some(outputs::STDERR));
    streams
}

/// For each reference of a task to another, whether the task's command reads the results as files.
pub(crate) fn staged(task: &PlanTask) -> Vec<bool> {
    let mut staged = vec![false; task.references.len()];
    let mut note = |template: &Template| {
        for at in template.inputs() {
            if let Some(staged) = staged.get_mut(at) {
                *staged = true;
            }
        }
    };
    match &task.action {
        TaskAction::Run { argv } => argv.iter().for_each(&mut note),
        TaskAction::Shell { interpreter, script } => interpreter.iter().chain([script]).for_each(&mut note),
        _ => {}
    }
    task.env.iter().for_each(|(_, value)| note(value));
    // Results on standard input are bytes, and need no file. Only of a `{x.list}` there the program gets paths, and
    // opens the files itself.
    if let Some(stdin) = &task.stdin {
        let is_list = |at: usize| task.references.get(at).is_some_and(|reference| reference.list);
        let lists = stdin.parts.iter().filter(|part| match part {
            TemplatePart::Text(_) => false,
            TemplatePart::Fill { what, .. } => what.inputs().into_iter().any(is_list),
        });
        note(&Template { parts: lists.cloned().collect() });
    }
    staged
}
