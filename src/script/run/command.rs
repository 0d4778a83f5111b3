//! Running one instance of a `run` or `shell` task.

use super::def::Def;
use super::failure::located;
use super::inputs::{Array, Inputs};
use super::pack::{self, Pack, Part};
use super::rank;
use crate::call::command::{self, CommandError, CommandOutput, CommandSpec, private_dir};
use crate::error::Failure;
use crate::script::{Facts, Scope, Select, StdinPiece, Stream};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A task function: an instance that needs others.
///
/// # Errors
/// When the command fails, or something around it.
pub fn run_command(def: &Def, index: u64, packs: &[Pack], arrays: &[Array]) -> Result<Pack, Failure> {
    located(def, index, || execute(def, index, packs, arrays))
}

/// A task function: an instance that needs nothing.
///
/// # Errors
/// As [`run_command`].
pub fn run_command_alone(def: &Def, index: u64) -> Result<Pack, Failure> {
    located(def, index, || execute(def, index, &[], &[]))
}

fn execute(def: &Def, index: u64, packs: &[Pack], arrays: &[Array]) -> Result<Pack, Failure> {
    let inputs = Inputs::new(def, index, packs, arrays)?;
    let scratch = private_dir(&rank::scratch()?)?;
    let (rank, attempt) = rank::here();
    let facts = Facts {
        rank: rank.0,
        ranks: def.ranks,
        host: rank::host(),
        scratch: scratch.path().display().to_string(),
        attempt: attempt.into(),
        ..def.facts(index)
    };
    let env = |name: &str| std::env::var(name).ok();
    let values = def.task.family.bindings(index);
    let mut scope = Scope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    let mut files = Vec::with_capacity(def.task.outs.len());
    for out in &def.task.outs {
        files.push(out.file.render(&scope)?);
    }
    let outs = prepare_outs(scratch.path(), &files)?;
    let staged = inputs.stage(scratch.path())?;
    (scope.inputs, scope.outs) = (&staged, &outs);
    let mut spec = specify(def, &scope, &inputs, scratch.path())?;
    let name = |at: usize| def.task.outs[at].name.clone().unwrap_or_else(|| files[at].clone());
    spec.outs = (0..files.len()).map(|at| (name(at), PathBuf::from(&files[at]))).collect();
    let output = match command::run(spec) {
        Ok(output) => output,
        Err(error) => {
            log_failed(def, index, &error);
            return Err(Failure::new(error));
        }
    };
    log(def, index, &output.stdout, &output.stderr)?;
    check_targets(def, &scope)?;
    save(def, &scope, &output)?;
    Ok(keep(def, &files, &output))
}

/// The paths that the command writes to, with the directories that they lie in.
fn prepare_outs(scratch: &Path, files: &[String]) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::with_capacity(files.len());
    for file in files {
        let path = scratch.join(file);
        if let Some(parent) = path.parent().filter(|parent| parent.starts_with(scratch)) {
            fs::create_dir_all(parent)?;
        }
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

fn specify(
    def: &Def,
    scope: &Scope<'_>,
    inputs: &Inputs<'_>,
    scratch: &Path,
) -> Result<CommandSpec, Failure> {
    let argv = def.task.action.command(scope)?.ok_or_else(|| Failure::new("internal error: no command"))?;
    let mut spec = CommandSpec::new(argv, &def.here, scratch);
    for (name, value) in &def.task.env {
        spec.env.push((name.clone(), value.render(scope)?.into()));
    }
    if let Some(stdin) = &def.task.stdin {
        for piece in stdin.render_stdin(scope)? {
            match piece {
                StdinPiece::Text(text) => spec.stdin.extend_from_slice(text.as_bytes()),
                StdinPiece::Input(reference)
                    if def.task.references.get(reference).is_some_and(|r| r.list) =>
                {
                    for list in scope.inputs.get(reference).into_iter().flatten() {
                        spec.stdin.extend_from_slice(&fs::read(list)?);
                    }
                }
                StdinPiece::Input(reference) => {
                    for (_, bytes) in inputs.files(reference)? {
                        spec.stdin.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }
    spec.ok_exit.clone_from(&def.task.ok_exit);
    Ok(spec)
}

fn log(def: &Def, index: u64, stdout: &[u8], stderr: &[u8]) -> Result<(), Failure> {
    for (stream, name, bytes) in [(&def.task.stdout, "stdout", stdout), (&def.task.stderr, "stderr", stderr)]
    {
        if *stream == Stream::Log {
            rank::log(Path::new(&def.folder), &def.task.label(index), name, bytes)?;
        }
    }
    Ok(())
}

/// What a command wrote before it failed goes to the log, unless to nowhere: its files are not written without it.
fn log_failed(def: &Def, index: u64, error: &CommandError) {
    let Some(captured) = error.captured() else { return };
    let streams =
        [(&def.task.stdout, "stdout", &captured.stdout), (&def.task.stderr, "stderr", &captured.stderr)];
    for (_, name, bytes) in streams.into_iter().filter(|(stream, ..)| **stream != Stream::Null) {
        if let Err(failure) = rank::log(Path::new(&def.folder), &def.task.label(index), name, bytes) {
            log::warn!("{failure}");
        }
    }
}

/// A command that says it is done has written what it was to write in place.
fn check_targets(def: &Def, scope: &Scope<'_>) -> Result<(), Failure> {
    for target in &def.task.targets {
        let path = Path::new(&def.here).join(target.render(scope)?);
        if !path.exists() {
            return Err(Failure::new(format!("the target `{}` was not written", path.display())));
        }
    }
    Ok(())
}

/// Puts outputs where the script wants them: whole or not at all.
fn save(def: &Def, scope: &Scope<'_>, output: &CommandOutput) -> Result<(), Failure> {
    for save in &def.task.saves {
        let path = Path::new(&def.here).join(save.path.render(scope)?);
        let bytes = match save.select {
            Select::File(number) => output.outs.get(number).map(|(_, bytes)| bytes),
            _ => Some(&output.stdout),
        };
        let bytes =
            bytes.ok_or_else(|| Failure::new("internal error: an output to be saved is not there"))?;
        write_whole(&path, bytes)
            .map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
    }
    Ok(())
}

/// Writes a file under a temporary name beside it, and renames it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = super::sink::temporary(path)?;
    file.write_all(bytes)?;
    super::sink::rename(file, path)
}

fn keep(def: &Def, files: &[String], output: &CommandOutput) -> Pack {
    let mut parts = Vec::with_capacity(def.keep.len());
    for &which in &def.keep {
        let (name, bytes) = match which {
            pack::STDOUT => ("stdout", &output.stdout),
            pack::STDERR => ("stderr", &output.stderr),
            file => {
                let at = file as usize - 2;
                let (Some(name), Some((_, bytes))) = (files.get(at), output.outs.get(at)) else { continue };
                (name.as_str(), bytes)
            }
        };
        parts.push(Part { which, name, bytes });
    }
    pack::pack(&parts)
}
