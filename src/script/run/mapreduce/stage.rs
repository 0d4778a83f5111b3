//! A stage that is a command: lines on its standard input, lines on its standard output.

use super::super::command;
use super::super::def::{Def, Group, Kind};
use super::super::pack::{self, Part};
use crate::error::Failure;
use crate::script::{
    Action, Family, Fill, Join, Part as Piece, Quote, Reference, Select, Stream, Task, Template,
};

/// Runs the command with all that the task says of commands: environment, time limit, attempts.
///
/// # Errors
/// Those of the command.
pub fn run(def: &Def, action: &Action, index: u64, lines: &[u8]) -> Result<Vec<u8>, Failure> {
    let join = Join::between(&def.task.family, &Family::single());
    let group = Group {
        task: 0,
        join: join.clone(),
        kind: Kind::Packs(vec![pack::STDOUT]),
        without: Vec::new(),
        one: true,
    };
    let lines_of = Piece::Fill { what: Fill::Input(0), format: None, quote: Quote::None };
    let task = Task {
        action: action.clone(),
        references: vec![Reference { task: 0, select: Select::Stdout, join, list: false }],
        stdin: Some(Template { parts: vec![lines_of] }),
        stdout: Stream::Null, // these are lines of the task's, not for its log
        saves: Vec::new(),
        ..def.task.clone()
    };
    let stage = Def {
        task,
        keep: vec![pack::STDOUT],
        groups: vec![group],
        sources: vec![Some(0)],
        staged: vec![false],
        ..def.clone()
    };
    let input = pack::pack(&[Part { which: pack::STDOUT, name: "lines", bytes: lines }]);
    let output = command::execute(&stage, index, &[input], &[])?;
    Ok(pack::part(&output, pack::STDOUT)?.bytes()?.into_owned())
}
