//! The decision of a rank whether an instance runs: by its `when`, and by the results that it needs.

use crate::arrays::ArrayValue;
use crate::batch::artifact::{Absence, Artifact};
use crate::batch::rank::array;
use crate::batch::rank::inputs::Inputs;
use crate::batch::task_def::TaskDef;
use crate::error::Failure;

/// Returns what stands for the result of an instance that does not run, since one that it needs was skipped, or its
/// `when` does not hold. `None` for one that runs.
///
/// # Errors
/// When `when` cannot be evaluated, or is no single number.
pub(crate) fn absence(def: &TaskDef, index: u64, inputs: &Inputs<'_>) -> Result<Option<Artifact>, Failure> {
    if inputs.is_behind() {
        return Ok(Some(Artifact::Absent(Absence::NotNeeded)));
    }
    if let Some(absence) = inputs.lacks_one()? {
        return Ok(Some(Artifact::Absent(absence)));
    }
    let Some(when) = &def.task.when else { return Ok(None) };
    let value = array::evaluate_named(def, index, inputs, ("when", &when.text), &when.expr, &when.names)?;
    let holds = is_true("when", &when.text, &value)?;
    Ok((!holds).then_some(Artifact::Absent(Absence::Skipped)))
}

/// Whether the value of the condition that stands in the script's key `key` as `text` is true.
///
/// # Errors
/// When it is no single number.
pub(super) fn is_true(key: &str, text: &str, value: &ArrayValue) -> Result<bool, Failure> {
    let numbers = value.to_f64();
    match numbers.iter().collect::<Vec<_>>()[..] {
        [truth] => Ok(*truth != 0.0 && !truth.is_nan()),
        _ => Err(Failure::new(format!(
            "`{key} = \"{text}\"` is to be one number, and has the shape {:?}",
            value.shape()
        ))),
    }
}
