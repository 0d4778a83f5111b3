//! Reads `run`, and `shell` with its `interpreter`: of a task, of a `reduce` and of the stages of a `mapreduce`.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::At;
use crate::script::syntax::key_table::TASK;
use crate::script::syntax::script::RawAction;
use crate::script::syntax::toml::{Node, TomlEntry, TomlKind};

/// Reads the command (`run`, `shell` or `script`) of a table; `None` where the table has neither, or a wrong value, which is
/// reported.
pub(crate) fn read<'n>(
    get: &impl Fn(&str) -> Option<&'n Node>,
    cx: &mut DiagnosticCollector,
) -> Option<RawAction> {
    if let Some(node) = get("run") {
        return match &node.value {
            TomlKind::Text(value) => {
                Some(RawAction::Words(At { value: value.clone(), span: node.span.clone() }))
            }
            TomlKind::List(_) => node.texts("`run`", cx).map(|argv| RawAction::Argv(argv, node.span.clone())),
            _ => {
                cx.push(TASK.wrong_type("run", node));
                None
            }
        };
    }
    if let Some(node) = get("shell") {
        let words =
            |node: &Node| Some(At { value: node.texts("`interpreter`", cx)?, span: node.span.clone() });
        let interpreter = get("interpreter").and_then(words);
        return node.text("`shell`", cx).map(|script| RawAction::Shell(script, interpreter));
    }
    if let Some(node) = get("script") {
        return match &node.value {
            TomlKind::Text(file) => {
                Some(RawAction::Script(At { value: file.clone(), span: node.span.clone() }, Vec::new()))
            }
            TomlKind::List(_) => {
                let mut words = node.texts("`script`", cx)?;
                if words.is_empty() {
                    words.push(At { value: String::new(), span: node.span.clone() });
                }
                let rest = words.split_off(1);
                words.pop().map(|file| RawAction::Script(file, rest))
            }
            _ => {
                cx.push(TASK.wrong_type("script", node));
                None
            }
        };
    }
    None
}

/// Reports an `interpreter` beside `run` (it belongs to `shell`), in a table that is no task.
pub(crate) fn check_interpreter(known: &[&TomlEntry], cx: &mut DiagnosticCollector) {
    let entry = |key: &str| known.iter().find(|entry| entry.key.value == key);
    if let (Some(run), Some(interpreter)) = (entry("run"), entry("interpreter")) {
        let message = "`interpreter` means nothing beside `run`";
        let diagnostic = Diagnostic::new(Code::MisplacedKey, interpreter.key.span.clone(), message);
        cx.push(
            diagnostic
                .also(run.key.span.clone(), "this starts no shell")
                .label("remove this")
                .help("it belongs to `shell`"),
        );
    }
}
