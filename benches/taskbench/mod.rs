//! Task Bench (Slaughter et al., SC 2020): graphs of equal tasks, in steps and columns, whose grain is made finer until
//! half of the time is lost. Its patterns, its compute-bound kernel and its measure are those of its `core/core.cc`,
//! `core/core_kernel.cc` and `scripts/chart_metg.py`.

pub mod by_hand;
pub mod graph;
pub mod point;
pub mod sweep;
pub mod with_dtask;
