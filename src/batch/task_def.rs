//! What a rank has to know of a task to run its instances; sent once.

use crate::batch::outputs;
use crate::script::plan::Plan;
use crate::script::plan::runtime_vars::RuntimeVars;
use crate::script::plan::task::{PlanTask, Select, StreamTarget, TaskAction};
use crate::script::plan::template::{Fill, Template, TemplatePart};
use crate::script::sweep::join::Join;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A task, with its place in the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TaskDef {
    /// Its number in the plan.
    pub number: u32,
    /// What it does.
    pub task: PlanTask,
    /// The outputs that somebody reads, as numbers of a pack; the others are dropped where they are made.
    pub keep: Vec<u32>,
    /// What an instance gets, in the order of its arguments.
    pub groups: Vec<Group>,
    /// For each reference the group that holds its instances; none where it is read by nobody.
    pub sources: Vec<Option<usize>>,
    /// For each reference whether a command wants it as files.
    pub staged: Vec<bool>,
    /// The script's folder.
    pub here: String,
    /// The run folder.
    pub folder: String,
    /// How many ranks there are.
    pub ranks: u32,
    /// Of a part of a family, the index of the first instance.
    pub first: u64,
    /// Of a step of a reduction, which it is.
    pub step: Option<u64>,
}

/// The results of one other task that an instance gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The other task's number.
    pub task: usize,
    /// Which of its instances.
    pub join: Join,
    /// What they are.
    pub kind: ResultKind,
    /// Instances without a result, which are left out; sorted.
    pub without: Vec<u64>,
    /// Whether it is one instance by the join rule, not a gather that may happen to be of one.
    pub one: bool,
}

impl Group {
    /// The instances that an instance gets, in index order.
    pub(crate) fn present(&self, index: u64) -> impl Iterator<Item = u64> + '_ {
        self.join.instances(index).filter(|at| self.without.binary_search(at).is_err())
    }
}

/// What the results of a group are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ResultKind {
    /// Packs with at least these outputs; without any, only the order counts.
    Packs(Vec<u32>),
    /// Arrays.
    Arrays,
}

impl TaskDef {
    /// The definition of a task of a plan.
    pub(crate) fn new(
        plan: &Plan,
        number: usize,
        read: &Read,
        folder: &str,
        ranks: usize,
    ) -> Option<TaskDef> {
        let task = plan.tasks.get(number)?.clone();
        let mut groups: Vec<Group> = Vec::new();
        let mut sources = vec![None; task.references.len()];
        for (reference, source) in task.references.iter().zip(&mut sources) {
            let kind = match reference.select {
                Select::Value => ResultKind::Arrays,
                Select::Stdout => ResultKind::Packs(vec![outputs::STDOUT]),
                Select::File(number) => ResultKind::Packs(vec![outputs::file(number)]),
                Select::Order => ResultKind::Packs(Vec::new()),
            };
            let same = |group: &Group| group.task == reference.task && group.join == reference.join;
            let at = groups.iter().position(same).unwrap_or_else(|| {
                let one = !reference.join.is_gather();
                let (join, kind) = (reference.join.clone(), ResultKind::Packs(vec![]));
                groups.push(Group { task: reference.task, join, kind, without: Vec::new(), one });
                groups.len() - 1
            });
            match (&mut groups[at].kind, kind) {
                (ResultKind::Packs(wanted), ResultKind::Packs(more)) => {
                    wanted.extend(more);
                    wanted.sort_unstable();
                    wanted.dedup();
                }
                (kind, ResultKind::Arrays) => *kind = ResultKind::Arrays,
                (ResultKind::Arrays, _) => {}
            }
            *source = (reference.select != Select::Order).then_some(at);
        }
        if let Some(near) = &task.needs.near {
            // their own results, not what is made of these elsewhere: they say where they were made
            for group in &mut groups {
                let Some(other) = plan.tasks.get(group.task).filter(|other| other.name == *near) else {
                    continue;
                };
                group.kind = match other.action.is_command() {
                    true => ResultKind::Packs(read.keep(other, group.task)),
                    false => ResultKind::Arrays,
                };
            }
        }
        let staged = staged(&task);
        let keep = read.keep(&task, number);
        let here = plan.dir.display().to_string();
        let (folder, ranks) = (folder.to_owned(), ranks as u32);
        Some(TaskDef {
            number: number as u32,
            task,
            keep,
            groups,
            sources,
            staged,
            here,
            folder,
            ranks,
            first: 0,
            step: None,
        })
    }

