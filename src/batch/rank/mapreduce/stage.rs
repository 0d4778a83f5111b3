//! Stages of a `mapreduce` task that are commands: they read lines on standard input and write lines to standard
//! output.

use super::super::command;
use crate::batch::artifact::{Artifact, OutputBytes};
use crate::batch::outputs;
use crate::batch::task_def::{Group, TaskDef};
use crate::error::Failure;
use crate::script::plan::shell_quote::Quote;
use crate::script::plan::task::{PlanTask, Reference, Select, StreamTarget, TaskAction};
use crate::script::plan::template::{Fill, Template, TemplatePart as Piece};
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join::Join;
use std::sync::Arc;

/// Runs a command of a `mapreduce` task (mapper, combiner or reducer) with `lines` as standard input, and returns its
/// outputs, of which standard output may be a file. The task's environment, time limit and retries apply.
///
/// # Errors
/// When the command fails.
pub(crate) fn run(def: &TaskDef, action: &TaskAction, index: u64, lines: &[u8]) -> Result<Artifact, Failure> {
    let join = Join::between(&def.task.family, &Sweep::single());
    let group = Group {
        task: 0,
        join: join.clone(),
        wanted: vec![outputs::STDOUT],
        without: Vec::new(),
        unless: Vec::new(),
        last: false,
        one: true,
    };
    let lines_of = Piece::Fill { what: Fill::Input(0), format: None, quote: Quote::None };
    let task = PlanTask {
        action: action.clone(),
        references: vec![Reference::new(0, Select::Stdout, join, 0..0)],
        stdin: Some(Template { parts: vec![lines_of] }),
        stdout: StreamTarget::Null, // the lines are the result of the stage, and not for the log
        saves: Vec::new(),
        ..PlanTask::clone(&def.task)
    };
    let stage = TaskDef {
        task: Arc::new(task),
        keep: vec![outputs::STDOUT],
        groups: vec![group],
        sources: vec![Some(0)],
        staged: vec![false],
        ..def.clone()
    };
    let input = Artifact::of(&[OutputBytes { which: outputs::STDOUT, name: "lines", bytes: lines }]);
    command::execute_for_reading(&stage, index, &[input])
}
