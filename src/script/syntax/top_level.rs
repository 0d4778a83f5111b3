//! Reads a whole script: the keys at its top level, and the tables below them.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, ScriptSource, Text};
use crate::script::syntax::key_table::{TASK, TOP};
use crate::script::syntax::script::{ListItems, RawScript, RawVar};
use crate::script::syntax::toml::{self, Node, TomlEntry, TomlKind, check_name, wrong_type};
use crate::script::syntax::{policy, resources, settings, sweep, task};
use std::collections::HashSet;

/// The version of the script format that this program reads.
pub(crate) const VERSION: i64 = 1;

/// Reads the whole script; `None` where the TOML or the version of the format is wrong.
pub(crate) fn read(cx: &mut DiagnosticCollector) -> Option<RawScript> {
    let before = cx.errors();
    let top = toml::parse(cx);
    if cx.errors() > before {
        // The rest of a broken file is guessed, and errors about it would mislead.
        return None;
    }
    if !version(&top, cx) {
        return None;
    }
    let mut script = RawScript::default();
    let known: Vec<&TomlEntry> = top.iter().filter(|entry| TOP.check(entry, cx)).collect();
    let defaults = defaults(&known, cx);
    for entry in known {
        match entry.key.value.as_str() {
            "name" => script.name = entry.value.text("`name`", cx).filter(|name| check_title(name, cx)),
            "vars" => vars(&entry.value, &mut script, cx),
            "policy" => script.policy = policy::read(&entry.value, cx),
            "settings" => script.settings = settings::read(&entry.value, cx),
            "resources" => script.resources = resources::resources(&entry.value, cx),
            "task" => {
                let tasks = entry.value.table("`task`", cx).unwrap_or_default();
                script.tasks = tasks.iter().filter_map(|entry| task::read(entry, &defaults, cx)).collect();
            }
            _ => {}
        }
    }
    let known: HashSet<String> = script.variables().map(|name| name.value.clone()).collect();
    for task in &mut script.tasks {
        task.sweep.find_holes(&|name| known.contains(name), cx);
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

/// The `name` of a script, as far as its text can be read; `None` if it has none. For what lies beside a script that
/// has mistakes.
pub(crate) fn name_of(source: &ScriptSource) -> Option<String> {
    let mut cx = DiagnosticCollector::new(source.clone());
    let entry = toml::parse(&mut cx).into_iter().find(|entry| entry.key.value == "name")?;
    Some(entry.value.text("`name`", &mut cx)?.value).filter(|name| !name.contains('/'))
}

/// The keys of `[default]`. Every task takes them over, unless it has keys of these names itself.
fn defaults<'e>(top: &[&'e TomlEntry], cx: &mut DiagnosticCollector) -> Vec<&'e TomlEntry> {
    let table = top.iter().find(|entry| entry.key.value == "default");
    let entries = table.and_then(|entry| entry.value.table("`default`", cx)).unwrap_or_default();
    entries.iter().filter(|entry| TASK.check(entry, cx)).collect()
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
            // In another version the keys may mean something else, so the rest of the script is not checked.
            false
        }
        _ => true,
    }
}

/// Whether the script's name can be the name of its run folder (which holds dtask's files of a run). Reports one that
/// cannot.
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

/// Reads `[vars]`: single values, lists, and tables. A value in a table has a name with a dot, such as `paths.raw`.
fn vars(node: &Node, script: &mut RawScript, cx: &mut DiagnosticCollector) {
    for TomlEntry { key, value } in node.table("`vars`", cx).unwrap_or_default() {
        check_name("variable", &key.value, &key.span, cx);
        var(key.clone(), value, script, cx);
    }
}

fn var(name: Text, node: &Node, script: &mut RawScript, cx: &mut DiagnosticCollector) {
    match &node.value {
        TomlKind::Table(entries) => {
            for TomlEntry { key, value } in entries {
                // reserved names may be used after a dot
                if !toml::is_identifier(&key.value) {
                    check_name("variable", &key.value, &key.span, cx);
                }
                let full = format!("{}.{}", name.value, key.value);
                var(At { value: full, span: key.span.clone() }, value, script, cx);
            }
            script.groups.push(name);
        }
        TomlKind::List(items) => {
            let before = cx.errors();
            let is_table = |item: &Node| matches!(item.value, TomlKind::Table(_));
            let items = if !items.is_empty() && items.iter().all(is_table) {
                Some(ListItems::Rows(sweep::rows(&name.value, node, cx)))
            } else {
                sweep::scalars(&name.value, items, cx).map(ListItems::Values)
            };
            let items = items.filter(|_| cx.errors() == before);
            script.lists.push((name, items.unwrap_or(ListItems::Wrong)));
        }
        _ => match node.scalar(&cx.source) {
            Some(value) => script.vars.push(RawVar { name, value: At { value, span: node.span.clone() } }),
            None => cx.push(wrong_type(&format!("the variable `{}`", name.value), "a value", node)),
        },
    }
}

/// Parses the text of `--set NAME=TEXT` as a list, such as `[250, 300]`; `None` if it is not one.
pub(super) fn read_list(name: &str, text: &str) -> Option<ListItems> {
    let source = ScriptSource::new("--set", "", format!("v = {text}"));
    let mut cx = DiagnosticCollector::new(source);
    let entry = toml::parse(&mut cx).into_iter().next()?;
    let mut script = RawScript::default();
    var(At { value: name.to_owned(), span: 0..0 }, &entry.value, &mut script, &mut cx);
    script.lists.pop().filter(|_| cx.errors() == 0).map(|(_, items)| items)
}
