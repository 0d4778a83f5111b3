//! The script as it is written: every key with its place, nothing resolved yet.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::syntax::execution::RawExecution;
use crate::script::syntax::known_keys::{self, ACTIONS};
use crate::script::syntax::mapreduce::RawMapReduce;
use crate::script::syntax::resources::{self, RawNeeds, RawResource};
use crate::script::syntax::sweep::RawSweep;
use crate::script::syntax::toml::{self, Node, TomlEntry, TomlKind, check_name, wrong_type};
use crate::script::values::policy::Policy;
use crate::script::values::value::ScriptValue;
use std::time::Duration;

/// The format version that this program understands.
pub(crate) const VERSION: i64 = 1;

#[derive(Debug)]
pub(crate) struct RawScript {
    pub(crate) name: Option<Text>,
    pub(crate) vars: Vec<RawVar>,
    pub(crate) policy: Policy,
    pub(crate) resources: Vec<RawResource>,
    pub(crate) tasks: Vec<RawTask>,
}

#[derive(Debug)]
pub(crate) struct RawVar {
    pub(crate) name: Text,
    pub(crate) value: At<ScriptValue>,
}

#[derive(Debug)]
pub(crate) struct RawTask {
    pub(crate) name: Text,
    /// `None` where it is missing or wrong, which has been reported.
    pub(crate) action: Option<RawAction>,
    pub(crate) sweep: RawSweep,
    pub(crate) stdin: Option<Text>,
    pub(crate) outs: Vec<RawOut>,
    pub(crate) stdout: Option<Text>,
    pub(crate) stderr: Option<Text>,
    pub(crate) saves: Vec<RawSave>,
    pub(crate) after: Vec<Text>,
    pub(crate) env: Vec<(Text, Text)>,
    pub(crate) ok_exit: Vec<i32>,
    pub(crate) optional: bool,
    pub(crate) priority: i32,
    pub(crate) keep: bool,
    /// Files that the command writes where they stay.
    pub(crate) targets: Vec<Text>,
    pub(crate) execution: RawExecution,
    pub(crate) needs: RawNeeds,
    /// How long an instance is expected to take.
    pub(crate) time: Option<At<Duration>>,
}

#[derive(Debug)]
pub(crate) enum RawAction {
    /// `run` as a string.
    Words(Text),
    /// `run` as an array.
    Argv(Vec<Text>, Span),
    Shell(Text, Option<At<Vec<Text>>>),
    Array(Text),
    Reduce(RawReduce),
    /// A function of the program, and its arguments.
    Call(Text, Vec<(Text, At<ScriptValue>)>),
    MapReduce(Box<RawMapReduce>),
}

impl RawAction {
    /// Whether it leaves bytes, as a program does; the others make an array.
    pub(crate) fn is_command(&self) -> bool {
        match self {
            RawAction::Array(_) | RawAction::Call(..) => false,
            RawAction::Reduce(raw) => raw.command.is_some(),
            _ => true,
        }
    }

    /// Its place in the script.
    pub(crate) fn span(&self) -> Span {
        match self {
            RawAction::Words(text)
            | RawAction::Shell(text, _)
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
    /// What merges two files.
    pub(crate) command: Option<Box<RawAction>>,
    pub(crate) arity: Option<At<i64>>,
    pub(crate) order: Option<Text>,
    pub(crate) over: Option<At<Vec<Text>>>,
    pub(crate) axis: Option<At<i64>>,
}

#[derive(Debug)]
pub(crate) struct RawOut {
    /// `None` for `out = "file"`.
    pub(crate) name: Option<Text>,
    pub(crate) file: Text,
}

#[derive(Debug)]
pub(crate) struct RawSave {
    /// `None` for `save = "path"`.
    pub(crate) output: Option<Text>,
    pub(crate) path: Text,
}

/// Reads the whole script.
pub(crate) fn read(cx: &mut DiagnosticCollector) -> Option<RawScript> {
    let before = cx.errors();
    let top = toml::parse(cx);
    if cx.errors() > before {
        // What the reader guessed about a broken file would only add errors that are none.
        return None;
    }
    if !version(&top, cx) {
        return None;
    }
    let mut script = RawScript {
        name: None,
        vars: Vec::new(),
        policy: Policy::default(),
        resources: Vec::new(),
        tasks: Vec::new(),
    };
    let known: Vec<&TomlEntry> = top.iter().filter(|entry| known_keys::TOP.check(entry, cx)).collect();
    let defaults = defaults(&known, cx);
    for entry in known {
        match entry.key.value.as_str() {
            "name" => script.name = entry.value.text("`name`", cx).filter(|name| check_title(name, cx)),
            "vars" => script.vars = vars(&entry.value, cx),
            "policy" => script.policy = crate::script::syntax::policy::read(&entry.value, cx),
            "resources" => script.resources = resources::resources(&entry.value, cx),
            "task" => {
                let tasks = entry.value.table("`task`", cx).unwrap_or_default();
                script.tasks = tasks
                    .iter()
                    .filter_map(|entry| crate::script::syntax::task::read(entry, &defaults, cx))
                    .collect();
            }
            _ => {}
        }
    }
    let has_tasks = top
        .iter()
        .any(|e| e.key.value == "task" && !matches!(&e.value.value, TomlKind::Table(t) if t.is_empty()));
    if !has_tasks {
        cx.push(
            Diagnostic::nowhere(Code::NoTasks, format!("{} has no tasks", cx.source.shown()))
                .help("a task begins with a line `[task.NAME]`"),
        );
    }
    Some(script)
}

/// The keys of `[default]`, which every task has that does not have them itself.
fn defaults<'e>(top: &[&'e TomlEntry], cx: &mut DiagnosticCollector) -> Vec<&'e TomlEntry> {
    let table = top.iter().find(|entry| entry.key.value == "default");
    let entries = table.and_then(|entry| entry.value.table("`default`", cx)).unwrap_or_default();
    entries.iter().filter(|entry| known_keys::TASK.check(entry, cx)).collect()
}

