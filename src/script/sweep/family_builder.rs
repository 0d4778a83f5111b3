//! Builds a family of its parts: parameters, conditions, and rows that are left out and added.
//!
//! Conditions are evaluated only on the axes between the first and the last that they mention ([`ProductBlock`]). Start
//! at [`FamilyBuilder::build`].

use super::family::{self, Bindings, Derived, Param, Sweep, SweepInner};
use super::positions::{Positions, each_cell};
use crate::script::sweep::expression::Formula;
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::{Key, ScriptValue};
use std::collections::HashSet;

/// The parts of a family, collected task by task along `each`.
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

/// A row of `include`, with the conditions that apply to it.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) row: Row,
    /// The first condition of `filters`, and the first row of `exclude`, that apply to the row. Those before belong to
    /// the task that declares it; those after belong to tasks that take it over by `each`.
    pub(crate) filters: usize,
    pub(crate) excluded: usize,
}

/// Values of some parameters, by the numbers of these.
pub(crate) type Row = Vec<(usize, ScriptValue)>;

/// The reason why a family cannot be built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// More instances than can be counted, or more than 2^20 added rows.
    TooMany,
    /// A condition about more combinations than [`WIDEST`]; their number.
    TooWide(u64),
    /// No instance is left.
    Empty,
    /// An added row that is an instance already, as it is printed.
    Twice(String),
}

/// The most combinations that are evaluated for conditions. With a bit for each they take 16 MiB.
pub(crate) const WIDEST: u64 = 1 << 27;
/// The most cells of `exclude` that are listed one by one, without a look at the other cells.
pub(super) const LISTED: u64 = 1 << 22;
/// The number of combinations that are evaluated together.
pub(super) const CHUNK: u64 = 1 << 16;
/// The most added rows, after those of a task with `each` have been multiplied by its own parameters.
const ROWS: u64 = 1 << 20;

impl FamilyBuilder {
    /// Builds the family and the index of the cells that are left.
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

    /// Returns the positions on an axis at which its parameters have the row's values; all positions, if the row has no
    /// value for them.
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

    /// Completes the added rows: a value for every parameter, with all combinations of the parameters that a row leaves
    /// open.
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

    /// Completes a row: combination `number` of the open axes, and the columns of the tables of which it names a row.
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

/// Whether a condition holds for an instance. The first `count` values are of parameters that are not derived.
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
