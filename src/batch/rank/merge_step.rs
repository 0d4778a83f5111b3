//! The task function of a reduction by a command: the command merges two files into one.

use super::super::failure::located;
use crate::batch::artifact::Artifact;
use crate::batch::outputs;
use crate::batch::rank::command;
use crate::batch::saved_folder;
use crate::batch::task_def::{self, Group, TaskDef};
use crate::batch::whole_files::NewFile;
use crate::commands::outputs::{CommandOutputs, Content, OutputRef};
use crate::error::Failure;
use crate::script::plan::task::{PlanTask, Reference, Save, Select, TaskAction};
use crate::script::plan::template::{Fill, RenderScope, Template, TemplatePart as Piece};
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join::Join;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A merge step of a reduction of files by a command, as rank 0 sends it to a rank. The steps of an instance form a
/// tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MergeStep {
    /// The index of the instance of the `reduce` task to which the step belongs.
    pub index: u64,
    /// The number of the step among those of its instance, from 1.
    pub number: u64,
    /// For each file to merge, whether it is an output of the reduced family (a leaf of the tree: true) or the result
    /// of another step (false).
    pub is_leaf: Vec<bool>,
    /// Whether the step is the last one, the root of the tree, whose file is the result of the instance.
    pub is_last: bool,
}

/// The output number under which a merge step returns the file that it has written.
const MERGED: u32 = 2;

/// Merges the two files of `merged` by the task's command, which also gets the other `inputs`. A single file is passed
/// on without running the command. For the results of `_after` the engine only waits. A task function, run by the
/// engine.
///
/// # Errors
/// When the command fails, or the result cannot be saved.
pub(crate) fn merge(
    def: &TaskDef,
    step: MergeStep,
    merged: &[Artifact],
    inputs: &[Artifact],
    _after: &[Artifact],
) -> Result<Artifact, Failure> {
    located(def, step.index, || {
        let whole = match merged {
            [only @ Artifact::Absent(_)] => return Ok(only.clone()), // the whole family was skipped
            [only] => renamed(def, &step, only)?.into(),
            _ => {
                let failed =
                    |failure: Failure| failure.map(|message| format!("step {}: {message}", step.number));
                run(def, &step, merged, inputs).map_err(failed)?
            }
        };
        if !step.is_last {
            return Ok(whole);
        }
        save(def, step.index, &whole)?;
        let all = whole.outputs()?.all()?;
        let is_kept = |output: &&OutputRef<'_>| def.keep.contains(&output.which);
        if all.iter().all(|output| is_kept(&output)) {
            return Ok(whole);
        }
        Ok(CommandOutputs::new(&all.iter().filter(is_kept).copied().collect::<Vec<_>>()).into())
    })
}

/// The reference of the script that names the results to be reduced (`of`).
fn leaf(def: &TaskDef) -> Result<&Reference, Failure> {
    let of =
        if let TaskAction::Merge { of, .. } = &def.task.action { def.task.references.get(*of) } else { None };
    of.ok_or_else(|| Failure::new("internal error: a step of no reduction"))
}

fn which(reference: &Reference) -> u32 {
    match reference.select {
        Select::File(number) => outputs::file(number),
        _ => outputs::STDOUT,
    }
}

/// The numbers of the outputs that a merge step returns: the merged file, and the streams that go to files.
fn outputs(def: &TaskDef, is_last: bool) -> Vec<u32> {
    let mut outputs = def.keep.clone();
    outputs.push(MERGED);
    let saved = |save: &Save| (is_last && save.select == Select::Stdout).then_some(outputs::STDOUT);
    outputs.extend(def.task.saves.iter().filter_map(saved));
    outputs.sort_unstable();
    outputs.dedup();
    outputs
}

/// Runs the command of a merge step, with the task's environment, time limit and resources.
fn run(
    def: &TaskDef,
    step: &MergeStep,
    merged: &[Artifact],
    inputs: &[Artifact],
) -> Result<Artifact, Failure> {
    let step_def = instance(def, step)?;
    let all: Vec<Artifact> = inputs.iter().chain(merged).cloned().collect();
    let made = command::execute(&step_def, step.index, &all)?;
    // A step puts what the steps below it have printed before its own, so that the last step has the streams of the
    // whole tree, in its order.
    let streams =
        [outputs::STDOUT, outputs::STDERR].into_iter().filter(|stream| step_def.keep.contains(stream));
    let mut printed: Vec<(u32, Vec<u8>)> = Vec::new();
    for stream in streams {
        let mut text = Vec::new();
        for (input, _) in merged.iter().zip(&step.is_leaf).filter(|(_, is_leaf)| !**is_leaf) {
            text.extend_from_slice(&input.output(stream)?.bytes()?);
        }
        if !text.is_empty() {
            text.extend_from_slice(&made.output(stream)?.bytes()?);
            printed.push((stream, text));
        }
    }
    if printed.is_empty() {
        return Ok(made);
    }
    let mut outputs = made.outputs()?.all()?;
    for output in &mut outputs {
        if let Some((_, text)) = printed.iter().find(|(stream, _)| *stream == output.which) {
            output.content = Content::Memory(text);
        }
    }
    Ok(CommandOutputs::new(&outputs).into())
}