    /// The name of an instance, or of a step of it, in logs: `total[T=300, step=2]`.
    pub(crate) fn label(&self, index: u64) -> String {
        let label = self.task.label(index);
        match (self.step, label.strip_suffix(']')) {
            (None, _) => label,
            (Some(step), Some(values)) => format!("{values}, step={step}]"),
            (Some(step), None) => format!("{label}[step={step}]"),
        }
    }

    /// What is known of an instance before it runs: enough for the names of files.
    pub(crate) fn facts(&self, index: u64) -> RuntimeVars {
        facts(&self.task, index, &self.here)
    }
}

/// What is known of an instance of a task before it runs.
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

/// What of each task others read: found once for all, since a script may have many thousands of tasks.
#[derive(Debug)]
pub(crate) struct Read {
    /// The outputs of each task, as numbers of a pack.
    outputs: Vec<Vec<u32>>,
    /// Whether others refer to a task, be it for the order.
    pub referred: Vec<bool>,
}

impl Read {
    /// What the tasks of a plan read of each other.
    pub(crate) fn new(plan: &Plan) -> Read {
        let count = plan.tasks.len();
        let mut read = Read { outputs: vec![Vec::new(); count], referred: vec![false; count] };
        for reference in plan.tasks.iter().flat_map(|task| &task.references) {
            let (Some(outputs), Some(referred)) =
                (read.outputs.get_mut(reference.task), read.referred.get_mut(reference.task))
            else {
                continue;
            };
            *referred = true;
            match reference.select {
                Select::Stdout => outputs.push(outputs::STDOUT),
                Select::File(number) => outputs.push(outputs::file(number)),
                Select::Order | Select::Value => {}
            }
        }
        read
    }

    /// The outputs of a task that are kept.
    fn keep(&self, task: &PlanTask, number: usize) -> Vec<u32> {
        let mut keep = self.outputs.get(number).cloned().unwrap_or_default();
        keep.extend(streams(task));
        keep.sort_unstable();
        keep.dedup();
        keep
    }
}

/// The streams of a task that go to files of their own.
pub(crate) fn streams(task: &PlanTask) -> Vec<u32> {
    let path = |stream: &StreamTarget| matches!(stream, StreamTarget::Path(_));
    let mut streams = Vec::new();
    streams.extend(path(&task.stdout).then_some(outputs::STDOUT));
    streams.extend((task.action.is_command() && path(&task.stderr)).then_some(outputs::STDERR));
    streams
}

/// For each reference of a task whether a command wants it as files.
pub(crate) fn staged(task: &PlanTask) -> Vec<bool> {
    let mut staged = vec![false; task.references.len()];
    let mut note = |template: &Template| {
        for part in &template.parts {
            if let TemplatePart::Fill { what: Fill::Input(at), .. } = part
                && let Some(staged) = staged.get_mut(*at)
            {
                *staged = true;
            }
        }
    };
    match &task.action {
        TaskAction::Run { argv } => argv.iter().for_each(&mut note),
        TaskAction::Shell { script, .. } => note(script),
        _ => {}
    }
    task.env.iter().for_each(|(_, value)| note(value));
    // Whoever reads paths on standard input will open them.
    if let Some(stdin) = &task.stdin {
        let lists = stdin.parts.iter().filter(|part| {
            let at =
                if let TemplatePart::Fill { what: Fill::Input(at), .. } = part { *at } else { usize::MAX };
            task.references.get(at).is_some_and(|reference| reference.list)
        });
        note(&Template { parts: lists.cloned().collect() });
    }
    staged
}
