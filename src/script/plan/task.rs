//! A task that is understood, as it travels once to every rank that runs instances of it.
//!
//! An action and a map-reduce hold each other: a stage of a [`MapReduce`] is a command, which is a [`TaskAction`].

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

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallArg {
    /// A value as the script has it.
    Value(ScriptValue),
    /// The value of a name: `"{mean}"`.
    Binding(NameSource),
    /// A text with references in it.
    Text(Template),
}

/// A task, or a family of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanTask {
    /// The name.
    pub name: String,
    /// The line of the script that it begins at, counted from 1.
    pub line: usize,
    /// File and line, for messages: `flow.toml:31`.
    pub origin: String,
    /// The action.
    pub action: TaskAction,
    /// Its instances.
    pub family: Sweep,
    /// The results of other tasks that it reads, and the tasks that it only waits for.
    pub references: Vec<Reference>,
    /// The files that its command writes.
    pub outs: Vec<OutputFile>,
    /// The standard input of its command.
    pub stdin: Option<Template>,
    /// Where its standard output goes (the text of the array, where it makes one).
    pub stdout: StreamTarget,
    /// Where its standard error goes.
    pub stderr: StreamTarget,
    /// The outputs that are kept on the shared file system.
    pub saves: Vec<Save>,
    /// Environment variables that are added.
    pub env: Vec<(String, Template)>,
    /// The exit codes that mean success.
    pub ok_exit: Vec<i32>,
    /// Whether those who gather it go on without its failed instances.
    pub optional: bool,
    /// Larger first.
    pub priority: i32,
    /// Whether its results stay until the end, needed or not.
    pub keep: bool,
    /// Files that its command writes where they stay, relative to the script's folder.
    pub targets: Vec<Template>,
    /// How its command is run.
    pub execution: Execution,
    /// The resources that an instance takes while it runs.
    pub needs: InstanceResources,
    /// How long an instance is expected to take; without it, as long as others of its rank.
    pub time: Option<Duration>,
}

impl PlanTask {
    /// The name of an instance, `sim[T=300, p=1]`.
    pub fn label(&self, instance: u64) -> String {
        self.family.label(&self.name, instance)
    }

    /// The instances that an instance of a `reduce` task reduces, in index order; `None` for other tasks.
    pub fn reduced(&self, instance: u64) -> Option<Gather<'_>> {
        match &self.action {
            TaskAction::Reduce { of, .. } | TaskAction::Merge { of, .. } => {
                Some(self.references.get(*of)?.instances(instance))
            }
            _ => None,
        }
    }
}

/// The action of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskAction {
    /// Starts a program.
    Run {
        /// The program and its arguments; each may become several ([`Template::render_args`]).
        argv: Vec<Template>,
    },
    /// Starts a shell.
    Shell {
        /// The shell and its options; the script is added as the last argument.
        interpreter: Vec<String>,
        /// The script.
        script: Template,
    },
    /// Evaluates an array expression.
    Array {
        /// The expression as it is written, for messages and keys.
        text: String,
        /// The expression as it was parsed.
        expr: Expr,
        /// The meaning of the names in it.
        names: Vec<ArrayName>,
    },
    /// Reduces a family to one array.
    Reduce {
        /// The reference to the family, by its number.
        of: usize,
        /// The operation.
        with: Reduce,
        /// How many are merged at a time.
        arity: usize,
        /// The order that gives the tree its shape.
        order: ReduceOrder,
    },
    /// Reduces a family to one file, by a command that merges two.
    Merge {
        /// The reference to the family, by its number.
        of: usize,
        /// The command that merges two.
        command: Box<TaskAction>,
        /// The order that gives the tree its shape.
        order: ReduceOrder,
    },
    /// Calls a function of the program, which makes an array.
    Call {
        /// Its name in the registry.
        function: String,
        /// The arguments, by their names.
        args: Vec<(String, CallArg)>,
    },
    /// Maps, shuffles and reduces lines; one instance for each partition.
    MapReduce(Box<MapReduce>),
}

impl TaskAction {
    /// The program with its arguments, for the two actions that start one.
    pub fn command(&self, scope: &RenderScope<'_>) -> Result<Option<Vec<String>>, RenderError> {
        match self {
            TaskAction::Run { argv } => {
                let words: Result<Vec<_>, _> = argv.iter().map(|word| word.render_args(scope)).collect();
                Ok(Some(words?.concat()))
            }
            TaskAction::Shell { interpreter, script } => {
                let mut words = interpreter.clone();
                words.push(script.render_shell(scope)?);
                Ok(Some(words))
            }
            _ => Ok(None),
        }
    }

    /// The texts that a command is made of.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            TaskAction::Run { argv } => argv.iter().collect(),
            TaskAction::Shell { script, .. } => vec![script],
            TaskAction::Merge { command, .. } => command.templates(),
            _ => Vec::new(),
        }
    }

    /// Whether it leaves bytes, as a program does; the others make an array.
    pub fn is_command(&self) -> bool {
        !matches!(self, TaskAction::Array { .. } | TaskAction::Reduce { .. } | TaskAction::Call { .. })
    }
}