/// Makes a definition by which a merge step runs like an instance of a `run` or `shell` task. Its last two references
/// are the files to merge.
fn instance(def: &TaskDef, step: &MergeStep) -> Result<TaskDef, Failure> {
    let TaskAction::Merge { command, .. } = &def.task.action else {
        return Err(Failure::new("internal error: a step of no reduction"));
    };
    let (leaf, first) = (leaf(def)?, def.task.references.len());
    let join = Join::between(&def.task.family, &Sweep::single());
    let mut made = def.clone();
    let mut references = def.task.references.clone();
    for is_leaf in &step.is_leaf {
        let select = if *is_leaf { leaf.select } else { Select::File(0) };
        let reference = Reference::new(leaf.task, select, join.clone(), 0..0);
        made.sources.push(Some(made.groups.len()));
        made.groups.push(Group {
            task: leaf.task,
            join: join.clone(),
            wanted: vec![which(&reference)],
            without: Vec::new(),
            unless: Vec::new(),
            last: false,
            one: true,
        });
        references.push(reference);
    }
    let with_files = |text: &Template| filled(text, first);
    let action = match &**command {
        TaskAction::Run { argv } => TaskAction::Run { argv: argv.iter().map(with_files).collect() },
        TaskAction::Shell { interpreter, script } => {
            TaskAction::Shell { interpreter: interpreter.clone(), script: with_files(script) }
        }
        _ => return Err(Failure::new("internal error: a step that is no command")),
    };
    let env = def.task.env.iter().map(|(name, text)| (name.clone(), with_files(text))).collect();
    let stdin = def.task.stdin.as_ref().map(with_files);
    let task = PlanTask { references, action, env, stdin, saves: Vec::new(), ..PlanTask::clone(&def.task) };
    made.staged = task_def::staged(&task);
    made.task = Arc::new(task);
    made.keep = outputs(def, step.is_last);
    made.step = Some(step.number);
    Ok(made)
}

/// Replaces the two placeholders of a text that stand for the files to merge by references to them, of which the first
/// has the number `first`.
fn filled(text: &Template, first: usize) -> Template {
    let part = |part: &Piece| match part {
        Piece::Fill { what: Fill::Merged(at), format, quote } => {
            Piece::Fill { what: Fill::Input(first + at), format: format.clone(), quote: *quote }
        }
        part => part.clone(),
    };
    Template { parts: text.parts.iter().map(part).collect() }
}

/// The result of an instance that reduces a single file: that file, under the name of the task's output.
fn renamed(def: &TaskDef, step: &MergeStep, only: &Artifact) -> Result<CommandOutputs, Failure> {
    let file = only.output(which(leaf(def)?))?;
    let name = with_scope(def, step.index, |scope| {
        def.task.outs.first().map_or(Ok("merged".to_owned()), |out| out.file.render(scope))
    })?;
    let nothing = Content::Memory(&[]);
    let output = |which: &u32| match *which {
        MERGED => OutputRef { which: MERGED, name: &name, content: file.content },
        outputs::STDOUT => OutputRef { which: outputs::STDOUT, name: "stdout", content: nothing },
        other => OutputRef { which: other, name: "stderr", content: nothing },
    };
    Ok(CommandOutputs::new(&outputs(def, step.is_last).iter().map(output).collect::<Vec<_>>()))
}

fn with_scope<T>(def: &TaskDef, index: u64, work: impl FnOnce(&RenderScope<'_>) -> T) -> T {
    let (facts, values) = (def.facts(index), def.task.family.bindings(index));
    let env = |name: &str| std::env::var(name).ok();
    work(&RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env })
}

/// Saves the result of a reduction under the paths of the task's `save`. Each file is written whole or not at all.
fn save(def: &TaskDef, index: u64, whole: &Artifact) -> Result<(), Failure> {
    for save in &def.task.saves {
        let which = if save.select == Select::Stdout { outputs::STDOUT } else { MERGED };
        let output = whole.output(which)?;
        let path = Path::new(&def.here).join(with_scope(def, index, |scope| save.path.render(scope))?);
        if let Content::File(stored) = output.content
            && stored.is_folder()
        {
            let saved = saved_folder::save(stored.path(), &path, false);
            saved
                .map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
            continue;
        }
        let written = NewFile::create(&path).and_then(|mut file| {
            match output.content {
                Content::Memory(bytes) => file.write_all(bytes)?,
                Content::File(stored) => {
                    file.copy(stored.path())?;
                    if stored.is_program() {
                        file.make_program()?;
                    }
                }
            }
            file.finish()
        });
        written.map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
    }
    Ok(())
}
