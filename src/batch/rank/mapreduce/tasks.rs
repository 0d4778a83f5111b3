//! The task functions of a `mapreduce` task: map, shuffle and reduce.

use super::stage;
use crate::batch::artifact::{Artifact, OutputBytes};
use crate::batch::failure::located;
use crate::batch::outputs;
use crate::batch::rank::mapreduce::shuffle_store::PartitionShare;
use crate::batch::rank::rank_state;
use crate::batch::task_def::TaskDef;
use crate::batch::whole_files::NewFile;
use crate::commands::ScratchRoot;
use crate::commands::outputs::Content;
use crate::error::Failure;
use crate::mapreduce::merge::merge;
use crate::mapreduce::split::{self, FileSplit};
use crate::mapreduce::table::CombineTable;
use crate::mapreduce::{key_and_value, lines};
use crate::script::plan::task::{MapReduce, MapStage, ReduceStage, Select, TaskAction};
use crate::script::plan::template::RenderScope;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

/// A piece of an input file: the file's name, the offset in bytes of the piece's first byte, and the offset behind its
/// last.
pub(crate) type NamedPiece = (String, u64, u64);

fn work_of(def: &TaskDef) -> Result<&MapReduce, Failure> {
    match &def.task.action {
        TaskAction::MapReduce(work) => Ok(work),
        _ => Err(Failure::new("internal error: no map-reduce")),
    }
}

fn budget(work: &MapReduce) -> usize {
    usize::try_from(work.buffer).unwrap_or(usize::MAX)
}

/// Maps pieces of input files to sorted lines for each partition of the keys. A task function, run by the engine. The
/// results `_after` are not read; the engine only waits for them.
///
/// # Errors
/// When a file cannot be read, or a command fails.
pub(crate) fn map_files(
    def: &TaskDef,
    pieces: &Vec<NamedPiece>,
    _after: &[Artifact],
) -> Result<Artifact, Failure> {
    // The instances of the script's task are its partitions, and a map task belongs to none of them. Its failure is
    // reported as one of the first partition; the others depend on it and count as not run.
    located(def, 0, || {
        let mut text = Vec::new();
        for (file, start, end) in pieces {
            let piece = FileSplit { file: 0, start: *start, end: *end };
            split::read(&Path::new(&def.here).join(file), &piece, &mut text)
                .map_err(|error| Failure::new(format!("the input `{file}` cannot be read: {error}")))?;
        }
        let from = || match &pieces[..] {
            [] => String::new(),
            [(file, 0, _)] => format!(" of `{file}`"),
            [(file, start, _)] => format!(" of `{file}` from byte {start} on"),
            [(first, ..), .., (last, ..)] => format!(" of `{first}` to `{last}`"),
        };
        map(def, &text).map_err(|failure| failure.map(|message| format!("the lines{}: {message}", from())))
    })
}

/// Maps the output of an instance of another task to sorted lines for each partition of the keys. A task function, run
/// by the engine. The results `_after` are only waited for.
///
/// # Errors
/// When a command fails.
pub(crate) fn map_output(def: &TaskDef, output: &Artifact, _after: &[Artifact]) -> Result<Artifact, Failure> {
    located(def, 0, || {
        if output.is_absent() {
            return map(def, &[]);
        }
        let parts = output.outputs()?.all()?;
        let first =
            parts.first().ok_or_else(|| Failure::new("internal error: an output that was not kept"))?;
        map(def, &first.bytes()?)
    })
}

/// Returns an empty result when all inputs exist. A task function: tasks that must wait for many others depend on this
/// one task instead.
pub(crate) fn gate(_all: &[Artifact]) -> Artifact {
    Artifact::empty()
}