fn version(top: &[TomlEntry], cx: &mut DiagnosticCollector) -> bool {
    let Some(entry) = top.iter().find(|entry| entry.key.value == "dtask") else {
        let diagnostic = Diagnostic::new(
            Code::VersionMissing,
            0..0,
            "the script does not say which version of the format it has",
        );
        cx.push(diagnostic.label("no version").help(format!("begin it with the line `dtask = {VERSION}`")));
        return true;
    };
    match entry.value.int("`dtask`", cx) {
        Some(version) if version.value != VERSION => {
            let newer = version.value > VERSION;
            let message = format!(
                "the script has format version {}, and this dtask knows version {VERSION}",
                version.value
            );
            let diagnostic = Diagnostic::new(Code::VersionUnknown, version.span, message).label(if newer {
                "newer"
            } else {
                "no such version"
            });
            cx.push(if newer {
                diagnostic.help("use a newer dtask")
            } else {
                diagnostic.help(format!("write `dtask = {VERSION}`"))
            });
            // The rest may mean anything in another version.
            false
        }
        _ => true,
    }
}

/// The name becomes that of the run folder.
fn check_title(name: &Text, cx: &mut DiagnosticCollector) -> bool {
    let bad = name.value.is_empty()
        || name.value.starts_with('.')
        || name.value.contains(|c: char| c == '/' || c.is_control());
    if bad {
        let diagnostic =
            Diagnostic::new(Code::BadName, name.span.clone(), "this cannot be the name of a script");
        cx.push(diagnostic.label("the run folder has this name: no `/`, and no `.` first"));
    }
    !bad
}

fn vars(node: &Node, cx: &mut DiagnosticCollector) -> Vec<RawVar> {
    let mut found = Vec::new();
    for TomlEntry { key, value } in node.table("`vars`", cx).unwrap_or_default() {
        check_name("variable", &key.value, &key.span, cx);
        match value.scalar() {
            Some(scalar) => found
                .push(RawVar { name: key.clone(), value: At { value: scalar, span: value.span.clone() } }),
            None => cx.push(wrong_type(
                &format!("the variable `{}`", key.value),
                "a number, string or boolean",
                value,
            )),
        }
    }
    found
}

/// The error of a task that has no action, or several.
pub(crate) fn check_action(name: &Text, entries: &[&TomlEntry], cx: &mut DiagnosticCollector) {
    let actions: Vec<&TomlEntry> =
        entries.iter().filter(|e| ACTIONS.contains(&e.key.value.as_str())).copied().collect();
    match actions[..] {
        [] => {
            let diagnostic = Diagnostic::new(
                Code::NoAction,
                name.span.clone(),
                format!("the task `{}` does nothing", name.value),
            );
            cx.push(diagnostic.label("no action").help(format!("give it one of: {}", ACTIONS.join(", "))));
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!(
                "the task `{}` has two actions, `{}` and `{}`",
                name.value, first.key.value, second.key.value
            );
            let diagnostic =
                Diagnostic::new(Code::ManyActions, second.key.span.clone(), message).label("the second one");
            cx.push(diagnostic.also(first.key.span.clone(), "the first one").help("make two tasks of them"));
        }
    }
}
