//! Reads a `reduce` table.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::At;
use crate::script::syntax::command;
use crate::script::syntax::key_table::REDUCE;
use crate::script::syntax::script::{RawAction, RawOut, RawReduce, RawTask};
use crate::script::syntax::toml::{Node, TomlEntry, TomlKind};

/// Reads a `reduce` table; `None` where a mistake was found, which has been reported.
pub(crate) fn read(node: &Node, cx: &mut DiagnosticCollector) -> Option<RawReduce> {
    let mut raw = RawReduce {
        span: node.span.clone(),
        of: None,
        with: None,
        command: None,
        arity: None,
        order: None,
        over: None,
        axis: None,
    };
    let entries = node.table("`reduce`", cx)?;
    let known: Vec<&TomlEntry> = entries.iter().filter(|entry| REDUCE.check(entry, cx)).collect();
    let mut complete = known.len() == entries.len();
    for TomlEntry { key, value } in &known {
        match key.value.as_str() {
            "of" => raw.of = value.text("`of`", cx),
            "with" => raw.with = value.text("`with`", cx),
            "arity" => raw.arity = value.int("`arity`", cx),
            "order" => raw.order = value.text("`order`", cx),
            "axis" => raw.axis = value.int("`axis`", cx),
            "over" => {
                raw.over =
                    value.texts("`over`", cx).map(|names| At { value: names, span: value.span.clone() })
            }
            _ => {}
        }
        // A wrong value leaves the field empty, as a missing key does. The table is then given up, since later phases
        // would report a key that is there as missing.
        complete &= key.value != "of" || raw.of.is_some();
        complete &= key.value != "with" || raw.with.is_some();
    }
    if known.iter().any(|entry| is_command(entry)) {
        raw.command = merge_command(&known, cx).map(Box::new);
        complete &= raw.command.is_some();
    }
    complete.then_some(raw)
}

fn is_command(entry: &TomlEntry) -> bool {
    ["run", "shell"].contains(&entry.key.value.as_str())
}

/// Whether a `reduce` merges files by a command, not arrays by an operator.
pub(crate) fn has_command(node: &Node) -> bool {
    matches!(&node.value, TomlKind::Table(entries) if entries.iter().any(is_command))
}

fn merge_command(known: &[&TomlEntry], cx: &mut DiagnosticCollector) -> Option<RawAction> {
    let entry = |key: &str| known.iter().find(|entry| entry.key.value == key);
    if let (Some(run), Some(shell)) = (entry("run"), entry("shell")) {
        let message = "`reduce` has two commands, `run` and `shell`";
        let diagnostic =
            Diagnostic::new(Code::ManyActions, shell.key.span.clone(), message).label("the second one");
        cx.push(diagnostic.also(run.key.span.clone(), "the first one").help("remove one"));
        return None;
    }
    command::check_interpreter(known, cx);
    command::read(&|key| entry(key).map(|entry| &entry.value), cx)
}

/// Gives a `reduce` by a command an output file with the name of the task, where the script names no output.
pub(crate) fn name_output(task: &mut RawTask) {
    let merges = matches!(&task.action, Some(RawAction::Reduce(reduce)) if reduce.command.is_some());
    if merges && task.outs.is_empty() {
        task.outs.push(RawOut { name: None, file: task.name.clone() });
    }
}
