//! Builds a family of its parts: parameters, conditions, and rows that are left out and added.
//!
//! Conditions are evaluated only on the axes between the first and the last that they mention (a block, see `filters`).
//! Start at [`FamilyBuilder::build`].

use super::family::{self, Bindings, Derived, Param, Sweep, SweepInner};
use super::positions::{Positions, ValuePlaces, each_cell};
use crate::arrays::exact::float_of;
use crate::script::sweep::expression::{Formula, FormulaError, NameInput};
use crate::script::sweep::formula_bounds::Bounds;
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::{Scalar, ScriptValue};
use std::collections::HashSet;

/// The parts from which a task's family, the set of its instances, is built. Parts that the task takes over from
/// another task by `each` come first, its own after them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FamilyBuilder {
    pub(crate) params: Vec<Param>,
    /// The number of positions on each axis (dimension) of the product of parameters, outermost first.
    pub(crate) lengths: Vec<u64>,
    pub(crate) derived: Vec<Derived>,
    pub(crate) filters: Vec<Formula>,
    pub(crate) exclude: Vec<Row>,
    pub(crate) include: Vec<Added>,
}

/// A row of `include`, which adds an instance to the combinations of parameters, with the conditions that apply to it.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) row: Row,
    /// The index of the first condition in `filters` that applies to the row; `excluded` is that of the first row of
    /// `exclude`. Earlier conditions do not apply, since the task that adds the row has them itself. Later ones belong
    /// to tasks that take the row over by `each`.
    pub(crate) filters: usize,
    pub(crate) excluded: usize,
}

/// The values that a row of `include` or `exclude` gives to some of the parameters: pairs of a parameter's number and
/// its value.
pub(crate) type Row = Vec<(usize, ScriptValue)>;

/// The reason why a task's family, the set of its instances, cannot be built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// The task has more than `u64::MAX` instances, or `include` adds more than 2^20 of them.
    TooMany,
    /// The conditions would have to be evaluated for more than [`WIDEST`] combinations of values; the number of these.
    TooWide(u64),
    /// No instance is left, since `where` and `exclude` remove all of them.
    Empty,
    /// `where` is false whatever the parameters are.
    Off,
    /// A formula has no value: that of the named derived parameter, or the condition of `where`; `label` shows the
    /// instance, as messages do.
    Fault { derived: Option<String>, label: String, error: Box<FormulaError> },
    /// A derived parameter whose integers may leave 64 bits, in a family with more instances than [`CHECKED`].
    Unchecked { derived: String, count: u64 },
    /// A row of `include` that is an instance already; the text shows the row as messages print it.
    Twice(String),
}

/// The largest number of combinations of parameter values for which `where` is evaluated. With a bit for each
/// combination the results take 8 MiB; a check takes about a second.
pub(crate) const WIDEST: u64 = 1 << 26;
/// The largest number of instances for each of which a derived parameter is computed, to see whether it has a value.
/// Where the bounds of the parameters say so, none is.
pub(crate) const CHECKED: u64 = 1 << 20;
/// The largest number of combinations removed by `exclude` that are kept as a list. For more of them a bit for every
/// combination is used.
pub(super) const LISTED: u64 = 1 << 22;
/// The number of combinations of parameter values for which a condition is evaluated at once.
pub(super) const CHUNK: u64 = 1 << 16;
/// The largest number of rows that `include` adds, counted after a row without a value for some parameter has been
/// repeated for all values of it.
const ROWS: u64 = 1 << 20;

impl FamilyBuilder {
    /// Builds the family, the set of the task's instances, with an index of the combinations that `where` and `exclude`
    /// keep.
    pub(crate) fn build(&self) -> Result<Sweep, Problem> {
        let (axes, all) = family::axes(&self.lengths).ok_or(Problem::TooMany)?;
        let places = ValuePlaces::new(&self.params);
        let kept = self.kept(&axes, &places)?;
        let cells = kept.as_ref().map_or(all, |kept| kept.len(all));
        let mut inner = SweepInner {
            params: self.params.clone(),
            derived: self.derived.clone(),
            axes,
            kept,
            cells,
            rows: Vec::new(),
        };
        inner.rows = self.rows(&inner, &places)?;
        let family = Sweep::from(inner);
        if family.is_empty() { Err(Problem::Empty) } else { Ok(family) }
    }

