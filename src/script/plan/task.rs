//! A task of the plan. It travels once to every rank that runs instances of it.
//!
//! [`PlanTask`] is where to start. Its [`TaskAction`] is the work, its [`Reference`]s are the dependencies. An action
//! and a map-reduce contain each other: a stage of a [`MapReduce`] is a command, which is a [`TaskAction`].

use serde::{Deserialize, Serialize};

use super::execution::Execution;
use super::template::{RenderError, RenderScope, Template};
use crate::arrays::Expr;
use crate::arrays::reduce::operator::Reduce;
use crate::mapreduce::{Mapper, Operator};
use crate::script::diagnostics::source::Span;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join::{Gather, Join};
use crate::script::values::resources::InstanceResources;
use crate::script::values::value::ScriptValue;
use std::time::Duration;

/// An argument of a `call`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallArg {
    /// A value that the script gives.
    Value(ScriptValue),
    /// The value of a name, such as `"{mean}"`.
    Binding(NameSource),
    /// A text with references in it.
    Text(Template),
}

/// A task of the plan: one action, done for every instance of a family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanTask {
    /// The name of the task in the script.
    pub name: String,
    /// The line of the script in which the task begins, counted from 1.
    pub line: usize,
    /// File and line, for messages: `flow.toml:31`.
    pub origin: String,
    /// The work that an instance does.
    pub action: TaskAction,
    /// The instances of the task.
    pub family: Sweep,
    /// The dependencies: results of other tasks that an instance reads, and tasks that it only waits for.
    pub references: Vec<Reference>,
    /// The files that the command writes in its private folder.
    pub outs: Vec<OutputFile>,
    /// The standard input of the command; `None` for an empty one.
    pub stdin: Option<Template>,
    /// The destination of standard output. For a task that makes an array, the array's text is printed there.
    pub stdout: StreamTarget,
    /// The destination of standard error.
    pub stderr: StreamTarget,
    /// The outputs that are kept on the shared file system.
    pub saves: Vec<Save>,
    /// Environment variables that are added for the command.
    pub env: Vec<(String, Template)>,
    /// The exit codes that mean success.
    pub ok_exit: Vec<i32>,
    /// Whether tasks that gather this family go on without its failed instances.
    pub optional: bool,
    /// The priority: of the instances that are ready, those with the larger number start first.
    pub priority: i32,
    /// Whether results stay in memory until the end of the run; otherwise they are freed after their last use.
    pub keep: bool,
    /// Files that the command writes at their final path, relative to the script's folder.
    pub targets: Vec<Template>,
    /// The settings with which the command is run.
    pub execution: Execution,
    /// The resources that an instance takes while it runs.
    pub needs: InstanceResources,
    /// The expected duration of an instance. `None`: as long as other instances took on the rank.
    pub time: Option<Duration>,
}

impl PlanTask {
    /// Returns the name of an instance, such as `sim[T=300, p=1]`.
    pub fn label(&self, instance: u64) -> String {
        self.family.label(&self.name, instance)
    }

    /// Returns the instances that an instance of a `reduce` task reduces, in index order; `None` for other tasks.
    pub fn reduced(&self, instance: u64) -> Option<Gather<'_>> {
        match &self.action {
            TaskAction::Reduce { of, .. } | TaskAction::Merge { of, .. } => {
                Some(self.references.get(*of)?.instances(instance))
            }
            _ => None,
        }
    }
}

