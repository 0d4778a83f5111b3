//! Builds a family of its parts: parameters, conditions, and rows that are left out and added.
//!
//! Conditions are evaluated only on the axes between the first and the last that they mention ([`ProductBlock`]). Start
//! at [`FamilyBuilder::build`].

use std::collections::HashSet;

use super::family::{self, Axis, Bindings, Derived, Param, Sweep, SweepInner};
use crate::script::sweep::expression::{Formula, NameInput};
use crate::script::sweep::param_values::ParamValues;
use crate::script::sweep::row_set::RowSet;
use crate::script::values::value::{Key, ScriptValue};

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
const LISTED: u64 = 1 << 22;
/// The number of combinations that are evaluated together.
const CHUNK: u64 = 1 << 16;
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

    fn kept(&self, axes: &[Axis]) -> Result<Option<RowSet>, Problem> {
        let mut about = vec![false; axes.len()];
        self.filters.iter().for_each(|formula| self.mark(formula, &mut about));
        for (param, _) in self.exclude.iter().flatten() {
            self.mark_param(*param, &mut about);
        }
        let (Some(first), Some(last)) = (about.iter().position(|a| *a), about.iter().rposition(|a| *a))
        else {
            // Conditions that mention no parameter hold for all instances or for none.
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

    /// Marks the axes that a formula depends on.
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

    /// Returns the positions on an axis at which its parameters have the row's values; all positions, if the row has no
    /// value for them.
    fn positions(&self, axis: usize, row: &Row) -> Positions {
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
    fn full(&self, row: &Row, open: &[(usize, u64)], mut number: u64) -> Row {
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
fn holds(formula: &Formula, values: &Bindings, count: usize) -> bool {
    truth(&formula.at(values, count))
}

fn truth(value: &ScriptValue) -> bool {
    match value.key() {
        Key::Int(number) => number != 0,
        Key::Bits(bits) => !f64::from_bits(bits).is_nan(),
        Key::Bool(truth) => truth,
        Key::Text(_) => false,
    }
}

/// A set of positions on an axis.
enum Positions {
    All(u64),
    These(Vec<u64>),
}

impl Positions {
    fn len(&self) -> u64 {
        match self {
            Positions::All(len) => *len,
            Positions::These(list) => list.len() as u64,
        }
    }

    fn get(&self, at: u64) -> u64 {
        match self {
            Positions::All(_) => at,
            Positions::These(list) => list.get(at as usize).copied().unwrap_or(0),
        }
    }
}

/// Calls `visit` with each cell at those positions until it returns false. Returns whether all were visited.
fn each_cell(positions: &[Positions], axes: &[Axis], visit: &mut dyn FnMut(u64) -> bool) -> bool {
    let count = positions.iter().map(Positions::len).product::<u64>();
    (0..count).all(|mut number| {
        let mut cell = 0;
        for (positions, axis) in positions.iter().zip(axes).rev() {
            cell += positions.get(number % positions.len()) * axis.stride;
            number /= positions.len();
        }
        visit(cell)
    })
}

/// The block of a product that conditions depend on: the axes from the first to the last that they mention.
struct ProductBlock<'a> {
    spec: &'a FamilyBuilder,
    axes: &'a [Axis],
    /// The index of the first axis of the block.
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

    /// Evaluates all filters: a bit for each cell of the block, set where all of them hold.
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
