//! The function of a task that hands its input on as its result, whatever its type: so a rank takes over a result that is
//! another rank's.

use super::arguments::{ArgumentView, Arguments};
use super::function::{Computed, FunctionCode, Record, offset};
use crate::error::Failure;

static HANDS_ON: Record = Record::new(|| "published", FunctionCode::Task(hand_on));

fn hand_on(arguments: &mut Arguments<'_>) -> Computed {
    match arguments.take()? {
        ArgumentView::Input(value) => Ok(value.handed_on()?),
        _ => Err(Failure::new("the result of a task was to come, and something else has")),
    }
}

/// The identity of the function that hands its input on.
pub(crate) fn hands_on() -> u64 {
    offset(&HANDS_ON)
}
