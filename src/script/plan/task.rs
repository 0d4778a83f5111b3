//! A task of the plan. It travels once to every rank that runs instances of it.
//!
//! [`PlanTask`] is where to start. Its [`TaskAction`] is the work, its [`Reference`]s are the dependencies. An action
//! and a map-reduce contain each other: a stage of a [`MapReduce`] is a command, which is a [`TaskAction`].

use crate::script::values::execution::Keep;
use serde::{Deserialize, Serialize};

use super::execution::Execution;
use super::template::{RenderError, RenderScope, Template};
use crate::arrays::Expr;
use crate::arrays::reduce::operator::Reduce;
use crate::mapreduce::{Mapper, Operator};
use crate::script::diagnostics::source::Span;
use crate::script::plan::condition::Condition;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::until::Until;
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join::{Gather, Join};
use crate::script::values::resources::InstanceResources;
use crate::script::values::value::ScriptValue;
use std::time::Duration;

/// An argument of a `call`, the action that calls a Rust function of the embedding program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallArg {
    /// A constant that stands in the script, such as a number.
    Value(ScriptValue),
    /// The value itself, not a text, of the parameter, variable or task result that a reference such as `"{mean}"`
    /// names.
    Binding(NameSource),
    /// A text with `{references}` in it, which the instance's own values replace.
    Text(Template),
}

/// A task of the plan: one action, done for every instance, which is a combination of values of the task's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanTask {
    /// The name of the task, as in `[task.NAME]` of the script.
    pub name: String,
    /// The line of the script in which the task begins, counted from 1.
    pub line: usize,
    /// The script file and the line where the task begins, for messages: `flow.toml:31`.
    pub origin: String,
    /// The work that each instance of the task does, such as a command.
    pub action: TaskAction,
    /// The family of the task: all its instances, one for each combination of the values of its parameters.
    pub family: Sweep,
    /// The dependencies: results of other tasks that an instance reads, and tasks that it only waits for.
    pub references: Vec<Reference>,
    /// The number of the knot that the task is in, if its instances read others of the task, or the task and others
    /// read each other in a circle; 0 for all other tasks. Tasks of one knot have the same number.
    pub knot: u32,
    /// The condition under which an instance runs, which the key `when` gives; `None` if all run.
    pub when: Option<Condition>,
    /// The condition under which the loops of the task stop, which the key `until` gives; `None` if all instances run.
    pub until: Option<Until>,
    /// Whether instances may be skipped, by a condition of their own or of what they read.
    pub skippable: bool,
    /// Whether the command gets the JSON file of its parameters, and its path in `DTASK_PARAMS`.
    pub wants_params: bool,
    /// The output files that the command writes in the instance's scratch folder and other tasks can read.
    pub outs: Vec<OutputFile>,
    /// The standard input of the command; `None` for an empty one.
    pub stdin: Option<Template>,
    /// The destination of the command's standard output. If the task makes an array, the array is printed there as
    /// text.
    pub stdout: StreamTarget,
    /// The destination of the command's standard error.
    pub stderr: StreamTarget,
    /// The outputs that are copied to the shared file system, so that they outlast the run.
    pub saves: Vec<Save>,
    /// Environment variables (name and value) that the command gets in addition to those of the rank.
    pub env: Vec<(String, Template)>,
    /// The exit codes of the command that count as success.
    pub ok_exit: Vec<i32>,
    /// Whether a task that reads several instances of this one still runs, without the failed ones, if some have
    /// failed.
    pub optional: bool,
    /// The priority of the task: of all instances that are ready, those of the task with the larger number start first.
    pub priority: i32,
    /// The time for which results of the task are kept.
    pub keep: Keep,
    /// Files that the command itself writes at their final path, relative to the script's folder. Unlike `outs`, dtask
    /// does not move them.
    pub targets: Vec<Template>,
    /// The settings with which the command is run, such as its working directory.
    pub execution: Execution,
    /// The resources, such as threads and memory, that the scheduler reserves for an instance while it runs.
    pub needs: InstanceResources,
    /// The expected duration of an instance, which the script gives. A rank starts none that would end after the job's
    /// time limit. `None`: the rank expects the mean duration of the instances of the task that it has run.
    pub time: Option<Duration>,
}

impl PlanTask {
    /// Whether the task merges results in the order in which they arrive (`order = "any"`), not in a fixed tree.
    pub(crate) fn is_unordered(&self) -> bool {
        matches!(
            self.action,
            TaskAction::Reduce { order: ReduceOrder::Any, .. }
                | TaskAction::Merge { order: ReduceOrder::Any, .. }
        )
    }

