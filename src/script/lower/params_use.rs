//! Finds the commands that use the JSON file of their parameters. To write it takes an eighth of the time of a short
//! command, so the others do without.

use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::task::PlanTask;
use crate::script::plan::template::{Fill, Template, TemplatePart};

/// The environment variable with the path of the file.
const VARIABLE: &str = "DTASK_PARAMS";

/// Whether the command of a task, its environment or its input names the file: `{dtask.params}` or `DTASK_PARAMS`.
pub(super) fn names_params(task: &PlanTask) -> bool {
    let own = task.action.templates().into_iter();
    let mut all = own.chain(task.env.iter().map(|(_, value)| value)).chain(&task.stdin);
    all.any(names)
}

fn names(template: &Template) -> bool {
    template.parts.iter().any(|part| match part {
        TemplatePart::Text(text) => text.contains(VARIABLE),
        TemplatePart::Fill { what, .. } => is_file(what),
    })
}

fn is_file(what: &Fill) -> bool {
    match what {
        Fill::Fact(fact) => *fact == RuntimeVar::Params,
        Fill::Constant(text) => text.contains(VARIABLE),
        Fill::First(all) => all.iter().any(is_file),
        _ => false,
    }
}