/// A map-reduce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapReduce {
    /// The part that is read.
    pub input: MapReduceInput,
    /// Bytes that a mapper gets at a time.
    pub split: u64,
    /// Makes `key TAB value` lines of lines.
    pub map: MapStage,
    /// Makes fewer lines of a mapper's, before they travel.
    pub combine: Option<ReduceStage>,
    /// Makes the result of lines that are sorted by key.
    pub reduce: ReduceStage,
    /// Bytes of lines that are held in memory before they are spilled to scratch.
    pub buffer: u64,
}

/// The input of a map-reduce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapReduceInput {
    /// Files, relative to the script's folder.
    Files(Vec<String>),
    /// The output of another task, by the number of the reference; each instance is one split.
    Of(usize),
}

/// The stage that makes keys and values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapStage {
    /// A stage that is built in.
    BuiltIn(Mapper),
    /// A command that reads lines and writes lines.
    Command(Box<TaskAction>),
}

/// The stage that makes one value, or lines, of the values of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReduceStage {
    /// A stage that is built in.
    BuiltIn(Operator),
    /// A command that reads lines and writes lines.
    Command(Box<TaskAction>),
}

impl MapStage {
    /// The name of one that is built in, which tells it from others.
    pub fn name(&self) -> String {
        if let MapStage::BuiltIn(mapper) = self { format!("{mapper:?}") } else { "command".to_owned() }
    }
}

impl ReduceStage {
    /// The name of one that is built in, as that of a [`MapStage`].
    pub fn name(&self) -> String {
        if let ReduceStage::BuiltIn(operator) = self { format!("{operator:?}") } else { "command".to_owned() }
    }
}

impl MapReduce {
    /// The commands of its stages.
    pub fn commands(&self) -> impl Iterator<Item = &TaskAction> {
        let map = if let MapStage::Command(action) = &self.map { Some(&**action) } else { None };
        let others = self.combine.iter().chain([&self.reduce]).filter_map(|stage| match stage {
            ReduceStage::Command(action) => Some(&**action),
            ReduceStage::BuiltIn(_) => None,
        });
        map.into_iter().chain(others)
    }

    /// Whether a mapper, and whether a reducer, starts a command.
    pub fn starts(&self) -> (bool, bool) {
        let combines = matches!(self.combine, Some(ReduceStage::Command(_)));
        let maps = combines || matches!(self.map, MapStage::Command(_));
        (maps, matches!(self.reduce, ReduceStage::Command(_)))
    }

    /// The operator by which a mapper's lines are combined, and the one that makes the result of what comes of them.
    pub fn operators(&self) -> (Option<Operator>, Option<Operator>) {
        let built_in = |stage: &ReduceStage| match stage {
            ReduceStage::BuiltIn(operator) => Some(*operator),
            ReduceStage::Command(_) => None,
        };
        let reduce = built_in(&self.reduce);
        match &self.combine {
            // what can be combined is, asked or not
            None => (reduce, reduce.map(Operator::of_parts)),
            Some(stage) if stage == &self.reduce => (built_in(stage), reduce.map(Operator::of_parts)),
            Some(stage) => (built_in(stage), reduce),
        }
    }
}

/// A bare name of an array expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrayName {
    /// As it is written, `x` or `sim.probe`.
    pub name: String,
    /// The meaning.
    pub binding: NameSource,
}

/// The meaning of a name of an array expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NameSource {
    /// The task's parameter of that number.
    Param(usize),
    /// A variable of the script.
    Var(ScriptValue),
    /// The task's reference of that number: one array, or a list for a gather.
    Input(usize),
    /// A fact that the rank knows.
    Fact(RuntimeVar),
}

/// The order that gives a reduction's tree its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReduceOrder {
    /// The indices alone: the same bits on any number of ranks.
    #[default]
    Fixed,
    /// Whatever is ready first.
    Any,
}

/// The part of another task that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Select {
    /// Nothing: the task only has to be done.
    Order,
    /// The output file of that number.
    File(usize),
    /// The text that it printed.
    Stdout,
    /// The array that it made.
    Value,
}

/// A dependency on another task. Two are equal wherever in the script they are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The other task's index in the plan.
    pub task: usize,
    /// The part that is read.
    pub select: Select,
    /// The instances that are read.
    pub join: Join,
    /// Whether what is given is one file with the paths in it.
    pub list: bool,
    /// The place in the script where the reference is first made, for messages about the script; ranks are not told.
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
    /// Whether it is several values where it stands.
    pub fn is_gather(&self) -> bool {
        self.join.is_gather() && !self.list
    }

    /// The instances of the other task that this one's `instance` needs, in index order.
    pub fn instances(&self, instance: u64) -> Gather<'_> {
        self.join.instances(instance)
    }
}

/// A file that a command writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputFile {
    /// `None` for the one of `out = "file"`.
    pub name: Option<String>,
    /// Its path in the instance's private folder.
    pub file: Template,
}

/// Where a stream goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum StreamTarget {
    /// To the rank's log.
    #[default]
    Log,
    /// Nowhere.
    Null,
    /// To a file; instances that share a path append whole outputs in index order.
    Path(Template),
}

/// An output that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Save {
    /// The output that is kept.
    pub select: Select,
    /// Where, relative to the script's folder.
    pub path: Template,
}