    /// Whether all instances are submitted at once, after everything that the task depends on, so that one of them
    /// cannot run without the others.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.action, TaskAction::MapReduce(_)) || self.is_unordered()
    }

    /// Returns the name of an instance for messages, the task with the values of its parameters: `sim[T=300, p=1]`.
    pub fn label(&self, instance: u64) -> String {
        self.family.label(&self.name, instance)
    }

    /// Whether `instance` reads a reference of the task. A reference after `else` is not read if the instance before
    /// the `else` exists.
    pub fn reads(&self, reference: &Reference, instance: u64) -> bool {
        let all = if reference.eager { &[] } else { &reference.instead_of[..] };
        all.iter().all(|before| {
            self.references.get(*before).is_none_or(|before| before.instances(instance).remaining() == 0)
        })
    }

    /// Returns the instances that `instance` reads by a reference of the task, in index order.
    pub fn inputs<'t>(&'t self, reference: &'t Reference, instance: u64) -> impl Iterator<Item = u64> + 't {
        let reads = self.reads(reference, instance);
        reference.instances(instance).take_while(move |_| reads)
    }

    /// Returns the instances of the reduced task whose results `instance` of a `reduce` task merges, in index order.
    /// `None` if this task is no `reduce`.
    pub fn reduced(&self, instance: u64) -> Option<Gather<'_>> {
        match &self.action {
            TaskAction::Reduce { of, .. } | TaskAction::Merge { of, .. } => {
                Some(self.references.get(*of)?.instances(instance))
            }
            _ => None,
        }
    }
}

/// The work of a task. Each variant belongs to an action key of the script, such as `run` or `shell`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskAction {
    /// Starts a program without a shell (the key `run`).
    Run {
        /// The program and its arguments. A template with a gather, a reference to several instances, becomes several
        /// arguments ([`Template::render_args`]).
        argv: Vec<Template>,
    },
    /// Starts a shell that runs a script (the key `shell`).
    Shell {
        /// The shell and its options, behind the words of `wrap`; the script is added as the last argument.
        interpreter: Vec<Template>,
        /// The text of the shell script, with references in it.
        script: Template,
    },
    /// Evaluates an array expression on the rank itself, without a command (the key `array`).
    Array {
        /// The expression as the user has written it, for messages and for the hash by which a result is recognized.
        text: String,
        /// The expression as a syntax tree.
        expr: Expr,
        /// The names in the expression, with the sources of their values: parameters, variables, or results of other
        /// tasks.
        names: Vec<ArrayName>,
    },
    /// Reduces the arrays that all instances of another task have made to one array, step by step as a tree.
    Reduce {
        /// The number, among [`PlanTask::references`], of the reference to the task whose results are reduced.
        of: usize,
        /// The operation that merges arrays, such as a sum.
        with: Reduce,
        /// The largest number of arrays that one step of the reduction tree merges.
        arity: usize,
        /// The order in which arrays are merged, which determines the shape of the tree.
        order: ReduceOrder,
    },
    /// Reduces the files that all instances of another task have written to one file, as a tree. A command merges two
    /// files in each step.
    Merge {
        /// The number, among [`PlanTask::references`], of the reference to the task whose results are reduced.
        of: usize,
        /// The command of each step, which merges the files `{a}` and `{b}` into `{out}`.
        command: Box<TaskAction>,
        /// The order in which files are merged, which determines the shape of the tree.
        order: ReduceOrder,
    },
    /// Calls a Rust function that the embedding program has registered and that returns an array (the key `call`).
    Call {
        /// The name under which the embedding program has registered the function.
        function: String,
        /// The arguments of the call, as pairs of name and value.
        args: Vec<(String, CallArg)>,
    },
    /// Maps, shuffles and reduces lines of text. The task has one instance for each partition, which is a share of the
    /// keys.
    MapReduce(Box<MapReduce>),
}

impl TaskAction {
    /// Returns the program and its arguments for one run of an instance: references are replaced by the values of
    /// `scope`. `None` for actions other than `run` and `shell`.
    pub fn command(&self, scope: &RenderScope<'_>) -> Result<Option<Vec<String>>, RenderError> {
        match self {
            TaskAction::Run { argv } => {
                let words: Result<Vec<_>, _> = argv.iter().map(|word| word.render_args(scope)).collect();
                Ok(Some(words?.concat()))
            }
            TaskAction::Shell { interpreter, script } => {
                let words: Result<Vec<_>, _> =
                    interpreter.iter().map(|word| word.render_args(scope)).collect();
                let mut words = words?.concat();
                words.push(script.render_shell(scope)?);
                Ok(Some(words))
            }
            _ => Ok(None),
        }
    }

