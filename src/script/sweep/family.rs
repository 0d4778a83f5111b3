//! Families: the instances of a task, as a definition and an index, never as a list.
//!
//! A [`Sweep`] is a Cartesian product of axes. Cells of the product are numbered with the last axis fastest; instances
//! are the cells that `where` and `exclude` keep, in the same order, and after them the rows of `include`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::console::visible;
use crate::script::sweep::expression::Formula;
use crate::script::sweep::param_values::ParamValues;
use crate::script::sweep::row_set::RowSet;
use crate::script::values::value::ScriptValue;

/// A parameter of a task, with the values that it takes in the task's instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// The name of the parameter, as in the reference `{T}`.
    pub name: String,
    /// The values that the parameter takes: one for each position on its axis, which is its dimension of the sweep.
    pub values: ParamValues,
    /// The index of the axis (dimension of the sweep) along which the parameter varies. Parameters of one `zip` share
    /// an axis.
    pub axis: usize,
    /// Whether the parameter is a column of a table (`case.T`). The table's own parameter, `case`, is the number of the
    /// row, from which the values of the columns follow.
    pub column: bool,
    /// Whether the names of instances show the parameter. A row of a table is named by its first column; where that
    /// repeats a value, by its number too.
    pub shown: bool,
}

/// A derived parameter of a task, which the key `let` computes from other parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// The name of the parameter, as in the reference `{T}`.
    pub name: String,
    /// The formula that computes the parameter's value from those of other parameters.
    pub formula: Arc<Formula>,
}

/// A dimension of a sweep, which is a Cartesian product of parameter values. Cells of the product are numbered in
/// row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The number of positions on the axis, one for each value of its parameters.
    pub len: u64,
    /// The difference between the numbers of the cells (combinations of values) of neighbouring positions on this axis.
    pub stride: u64,
}

impl Axis {
    /// Returns the position on this axis of the cell (combination of values) of that number in the product.
    pub fn position(&self, cell: u64) -> u64 {
        cell / self.stride % self.len
    }
}

/// The values of an instance's parameters: first the given ones, then the derived ones, which `let` computes.
pub(crate) type Bindings = SmallVec<[ScriptValue; 4]>;

/// The family of a task, which is the list of its instances, computed by index. First come the combinations of the
/// parameters' values, the last parameter fastest, without those that `where` and `exclude` remove; then the rows that
/// `include` adds. A task without parameters has one instance. Clones share the definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sweep {
    inner: Arc<SweepInner>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SweepInner {
    pub(crate) params: Vec<Param>,
    pub(crate) derived: Vec<Derived>,
    pub(crate) axes: Vec<Axis>,
    /// The cells of the product that are instances because `where` and `exclude` do not remove them; `None` if all are.
    pub(crate) kept: Option<RowSet>,
    /// The number of instances that are combinations of the parameters' values, without the rows that `include` adds.
    pub(crate) cells: u64,
    /// The rows that `include` adds, each with a value for every parameter. As instances, the rows come after the cells
    /// of the product.
    pub(crate) rows: Vec<Vec<ScriptValue>>,
}

impl PartialEq for Sweep {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner == other.inner
    }
}

