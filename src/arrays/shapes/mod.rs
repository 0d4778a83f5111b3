//! Shapes: `shape` has their limits, broadcasting and allocation; `inference` finds an expression's shape without
//! computing it.

pub(crate) mod inference;
pub(crate) mod shape;
