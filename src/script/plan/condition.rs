//! Conditions: expressions over results, parameters and variables that decide whether an instance runs.

use crate::arrays::{self, Expr, RandomContext};
use crate::script::plan::task::{ArrayName, NameSource, PlanTask, Reference};
use crate::script::values::value::{Scalar, ScriptValue};
use serde::{Deserialize, Serialize};

/// The expression of the key `when`, with the sources of its names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The expression as the user has written it, for messages and for the key of an instance.
    pub text: String,
    /// The expression as a syntax tree.
    pub expr: Expr,
    /// The names in the expression, with the sources of their values.
    pub names: Vec<ArrayName>,
}

/// The values of parameters and variables, for a condition that reads nothing else.
struct GivenNames<'c> {
    condition: &'c Condition,
    values: &'c [ScriptValue],
}

impl arrays::Scope for GivenNames<'_> {
    fn get(&self, name: &str) -> Option<arrays::Binding<'_>> {
        let found = self.condition.names.iter().find(|known| known.name == name)?;
        let value = match &found.binding {
            NameSource::Param(at) => self.values.get(*at)?,
            NameSource::Var(value) => value,
            _ => return None,
        };
        Some(match value.scalar() {
            Scalar::Int(number) => arrays::Binding::Int(number),
            Scalar::Float(number) => arrays::Binding::Number(number),
            Scalar::Bool(truth) => arrays::Binding::Int(i64::from(truth)),
            Scalar::Text(text) => arrays::Binding::Text(text.into()),
        })
    }

    fn context(&self) -> RandomContext {
        RandomContext { task: 0, index: 0 }
    }
}

impl Condition {
    /// Whether the condition has nothing but parameters and variables in it, so that it is decided before the run.
    pub(crate) fn is_decided(&self) -> bool {
        self.names.iter().all(|name| matches!(name.binding, NameSource::Param(_) | NameSource::Var(_)))
    }

    /// Whether the condition holds for an instance whose parameters have these values. `None` if that is not known
    /// before the run.
    pub(crate) fn holds(&self, values: &[ScriptValue]) -> Option<bool> {
        if !self.is_decided() {
            return None;
        }
        let value = self.expr.eval(&GivenNames { condition: self, values }).ok()?;
        match value.to_f64().iter().collect::<Vec<_>>()[..] {
            [truth] => Some(*truth != 0.0 && !truth.is_nan()),
            _ => None,
        }
    }
}

/// Notes for each task of a plan whether its instances may be skipped: by a condition of their own, or because an
/// instance that they read is. References after the `else` of a reference to a skippable task are
/// always read, since only at run time it is known which of the two is used.
pub(crate) fn note_skippable(tasks: &mut [PlanTask]) {
    loop {
        let skippable: Vec<bool> = tasks.iter().map(|task| task.skippable).collect();
        let stops: Vec<bool> = tasks.iter().map(|task| task.until.is_some()).collect();
        let mut is_changed = false;
        for (at, task) in tasks.iter_mut().enumerate().filter(|(_, task)| !task.skippable) {
            let is_lacking = task.references.iter().any(|reference| {
                let is_required = !reference.optional && !reference.join.is_gather();
                // the last instance of a loop is always there, and within a loop the one before
                let stops =
                    !reference.last && reference.task != at && stops.get(reference.task) == Some(&true);
                let may_lack = stops || skippable.get(reference.task) == Some(&true);
                is_required && !reference.is_order() && may_lack
            });
            task.skippable = task.when.is_some() || is_lacking;
            is_changed |= task.skippable;
        }
        if !is_changed {
            break;
        }
    }
    let skippable: Vec<bool> = tasks.iter().map(|task| task.skippable).collect();
    let stops: Vec<bool> = tasks.iter().map(|task| task.until.is_some()).collect();
    for (at, task) in tasks.iter_mut().enumerate() {
        let may_lack = |reference: &Reference| {
            let stops = !reference.last && reference.task != at && stops.get(reference.task) == Some(&true);
            stops || skippable.get(reference.task) == Some(&true)
        };
        let of: Vec<bool> = task.references.iter().map(may_lack).collect();
        for reference in &mut task.references {
            reference.eager = reference.instead_of.iter().any(|before| of.get(*before) == Some(&true));
        }
    }
}
