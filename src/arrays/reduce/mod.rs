//! Reductions: the combining [`operator`]s and the fixed order of the [`tree`] in which partial results meet.

pub(crate) mod operator;
pub(crate) mod tree;
