//! Reads the keys of a task that configure how its command is run, such as `timeout`, `retries` and `dir`.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::key_table::TASK;
use crate::script::syntax::toml::{Node, TomlKind, wrong_type};
use crate::script::values::execution::{Execution, RetryOn};
use crate::script::values::units;
use std::time::Duration;

/// The settings of a command as the script gives them. References in the working directory are resolved later.
pub(crate) type RawExecution = Execution<Option<Text>>;

impl RawExecution {
    /// Reads the settings of the task's command (`dir`, `timeout`, ..) among the keys of a task.
    pub(crate) fn read<'n>(get: &impl Fn(&str) -> Option<&'n Node>, cx: &mut DiagnosticCollector) -> Self {
        let mut rest = RawExecution { memory_step: 1.0, ..RawExecution::default() };
        if let Some(node) = get("clean-env") {
            rest.clean_env = node.flag("`clean-env`", cx).unwrap_or(false);
        }
        if let Some(text) = get("mpi").and_then(|node| node.text("`mpi`", cx)) {
            match text.value.as_str() {
                "scrub" => {}
                "inherit" => rest.inherit_mpi = true,
                other => {
                    let known = ["scrub", "inherit"];
                    let message = format!("`mpi` cannot be \"{other}\"");
                    let diagnostic = Diagnostic::new(Code::BadValue, text.span.clone(), message)
                        .label("\"scrub\" or \"inherit\"");
                    cx.push(diagnostic.maybe_help(did_you_mean(other, known)));
                }
            }
        }
        rest.timeout = get("timeout").and_then(|node| duration("timeout", node, cx));
        rest.memory = get("memory").and_then(|node| size("memory", node, cx));
        rest.max_output = get("max-output").and_then(|node| size("max-output", node, cx));
        if let Some(node) = get("memory-step") {
            rest.memory_step = factor(node, cx).unwrap_or(1.0);
            if get("memory").is_none() {
                cx.push(useless("memory-step", "memory", "\"2 GiB\"", node));
            }
        }
        if let Some(retries) = get("retries").and_then(|node| node.int("`retries`", cx)) {
            match u32::try_from(retries.value).ok().filter(|retries| *retries <= 1000) {
                Some(retries) => rest.retries = retries,
                None => cx.push(
                    Diagnostic::new(Code::BadValue, retries.span, "`retries` is a number from 0 to 1000")
                        .label("out of range"),
                ),
            }
        }
        if let Some(node) = get("retry-on") {
            rest.retry_on = retry_on(node, cx);
        }
        rest.backoff =
            get("backoff").and_then(|node| duration("backoff", node, cx)).unwrap_or(Duration::ZERO);
        rest.dir = get("dir").and_then(|node| node.text("`dir`", cx));
        rest
    }
}

fn factor(node: &Node, cx: &mut DiagnosticCollector) -> Option<f64> {
    let value = match node.value {
        TomlKind::Int(value) => value as f64,
        TomlKind::Float(value) => value,
        _ => {
            cx.push(TASK.wrong_type("memory-step", node));
            return None;
        }
    };
    if (1.0..=100.0).contains(&value) {
        return Some(value);
    }
    cx.push(
        Diagnostic::new(Code::BadValue, node.span.clone(), "`memory-step` is a number from 1 to 100")
            .label("out of range")
            .help("with 1.5 each attempt may have half as much memory again"),
    );
    None
}

/// Makes the error of a key that has no effect without the key `needs`.
fn useless(key: &str, needs: &str, example: &str, node: &Node) -> Diagnostic {
    let message = format!("`{key}` means nothing without `{needs}`");
    Diagnostic::new(Code::MisplacedKey, node.span.clone(), message)
        .label("remove this")
        .help(format!("or add `{needs} = {example}`"))
}

fn with_unit<T>(
    (key, what, example): (&str, &str, &str),
    parse: fn(&str) -> Option<T>,
    node: &Node,
    cx: &mut DiagnosticCollector,
) -> Option<T> {
    match &node.value {
        TomlKind::Text(text) => {
            let value = parse(text);
            if value.is_none() {
                let message = format!("`{key}` is no {what}: \"{text}\"");
                cx.push(
                    Diagnostic::new(Code::BadUnit, node.span.clone(), message)
                        .label("a number and a unit")
                        .help(format!("write for example {example}")),
                );
            }
            value
        }
        _ => {
            cx.push(
                wrong_type(&format!("`{key}`"), "a string with a unit", node)
                    .help(format!("write for example {example}")),
            );
            None
        }
    }
}

fn duration(key: &str, node: &Node, cx: &mut DiagnosticCollector) -> Option<Duration> {
    with_unit((key, "duration", "\"30 s\", \"5 min\", \"1 h 30 min\" or \"2 d\""), units::duration, node, cx)
}

/// Reads a duration such as `"5 min"`, with its place in the script. Reports any other value as one of the key `key`.
pub(crate) fn duration_at(key: &str, node: &Node, cx: &mut DiagnosticCollector) -> Option<At<Duration>> {
    Some(At { value: duration(key, node, cx)?, span: node.span.clone() })
}

/// Reads a size such as `"2 GiB"`, in bytes. Reports any other value as one of the key `key`.
pub(crate) fn size(key: &str, node: &Node, cx: &mut DiagnosticCollector) -> Option<u64> {
    with_unit((key, "size", "\"500 MB\" or \"2 GiB\""), units::size, node, cx)
}

fn retry_on(node: &Node, cx: &mut DiagnosticCollector) -> Vec<RetryOn> {
    let mut all = Vec::new();
    for item in node.list("`retry-on`", "an array of strings", cx).unwrap_or_default() {
        let Some(text) = item.text("an item of `retry-on`", cx) else { continue };
        match RetryOn::parse(&text.value) {
            Some(kind) => all.push(kind),
            None => {
                let message = format!("`retry-on` knows no failure \"{}\"", text.value);
                let diagnostic = Diagnostic::new(Code::UnknownFailure, text.span.clone(), message)
                    .label("\"crash\", \"timeout\", \"oom\" or \"exit 75\"");
                cx.push(diagnostic.maybe_help(did_you_mean(&text.value, ["crash", "timeout", "oom"])));
            }
        }
    }
    all
}
