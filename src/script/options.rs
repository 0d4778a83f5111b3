//! What the front end is told beside the script: the array language, and how much to look at.

use crate::arrays::Sketch;
use std::ops::Range;
use std::time::Duration;

/// An array expression that is not understood: where in its text, what is wrong, how to mend it.
pub(crate) type ArrayError = (Range<usize>, String, Option<String>);

/// The language of `array`, which the front end does not know: it only wants the names, for they are dependencies.
pub trait ArrayLanguage {
    /// The bare names in an expression (`x`, `sim.probe`; not those of functions and of named arguments), with their places.
    fn check(&self, text: &str) -> Result<Vec<(String, Range<usize>)>, ArrayError>;

    /// The shape of an expression's value, as far as it follows from what is known of its names.
    fn sketch(&self, _text: &str, _names: &dyn Fn(&str) -> Sketch) -> Result<Option<Vec<usize>>, ArrayError> {
        Ok(None)
    }
}

/// What is looked at beyond the script itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Whether the programs that `run` names have to exist on this machine.
    pub check_programs: bool,
    /// How long the job has, where that is known.
    pub time_limit: Option<Duration>,
}
