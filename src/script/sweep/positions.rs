//! Positions of values on the axes of a product, and the cells of the product that they make.

use super::family::{Axis, Param};
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::ScriptValue;
use std::cell::OnceCell;

/// Some of the positions of an axis, which is one dimension of a product of parameters: all of them or a list.
pub(super) enum Positions {
    All(u64),
    These(Vec<u64>),
}

impl Positions {
    pub(super) fn len(&self) -> u64 {
        match self {
            Positions::All(len) => *len,
            Positions::These(list) => list.len() as u64,
        }
    }

    pub(super) fn get(&self, at: u64) -> u64 {
        match self {
            Positions::All(_) => at,
            Positions::These(list) => list.get(at as usize).copied().unwrap_or(0),
        }
    }
}

/// Calls `visit` with the number of each cell of the product whose position on every axis is among `positions`. A
/// `false` of `visit` ends this. Returns whether all cells were visited.
pub(super) fn each_cell(positions: &[Positions], axes: &[Axis], visit: &mut dyn FnMut(u64) -> bool) -> bool {
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

/// The positions of values among those of parameters, for many rows of `include` and `exclude`: lists are sorted when
/// they are first searched.
pub(super) struct ValuePlaces<'a> {
    params: &'a [Param],
    sorted: Vec<OnceCell<Vec<u64>>>,
}

impl<'a> ValuePlaces<'a> {
    pub(super) fn new(params: &'a [Param]) -> Self {
        ValuePlaces { params, sorted: vec![OnceCell::new(); params.len()] }
    }

    /// All positions at which the parameter of number `at` has a value, in ascending order.
    pub(super) fn of(&self, at: usize, value: &ScriptValue) -> Vec<u64> {
        let (Some(param), Some(sorted)) = (self.params.get(at), self.sorted.get(at)) else {
            return Vec::new();
        };
        let ParamValues::List(list) = &param.values else {
            return param.values.position(value).into_iter().collect();
        };
        let key = |at: &u64| list[*at as usize].key();
        let sorted = sorted.get_or_init(|| {
            let mut all: Vec<u64> = (0..list.len() as u64).collect();
            all.sort_by_key(key);
            all
        });
        let begin = sorted.partition_point(|at| key(at) < value.key());
        sorted[begin..].iter().take_while(|at| key(at) == value.key()).copied().collect()
    }
}
