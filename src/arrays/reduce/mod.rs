//! Reductions: the [`operator`]s, and the [`tree`] that fixes the order in which partial results are merged.

pub(crate) mod operator;
pub(crate) mod tree;
