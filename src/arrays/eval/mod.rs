//! TODO page

pub(crate) mod builtins;
pub(crate) mod evaluator;
pub(crate) mod index;
pub(crate) mod operand;
