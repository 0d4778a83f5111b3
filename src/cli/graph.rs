//! The command `dtask graph`.

use super::check::read;
use super::{DONE, USAGE};
use crate::console;
use crate::script::draw::graph::{dot, svg};
use crate::script::options::LoadOptions;
use std::path::Path;

/// The form of a graph.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum GraphFormat {
    /// The language of graphviz
    Dot,
    /// A drawing; nothing else has to be installed
    Svg,
}

/// Prints the graph of a script's tasks, each task as one node however many instances it has. Returns the exit code.
pub(super) fn graph(script: &Path, sets: &[(String, String)], format: GraphFormat) -> u8 {
    let Ok(plan) = read(script, sets, LoadOptions::default()) else { return USAGE };
    let text = match format {
        GraphFormat::Dot => dot(&plan),
        GraphFormat::Svg => svg(&plan),
    };
    console::output(text.trim_end_matches('\n'));
    DONE
}
