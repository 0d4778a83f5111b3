//! Standard input of commands: text and results of other tasks, joined.

use super::inputs::Inputs;
use crate::batch::task_def::TaskDef;
use crate::commands::{CommandSpec, StagedInput};
use crate::error::Failure;
use crate::script::plan::template::{RenderScope, StdinPiece};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A piece of a command's standard input: text, or the output of another task.
enum StdinPart<'a> {
    Text(String),
    Input(StagedInput<'a>),
}

/// Sets the standard input of a command from its pieces: as bytes if all are in memory, else as a file that has them
/// all.
///
/// # Errors
/// When a file cannot be read, or scratch has no room for the joined file.
pub(crate) fn fill(
    def: &TaskDef,
    scope: &RenderScope<'_>,
    inputs: &Inputs<'_>,
    spec: &mut CommandSpec,
) -> Result<(), Failure> {
    let Some(stdin) = &def.task.stdin else { return Ok(()) };
    let mut pieces = Vec::new();
    for piece in stdin.render_stdin(scope)? {
        pieces.extend(parts(def, scope, inputs, piece)?);
    }
    if let [StdinPart::Input(StagedInput::File(file))] = &pieces[..] {
        spec.stdin_file = Some(file.path().to_owned());
        return Ok(());
    }
    if pieces.iter().any(|piece| matches!(piece, StdinPart::Input(StagedInput::File(_)))) {
        let path = spec.scratch.join(".in/stdin");
        join(&pieces, &path).map_err(|error| {
            let path = path.display();
            Failure::new(format!("standard input cannot be put into scratch, `{path}`: {error}"))
        })?;
        spec.stdin_file = Some(path);
        return Ok(());
    }
    pieces.iter().for_each(|piece| spec.stdin.extend_from_slice(piece.bytes()));
    Ok(())
}

/// The content of a piece of standard input: one part for each file. None for an input that is not there.
fn parts<'a>(
    def: &TaskDef,
    scope: &RenderScope<'_>,
    inputs: &Inputs<'a>,
    piece: StdinPiece,
) -> Result<Vec<StdinPart<'a>>, Failure> {
    match piece {
        StdinPiece::Text(text) => Ok(vec![StdinPart::Text(text)]),
        StdinPiece::Input(reference) if def.task.references.get(reference).is_some_and(|r| r.list) => {
            let lists = scope.inputs.get(reference).into_iter().flatten();
            let read = |list: &String| Ok(StdinPart::Input(StagedInput::Bytes(Cow::Owned(fs::read(list)?))));
            lists.map(read).collect()
        }
        StdinPiece::Input(reference) => {
            Ok(inputs.files(reference)?.into_iter().map(|(_, input)| StdinPart::Input(input)).collect())
        }
        StdinPiece::First(all) => {
            for piece in all {
                let found = parts(def, scope, inputs, piece)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Ok(Vec::new())
        }
    }
}

/// Writes the pieces of standard input into one file.
fn join(pieces: &[StdinPart<'_>], path: &Path) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut all = File::create_new(path)?;
    for piece in pieces {
        match piece {
            StdinPart::Input(StagedInput::File(file)) => {
                io::copy(&mut File::open(file.path())?, &mut all)?;
            }
            piece => all.write_all(piece.bytes())?,
        }
    }
    Ok(())
}

impl StdinPart<'_> {
    /// The bytes of a piece of standard input that is in memory; empty for a file.
    fn bytes(&self) -> &[u8] {
        match self {
            StdinPart::Text(text) => text.as_bytes(),
            StdinPart::Input(StagedInput::Bytes(bytes)) => bytes,
            StdinPart::Input(StagedInput::File(_)) => &[],
        }
    }
}