/// The work of a task, by the key that the script gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskAction {
    /// Starts a program without a shell.
    Run {
        /// The program and its arguments; each template may become several ([`Template::render_args`]).
        argv: Vec<Template>,
    },
    /// Starts a shell with a script.
    Shell {
        /// The shell and its options; the script is added as the last argument.
        interpreter: Vec<String>,
        /// The text of the script.
        script: Template,
    },
    /// Evaluates an array expression.
    Array {
        /// The expression as it is written, for messages and keys.
        text: String,
        /// The expression as it was parsed.
        expr: Expr,
        /// The names in the expression, with their sources.
        names: Vec<ArrayName>,
    },
    /// Reduces the arrays of a family to one array, as a tree.
    Reduce {
        /// The number of the reference to the family among [`PlanTask::references`].
        of: usize,
        /// The operation of the reduction.
        with: Reduce,
        /// The number of arrays that a step of the tree merges.
        arity: usize,
        /// The order in which arrays are merged, which determines the shape of the tree.
        order: ReduceOrder,
    },
    /// Reduces the files of a family to one file, as a tree, by a command that merges two.
    Merge {
        /// The number of the reference to the family among [`PlanTask::references`].
        of: usize,
        /// The command of a step: it merges the files `{a}` and `{b}` into `{out}`.
        command: Box<TaskAction>,
        /// The order in which files are merged, which determines the shape of the tree.
        order: ReduceOrder,
    },
    /// Calls a function of the embedding program, which returns an array.
    Call {
        /// The name of the function in the registry.
        function: String,
        /// The arguments with their names.
        args: Vec<(String, CallArg)>,
    },
    /// Maps, shuffles and reduces lines. The task has one instance for each partition.
    MapReduce(Box<MapReduce>),
}

impl TaskAction {
    /// Renders the program and its arguments for one run. `None` for actions other than `run` and `shell`.
    pub fn command(&self, scope: &RenderScope<'_>) -> Result<Option<Vec<String>>, RenderError> {
        match self {
            TaskAction::Run { argv } => {
                let words: Result<Vec<_>, _> = argv.iter().map(|word| word.render_args(scope)).collect();
                Ok(Some(words?.concat()))
            }
            TaskAction::Shell { interpreter, script } => {
                let mut words = interpreter.clone();
                words.push(script.render(scope)?);
                Ok(Some(words))
            }
            _ => Ok(None),
        }
    }

    /// The templates of the command's words or script; none for actions that are no command.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            TaskAction::Run { argv } => argv.iter().collect(),
            TaskAction::Shell { script, .. } => vec![script],
            TaskAction::Merge { command, .. } => command.templates(),
            _ => Vec::new(),
        }
    }

    /// Whether the result is bytes, as a program writes them. All other actions make an array.
    pub fn is_command(&self) -> bool {
        !matches!(self, TaskAction::Array { .. } | TaskAction::Reduce { .. } | TaskAction::Call { .. })
    }
}

/// A map-reduce over lines: mappers make pairs of key and value, reducers get all values of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapReduce {
    /// The lines that are read.
    pub input: MapReduceInput,
    /// The target size of a split, the part of the input that one mapper gets, in bytes.
    pub split: u64,
    /// The mapper, which turns lines into `key TAB value` lines.
    pub map: MapStage,
    /// The combiner, which reduces the output of one mapper before it goes to another rank. `None`: the reducer
    /// combines, if it is built in.
    pub combine: Option<ReduceStage>,
    /// The reducer, which turns lines sorted by key into the result.
    pub reduce: ReduceStage,
    /// Bytes of lines that a rank, and each mapper, holds in memory before it spills them to scratch.
    pub buffer: u64,
}

/// The input of a map-reduce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapReduceInput {
    /// Paths of files, relative to the script's folder.
    Files(Vec<String>),
    /// The output of another task, by the number of the reference. Each of its instances is one split.
    Of(usize),
}

/// The map stage, which makes pairs of key and value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapStage {
    /// A mapper that is built in.
    BuiltIn(Mapper),
    /// A command that reads lines on standard input and writes lines on standard output.
    Command(Box<TaskAction>),
}

/// The reduce or combine stage, which makes one value, or lines, of all values of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReduceStage {
    /// An operator that is built in.
    BuiltIn(Operator),
    /// A command that reads lines on standard input and writes lines on standard output.
    Command(Box<TaskAction>),
}

