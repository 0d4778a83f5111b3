//! Positions of values on the axes of a product, and the cells of the product that they make.

use super::family::Axis;

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