    /// The texts of the command, with references in them: its words or its shell script. Empty for actions that start
    /// no command.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            TaskAction::Run { argv } => argv.iter().collect(),
            TaskAction::Shell { interpreter, script } => interpreter.iter().chain([script]).collect(),
            TaskAction::Merge { command, .. } => command.templates(),
            _ => Vec::new(),
        }
    }

    /// Whether the result is bytes, as a program writes them, and no array. A map-reduce counts as a command, too.
    pub fn is_command(&self) -> bool {
        !matches!(self, TaskAction::Array { .. } | TaskAction::Reduce { .. } | TaskAction::Call { .. })
    }
}

/// A map-reduce over lines: mappers make pairs of key and value, reducers get all values of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapReduce {
    /// The files, or the task with the outputs, whose lines are read.
    pub input: MapReduceInput,
    /// The target size, in bytes, of a split, which is the part of the input that one mapper reads.
    pub split: u64,
    /// The mapper, which turns lines into `key TAB value` lines.
    pub map: MapStage,
    /// The combiner, which reduces the output of one mapper before it is sent to another rank, so that less is sent.
    /// `None`: the reducer is used for that if it is built in, otherwise nothing is combined.
    pub combine: Option<ReduceStage>,
    /// The reducer, which turns lines sorted by key into the result.
    pub reduce: ReduceStage,
    /// The number of bytes of lines that a rank, and each mapper, holds in memory. Further lines are spilled to files
    /// in scratch.
    pub buffer: u64,
}

/// The input of a map-reduce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapReduceInput {
    /// Paths of files, relative to the script's folder.
    Files(Vec<String>),
    /// The output of another task, by the number of the reference to it. Each instance of that task is one split, read
    /// by one mapper.
    Of(usize),
}

/// The map stage of a map-reduce, which makes pairs of key and value of the input lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapStage {
    /// A mapper that dtask has built in, run on the rank without a command.
    BuiltIn(Mapper),
    /// A command of the user that reads lines on standard input and writes lines on standard output.
    Command(Box<TaskAction>),
}

/// The reduce or the combine stage of a map-reduce, which makes one value, or lines, of all values of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReduceStage {
    /// An operator that dtask has built in, such as a sum, run on the rank without a command.
    BuiltIn(Operator),
    /// A command of the user that reads lines on standard input and writes lines on standard output.
    Command(Box<TaskAction>),
}

impl MapStage {
    /// The name of the built-in mapper; `command` for a mapper that is a command of the user.
    pub fn name(&self) -> String {
        if let MapStage::BuiltIn(mapper) = self { format!("{mapper:?}") } else { "command".to_owned() }
    }
}

impl ReduceStage {
    /// The name of the built-in operator; `command` for a stage that is a command of the user.
    pub fn name(&self) -> String {
        if let ReduceStage::BuiltIn(operator) = self { format!("{operator:?}") } else { "command".to_owned() }
    }
}

impl MapReduce {
    /// Returns those of the map, combine and reduce stages that are commands of the user.
    pub fn commands(&self) -> impl Iterator<Item = &TaskAction> {
        let map = if let MapStage::Command(action) = &self.map { Some(&**action) } else { None };
        let others = self.combine.iter().chain([&self.reduce]).filter_map(|stage| match stage {
            ReduceStage::Command(action) => Some(&**action),
            ReduceStage::BuiltIn(_) => None,
        });
        map.into_iter().chain(others)
    }

    /// Whether mappers start a command, and whether reducers do. A mapper also starts the command of its combiner.
    pub fn starts(&self) -> (bool, bool) {
        let combines = matches!(self.combine, Some(ReduceStage::Command(_)));
        let maps = combines || matches!(self.map, MapStage::Command(_));
        (maps, matches!(self.reduce, ReduceStage::Command(_)))
    }

    /// Returns the built-in operator that combines a mapper's lines, and the one that reduces the combined lines.
    /// `None` for a stage that is a command of the user or missing.
    pub fn operators(&self) -> (Option<Operator>, Option<Operator>) {
        let built_in = |stage: &ReduceStage| match stage {
            ReduceStage::BuiltIn(operator) => Some(*operator),
            ReduceStage::Command(_) => None,
        };
        let reduce = built_in(&self.reduce);
        match &self.combine {
            // A built-in reducer also combines where the script names no combiner.
            None => (reduce, reduce.map(Operator::of_parts)),
            Some(stage) if stage == &self.reduce => (built_in(stage), reduce.map(Operator::of_parts)),
            Some(stage) => (built_in(stage), reduce),
        }
    }
}

/// A name in an array expression, such as a parameter or another task, with the source of its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrayName {
    /// The name as it stands in the expression, `x` or `sim.probe`.
    pub name: String,
    /// The source of the value that the name stands for.
    pub binding: NameSource,
}

