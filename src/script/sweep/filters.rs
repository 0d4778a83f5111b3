//! Filters of a sweep: which instances `where` and `exclude` leave of the product of the parameters.
//!
//! Only the axes that a condition is about are looked at, the *block*; what is kept of it holds for all axes beside it
//! (`RowSet`). A condition is evaluated for many cells at a time. Where one of them has no value, as when an integer
//! leaves 64 bits, they are looked at one by one, since `&&` and `||` may guard against it.

use std::borrow::Cow;

use super::family::{self, Axis, Bindings, Param};
use super::family_builder::{CHUNK, FamilyBuilder, LISTED, Problem, Row, WIDEST, truth};
use super::positions::{Positions, ValuePlaces, each_cell};
use crate::arrays::exact::{float_of, no_float};
use crate::script::sweep::expression::{Formula, FormulaError, FormulaType, NameInput};
use crate::script::sweep::lane::{Lane, Values};
use crate::script::sweep::row_set::RowSet;
use crate::script::values::value::{Scalar, ScriptValue};

impl FamilyBuilder {
    pub(super) fn kept<'a>(
        &'a self,
        axes: &'a [Axis],
        places: &'a ValuePlaces<'a>,
    ) -> Result<Option<RowSet>, Problem> {
        let mut about = vec![false; axes.len()];
        self.filters.iter().for_each(|formula| self.mark(formula, &mut about));
        for (param, _) in self.exclude.iter().flatten() {
            self.mark_param(*param, &mut about);
        }
        let (Some(first), Some(last)) = (about.iter().position(|a| *a), about.iter().rposition(|a| *a))
        else {
            // Conditions about variables alone are true or false for all.
            let values = vec![ScriptValue::Int(0); self.params.len()];
            return match self.all_true(values.into(), String::new)? {
                true => Ok(None),
                false if self.include.is_empty() => Err(Problem::Off),
                false => Ok(Some(RowSet::bits(1, 1, vec![0]))),
            };
        };
        let trail = axes[last].stride;
        let block = axes[first].stride / trail * axes[first].len;
        let inside = ProductBlock {
            spec: self,
            places,
            kinds: self.params.iter().map(|param| param.values.kind()).collect(),
            axes: &axes[first..=last],
            first,
            trail,
        };
        let excluded = inside.excluded_count();
        if self.filters.is_empty() && excluded <= LISTED {
            let mut cells = Vec::new();
            inside.excluded(&mut |cell| cells.push(cell));
            return Ok(Some(RowSet::without(block, trail, cells)));
        }
        if block.max(excluded) > WIDEST {
            return Err(Problem::TooWide(block.max(excluded)));
        }
        let mut words = inside.filtered(block)?;
        inside.excluded(&mut |cell| words[(cell / 64) as usize] &= !(1 << (cell % 64)));
        Ok(Some(RowSet::bits(block, trail, words)))
    }

    /// Whether all conditions of `where` hold for an instance. `values` are those of its parameters, without the
    /// derived ones; `label` names it.
    fn all_true(&self, mut values: Bindings, label: impl Fn() -> String) -> Result<bool, Problem> {
        family::derive(&self.derived, &mut values, self.params.len());
        for formula in &self.filters {
            let value = formula.try_at(&values, self.params.len());
            let fault =
                |error: FormulaError| Problem::Fault { derived: None, label: label(), error: error.into() };
            if !truth(&value.map_err(fault)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets `about[axis]` for each axis (dimension of the sweep) on which the value of a formula depends.
    fn mark(&self, formula: &Formula, about: &mut [bool]) {
        for input in formula.inputs() {
            match input {
                NameInput::Param(at) => self.mark_param(*at, about),
                NameInput::Derived(at) => {
                    if let Some(derived) = self.derived.get(*at) {
                        self.mark(&derived.formula, about);
                    }
                }
                NameInput::Var(_) => {}
            }
        }
    }

    fn mark_param(&self, at: usize, about: &mut [bool]) {
        if let Some(about) = self.params.get(at).and_then(|param| about.get_mut(param.axis)) {
            *about = true;
        }
    }
}

/// The block of a sweep's axes (dimensions) for which `where` and `exclude` are evaluated: from the first to the last
/// axis whose parameters they mention.
struct ProductBlock<'a> {
    spec: &'a FamilyBuilder,
    places: &'a ValuePlaces<'a>,
    /// The types of the values of each parameter.
    kinds: Vec<FormulaType>,
    axes: &'a [Axis],
    /// The number of the block's first axis among all axes of the sweep; those before it are in no condition.
    first: usize,
    trail: u64,
}

impl<'a> ProductBlock<'a> {
    fn slab(&self, row: &Row) -> Vec<Positions> {
        (0..self.axes.len()).map(|axis| self.spec.positions(self.first + axis, row, self.places)).collect()
    }

    fn excluded_count(&self) -> u64 {
        let count = |row| self.slab(row).iter().try_fold(1u64, |count, p| count.checked_mul(p.len()));
        self.spec.exclude.iter().fold(0, |sum: u64, row| sum.saturating_add(count(row).unwrap_or(u64::MAX)))
    }

    fn excluded(&self, leave_out: &mut dyn FnMut(u64)) {
        let axes: Vec<Axis> =
            self.axes.iter().map(|axis| Axis { stride: axis.stride / self.trail, ..*axis }).collect();
        for row in &self.spec.exclude {
            each_cell(&self.slab(row), &axes, &mut |cell| {
                leave_out(cell);
                true
            });
        }
    }

    /// Returns a bit for each cell of the block, which is a combination of parameter values. A bit is set where all
    /// conditions of `where` hold.
    fn filtered(&self, block: u64) -> Result<Vec<u64>, Problem> {
        let mut words = Vec::with_capacity((block / 64) as usize + 1);
        for start in (0..block).step_by(CHUNK as usize) {
            let len = CHUNK.min(block - start);
            let holds = match self.all_hold(start, len as usize) {
                Ok(Lane::One(one)) => vec![one; len as usize],
                Ok(Lane::Many(many)) => many,
                Err(_) => (start..start + len).map(|cell| self.holds(cell)).collect::<Result<_, _>>()?,
            };
            let word = |bits: &[bool]| bits.iter().rev().fold(0u64, |word, bit| word << 1 | u64::from(*bit));
            words.extend(holds.chunks(64).map(word));
        }
        Ok(words)
    }

    /// The axis of a parameter, its stride counted in cells of the block; `None` for an axis outside of the block.
    fn axis(&self, param: &Param) -> Option<Axis> {
        let axis = self.axes.get(param.axis.checked_sub(self.first)?)?;
        Some(Axis { stride: axis.stride / self.trail, ..*axis })
    }

    fn holds(&self, cell: u64) -> Result<bool, Problem> {
        let params = &self.spec.params;
        let position = |param| self.axis(param).map_or(0, |axis| axis.position(cell));
        let values: Bindings = params.iter().map(|param| param.values.get(position(param))).collect();
        self.spec.all_true(values.clone(), || family::shown("", params, &values))
    }

    fn all_hold(&self, start: u64, len: usize) -> Result<Lane<bool>, FormulaError> {
        let mut holds = Lane::One(true);
        for formula in &self.spec.filters {
            let value = self.formula(formula, start, len)?;
            // a condition whose value is `nan` does not hold
            let truth = match value {
                Values::Floats(lane) => lane.map(|x| x != 0.0 && !x.is_nan()),
                other => other.truth(),
            };
            holds = holds.zip(truth, |a, b| a && b);
        }
        Ok(holds)
    }

    fn formula(&self, formula: &'a Formula, start: u64, len: usize) -> Result<Values<'a>, FormulaError> {
        formula.column(&|input| self.values(input, start, len), &|input| self.texts(input, start, len))
    }

    fn values(&self, input: &'a NameInput, start: u64, len: usize) -> Result<Values<'a>, FormulaError> {
        let lost = || FormulaError::of_type(0..0, "internal error: a name without values".to_owned());
        match input {
            NameInput::Var(value) => Ok(Values::from(value)),
            NameInput::Derived(at) => {
                let derived = self.spec.derived.get(*at).ok_or_else(lost)?;
                self.formula(&derived.formula, start, len)
            }
            NameInput::Param(at) => {
                let param = self.spec.params.get(*at).ok_or_else(lost)?;
                let each = |position| param.values.borrowed(position);
                match self.kinds.get(*at) {
                    Some(FormulaType::Whole) => {
                        Ok(Values::Ints(self.lane(
                            param,
                            start,
                            len,
                            |position| match each(position).scalar() {
                                Scalar::Int(number) => number,
                                Scalar::Bool(truth) => i64::from(truth),
                                _ => 0,
                            },
                        )))
                    }
                    Some(FormulaType::Number) => {
                        let lane = self.lane(param, start, len, |position| match each(position).scalar() {
                            Scalar::Int(number) => float_of(number).ok_or(number),
                            Scalar::Float(number) => Ok(number),
                            _ => Ok(f64::NAN),
                        });
                        let wrong = |number| FormulaError::of_value(0..0, no_float(number));
                        match lane {
                            Lane::One(one) => Ok(Values::Floats(Lane::One(one.map_err(wrong)?))),
                            Lane::Many(many) => Ok(Values::Floats(Lane::Many(
                                many.into_iter().collect::<Result<_, _>>().map_err(wrong)?,
                            ))),
                        }
                    }
                    _ => self.texts(input, start, len).map(Values::Texts).ok_or_else(lost),
                }
            }
        }
    }

    /// The texts of the values of a name, as they are written.
    fn texts(&self, input: &'a NameInput, start: u64, len: usize) -> Option<Lane<Cow<'a, str>>> {
        fn text(value: Cow<'_, ScriptValue>) -> Cow<'_, str> {
            match value {
                Cow::Borrowed(ScriptValue::Text(text) | ScriptValue::Path(text)) => Cow::Borrowed(text),
                other => Cow::Owned(other.to_string()),
            }
        }
        match input {
            NameInput::Var(value) => Some(Lane::One(text(Cow::Borrowed(value)))),
            NameInput::Param(at) => {
                let param = self.spec.params.get(*at)?;
                Some(self.lane(param, start, len, |position| text(param.values.borrowed(position))))
            }
            // a computed value has no spelling of its own
            NameInput::Derived(_) => None,
        }
    }

    /// The values of a parameter for the cells from `start` on, `len` of them.
    fn lane<T: Clone>(&self, param: &Param, start: u64, len: usize, value: impl Fn(u64) -> T) -> Lane<T> {
        let Some(axis) = self.axis(param).filter(|axis| axis.len > 1) else { return Lane::One(value(0)) };
        let mut position = axis.position(start);
        let mut left = axis.stride - start % axis.stride;
        if left >= len as u64 {
            return Lane::One(value(position));
        }
        let mut many = Vec::with_capacity(len);
        let mut current = value(position);
        while many.len() < len {
            let run = left.min((len - many.len()) as u64) as usize;
            many.extend(std::iter::repeat_n(&current, run).cloned());
            position = (position + 1) % axis.len;
            current = value(position);
            left = axis.stride;
        }
        Lane::Many(many)
    }
}
