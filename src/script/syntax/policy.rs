//! Reads the `[policy]` table: how many failures stop the run, and how long its logs may become.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::execution;
use crate::script::syntax::key_table::POLICY;
use crate::script::syntax::toml::{Node, TomlEntry};
use crate::script::values::policy::Policy;

/// Reads the `[policy]` table: how many failures stop the run. Wrong values are reported and replaced by defaults.
pub(crate) fn read(node: &Node, cx: &mut DiagnosticCollector) -> Policy {
    let mut policy = Policy::default();
    for entry in node.table("`policy`", cx).unwrap_or_default() {
        if !POLICY.check(entry, cx) {
            continue;
        }
        let TomlEntry { key, value } = entry;
        let place = match key.value.as_str() {
            "log-limit" => Some(&mut policy.log_limit),
            "log-total" => Some(&mut policy.log_total),
            _ => None,
        };
        if let Some(place) = place {
            *place = execution::size(&key.value, value, cx).unwrap_or(*place);
            continue;
        }
        if key.value == "max-failures" {
            let Some(count) = value.int("`max-failures`", cx) else { continue };
            match u64::try_from(count.value) {
                Ok(count) if count > 0 => policy.max_failures = Some(count),
                _ => {
                    let message =
                        "`max-failures` is the number of failures that stop the run, and at least 1";
                    let diagnostic = Diagnostic::new(Code::BadValue, count.span, message).label("too small");
                    cx.push(diagnostic.help("`on-failure = \"stop\"` stops at the first one"));
                }
            }
            continue;
        }
        let Some(word) = value.text("`on-failure`", cx) else { continue };
        match word.value.as_str() {
            "continue" => policy.stop = false,
            "stop" => policy.stop = true,
            other => {
                let message = format!("`on-failure` is \"continue\" or \"stop\", not \"{other}\"");
                let diagnostic = Diagnostic::new(Code::BadValue, word.span, message).label("no such policy");
                let help = "`continue` skips only what depends on a failed task";
                cx.push(
                    diagnostic.help(did_you_mean(other, ["continue", "stop"]).unwrap_or(help.to_string())),
                );
            }
        }
    }
    policy
}
