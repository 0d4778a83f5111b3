//! Evaluation of a syntax tree: `evaluator` walks the tree (start there), `builtins` evaluates calls, `index` slices,
//! and `operand` has the intermediate values.

pub(crate) mod builtins;
pub(crate) mod evaluator;
pub(crate) mod index;
pub(crate) mod operand;
