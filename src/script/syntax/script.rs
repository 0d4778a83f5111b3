//! The syntax tree: a script as it is written, every key with its place, nothing resolved yet.
//!
//! [`RawScript`] is the root. Names of fields are those of the keys.

use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::syntax::execution::RawExecution;
use crate::script::syntax::resources::{RawNeeds, RawResource};
use crate::script::syntax::sweep::{RawRow, RawSweep};
use crate::script::syntax::until::RawUntil;
use crate::script::values::execution::Keep;
use crate::script::values::policy::Policy;
use crate::script::values::settings::RunSettings;
use crate::script::values::value::ScriptValue;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct RawScript {
    pub(crate) name: Option<Text>,
    pub(crate) vars: Vec<RawVar>,
    /// The variables that are lists, as name and items.
    pub(crate) lists: Vec<(Text, ListItems)>,
    /// The names of variables that are tables, such as `paths` in the reference `paths.raw`.
    pub(crate) groups: Vec<Text>,
    pub(crate) policy: Policy,
    pub(crate) settings: RunSettings,
    pub(crate) resources: Vec<RawResource>,
    pub(crate) tasks: Vec<RawTask>,
}

impl RawScript {
    /// The names of all variables: single values, lists, and tables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Text> {
        let vars = self.vars.iter().map(|var| &var.name);
        vars.chain(self.lists.iter().map(|(name, _)| name)).chain(&self.groups)
    }
}

#[derive(Debug)]
pub(crate) struct RawVar {
    pub(crate) name: Text,
    pub(crate) value: At<ScriptValue>,
}

/// The items of a variable that is a list.
#[derive(Clone, Debug)]
pub(crate) enum ListItems {
    Values(Vec<At<ScriptValue>>),
    /// Tables of TOML, each of which is one row.
    Rows(Vec<RawRow>),
    /// A list with mistakes, which have been reported already.
    Wrong,
}

#[derive(Debug)]
pub(crate) struct RawTask {
    pub(crate) name: Text,
    /// The action of the task (`run`, `array`, ..); `None` where it is missing or wrong, which has been reported.
    pub(crate) action: Option<RawAction>,
    pub(crate) sweep: RawSweep,
    pub(crate) stdin: Option<Text>,
    pub(crate) outs: Vec<RawOut>,
    pub(crate) stdout: Option<Text>,
    pub(crate) stderr: Option<Text>,
    pub(crate) saves: Vec<RawSave>,
    pub(crate) after: Vec<Text>,
    pub(crate) env: Vec<(Text, Text)>,
    /// The words that are put before each command of the task.
    pub(crate) wrap: Vec<Text>,
    pub(crate) ok_exit: Vec<i32>,
    pub(crate) optional: bool,
    /// The condition under which an instance runs.
    pub(crate) when: Option<Text>,
    /// The condition under which the loops of the task stop.
    pub(crate) until: Option<RawUntil>,
    pub(crate) priority: i32,
    pub(crate) keep: Keep,
    /// The paths of `target`: files that the command itself writes at their final place, not in its private folder.
    pub(crate) targets: Vec<Text>,
    pub(crate) execution: RawExecution,
    pub(crate) needs: RawNeeds,
    /// The duration of an instance that the script expects, so that none is started that would not end before the job;
    /// `None` if the script does not say.
    pub(crate) time: Option<At<Duration>>,
}

#[derive(Debug)]
pub(crate) enum RawAction {
    /// `run` as a string, which is split into words later.
    Words(Text),
    /// `run` as an array of words.
    Argv(Vec<Text>, Span),
    Shell(Text, Option<At<Vec<Text>>>),
    /// `script`: a file of the script's folder, which its first line or its ending runs, and further arguments.
    Script(Text, Vec<Text>),
    Array(Text),
    Reduce(RawReduce),
    /// `call`: the name of a function that the program has registered, and the arguments for it.
    Call(Text, Vec<(Text, At<ScriptValue>)>),
    MapReduce(Box<RawMapReduce>),
}

impl RawAction {
    /// Whether the result of the action is bytes, as a command writes them. All other actions make an array.
    pub(crate) fn is_command(&self) -> bool {
        match self {
            RawAction::Array(_) | RawAction::Call(..) => false,
            RawAction::Reduce(raw) => raw.command.is_some(),
            _ => true,
        }
    }

    /// The place of the action in the script.
    pub(crate) fn span(&self) -> Span {
        match self {
            RawAction::Words(text)
            | RawAction::Shell(text, _)
            | RawAction::Script(text, _)
            | RawAction::Array(text)
            | RawAction::Call(text, _) => text.span.clone(),
            RawAction::Argv(_, span) => span.clone(),
            RawAction::Reduce(raw) => raw.span.clone(),
            RawAction::MapReduce(raw) => raw.span.clone(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct RawReduce {
    pub(crate) span: Span,
    pub(crate) of: Option<Text>,
    pub(crate) with: Option<Text>,
    /// The command that merges two files into one; `None` for a reduction of arrays.
    pub(crate) command: Option<Box<RawAction>>,
    pub(crate) arity: Option<At<i64>>,
    pub(crate) order: Option<Text>,
    pub(crate) over: Option<At<Vec<Text>>>,
    pub(crate) axis: Option<At<i64>>,
}

#[derive(Debug)]
pub(crate) struct RawMapReduce {
    pub(crate) span: Span,
    pub(crate) input: Option<RawInput>,
    pub(crate) map: Option<RawStage>,
    pub(crate) combine: Option<RawStage>,
    pub(crate) reduce: Option<RawStage>,
    pub(crate) partitions: i64,
    pub(crate) buffer: Option<u64>,
    /// The keys that the table has in the script, even where their values are wrong.
    pub(crate) given: Vec<&'static str>,
}

#[derive(Debug)]
pub(crate) struct RawInput {
    pub(crate) source: RawInputs,
    pub(crate) split: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum RawInputs {
    Glob(Text),
    Files(Vec<Text>),
    /// The name of another task, whose output files are the input.
    Of(Text),
}

/// A stage of a `mapreduce`: its mapper, combiner or reducer.
#[derive(Debug)]
pub(crate) enum RawStage {
    /// The name of a built-in stage, such as `words`.
    Named(Text),
    Command(Box<RawAction>),
}

#[derive(Debug)]
pub(crate) struct RawOut {
    /// The name that the script gives to the output; `None` for `out = "file"`, which gives none.
    pub(crate) name: Option<Text>,
    pub(crate) file: Text,
}

#[derive(Debug)]
pub(crate) struct RawSave {
    /// The name of the output that is saved; `None` for `save = "path"`, which saves the only one.
    pub(crate) output: Option<Text>,
    pub(crate) path: Text,
}
