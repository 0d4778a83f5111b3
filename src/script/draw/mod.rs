//! Pictures of the plan: [`graph`] as DOT and SVG, placed by [`layout`].

pub(crate) mod graph;
pub(crate) mod layout;
