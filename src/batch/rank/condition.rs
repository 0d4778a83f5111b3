//! The decision of a rank whether an instance runs: by its `when`, and by the results that it needs.

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
    if inputs.lacks_one()? {
        return Ok(Some(Artifact::Absent(Absence::Skipped)));
    }
    let Some(when) = &def.task.when else { return Ok(None) };
    let value = array::evaluate_named(def, index, inputs, ("when", &when.text), &when.expr, &when.names)?;
    let numbers = value.to_f64();
    match numbers.iter().collect::<Vec<_>>()[..] {
        [truth] if *truth != 0.0 && !truth.is_nan() => Ok(None),
        [_] => Ok(Some(Artifact::Absent(Absence::Skipped))),
        _ => Err(Failure::new(format!(
            "`when = \"{}\"` is to be one number, and has the shape {:?}",
            when.text,
            value.shape()
        ))),
    }
}
