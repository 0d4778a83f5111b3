//! The warning about rows of `exclude` that leave out nothing: the family is built once more without each of them.

use super::family::Sweep;
use super::family_builder::FamilyBuilder;
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::syntax::script::RawTask;

/// The most combinations that are looked at again to find rows of `exclude` without an effect.
const LOOKED_AT: u64 = 1 << 21;

/// Warns of rows of `exclude` that leave out no instance.
pub(super) fn check(spec: &FamilyBuilder, family: &Sweep, task: &RawTask, cx: &mut DiagnosticCollector) {
    let rows = &task.sweep.exclude;
    let all = spec.lengths.iter().try_fold(rows.len() as u64, |all, len| all.checked_mul(*len));
    if all.is_none_or(|all| all > LOOKED_AT) {
        return;
    }
    let begin = spec.exclude.len().saturating_sub(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let mut without = spec.clone();
        without.exclude.remove(begin + at);
        for added in &mut without.include {
            added.excluded -= usize::from(added.excluded > begin + at);
        }
        if without.build().is_ok_and(|other| other.len() == family.len()) {
            let message = format!("a row of `exclude` leaves out no instance of `{}`", task.name.value);
            let diagnostic =
                Diagnostic::new(Code::IdleRow, row.span.clone(), message).label("no such instance");
            cx.push(diagnostic.help("its values must be those of one instance, and not left out already"));
        }
    }
}
