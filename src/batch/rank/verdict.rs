//! The verdict of `until` on an instance that has ended: whether its loop stops there.

use crate::batch::artifact::{Absence, Artifact};
use crate::batch::failure::located;
use crate::batch::rank::array;
use crate::batch::rank::condition::is_true;
use crate::batch::rank::inputs::Inputs;
use crate::batch::task_def::TaskDef;
use crate::error::Failure;
use crate::script::plan::until::Until;

/// Evaluates the condition of `until` with the result `own` of instance `index`. A task function: the engine runs it
/// where the result is. Its result has at most a few bytes, so that rank 0 has it at once: an empty one if the loop goes
/// on, [`Absence::NotNeeded`] if the condition holds, and [`Absence::Skipped`] if the instance itself was not needed.
///
/// # Errors
/// When the condition cannot be evaluated, or is no single number; with `until-required`, when it does not hold at the
/// end of the range.
pub(crate) fn verdict(def: &TaskDef, index: u64, own: &Artifact) -> Result<Artifact, Failure> {
    located(def, index, || {
        let Some(until) = &def.task.until else { return Err(Failure::new("internal error: no `until`")) };
        let holds = match own {
            Artifact::Absent(Absence::NotNeeded) => return Ok(Artifact::Absent(Absence::Skipped)),
            // what was skipped has no result that could end the loop
            Artifact::Absent(Absence::Skipped) => false,
            Artifact::Outputs(_) | Artifact::Array(_) => holds(def, until, index, own)?,
        };
        if holds {
            return Ok(Artifact::Absent(Absence::NotNeeded));
        }
        if until.required && is_last(def, until, index) {
            return Err(Failure::new(format!(
                "`until = {{ {} = \"{}\" }}` has not held up to the end of the range, and `until-required` is set",
                until.along, until.condition.text
            )));
        }
        Ok(Artifact::empty())
    })
}

fn holds(def: &TaskDef, until: &Until, index: u64, own: &Artifact) -> Result<bool, Failure> {
    let condition = &until.condition;
    let inputs = Inputs::own(def, own);
    let key = ("until", condition.text.as_str());
    let value = array::evaluate_named(def, index, &inputs, key, &condition.expr, &condition.names)?;
    is_true("until", &condition.text, &value)
}

fn is_last(def: &TaskDef, until: &Until, index: u64) -> bool {
    let family = &def.task.family;
    until
        .place(family, index)
        .is_some_and(|(chain, position)| until.instance(family, chain, position + 1).is_none())
}
