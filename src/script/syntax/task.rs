//! Reads a `[task.NAME]` table.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::execution::{self, RawExecution};
use crate::script::syntax::key_row::TaskKind;
use crate::script::syntax::key_table::TASK;
use crate::script::syntax::resources::RawNeeds;
use crate::script::syntax::script::{RawAction, RawOut, RawSave, RawTask};
use crate::script::syntax::toml::{Node, TomlEntry, TomlKind, check_name, is_identifier, wrong_type};
use crate::script::syntax::{command, known_keys, mapreduce, reduce, sweep, until};
use crate::script::values::execution::Keep;
use crate::script::values::value::ScriptValue;

/// Names that an output cannot have, because they mean something else in a reference.
const TAKEN_OUTPUTS: [&str; 4] = ["stdout", "stderr", "list", "out"];

/// Reads a task. Keys that the task does not have are taken from `defaults`, the table `[default]`. `None` if the task
/// is no table, which is reported; other mistakes are reported too, and the rest is read nevertheless.
pub(crate) fn read(
    entry: &TomlEntry,
    defaults: &[&TomlEntry],
    cx: &mut DiagnosticCollector,
) -> Option<RawTask> {
    let name = &entry.key;
    check_name("task", &name.value, &name.span, cx);
    let entries = entry.value.table(&format!("`task.{}`", name.value), cx)?;
    let mut known: Vec<&TomlEntry> = entries.iter().filter(|entry| TASK.check(entry, cx)).collect();
    let all: Vec<&TomlEntry> = entries.iter().collect();
    if entries.iter().any(known_keys::is_action) {
        check_action(name, &all, cx);
    } else {
        let actions: Vec<&TomlEntry> =
            defaults.iter().filter(|entry| known_keys::is_action(entry)).copied().collect();
        check_action(name, &actions, cx);
        known.extend(actions);
    }
    let kind = kind(&known);
    let fits = |entry: &&&TomlEntry| {
        let key = entry.key.value.as_str();
        !known_keys::is_action(entry)
            && kind.is_none_or(|kind| known_keys::fits(key, kind))
            && entries.iter().all(|own| own.key.value != key)
    };
    known.extend(defaults.iter().filter(fits));
    let get = |key: &str| known.iter().find(|e| e.key.value == key).map(|e| &e.value);
    let text = |key: &str, cx: &mut DiagnosticCollector| {
        get(key).and_then(|node| node.text(&format!("`{key}`"), cx))
    };
    let action = action(&get, cx);
    let sweep = match &action {
        Some(RawAction::MapReduce(raw)) => mapreduce::instances(raw),
        _ => sweep::read(&known, cx),
    };
    let mut task = RawTask {
        name: name.clone(),
        action,
        sweep,
        stdin: text("stdin", cx),
        outs: get("out").map(|node| outs(node, cx)).unwrap_or_default(),
        stdout: text("stdout", cx),
        stderr: text("stderr", cx),
        saves: get("save").map(|node| saves(node, cx)).unwrap_or_default(),
        after: get("after").map(|node| after(node, cx)).unwrap_or_default(),
        env: get("env").map(|node| env(node, cx)).unwrap_or_default(),
        wrap: get("wrap").and_then(|node| node.texts("`wrap`", cx)).unwrap_or_default(),
        optional: get("optional").and_then(|node| node.flag("`optional`", cx)).unwrap_or(false),
        when: text("when", cx),
        until: until::read(&get, cx),
        priority: get("priority").map_or(0, |node| priority(node, cx)),
        keep: get("keep").map_or(Keep::default(), |node| keep(node, cx)),
        targets: get("target").map(|node| targets(node, cx)).unwrap_or_default(),
        ok_exit: get("ok-exit").map_or_else(|| vec![0], |node| ok_exit(node, cx)),
        execution: RawExecution::read(&get, cx),
        needs: RawNeeds::read(&get, cx),
        time: get("time").and_then(|node| execution::duration_at("time", node, cx)),
    };
    if matches!(task.action, Some(RawAction::MapReduce(_))) {
        mapreduce::save_in_one_file(&mut task, cx);
    }
    reduce::name_output(&mut task);
    if let Some(kind) = kind.filter(|_| task.action.is_some()) {
        known_keys::check_beside(kind, &known, cx);
    }
    Some(task)
}

/// Returns the kind of a task, by the action (`run`, `array`, ..) among its keys; `None` without one.
fn kind(known: &[&TomlEntry]) -> Option<TaskKind> {
    let entry = known.iter().find(|entry| known_keys::is_action(entry))?;
    let key = entry.key.value.as_str();
    let has_command = match key {
        "reduce" => reduce::has_command(&entry.value),
        "mapreduce" => mapreduce::has_command(&entry.value),
        _ => false,
    };
    TaskKind::of(key, has_command)
}