/// Maps a text by the mapper of the task. The artifact has an output for each partition of the keys, with sorted lines.
fn map(def: &TaskDef, text: &[u8]) -> Result<Artifact, Failure> {
    let work = work_of(def)?;
    let scratch = ScratchRoot::current()?.lend_large()?;
    let partitions = usize::try_from(def.task.family.len())?;
    let by_command = matches!(work.combine, Some(ReduceStage::Command(_)));
    // a command as combiner gets the lines of all partitions at once, sorted
    let parted = if by_command { 1 } else { partitions };
    let mut table = CombineTable::new(parted, work.operators().0, budget(work), scratch.path());
    match &work.map {
        MapStage::BuiltIn(mapper) => mapper.map(text, |key, value| table.add(key, value))?,
        MapStage::Command(action) => {
            let written = stage::run(def, action, 0, text).map_err(|error| told("map", error))?;
            add_output(&mut table, &written)?;
        }
    }
    let mut runs = table.finish()?;
    if let Some(ReduceStage::Command(action)) = &work.combine {
        let sorted = runs.pop().unwrap_or_default();
        let mut table = CombineTable::new(partitions, None, budget(work), scratch.path());
        if !sorted.is_empty() {
            let combined = stage::run(def, action, 0, &sorted).map_err(|error| told("combine", error))?;
            add_output(&mut table, &combined)?;
        }
        runs = table.finish()?;
    }
    let part = |(at, bytes)| OutputBytes { which: outputs::file(at), name: "", bytes };
    Ok(Artifact::of(&runs.iter().map(Vec::as_slice).enumerate().map(part).collect::<Vec<_>>()))
}

/// Adds the lines that a command has printed, piece by piece if they are in a file.
fn add_output(table: &mut CombineTable, printed: &Artifact) -> Result<(), Failure> {
    let stored = match printed.output(outputs::STDOUT)?.content {
        Content::Memory(bytes) => return add_lines(table, bytes),
        Content::File(stored) => stored,
    };
    let mut reader = BufReader::with_capacity(1 << 20, File::open(stored.path())?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        add_lines(table, &line)?;
        line.clear();
    }
    Ok(())
}

fn add_lines(table: &mut CombineTable, text: &[u8]) -> Result<(), Failure> {
    lines(text).try_for_each(|line| {
        let (key, value) = key_and_value(line);
        table.add(key, value)
    })
}

fn told(stage: &str, failure: Failure) -> Failure {
    failure.map(|message| format!("`{stage}`: {message}"))
}

/// Puts the mapped lines of the group of splits number `group` into the shuffle store of this rank, which reduces them
/// later. `_before` makes the engine wait for the group before this one, since groups arrive in order. A task function,
/// run by the engine.
///
/// # Errors
/// When scratch is full.
pub(crate) fn store_lines(
    def: &TaskDef,
    share: PartitionShare,
    group: u64,
    lines: &[Artifact],
    _before: &[Artifact],
) -> Result<Artifact, Failure> {
    located(def, 0, || {
        rank_state::current().shuffles.add(def.number, share, budget(work_of(def)?), group, lines)?;
        Ok(Artifact::empty())
    })
}

/// Reduces the partition `index` of the keys and saves its result. `_complete` makes the engine wait until the lines of
/// all `groups` of splits have arrived. A task function, run at the rank whose shuffle store has them.
///
/// # Errors
/// When a command fails, or the result cannot be saved.
pub(crate) fn reduce_partition(
    def: &TaskDef,
    index: u64,
    groups: u64,
    _complete: &Artifact,
) -> Result<Artifact, Failure> {
    located(def, index, || {
        let work = work_of(def)?;
        let runs = rank_state::current().shuffles.runs(def.number, usize::try_from(index)?, groups)?;
        let mut result = Vec::new();
        merge(runs, work.operators().1, &mut result).map_err(|error| told("reduce", error))?;
        if let ReduceStage::Command(action) = &work.reduce {
            let printed = stage::run(def, action, index, &result).map_err(|error| told("reduce", error))?;
            result = printed.output(outputs::STDOUT)?.bytes()?.into_owned();
            // the lines of the next partition follow it
            if result.last().is_some_and(|last| *last != b'\n') {
                result.push(b'\n');
            }
        }
        save(def, index, &result)?;
        rank_state::current().shuffles.done(def.number);
        let name = format!("part-{index:05}");
        let kept = def.keep.iter().filter(|which| **which == outputs::STDOUT);
        let part = |which: &u32| OutputBytes { which: *which, name: &name, bytes: &result };
        Ok(Artifact::of(&kept.map(part).collect::<Vec<_>>()))
    })
}

fn save(def: &TaskDef, index: u64, bytes: &[u8]) -> Result<(), Failure> {
    let facts = def.facts(index);
    let env = |name: &str| std::env::var(name).ok();
    let values = def.task.family.bindings(index);
    let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    for save in def.task.saves.iter().filter(|save| save.select == Select::Stdout) {
        let path = Path::new(&def.here).join(save.path.render(&scope)?);
        let written = NewFile::create(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.finish()
        });
        written.map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
    }
    Ok(())
}
