//! `run`, and `shell` with its `interpreter`: of a task, of a `reduce` and of the stages of a `mapreduce`.

use crate::script::diagnostics::diagnostic::DiagnosticCollector;
use crate::script::diagnostics::source::At;
use crate::script::syntax::script::RawAction;
use crate::script::syntax::toml::{Node, TomlKind, wrong_type};

/// Reads the command of a table that has `run` or `shell`.
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
                cx.push(wrong_type("`run`", "a string or an array of strings", node));
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
    None
}
