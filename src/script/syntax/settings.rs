//! Reads the `[settings]` table: what a run takes of its hosts.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::syntax::execution::size;
use crate::script::syntax::key_table::SETTINGS;
use crate::script::syntax::toml::{Node, TomlEntry};
use crate::script::values::settings::RunSettings;

/// Reads the `[settings]` table. Wrong values are reported and left out.
pub(crate) fn read(node: &Node, cx: &mut DiagnosticCollector) -> RunSettings {
    let mut settings = RunSettings::default();
    for entry in node.table("`settings`", cx).unwrap_or_default() {
        if !SETTINGS.check(entry, cx) {
            continue;
        }
        let TomlEntry { key, value } = entry;
        if key.value == "output-memory" {
            settings.output_memory = size("output-memory", value, cx);
            continue;
        }
        let Some(place) = value.text("`scratch`", cx) else { continue };
        match RunSettings::scratch(&place.value) {
            Ok(place) => settings.scratch = Some(place),
            Err(wanted) => cx.push(
                Diagnostic::new(Code::BadValue, place.span, format!("`scratch` is {wanted}"))
                    .label("a relative path")
                    .help("without it, scratch is in SLURM_TMPDIR, in TMPDIR, or else on a local disk"),
            ),
        }
    }
    settings
}
