//! How a family is put together: its parameters, and the rows that are left out and added.

use super::family::{self, Bindings, Derived, Param, Sweep, SweepInner};
use super::positions::{Positions, each_cell};
use crate::script::sweep::expression::Formula;
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::{Key, ScriptValue};
use std::collections::HashSet;

/// The parts of a family.
#[derive(Clone, Debug, Default)]
pub(crate) struct FamilyBuilder {
    pub(crate) params: Vec<Param>,
    /// The lengths of the axes, outermost first.
    pub(crate) lengths: Vec<u64>,
    pub(crate) derived: Vec<Derived>,
    pub(crate) filters: Vec<Formula>,
    pub(crate) exclude: Vec<Row>,
    pub(crate) include: Vec<Added>,
}

/// A row of `include`.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) row: Row,
    /// The conditions before it, and the rows left out before it, do not concern it: those of a task that takes the row
    /// over by `each` do.
    pub(crate) filters: usize,
    pub(crate) excluded: usize,
}

/// Values of some parameters, by their numbers.
pub(crate) type Row = Vec<(usize, ScriptValue)>;

/// Why there is no such family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// More instances than can be counted.
    TooMany,
    /// A condition about more combinations than can be looked at.
    TooWide(u64),
    /// Nothing is left.
    Empty,
    /// An added row that is there already, as it is printed.
    Twice(String),
}

/// So many combinations are looked at for a condition: a bit each is 16 MiB.
pub(crate) const WIDEST: u64 = 1 << 27;
/// Up to so many cells to leave out are listed one by one, without a look at the others.
pub(super) const LISTED: u64 = 1 << 22;
/// Combinations that are looked at together.
pub(super) const CHUNK: u64 = 1 << 16;
/// Added rows, after those of a task with `each` have been multiplied by its own parameters.
const ROWS: u64 = 1 << 20;

impl FamilyBuilder {
    /// The family, with an index of what is left of the product.
    pub(crate) fn build(&self) -> Result<Sweep, Problem> {
        let (axes, all) = family::axes(&self.lengths).ok_or(Problem::TooMany)?;
        let kept = self.kept(&axes)?;
        let cells = kept.as_ref().map_or(all, |kept| kept.len(all));
        let mut inner = SweepInner {
            params: self.params.clone(),
            derived: self.derived.clone(),
            axes,
            kept,
            cells,
            rows: Vec::new(),
        };
        inner.rows = self.rows(&inner)?;
        let family = Sweep::from(inner);
        if family.is_empty() { Err(Problem::Empty) } else { Ok(family) }
    }

    /// The positions on an axis at which all values of a row are; all, if the row says nothing of it.
    pub(super) fn positions(&self, axis: usize, row: &Row) -> Positions {
        let here: Vec<(&ParamValues, &ScriptValue)> = row
            .iter()
            .filter_map(|(at, value)| Some((self.params.get(*at)?, value)))
            .filter(|(param, _)| param.axis == axis)
            .map(|(param, value)| (&param.values, value))
            .collect();
        let Some(((values, value), rest)) = here.split_first() else {
            return Positions::All(self.lengths.get(axis).copied().unwrap_or(1));
        };
        let fits = |at: &u64| rest.iter().all(|(values, value)| values.get(*at) == **value);
        Positions::These(match values {
            ParamValues::List(list) => {
                let same = list.iter().enumerate().filter(|(_, known)| known == value);
                same.map(|(at, _)| at as u64).filter(fits).collect()
            }
            computed => computed.position(value).into_iter().filter(fits).collect(),
        })
    }

    /// The added rows with a value for every parameter.
    fn rows(&self, product: &SweepInner) -> Result<Vec<Vec<ScriptValue>>, Problem> {
        let family = Sweep::from(SweepInner { rows: Vec::new(), ..product.clone() });
        let (mut rows, mut seen): (Vec<Vec<ScriptValue>>, HashSet<String>) = (Vec::new(), HashSet::new());
        for added in &self.include {
            let row = &added.row;
            let open: Vec<(usize, u64)> = (0..self.lengths.len())
                .filter(|axis| {
                    self.params.iter().enumerate().all(|(at, p)| p.axis != *axis || given(row, at).is_none())
                })
                .map(|axis| (axis, self.lengths[axis]))
                .collect();
            let count = open.iter().try_fold(1u64, |count, (_, len)| count.checked_mul(*len));
            let Some(count) = count.filter(|count| count + rows.len() as u64 <= ROWS) else {
                return Err(Problem::TooMany);
            };
            for number in 0..count {
                let full = self.full(row, &open, number);
                if !self.stays(added, &full) {
                    continue;
                }
                let cells: Vec<Positions> =
                    (0..self.lengths.len()).map(|axis| self.positions(axis, &full)).collect();
                let taken = each_cell(&cells, &product.axes, &mut |cell| family.index(cell).is_none());
                let values: Vec<ScriptValue> = (0..self.params.len())
                    .map(|at| given(&full, at).cloned().unwrap_or(ScriptValue::Int(0)))
                    .collect();
                let shown =
                    Sweep::from(SweepInner { rows: vec![values.clone()], cells: 0, ..product.clone() })
                        .label("", 0);
                if !taken || !seen.insert(shown.clone()) {
                    return Err(Problem::Twice(shown));
                }
                rows.push(values);
            }
        }
        Ok(rows)
    }

    fn stays(&self, added: &Added, full: &Row) -> bool {
        let mut excluded = self.exclude.iter().skip(added.excluded);
        if excluded.any(|row| row.iter().all(|(at, value)| given(full, *at) == Some(value))) {
            return false;
        }
        let count = self.params.len();
        let mut values: Bindings =
            (0..count).map(|at| given(full, at).cloned().unwrap_or(ScriptValue::Int(0))).collect();
        family::derive(&self.derived, &mut values, count);
        self.filters.iter().skip(added.filters).all(|formula| holds(formula, &values, count))
    }

    /// A row with the values of the open axes, and with the columns of the tables that it has a row of.
    pub(super) fn full(&self, row: &Row, open: &[(usize, u64)], mut number: u64) -> Row {
        let mut full = row.clone();
        for (axis, len) in open.iter().rev() {
            let position = number % len;
            number /= len;
            let on_it = self.params.iter().enumerate().filter(|(_, param)| param.axis == *axis);
            full.extend(on_it.map(|(at, param)| (at, param.values.get(position))));
        }
        for (at, param) in self.params.iter().enumerate().filter(|(_, param)| param.column) {
            if given(&full, at).is_none() {
                let place = match self.positions(param.axis, &full) {
                    Positions::These(all) => all.first().copied().unwrap_or(0),
                    Positions::All(_) => 0,
                };
                full.push((at, param.values.get(place)));
            }
        }
        full
    }
}

fn given(row: &Row, at: usize) -> Option<&ScriptValue> {
    row.iter().find(|(param, _)| *param == at).map(|(_, value)| value)
}

/// Whether a condition holds for an instance; `count` is the number of parameters that are not derived.
pub(super) fn holds(formula: &Formula, values: &Bindings, count: usize) -> bool {
    truth(&formula.at(values, count))
}

pub(super) fn truth(value: &ScriptValue) -> bool {
    match value.key() {
        Key::Int(number) => number != 0,
        Key::Bits(bits) => !f64::from_bits(bits).is_nan(),
        Key::Bool(truth) => truth,
        Key::Text(_) => false,
    }
}