    /// Checks that the derived parameters have values in all instances: that no integer leaves 64 bits.
    pub(crate) fn check_derived(&self, family: &Sweep) -> Result<(), Problem> {
        if self.derived.is_empty() {
            return Ok(());
        }
        let rows = &family.inner().rows;
        let with_rows = |(at, param): (usize, &Param)| {
            let added = rows.iter().filter_map(|row| row.get(at)).map(Bounds::of);
            added.fold(Bounds::of_all(&param.values), Bounds::or)
        };
        let params: Vec<Bounds> = self.params.iter().enumerate().map(with_rows).collect();
        let mut derived: Vec<Bounds> = Vec::new();
        let mut doubtful = None;
        for one in &self.derived {
            let (bounds, fails) = one.formula.bounds(&|input| match input {
                NameInput::Param(at) => params.get(*at).copied().unwrap_or(Bounds::Texts(0)),
                NameInput::Derived(at) => derived.get(*at).copied().unwrap_or(Bounds::Texts(0)),
                NameInput::Var(value) => Bounds::of(value),
            });
            derived.push(bounds);
            if fails {
                doubtful = doubtful.or(Some(one));
            }
        }
        let large = |value: &ScriptValue| matches!(value.scalar(), Scalar::Int(n) if float_of(n).is_none());
        if rows.iter().flatten().any(large) {
            doubtful = doubtful.or(self.derived.first());
        }
        let Some(doubtful) = doubtful else { return Ok(()) };
        if family.len() > CHECKED {
            return Err(Problem::Unchecked { derived: doubtful.name.clone(), count: family.len() });
        }
        for instance in 0..family.len() {
            let mut values: Bindings = family.given(instance);
            for one in &self.derived {
                let value =
                    one.formula.try_at(&values, self.params.len()).map_err(|error| Problem::Fault {
                        derived: Some(one.name.clone()),
                        label: family.label("", instance),
                        error: error.into(),
                    })?;
                values.push(value);
            }
        }
        Ok(())
    }

    /// Returns the positions on an axis at which the parameters of the axis have the values that a row of `include` or
    /// `exclude` gives them. If the row gives none of them a value, all positions.
    pub(super) fn positions<'a>(&'a self, axis: usize, row: &Row, places: &ValuePlaces<'a>) -> Positions {
        let here: Vec<(usize, &ParamValues, &ScriptValue)> = row
            .iter()
            .filter_map(|(at, value)| Some((*at, self.params.get(*at)?, value)))
            .filter(|(_, param, _)| param.axis == axis)
            .map(|(at, param, value)| (at, &param.values, value))
            .collect();
        let Some(((at, _, value), rest)) = here.split_first() else {
            return Positions::All(self.lengths.get(axis).copied().unwrap_or(1));
        };
        let fits = |at: &u64| rest.iter().all(|(_, values, value)| *values.borrowed(*at) == **value);
        Positions::These(places.of(*at, value).into_iter().filter(fits).collect())
    }

    /// Completes the rows of `include`, so that each has a value for every parameter. A row that gives no value to some
    /// parameters is repeated for all combinations of their values.
    fn rows<'a>(
        &'a self,
        product: &SweepInner,
        places: &ValuePlaces<'a>,
    ) -> Result<Vec<Vec<ScriptValue>>, Problem> {
        if self.include.is_empty() {
            return Ok(Vec::new());
        }
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
                let full = self.full(row, &open, number, places);
                if !self.stays(added, &full)? {
                    continue;
                }
                let cells: Vec<Positions> =
                    (0..self.lengths.len()).map(|axis| self.positions(axis, &full, places)).collect();
                let taken = each_cell(&cells, &product.axes, &mut |cell| family.index(cell).is_none());
                let values: Vec<ScriptValue> = (0..self.params.len())
                    .map(|at| given(&full, at).cloned().unwrap_or(ScriptValue::Int(0)))
                    .collect();
                let shown = family::shown("", &self.params, &values);
                if !taken || !seen.insert(shown.clone()) {
                    return Err(Problem::Twice(shown));
                }
                rows.push(values);
            }
        }
        Ok(rows)
    }

    fn stays(&self, added: &Added, full: &Row) -> Result<bool, Problem> {
        let mut excluded = self.exclude.iter().skip(added.excluded);
        if excluded.any(|row| row.iter().all(|(at, value)| given(full, *at) == Some(value))) {
            return Ok(false);
        }
        let count = self.params.len();
        let mut values: Bindings =
            (0..count).map(|at| given(full, at).cloned().unwrap_or(ScriptValue::Int(0))).collect();
        let label = family::shown("", &self.params, &values);
        family::derive(&self.derived, &mut values, count);
        for formula in self.filters.iter().skip(added.filters) {
            let value = formula.try_at(&values, count);
            let fault = |error: FormulaError| Problem::Fault {
                derived: None,
                label: label.clone(),
                error: error.into(),
            };
            if !truth(&value.map_err(fault)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Completes a row of `include`. The parameters on the `open` axes, which the row does not mention, get their
    /// values from combination `number` of these axes. Columns of a table get the values of the row that is chosen in
    /// the table.
    fn full<'a>(
        &'a self,
        row: &Row,
        open: &[(usize, u64)],
        mut number: u64,
        places: &ValuePlaces<'a>,
    ) -> Row {
        let mut full = row.clone();
        for (axis, len) in open.iter().rev() {
            let position = number % len;
            number /= len;
            let on_it = self.params.iter().enumerate().filter(|(_, param)| param.axis == *axis);
            full.extend(on_it.map(|(at, param)| (at, param.values.get(position))));
        }
        for (at, param) in self.params.iter().enumerate().filter(|(_, param)| param.column) {
            if given(&full, at).is_none() {
                let place = match self.positions(param.axis, &full, places) {
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

/// Whether a value of a condition counts as true.
pub(super) fn truth(value: &ScriptValue) -> bool {
    match value.scalar() {
        Scalar::Int(number) => number != 0,
        Scalar::Float(number) => number != 0.0 && !number.is_nan(),
        Scalar::Bool(truth) => truth,
        Scalar::Text(_) => false,
    }
}
