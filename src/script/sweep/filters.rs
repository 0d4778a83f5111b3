//! Filters of a sweep: which instances `where` and `exclude` leave of the product of the parameters.
//!
//! Only the axes that a condition is about are looked at, the *block*; what is kept of it holds for all axes beside it
//! (`RowSet`). A condition is evaluated for many cells at a time, and with texts for one after the other.

use super::family::{self, Axis, Bindings, Param};
use super::family_builder::{CHUNK, FamilyBuilder, LISTED, Problem, Row, WIDEST, holds, truth};
use super::positions::{Positions, each_cell};
use crate::script::sweep::expression::{Formula, NameInput};
use crate::script::sweep::row_set::RowSet;
use crate::script::values::value::ScriptValue;

impl FamilyBuilder {
    pub(super) fn kept(&self, axes: &[Axis]) -> Result<Option<RowSet>, Problem> {
        let mut about = vec![false; axes.len()];
        self.filters.iter().for_each(|formula| self.mark(formula, &mut about));
        for (param, _) in self.exclude.iter().flatten() {
            self.mark_param(*param, &mut about);
        }
        let (Some(first), Some(last)) = (about.iter().position(|a| *a), about.iter().rposition(|a| *a))
        else {
            // No condition mentions a parameter, so it holds for all instances or for none. The value given for names
            // does not matter.
            let holds = self.filters.iter().all(|formula| truth(&formula.value(&|_| ScriptValue::Int(0))));
            return if holds { Ok(None) } else { Err(Problem::Empty) };
        };
        let trail = axes[last].stride;
        let block = axes[first].stride / trail * axes[first].len;
        let inside = ProductBlock { spec: self, axes: &axes[first..=last], first, trail };
        if self.filters.is_empty() && inside.excluded_count() <= LISTED {
            let mut cells = Vec::new();
            inside.excluded(&mut |cell| cells.push(cell));
            return Ok(Some(RowSet::without(block, trail, cells)));
        }
        if block > WIDEST {
            return Err(Problem::TooWide(block));
        }
        let mut words = inside.filtered(block);
        inside.excluded(&mut |cell| words[(cell / 64) as usize] &= !(1 << (cell % 64)));
        Ok(Some(RowSet::bits(block, trail, words)))
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
    axes: &'a [Axis],
    /// The number of the block's first axis among all axes of the sweep; those before it are in no condition.
    first: usize,
    trail: u64,
}

impl ProductBlock<'_> {
    fn slab(&self, row: &Row) -> Vec<Positions> {
        (0..self.axes.len()).map(|axis| self.spec.positions(self.first + axis, row)).collect()
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
    fn filtered(&self, block: u64) -> Vec<u64> {
        let mut words = Vec::with_capacity((block / 64) as usize + 1);
        let single = self.spec.filters.iter().any(|formula| self.compares_texts(formula));
        for start in (0..block).step_by(CHUNK as usize) {
            let len = CHUNK.min(block - start);
            let holds: Vec<bool> = if single {
                (start..start + len).map(|cell| self.holds(cell)).collect()
            } else {
                self.all_hold(start, len as usize)
            };
            let word = |bits: &[bool]| bits.iter().rev().fold(0u64, |word, bit| word << 1 | u64::from(*bit));
            words.extend(holds.chunks(64).map(word));
        }
        words
    }

    fn compares_texts(&self, formula: &Formula) -> bool {
        formula.has_texts()
            || formula.inputs().any(|input| match input {
                NameInput::Derived(at) => {
                    self.spec.derived.get(*at).is_some_and(|derived| self.compares_texts(&derived.formula))
                }
                _ => false,
            })
    }

    fn position(&self, cell: u64, param: &Param) -> u64 {
        let axis = param.axis.checked_sub(self.first).and_then(|axis| self.axes.get(axis));
        axis.map_or(0, |axis| cell / (axis.stride / self.trail) % axis.len)
    }

    fn holds(&self, cell: u64) -> bool {
        let params = &self.spec.params;
        let mut values: Bindings =
            params.iter().map(|param| param.values.get(self.position(cell, param))).collect();
        family::derive(&self.spec.derived, &mut values, params.len());
        self.spec.filters.iter().all(|formula| holds(formula, &values, params.len()))
    }

    fn all_hold(&self, start: u64, len: usize) -> Vec<bool> {
        let mut holds = vec![true; len];
        for formula in &self.spec.filters {
            let column = formula.column(len, &|input| self.column(input, start, len));
            for (holds, value) in holds.iter_mut().zip(column) {
                *holds &= value != 0.0 && !value.is_nan();
            }
        }
        holds
    }

    fn column(&self, input: &NameInput, start: u64, len: usize) -> Vec<f64> {
        match input {
            NameInput::Var(value) => vec![number(value); len],
            NameInput::Derived(at) => match self.spec.derived.get(*at) {
                Some(derived) => derived.formula.column(len, &|input| self.column(input, start, len)),
                None => vec![f64::NAN; len],
            },
            NameInput::Param(at) => match self.spec.params.get(*at) {
                Some(param) => (start..start + len as u64)
                    .map(|cell| number(&param.values.get(self.position(cell, param))))
                    .collect(),
                None => vec![f64::NAN; len],
            },
        }
    }
}

fn number(value: &ScriptValue) -> f64 {
    match value {
        ScriptValue::Int(number) => *number as f64,
        ScriptValue::Float(number) => *number,
        ScriptValue::Bool(truth) => f64::from(u8::from(*truth)),
        ScriptValue::Text(_) | ScriptValue::Path(_) => f64::NAN,
    }
}
