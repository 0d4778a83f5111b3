//! The paths of the files that instances write for the user, and what can be read back from them.

use crate::arrays::slab;
use crate::batch::outputs;
use crate::batch::rank::saved_results::SavedOutput;
use crate::batch::task_def::facts;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, Select, StreamTarget, TaskAction};
use crate::script::plan::template::{RenderScope, Template};
use std::path::Path;

/// Renders a path of an instance, relative to the script's folder. `None` if a value in it is not known before the run.
pub(super) fn render(plan: &Plan, task: &PlanTask, template: &Template, index: u64) -> Option<String> {
    if let Some(text) = template.as_literal() {
        return Some(text);
    }
    let facts = facts(task, index, &plan.dir.display().to_string());
    let values = task.family.bindings(index);
    let env = |name: &str| std::env::var(name).ok();
    let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    template.render(&scope).ok()
}

/// Whether each instance of a task writes files of its own, by `save` or `target`.
pub(crate) fn writes_own(task: &PlanTask) -> bool {
    !task.targets.is_empty() || task.saves.iter().any(|save| !is_dataset(task, &save.path))
}

/// The paths of the files that only this instance writes; `None` for one that cannot be rendered.
pub(crate) fn own(plan: &Plan, task: &PlanTask, index: u64) -> Vec<Option<String>> {
    let saves = task.saves.iter().filter(|save| !is_dataset(task, &save.path)).map(|save| &save.path);
    saves.chain(&task.targets).map(|template| render(plan, task, template, index)).collect()
}

/// The number of the `save` that keeps an output of a command, from which later runs can read it; `None` if no `save`
/// does.
pub(super) fn save_of(task: &PlanTask, select: Select) -> Option<usize> {
    let is_command = task.action.is_command() && !matches!(task.action, TaskAction::MapReduce(_));
    task.saves.iter().position(|save| is_command && save.select == select)
}

/// The outputs of an instance among `wanted` that were saved, with their files.
pub(crate) fn saved_outputs(plan: &Plan, number: usize, index: u64, wanted: &[u32]) -> Vec<SavedOutput> {
    let Some(task) = plan.tasks.get(number) else { return Vec::new() };
    let saved = |which: &u32| {
        let (select, name) = match *which {
            outputs::STDOUT => (Select::Stdout, "stdout".to_owned()),
            which => {
                let at = (which as usize).checked_sub(outputs::file(0) as usize)?;
                (Select::File(at), render(plan, task, &task.outs.get(at)?.file, index)?)
            }
        };
        let save = task.saves.get(save_of(task, select)?)?;
        let path = plan.dir.join(render(plan, task, &save.path, index)?);
        Some(SavedOutput { which: *which, name, path })
    };
    wanted.iter().filter_map(saved).collect()
}

/// Whether a `save` of a task writes into an HDF5 file, which may have datasets of other instances too.
pub(super) fn is_dataset(task: &PlanTask, path: &Template) -> bool {
    !task.action.is_command() && render_any(path).is_some_and(|path| slab::split(&path).is_some())
}

/// Renders a template with a placeholder text for each reference, to see the form of the path.
fn render_any(template: &Template) -> Option<String> {
    use crate::script::plan::template::TemplatePart;
    let text = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.clone(),
        TemplatePart::Fill { .. } => "x".to_owned(),
    };
    Some(template.parts.iter().map(text).collect())
}

/// The templates of the files that several instances of a task may write: streams, which are appended, and HDF5 files.
pub(super) fn shared(task: &PlanTask) -> Vec<&Template> {
    let path = |stream: &'_ StreamTarget| matches!(stream, StreamTarget::Path(_));
    let mut templates = Vec::new();
    let streams = [Some(&task.stdout), task.action.is_command().then_some(&task.stderr)];
    for stream in streams.into_iter().flatten().filter(|stream| path(stream)) {
        if let StreamTarget::Path(template) = stream {
            templates.push(template);
        }
    }
    templates.extend(task.saves.iter().map(|save| &save.path).filter(|path| is_dataset(task, path)));
    templates
}

/// The name of a file in the journal: relative to the script's folder `here` if the file lies below it, else absolute.
pub(crate) fn recorded_name(here: &Path, path: &str) -> String {
    let whole = here.join(path);
    whole.strip_prefix(here).unwrap_or(&whole).display().to_string()
}

/// The path of the file itself, for a path that may name a dataset of an HDF5 file (`file.h5:/name`).
pub(super) fn file_of(path: &str, is_dataset: bool) -> &str {
    if is_dataset { slab::split(path).map_or(path, |(file, _)| file) } else { path }
}
