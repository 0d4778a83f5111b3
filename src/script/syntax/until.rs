//! Reads `until`, the condition under which a loop stops.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{Span, Text};
use crate::script::syntax::toml::Node;

/// The key `until` of a task, as it is written.
#[derive(Clone, Debug)]
pub(crate) struct RawUntil {
    /// The name of the parameter along which the loop goes.
    pub(crate) along: Text,
    /// The expression over an instance's own results that ends the loop.
    pub(crate) condition: Text,
    /// Whether it is an error if the condition never holds (`until-required`).
    pub(crate) required: bool,
}

/// Reads `until` and `until-required` of a task. Mistakes are reported.
pub(crate) fn read<'n>(
    get: &impl Fn(&str) -> Option<&'n Node>,
    cx: &mut DiagnosticCollector,
) -> Option<RawUntil> {
    let required = get("until-required").and_then(|node| Some((node.flag("`until-required`", cx)?, node)));
    let Some(node) = get("until") else {
        if let Some((true, node)) = required {
            refuse_alone(node.span.clone(), cx);
        }
        return None;
    };
    let entries = node.table("`until`", cx)?;
    let [entry] = entries else {
        let message = match entries {
            [] => "`until` is empty".to_owned(),
            all => format!("`until` has {} parameters, and a loop goes along one", all.len()),
        };
        let diagnostic = Diagnostic::new(Code::BadUntil, node.span.clone(), message);
        cx.push(
            diagnostic.label("one is expected").help("write `until = { n = \"number(x.norm) < 1e-8\" }`"),
        );
        return None;
    };
    let condition = entry.value.text(&format!("`until.{}`", entry.key.value), cx)?;
    let required = required.is_some_and(|(required, _)| required);
    Some(RawUntil { along: entry.key.clone(), condition, required })
}

fn refuse_alone(span: Span, cx: &mut DiagnosticCollector) {
    let diagnostic = Diagnostic::new(Code::UntilAlone, span, "`until-required` without `until`");
    cx.push(
        diagnostic.label("of what?").help("add `until = { n = \"number(x.norm) < 1e-8\" }`, or leave it out"),
    );
}