/// The source of the value that a name in an array expression or a `call` stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NameSource {
    /// The task's parameter of that number. Derived parameters, which `let` computes, are counted after the others.
    Param(usize),
    /// A variable of the script, with its value.
    Var(ScriptValue),
    /// The result that the task's reference of that number reads: one array, or a list of arrays for a reference to
    /// several instances.
    Input(usize),
    /// A runtime variable, such as `dtask.rank`, which only the rank that runs the instance knows.
    Fact(RuntimeVar),
    /// The first of these sources that exists for the instance, as in `a else b`. Possibly none does.
    First(Vec<NameSource>),
    /// An output of the instance itself, in the condition of `until`.
    Own(Select),
}

/// The order in which a reduction merges the results of instances, which determines the shape of its tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReduceOrder {
    /// In the order of the instances' indices, so that the result has the same bits on any number of ranks.
    #[default]
    Fixed,
    /// In the order in which the results become ready. A sum of floats can then differ from run to run by rounding.
    Any,
}

/// The output of another task that a reference reads, such as its standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Select {
    /// No output: the task with the reference only waits until the task that it names is done.
    Order,
    /// The output file of that number, among those of the task that is read.
    File(usize),
    /// The standard output of the command of the task that is read.
    Stdout,
    /// The array that the task that is read makes.
    Value,
}

/// A dependency of one task on another, whose output it reads or for which it waits. Two references are equal if they
/// differ only in their place in the script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The index in the plan of the task that is read.
    pub task: usize,
    /// The output of that task that is read.
    pub select: Select,
    /// The join, which gives for each instance of this task the instances of that task that are read: those with
    /// equal values of the shared parameters, or those that brackets in the reference choose.
    pub join: Join,
    /// Whether the command gets the path of one file that lists the paths of all inputs (`{x.list}`), instead of the
    /// paths themselves.
    pub list: bool,
    /// Whether the instance to read may be missing, since the reference is followed by `else` or `?`.
    pub optional: bool,
    /// The numbers of the references whose `else` this one follows. It is read only if none of them reads an instance.
    pub instead_of: Vec<usize>,
    /// Whether the reference is read although one before its `else` is there, as that one may be skipped.
    pub eager: bool,
    /// Whether the reference is to the last instance that has run of each chain of a task with `until`
    /// (`{relax[n = last]}`). The join then gives the first instance of each of these chains.
    pub last: bool,
    /// The place in the script where the reference first stands, for messages. The place is not sent to other ranks.
    #[serde(skip)]
    pub span: Span,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        let Reference { task, select, join, list, optional, instead_of, last, eager: _, span: _ } = self;
        (*task, *select, *list, *optional, *last)
            == (other.task, other.select, other.list, other.optional, other.last)
            && (join, instead_of) == (&other.join, &other.instead_of)
    }
}

impl Reference {
    /// Makes a reference to an output of the task number `task`, whose instance may not be missing.
    pub(crate) fn new(task: usize, select: Select, join: Join, span: Span) -> Self {
        let (optional, instead_of, eager) = (false, Vec::new(), false);
        Reference { task, select, join, list: false, optional, instead_of, eager, last: false, span }
    }

    /// Whether the reference only waits for instances and reads no result of them.
    pub(crate) fn is_order(&self) -> bool {
        self.select == Select::Order
    }

    /// Whether the reference is replaced by several values, as it reads several instances and is no `{x.list}`.
    pub fn is_gather(&self) -> bool {
        self.join.is_gather() && !self.list
    }

    /// Returns the instances of the referenced task that `instance` of the task with the reference needs, in index
    /// order. A reference after `else` needs them only where [`PlanTask::reads`] holds.
    pub fn instances(&self, instance: u64) -> Gather<'_> {
        self.join.instances(instance)
    }
}

/// An output file of a command, which other tasks can read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputFile {
    /// The name of the file in references, as in `{out.name}`. `None` for the only file of a task, `out = "file"`.
    pub name: Option<String>,
    /// The path of the file in the instance's scratch folder.
    pub file: Template,
}

impl OutputFile {
    /// Whether the output is a folder: its path ends with a slash.
    pub(crate) fn is_folder(&self) -> bool {
        self.file.ends_with_slash()
    }
}

/// The destination of a command's standard output or standard error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum StreamTarget {
    /// The log of the rank that runs the instance.
    #[default]
    Log,
    /// No destination: the stream is discarded, as by `/dev/null`.
    Null,
    /// A file. If several instances have the same path, their whole outputs follow each other there in index order.
    Path(Template),
}

/// An output of a task that is copied to the shared file system (the key `save`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Save {
    /// The output of the task that is copied.
    pub select: Select,
    /// The path of the copy, relative to the script's folder.
    pub path: Template,
}
