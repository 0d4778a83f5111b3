//! Tree to value: `evaluator` walks the tree, `builtins` carries out calls, `index` slices, `operand` is a value on
//! its way.

pub(crate) mod builtins;
pub(crate) mod evaluator;
pub(crate) mod index;
pub(crate) mod operand;
