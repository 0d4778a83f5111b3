//! Reductions: the combining [`operator`]s and the fixed order of the [`tree`] in which partial results meet.

pub mod operator;
pub mod tree;
