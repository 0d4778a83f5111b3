//! Pictures of the plan: [`graph`] writes the task graph as DOT or SVG, [`layout`] places its nodes.

pub(crate) mod graph;
pub(crate) mod layout;