/// Reports a task that has no action (`run`, `array`, ..), or several.
fn check_action(name: &Text, entries: &[&TomlEntry], cx: &mut DiagnosticCollector) {
    let actions: Vec<&TomlEntry> =
        entries.iter().filter(|entry| known_keys::is_action(entry)).copied().collect();
    match actions[..] {
        [] => {
            let diagnostic = Diagnostic::new(
                Code::NoAction,
                name.span.clone(),
                format!("the task `{}` does nothing", name.value),
            );
            cx.push(
                diagnostic.label("no action").help(format!(
                    "give it one of: {}",
                    known_keys::actions().collect::<Vec<_>>().join(", ")
                )),
            );
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

fn priority(node: &Node, cx: &mut DiagnosticCollector) -> i32 {
    let Some(priority) = node.int("`priority`", cx) else { return 0 };
    i32::try_from(priority.value).unwrap_or_else(|_| {
        let message = "a priority is a number from -2147483648 to 2147483647";
        cx.push(
            Diagnostic::new(Code::BadValue, priority.span, message)
                .label("too far")
                .help("larger ones go first"),
        );
        0
    })
}

fn keep(node: &Node, cx: &mut DiagnosticCollector) -> Keep {
    let Some(text) = node.text("`keep`", cx) else { return Keep::default() };
    let known = [("memory", Keep::Memory), ("checkpoint", Keep::Checkpoint)];
    if let Some((_, keep)) = known.into_iter().find(|(name, _)| *name == text.value) {
        return keep;
    }
    let message = format!("`keep` cannot be \"{}\"", text.value);
    let diagnostic =
        Diagnostic::new(Code::BadValue, text.span, message).label("\"memory\" or \"checkpoint\"");
    cx.push(diagnostic.maybe_help(did_you_mean(&text.value, known.map(|(name, _)| name))));
    Keep::default()
}

fn targets(node: &Node, cx: &mut DiagnosticCollector) -> Vec<Text> {
    match &node.value {
        TomlKind::Text(path) => vec![At { value: path.clone(), span: node.span.clone() }],
        TomlKind::List(_) => node.texts("`target`", cx).unwrap_or_default(),
        _ => {
            cx.push(TASK.wrong_type("target", node));
            Vec::new()
        }
    }
}

fn action<'n>(get: &impl Fn(&str) -> Option<&'n Node>, cx: &mut DiagnosticCollector) -> Option<RawAction> {
    if get("run").or(get("shell")).or(get("script")).is_some() {
        return command::read(get, cx);
    }
    if let Some(node) = get("mapreduce") {
        return mapreduce::read(node, cx).map(|raw| RawAction::MapReduce(Box::new(raw)));
    }
    if let Some(node) = get("array") {
        return node.text("`array`", cx).map(RawAction::Array);
    }
    if let Some(node) = get("call") {
        let function = node.text("`call`", cx)?;
        let args = get("args").map(|node| args(node, cx)).unwrap_or_default();
        return Some(RawAction::Call(function, args));
    }
    get("reduce").and_then(|node| reduce::read(node, cx)).map(RawAction::Reduce)
}

fn args(node: &Node, cx: &mut DiagnosticCollector) -> Vec<(Text, At<ScriptValue>)> {
    let mut found = Vec::new();
    for TomlEntry { key, value } in node.table("`args`", cx).unwrap_or_default() {
        match value.scalar(&cx.source) {
            Some(scalar) => found.push((key.clone(), At { value: scalar, span: value.span.clone() })),
            None => {
                let what = format!("the argument `{}`", key.value);
                cx.push(wrong_type(&what, "a string, number or boolean", value));
            }
        }
    }
    found
}

fn outs(node: &Node, cx: &mut DiagnosticCollector) -> Vec<RawOut> {
    let all = match &node.value {
        TomlKind::Text(file) => {
            vec![RawOut { name: None, file: At { value: file.clone(), span: node.span.clone() } }]
        }
        TomlKind::Table(entries) => {
            let mut all = Vec::new();
            for TomlEntry { key, value } in entries {
                if TAKEN_OUTPUTS.contains(&key.value.as_str()) {
                    let message = format!("`{}` cannot be the name of an output", key.value);
                    cx.push(
                        Diagnostic::new(Code::BadName, key.span.clone(), message)
                            .label("it has a meaning of its own in references"),
                    );
                } else {
                    check_name("output", &key.value, &key.span, cx);
                }
                if let Some(file) = value.text(&format!("the output `{}`", key.value), cx) {
                    all.push(RawOut { name: Some(key.clone()), file });
                }
            }
            all
        }
        _ => {
            cx.push(TASK.wrong_type("out", node));
            Vec::new()
        }
    };
    for out in &all {
        check_file(&out.file, cx);
    }
    check_apart(&all, cx);
    all
}

/// Reports two outputs of a task with one path, and an output below the path of another one.
fn check_apart(all: &[RawOut], cx: &mut DiagnosticCollector) {
    let path = |out: &RawOut| {
        let parts = out.file.value.split('/').filter(|part| !part.is_empty() && *part != ".");
        parts.collect::<Vec<_>>().join("/")
    };
    let paths: Vec<String> = all.iter().map(path).collect();
    for (at, (one, out)) in paths.iter().zip(all).enumerate() {
        for (other, first) in paths[..at].iter().zip(all) {
            let is_below = |path: &str, above: &str| {
                path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if one.is_empty() || other.is_empty() || !(is_below(one, other) || is_below(other, one)) {
                continue;
            }
            let message = match (one == other, is_below(one, other)) {
                (true, _) => format!("two outputs of one task have the path `{one}`"),
                (false, true) => format!("the output `{one}` lies in the output `{other}`"),
                (false, false) => format!("the output `{other}` lies in the output `{one}`"),
            };
            let diagnostic = Diagnostic::new(Code::NestedOutputs, out.file.span.clone(), message);
            let diagnostic = diagnostic.label("this output").also(first.file.span.clone(), "the other one");
            cx.push(diagnostic.help("each output travels and is saved alone: give it a path of its own"));
        }
    }
}

/// Reports an output file whose path leads out of the instance's private folder.
fn check_file(file: &Text, cx: &mut DiagnosticCollector) {
    let leaves = file.value.starts_with('/') || file.value.split('/').any(|part| part == "..");
    // a slash at the end says that it is a folder
    let is_nothing = file.value.split('/').all(|part| part.is_empty() || part == ".");
    if is_nothing || leaves {
        let diagnostic = Diagnostic::new(
            Code::BadValue,
            file.span.clone(),
            "`out` is the name of a file or folder in the task's private folder",
        );
        let help = "`out = \"result.bin\"`, or `out = \"parts/\"` for a folder; `save` says where it ends up";
        cx.push(diagnostic.label(if leaves { "leads out of it" } else { "names no file" }).help(help));
    }
}

fn saves(node: &Node, cx: &mut DiagnosticCollector) -> Vec<RawSave> {
    match &node.value {
        TomlKind::Text(path) => {
            vec![RawSave { output: None, path: At { value: path.clone(), span: node.span.clone() } }]
        }
        TomlKind::Table(entries) => {
            let save = |e: &TomlEntry, cx: &mut DiagnosticCollector| {
                let path = e.value.text(&format!("the path of `{}`", e.key.value), cx)?;
                Some(RawSave { output: Some(e.key.clone()), path })
            };
            entries.iter().filter_map(|entry| save(entry, cx)).collect()
        }
        _ => {
            cx.push(TASK.wrong_type("save", node));
            Vec::new()
        }
    }
}

fn after(node: &Node, cx: &mut DiagnosticCollector) -> Vec<Text> {
    match &node.value {
        TomlKind::Text(name) => {
            cx.push(TASK.wrong_type("after", node).help(format!("write `[\"{name}\"]`")));
            Vec::new()
        }
        _ => node.texts("`after`", cx).unwrap_or_default(),
    }
}

fn env(node: &Node, cx: &mut DiagnosticCollector) -> Vec<(Text, Text)> {
    let mut all = Vec::new();
    for TomlEntry { key, value } in node.table("`env`", cx).unwrap_or_default() {
        if !is_identifier(&key.value) {
            let message = format!("an environment variable cannot be named `{}`", key.value);
            cx.push(
                Diagnostic::new(Code::EnvName, key.span.clone(), message)
                    .label("letters, digits and `_`, and no digit first"),
            );
        }
        match value.scalar(&cx.source) {
            Some(scalar) => {
                all.push((key.clone(), At { value: scalar.to_string(), span: value.span.clone() }))
            }
            None => cx.push(wrong_type(
                &format!("the variable `{}`", key.value),
                "a string, number or boolean",
                value,
            )),
        }
    }
    all
}

fn ok_exit(node: &Node, cx: &mut DiagnosticCollector) -> Vec<i32> {
    let mut codes = Vec::new();
    for item in node.list("`ok-exit`", "an array of exit codes", cx).unwrap_or_default() {
        let Some(code) = item.int("an exit code", cx) else { continue };
        match u8::try_from(code.value) {
            Ok(code) => codes.push(code.into()),
            Err(_) => cx.push(
                Diagnostic::new(Code::BadValue, code.span, "an exit code is a number from 0 to 255")
                    .label("no exit code"),
            ),
        }
    }
    codes
}