impl MapStage {
    /// The name of a built-in mapper; `command` for every command.
    pub fn name(&self) -> String {
        if let MapStage::BuiltIn(mapper) = self { format!("{mapper:?}") } else { "command".to_owned() }
    }
}

impl ReduceStage {
    /// The name of a built-in operator; `command` for every command.
    pub fn name(&self) -> String {
        if let ReduceStage::BuiltIn(operator) = self { format!("{operator:?}") } else { "command".to_owned() }
    }
}

impl MapReduce {
    /// The commands among the stages.
    pub fn commands(&self) -> impl Iterator<Item = &TaskAction> {
        let map = if let MapStage::Command(action) = &self.map { Some(&**action) } else { None };
        let others = self.combine.iter().chain([&self.reduce]).filter_map(|stage| match stage {
            ReduceStage::Command(action) => Some(&**action),
            ReduceStage::BuiltIn(_) => None,
        });
        map.into_iter().chain(others)
    }

    /// Whether mappers start a command, and whether reducers do. A combiner runs with the mapper.
    pub fn starts(&self) -> (bool, bool) {
        let combines = matches!(self.combine, Some(ReduceStage::Command(_)));
        let maps = combines || matches!(self.map, MapStage::Command(_));
        (maps, matches!(self.reduce, ReduceStage::Command(_)))
    }

    /// Returns the built-in operator that combines a mapper's lines, and the one that reduces the combined lines.
    /// `None` for a stage that is a command or missing.
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

/// A name in an array expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrayName {
    /// The name as it is written, `x` or `sim.probe`.
    pub name: String,
    /// The source of its value.
    pub binding: NameSource,
}

/// The source of the value that a name stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NameSource {
    /// The task's parameter of that number, derived ones counted last.
    Param(usize),
    /// A variable of the script, with its value.
    Var(ScriptValue),
    /// The task's reference of that number: one array, or a list of arrays for a gather.
    Input(usize),
    /// A runtime variable.
    Fact(RuntimeVar),
}

/// The order in which a reduction merges values, which determines the shape of its tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReduceOrder {
    /// By index alone, so that the result has the same bits on any number of ranks.
    #[default]
    Fixed,
    /// In the order in which values become ready.
    Any,
}

/// The output of another task that a reference reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Select {
    /// No output: the other task only has to be done.
    Order,
    /// The output file of that number.
    File(usize),
    /// The standard output.
    Stdout,
    /// The array.
    Value,
}

/// A dependency on another task. Two references are equal if they differ only in their place in the script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The other task's index in the plan.
    pub task: usize,
    /// The output that is read.
    pub select: Select,
    /// The join, which gives the instances that are read.
    pub join: Join,
    /// Whether a gather is given as one file that lists the paths, instead of the paths themselves.
    pub list: bool,
    /// The place in the script where the reference is first made, for messages. Ranks do not get it.
    #[serde(skip)]
    pub span: Span,
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        let Reference { task, select, join, list, span: _ } = self;
        (*task, *select, *list) == (other.task, other.select, other.list) && *join == other.join
    }
}

impl Reference {
    /// Whether the reference becomes several values where it stands.
    pub fn is_gather(&self) -> bool {
        self.join.is_gather() && !self.list
    }

    /// Returns the instances of the other task that `instance` of this task needs, in index order.
    pub fn instances(&self, instance: u64) -> Gather<'_> {
        self.join.instances(instance)
    }
}

/// An output file of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputFile {
    /// The name in `{out.name}`; `None` for the only file, `out = "file"`.
    pub name: Option<String>,
    /// The path in the instance's private folder.
    pub file: Template,
}

/// The destination of a command's output stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum StreamTarget {
    /// The rank's log.
    #[default]
    Log,
    /// Discarded, as by `/dev/null`.
    Null,
    /// A file. Instances that share a path append whole outputs in index order.
    Path(Template),
}

/// An output that is kept on the shared file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Save {
    /// The output that is kept.
    pub select: Select,
    /// The path of the copy, relative to the script's folder.
    pub path: Template,
}
