//! The driver of the compiler: runs all phases, from the file of a script to its plan.

use crate::script::options::LoadOptions;
use std::path::{Path, PathBuf};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector, Diagnostics};
use crate::script::diagnostics::source::ScriptSource;
use crate::script::lint::{array_shapes, save_paths, scale, unused, unused_params, unwritable, walltime};
use crate::script::lower::task::Compiler;
use crate::script::lower::toposort;
use crate::script::plan::Plan;
use crate::script::plan::condition::note_skippable;
use crate::script::plan::task::PlanTask;
use crate::script::sweep::expand::Sweeps;
use crate::script::sweep::user_files;
use crate::script::syntax::script::{RawScript, RawTask};
use crate::script::syntax::symbols::Symbols;
use crate::script::syntax::top_level;
use crate::script::values::policy::Policy;
use crate::script::values::resources::JobCounter;
use crate::script::values::settings::RunSettings;

/// Reads and checks the script at `path`, and compiles it to a plan. `sets` are the overrides of `--set`, as names and
/// values; `options` chooses the checks that depend on this machine and on the job.
pub(crate) fn load(
    path: &Path,
    sets: &[(String, String)],
    options: LoadOptions,
) -> Result<Plan, Diagnostics> {
    match ScriptSource::read(path) {
        Ok(source) => {
            let mut cx = DiagnosticCollector::new(source);
            scale::writable(path, &mut cx);
            finish(cx, sets, options)
        }
        Err(error) => {
            let source = ScriptSource::new(path.display().to_string(), PathBuf::new(), "");
            let code = user_files::code(&error);
            let list = vec![Diagnostic::nowhere(code, format!("cannot read {}: {error}", path.display()))];
            Err(Diagnostics { source, list, left_out: 0 })
        }
    }
}

/// Checks a script whose text is in memory, and compiles it to a plan. `sets` are the overrides of `--set`, as names
/// and values; `options` chooses the checks that depend on this machine and on the job.
pub fn parse(
    source: ScriptSource,
    sets: &[(String, String)],
    options: LoadOptions,
) -> Result<Plan, Diagnostics> {
    finish(DiagnosticCollector::new(source), sets, options)
}

fn finish(
    mut cx: DiagnosticCollector,
    sets: &[(String, String)],
    options: LoadOptions,
) -> Result<Plan, Diagnostics> {
    let path = PathBuf::from(cx.source.shown());
    let dir = cx.source.dir().to_path_buf();
    let plan = understand(&path, sets, options, &mut cx);
    let warnings = cx.finish()?;
    let Understood { name, policy, settings, counters, tasks } = plan.unwrap_or_default();
    Ok(Plan { name, dir, path, policy, settings, counters, tasks, warnings })
}

/// The content of a script, apart from the paths and the warnings of its [`Plan`].
#[derive(Default)]
struct Understood {
    name: String,
    policy: Policy,
    settings: RunSettings,
    counters: Vec<JobCounter>,
    tasks: Vec<PlanTask>,
}

fn understand(
    path: &Path,
    sets: &[(String, String)],
    options: LoadOptions,
    cx: &mut DiagnosticCollector,
) -> Option<Understood> {
    let script = top_level::read(cx)?;
    let names = Symbols::collect(&script, sets, cx);
    let sweeps = Sweeps::collect(&script, &names, cx);
    let (check_paths, only, time_limit) = (options.check_paths, options.only.clone(), options.time_limit);
    let host_groups =
        script.tasks.iter().filter_map(|task| Some(task.needs.host_of()?.value.clone())).collect();
    let compiler = Compiler { script: &script, names: &names, sweeps: &sweeps, options, host_groups };
    let mut told = Vec::with_capacity(script.tasks.len());
    let mut compiled: Vec<_> = (0..script.tasks.len())
        .map(|at| {
            let first = cx.kept();
            let task = compiler.task(at, cx);
            told.push(first..cx.kept());
            task
        })
        .collect();
    let needed = needed(&script, &compiled, &only);
    let others: Vec<_> =
        told.into_iter().zip(&needed).filter(|(_, needed)| !**needed).map(|(at, _)| at).collect();
    // what does not run needs no variables of the environment
    cx.withdraw(&[Code::NoVariable, Code::NoVariableHere], &others);
    compiler.check_joins(&compiled, cx);
    compiled.iter_mut().enumerate().filter(|(at, _)| compiler.is_off(*at)).for_each(|(_, task)| *task = None);
    save_paths::check(&script, &names, &sweeps, &compiled, cx);
    if check_paths {
        unwritable::check(&script, &compiled, &needed, cx);
    }
    unused::check(&script, &compiled, cx);
    unused_params::check(&script, &sweeps, &compiled, cx);
    scale::check(&script, &compiled, cx);
    walltime::check(&script, time_limit, cx);
    let order = toposort::sort(&script, &mut compiled, cx);
    let stem =
        || path.file_stem().map_or_else(|| "script".to_string(), |stem| stem.to_string_lossy().into_owned());
    let name = script.name.as_ref().map_or_else(stem, |name| name.value.clone());
    let mut tasks = toposort::arrange(compiled, &order);
    note_skippable(&mut tasks);
    if cx.errors() == 0 {
        array_shapes::check(&script, &tasks, cx);
    }
    let counters = script.resources.iter().map(|resource| resource.counter()).collect();
    Some(Understood { name, policy: script.policy, settings: script.settings, counters, tasks })
}

/// Which tasks run: those of `only` and all that they need, directly or by other tasks; every task if it is empty.
fn needed(script: &RawScript, tasks: &[Option<PlanTask>], only: &[String]) -> Vec<bool> {
    if only.is_empty() {
        return vec![true; tasks.len()];
    }
    let mut needed = vec![false; tasks.len()];
    let named = |task: &RawTask| only.contains(&task.name.value);
    let mut next: Vec<usize> =
        (0..tasks.len()).filter(|at| script.tasks.get(*at).is_some_and(named)).collect();
    while let Some(at) = next.pop() {
        if needed.get(at) == Some(&false) {
            needed[at] = true;
            let task = tasks.get(at).and_then(Option::as_ref);
            next.extend(task.iter().flat_map(|task| &task.references).map(|reference| reference.task));
        }
    }
    needed
}
