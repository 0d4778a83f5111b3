//! The inputs of an instance: results of other tasks, which the engine passes as a flat list of arguments.

use crate::arrays::text;
use crate::batch::artifact::{Absence, Artifact};
use crate::batch::outputs;
use crate::batch::task_def::{Group, TaskDef};
use crate::commands::outputs::Content;
use crate::commands::{StagedInput, stage_inputs};
use crate::error::Failure;
use crate::script::plan::task::Select;
use std::borrow::Cow;
use std::path::Path;

/// An input of a command: the name of a file, and the content of the file.
pub(crate) type NamedFile<'a> = (Cow<'a, str>, StagedInput<'a>);

/// The results of other tasks that an instance gets, split into groups: one group for each task that it reads.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    def: &'a TaskDef,
    groups: Vec<&'a [Artifact]>,
    /// The result of the instance itself, where its `until` is evaluated.
    own: Option<&'a Artifact>,
    /// Whether the verdict on the instance before, in a loop that stops, is that the loop has stopped.
    is_behind: bool,
}

impl<'a> Inputs<'a> {
    /// Splits `inputs`, the flat list of results that the engine passes, into the groups of the definition `def`.
    ///
    /// # Errors
    /// When the number of arguments is wrong.
    pub(crate) fn new(def: &'a TaskDef, index: u64, mut inputs: &'a [Artifact]) -> Result<Self, Failure> {
        let wrong = || Failure::new("internal error: an instance got other inputs than it should");
        let mut groups = Vec::with_capacity(def.groups.len());
        for group in &def.groups {
            let count = if !group.is_read(index) {
                0
            } else if group.without.is_empty() {
                // for the last instances of loops, the join gives one for each loop
                usize::try_from(group.join.instances(index).remaining()).map_err(|_| wrong())?
            } else {
                group.present(index).count()
            };
            let (own, rest) = inputs.split_at_checked(count).ok_or_else(wrong)?;
            inputs = rest;
            groups.push(own);
        }
        let is_behind = match inputs {
            [] => false,
            [verdict] if def.task.until.is_some() => verdict.is_absent(),
            _ => return Err(wrong()),
        };
        Ok(Inputs { def, groups, own: None, is_behind })
    }

    /// Makes the inputs of the condition of `until`: the result of the instance itself.
    pub(crate) fn own(def: &'a TaskDef, own: &'a Artifact) -> Self {
        Inputs { def, groups: Vec::new(), own: Some(own), is_behind: false }
    }

    /// The result of the instance itself, where its `until` is evaluated.
    pub(crate) fn own_result(&self) -> Option<&'a Artifact> {
        self.own
    }

    /// Whether the instance is behind the end of its loop, so that it is not needed.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// The group of results that a reference of the task (such as `{sim.stdout}`, by its number) names, and the results
    /// themselves, without those of instances that were skipped.
    ///
    /// # Errors
    /// When the reference has no group.
    pub(crate) fn results(&self, reference: usize) -> Result<(&'a Group, Vec<&'a Artifact>), Failure> {
        let at = self.def.sources.get(reference).copied().flatten();
        let found = at.and_then(|at| Some((self.def.groups.get(at)?, *self.groups.get(at)?)));
        let (group, all) =
            found.ok_or_else(|| Failure::new("internal error: a reference without results"))?;
        Ok((group, all.iter().filter(|result| !result.is_absent()).collect()))
    }

    /// The reason why an instance that has to be there did not run, so that the reading one does not run either.
    ///
    /// # Errors
    /// When a reference has no group.
    pub(crate) fn lacks_one(&self) -> Result<Option<Absence>, Failure> {
        if !self.def.task.skippable {
            return Ok(None);
        }
        let references = &self.def.task.references;
        let is_there = |at: usize| Ok::<bool, Failure>(!self.results(at)?.1.is_empty());
        for (at, reference) in references.iter().enumerate() {
            if reference.optional || reference.is_gather() || reference.list || reference.is_order() {
                continue;
            }
            let before: Result<Vec<bool>, Failure> =
                reference.instead_of.iter().map(|before| is_there(*before)).collect();
            if !before?.contains(&true) && !is_there(at)? {
                return Ok(Some(self.why_absent(at).unwrap_or(Absence::Skipped)));
            }
        }
        Ok(None)
    }

    fn why_absent(&self, reference: usize) -> Option<Absence> {
        let group = self.def.sources.get(reference).copied().flatten()?;
        self.groups.get(group)?.iter().find_map(|result| match result {
            Artifact::Absent(absence) => Some(*absence),
            Artifact::Outputs(_) | Artifact::Array(_) => None,
        })
    }

    /// The contents that a reference of the task names, in index order of the instances, each with the name of its
    /// file. An array has its printed form as content.
    ///
    /// # Errors
    /// When an output was damaged on its way.
    pub(crate) fn files(&self, reference: usize) -> Result<Vec<NamedFile<'a>>, Failure> {
        let which = match self.def.task.references.get(reference).map(|reference| reference.select) {
            Some(Select::File(number)) => outputs::file(number),
            _ => outputs::STDOUT,
        };
        self.results(reference)?.1.into_iter().map(|result| named_file(result, which)).collect()
    }

    /// Writes the inputs that the command reads as files into its directory `scratch`. Returns their paths by number of
    /// the reference, in index order of the instances.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn stage(&self, scratch: &Path) -> Result<Vec<Vec<String>>, Failure> {
        let mut paths = vec![Vec::new(); self.def.staged.len()];
        for (reference, paths) in paths.iter_mut().enumerate().filter(|(at, _)| self.def.staged[*at]) {
            let files = self.files(reference)?;
            // one directory for each file, so that files with equal names can keep them
            let named = files.into_iter().enumerate().map(|(at, (name, input))| {
                let name = Path::new(&*name).file_name().map_or("file".into(), |name| name.to_string_lossy());
                (format!(".in/{reference}/{at}/{name}"), input)
            });
            let staged = stage_inputs(scratch, named)?;
            *paths = staged.iter().map(|path| path.display().to_string()).collect();
            if self.def.task.references.get(reference).is_some_and(|reference| reference.list) {
                let list = scratch.join(format!(".in/{reference}/list.txt"));
                let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
                let written = std::fs::create_dir_all(list.parent().unwrap_or(scratch))
                    .and_then(|()| std::fs::write(&list, lines));
                written.map_err(|error| {
                    let list = list.display();
                    Failure::new(format!("the list of inputs `{list}` in scratch cannot be written: {error}"))
                })?;
                *paths = vec![list.display().to_string()];
            }
        }
        Ok(paths)
    }
}

/// The output of a result that has the number `which`, with the name of its file. An array has its printed form as
/// content.
///
/// # Errors
/// When there is no such output, or it was damaged on its way.
pub(crate) fn named_file(result: &Artifact, which: u32) -> Result<NamedFile<'_>, Failure> {
    match result {
        Artifact::Outputs(outputs) => {
            let output = outputs.output(which)?;
            let input = match output.content {
                Content::Memory(bytes) => StagedInput::Bytes(bytes.into()),
                Content::File(file) => StagedInput::File(file),
            };
            Ok((Cow::Borrowed(output.name), input))
        }
        Artifact::Absent(_) => Err(Failure::new("internal error: a result that is not there")),
        Artifact::Array(array) => {
            Ok(("array.txt".into(), StagedInput::Bytes(text::to_text(array).into_bytes().into())))
        }
    }
}