impl From<SweepInner> for Sweep {
    fn from(inner: SweepInner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

/// Returns the axes of a product whose axes have these lengths, outermost first, and the number of its cells. `None` if
/// the product has more than `u64::MAX` cells.
pub(crate) fn axes(lengths: &[u64]) -> Option<(Vec<Axis>, u64)> {
    let mut axes = Vec::with_capacity(lengths.len());
    let mut cells = 1u64;
    for len in lengths.iter().rev().map(|len| (*len).max(1)) {
        axes.push(Axis { len, stride: cells });
        cells = cells.checked_mul(len)?;
    }
    axes.reverse();
    Some((axes, cells))
}

impl Sweep {
    /// Creates the family of a task without parameters, which has one instance.
    pub fn single() -> Self {
        SweepInner { cells: 1, ..SweepInner::default() }.into()
    }

    /// Creates the family of all combinations of the values of the named parameters. `None` if there are more than
    /// `u64::MAX` combinations.
    pub fn product(params: Vec<(String, ParamValues)>) -> Option<Self> {
        let (axes, cells) = axes(&params.iter().map(|(_, values)| values.len()).collect::<Vec<_>>())?;
        let params = params.into_iter().enumerate().map(|(axis, (name, values))| Param {
            name,
            values,
            axis,
            column: false,
            shown: true,
        });
        Some(SweepInner { params: params.collect(), axes, cells, ..SweepInner::default() }.into())
    }

    pub(crate) fn inner(&self) -> &SweepInner {
        &self.inner
    }

    /// The number of instances of the task.
    pub fn len(&self) -> u64 {
        self.inner.cells + self.inner.rows.len() as u64
    }

    /// Whether the task has no instances. The result is always false, since a task has at least one instance.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the task has no parameters, and so one instance.
    pub fn is_single(&self) -> bool {
        self.inner.params.is_empty()
    }

    /// Whether the instances are exactly the combinations of parameter values: none is removed by `where` or `exclude`
    /// or added by `include`, and no parameter is derived by `let`.
    pub(crate) fn is_plain(&self) -> bool {
        self.inner.kept.is_none() && self.inner.rows.is_empty() && self.inner.derived.is_empty()
    }

    /// The parameters in the order of the script, without the derived ones, which `let` computes.
    pub fn params(&self) -> &[Param] {
        &self.inner.params
    }

    /// The derived parameters, which `let` computes from others, in the order of the script.
    pub fn derived(&self) -> &[Derived] {
        &self.inner.derived
    }

    /// The axes (dimensions) of the product, outermost first: the last axis varies fastest with the index.
    pub fn axes(&self) -> &[Axis] {
        &self.inner.axes
    }

    /// Returns the position of a parameter, derived or not, among the values of [`Sweep::bindings`]; `None` if the task
    /// has no such parameter.
    pub fn param(&self, name: &str) -> Option<usize> {
        let SweepInner { params, derived, .. } = &*self.inner;
        let plain = params.iter().position(|param| param.name == name);
        plain.or_else(|| Some(params.len() + derived.iter().position(|derived| derived.name == name)?))
    }

    /// The axis (dimension of the product) along which a parameter varies.
    pub(crate) fn axis_of(&self, param: &Param) -> Axis {
        self.inner.axes.get(param.axis).copied().unwrap_or(Axis { len: 1, stride: 1 })
    }

    /// Returns the number of the product's cell that an instance is; `None` for an instance that `include` adds.
    pub(crate) fn cell(&self, instance: u64) -> Option<u64> {
        (instance < self.inner.cells)
            .then(|| self.inner.kept.as_ref().map_or(instance, |kept| kept.cell(instance)))
    }

    /// Returns the index of the instance that a cell of the product is; `None` if `where` or `exclude` removes the
    /// cell.
    pub(crate) fn index(&self, cell: u64) -> Option<u64> {
        self.inner.kept.as_ref().map_or(Some(cell), |kept| kept.index(cell))
    }

    fn plain(&self, instance: u64, at: usize) -> ScriptValue {
        let found = match self.cell(instance) {
            Some(cell) => {
                self.inner.params.get(at).map(|param| param.values.get(self.axis_of(param).position(cell)))
            }
            None => {
                let row = usize::try_from(instance - self.inner.cells).ok();
                row.and_then(|row| self.inner.rows.get(row)?.get(at).cloned())
            }
        };
        found.unwrap_or(ScriptValue::Int(0))
    }

    /// Returns the values of the parameters of an instance, without the derived ones.
    pub(crate) fn given(&self, instance: u64) -> Bindings {
        (0..self.inner.params.len()).map(|at| self.plain(instance, at)).collect()
    }

    /// Returns the values of all parameters of an instance. The derived ones, which `let` computes, come last.
    pub fn bindings(&self, instance: u64) -> Bindings {
        let mut values = self.given(instance);
        derive(&self.inner.derived, &mut values, self.inner.params.len());
        values
    }

    /// Returns the value by which row `row` of the table `table` is named, as names of instances show it: `case.id=A1`.
    /// `None` if there is no such table or row, or its rows are shown by their numbers.
    pub fn row_name(&self, table: &str, row: u64) -> Option<String> {
        let params = &self.inner.params;
        let at = params.iter().position(|param| param.name == table && !param.column && !param.shown)?;
        let first = params.get(at + 1).filter(|first| first.column && row < first.values.len())?;
        Some(format!("{}={}", first.name, first.values.get(row)))
    }

    /// Returns the name of an instance for messages, such as `sim[T=300, p=1]`, or `sim[case.id=A1]` where `case` is a
    /// table. For a task without parameters, the name of the task. Control characters in values are escaped, so that it
    /// is one line.
    pub fn label(&self, task: &str, instance: u64) -> String {
        if self.is_single() {
            return task.to_string();
        }
        shown(task, &self.inner.params, &self.given(instance))
    }
}

/// Returns the name of an instance whose parameters have these values. Of a table it has one value: the first column,
/// or the number of the row.
pub(super) fn shown(task: &str, params: &[Param], values: &[ScriptValue]) -> String {
    let named = params.iter().zip(values).filter(|(param, _)| param.shown);
    let parts: Vec<String> =
        named.map(|(param, value)| format!("{}={}", param.name, visible(&value.to_string()))).collect();
    format!("{task}[{}]", parts.join(", "))
}

/// Computes the values of derived parameters and appends them to `values`. Before, `values` holds the values of the
/// `count` parameters that are not derived.
pub(crate) fn derive(derived: &[Derived], values: &mut Bindings, count: usize) {
    for Derived { formula, .. } in derived {
        let value = formula.at(values, count);
        values.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::range::NumRange;
    use super::*;

    fn list(values: &[i64]) -> ParamValues {
        ParamValues::List(values.iter().map(|v| ScriptValue::Int(*v)).collect())
    }

    #[test]
    fn names_of_instances_are_one_line() {
        let value = ScriptValue::Text("a\nb\u{1b}[31m".into());
        let family = Sweep::product(vec![("x".into(), vec![value].into())]).unwrap();
        assert_eq!(family.label("t", 0), r"t[x=a\nb\x1b[31m]");
    }

    #[test]
    fn the_last_parameter_is_the_fastest() {
        let range = NumRange::parse("0..3").unwrap();
        let family =
            Sweep::product(vec![("T".into(), list(&[250, 300])), ("p".into(), ParamValues::Range(range))])
                .unwrap();
        assert_eq!(family.len(), 6);
        let labels: Vec<String> = (0..6).map(|i| family.label("sim", i)).collect();
        assert_eq!(labels[..4], ["sim[T=250, p=0]", "sim[T=250, p=1]", "sim[T=250, p=2]", "sim[T=300, p=0]"]);
        assert_eq!(family.bindings(5).to_vec(), [ScriptValue::Int(300), ScriptValue::Int(2)]);
        assert_eq!(Sweep::single().label("mesh", 0), "mesh");
        assert_eq!(Sweep::single().len(), 1);
    }

    #[test]
    fn too_many_instances_are_refused() {
        let long = ParamValues::Range(NumRange::parse("0..9_000_000_000_000_000_000").unwrap());
        assert!(Sweep::product(vec![("a".into(), long.clone()), ("b".into(), long)]).is_none());
    }

    #[test]
    fn an_index_out_of_range_is_no_panic() {
        let family = Sweep::product(vec![("T".into(), list(&[1, 2]))]).unwrap();
        assert_eq!(family.bindings(u64::MAX).len(), 1);
    }
}
