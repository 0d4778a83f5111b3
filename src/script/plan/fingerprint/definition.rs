//! Makes the key plan of a plan: selects the parts of each task's definition that decide what its instances compute.

use crate::arrays::slab;
use crate::script::plan::Plan;
use crate::script::plan::execution::Dir;
use crate::script::plan::fingerprint::key_plan::{FileState, KeyPlan, KeyReference, KeyTask};
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::task::{CallArg, MapReduceInput, NameSource, PlanTask, ReduceStage, TaskAction};
use crate::script::plan::template::{Fill, Template, TemplatePart};
use crate::script::sweep::family::Sweep;
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::ScriptValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

impl KeyPlan {
    /// Makes the key plan of a plan, and looks at the files that instances read.
    pub(crate) fn of(plan: &Plan) -> KeyPlan {
        let written = written(plan);
        let tasks = plan.tasks.iter().map(|task| key_task(plan, task, &written));
        let mut keys = KeyPlan { tasks: tasks.collect() };
        keys.close();
        keys
    }
}

/// A part of a task's definition while it is being hashed, with the properties of an instance that it names.
struct PartHash<'p> {
    family: &'p Sweep,
    bytes: Vec<u8>,
    /// Whether each parameter of the task is named in the part.
    named: Vec<bool>,
    by_index: bool,
}

/// The files with fixed names into which tasks save. Such a file does not count as an input, although tasks may read
/// it: the script itself changes it.
fn written(plan: &Plan) -> BTreeSet<String> {
    let saves = plan.tasks.iter().flat_map(|task| &task.saves);
    let names = saves.filter_map(|save| match save.path.parts.first()? {
        TemplatePart::Text(text) => {
            Some(slab::split(text).map_or(text.as_str(), |(file, _)| file).to_owned())
        }
        TemplatePart::Fill { .. } => None,
    });
    names.collect()
}

/// Finds the files that an array expression loads, among its string literals, the variables that it names, and the
/// blocks of datasets that parameters stand for.
fn loaded(plan: &Plan, task: &PlanTask, written: &BTreeSet<String>) -> Vec<String> {
    let TaskAction::Array { text, names, .. } = &task.action else { return Vec::new() };
    let literals = text.split('"').skip(1).step_by(2).map(str::to_owned);
    let values = names.iter().filter_map(|name| match &name.binding {
        NameSource::Var(value) => Some(value.to_string()),
        _ => None,
    });
    let first = |values: &ParamValues| {
        if let ParamValues::List(list) = values { list.first().cloned() } else { None }
    };
    let blocks = task.family.params().iter().filter_map(|param| {
        let value = first(&param.values)?.to_string();
        slab::split(&value).map(|(file, _)| file.to_owned())
    });
    let mut files: Vec<String> = literals.chain(values).chain(blocks).collect();
    files.sort();
    files.dedup();
    files.retain(|file| !written.contains(file) && plan.dir.join(file).is_file());
    files
}

fn key_task(plan: &Plan, task: &PlanTask, written: &BTreeSet<String>) -> KeyTask {
    let family = &task.family;
    let count = family.params().len() + family.derived().len();
    let mut hash = PartHash { family, bytes: Vec::new(), named: vec![false; count], by_index: false };
    let mut parts: Vec<(String, u128)> = Vec::new();
    let mut part = |name: &str, hash: &mut PartHash<'_>| {
        let bytes = std::mem::take(&mut hash.bytes);
        if !bytes.is_empty() {
            parts.push((name.to_owned(), xxh3_128(&bytes)));
        }
    };
    let mut common = loaded(plan, task, written);
    let name = hash.action(task, &task.action, &mut common);
    part(name, &mut hash);
    for (name, value) in &task.env {
        hash.text(name);
        hash.template(value);
    }
    part("env", &mut hash);
    for out in &task.outs {
        hash.text(out.name.as_deref().unwrap_or_default());
        hash.template(&out.file);
    }
    part("out", &mut hash);
    task.targets.iter().for_each(|target| hash.template(target));
    part("target", &mut hash);
    task.stdin.iter().for_each(|stdin| hash.template(stdin));
    part("stdin", &mut hash);
    match &task.execution.dir {
        Dir::Here => {}
        Dir::Scratch => hash.text("scratch"),
        Dir::Path(path) => hash.template(path),
    }
    part("dir", &mut hash);
    if task.execution.clean_env {
        hash.text("clean");
    }
    part("clean-env", &mut hash);
    if let Some(ranks) = task.needs.ranks {
        hash.text(&ranks.to_string());
    }
    part("ranks", &mut hash);
    if let Some(when) = &task.when {
        hash.text(&when.text);
        for name in &when.names {
            hash.text(&name.name);
            hash.name_source(&name.binding);
        }
    }
    part("when", &mut hash);
    if let Some(until) = &task.until {
        hash.text(&until.condition.text);
        hash.text(&until.along);
        until.condition.names.iter().for_each(|name| hash.name_source(&name.binding));
        part("until", &mut hash);
    }
    for reference in &task.references {
        let other = plan.tasks.get(reference.task).map_or("", |other| other.name.as_str());
        hash.text(other);
        if reference.last {
            hash.text("last");
        }
        hash.text(&format!("{:?} {}", reference.select, reference.list));
    }
    part("the tasks that it reads", &mut hash);
    let (named, by_index) = (hash.named, hash.by_index);
    let counts = counts(family, &named);
    let mut files: BTreeMap<String, FileState> = BTreeMap::new();
    let mut look = |path: &str| {
        files.entry(path.to_owned()).or_insert_with(|| FileState::of(&plan.dir.join(path)));
    };
    common.iter().for_each(|path| look(path));
    paths_of(family, &counts).iter().for_each(|path| look(path));
    let mut base = Vec::new();
    for (name, hash) in &parts {
        base.extend_from_slice(name.as_bytes());
        base.extend_from_slice(&hash.to_le_bytes());
    }
    for path in &common {
        base.extend_from_slice(path.as_bytes());
        base.extend(files.get(path).map(|file| file.hash().to_le_bytes()).unwrap_or_default());
    }
    let references = task.references.iter();
    let references = references.map(|reference| KeyReference {
        task: reference.task,
        select: reference.select,
        join: reference.join.clone(),
        instead_of: reference.instead_of.clone(),
    });
    KeyTask {
        knot: task.knot,
        name: task.name.clone(),
        parts,
        base: xxh3_128(&base),
        digest: 0,
        family: family.clone(),
        counts,
        by_index,
        references: references.collect(),
        files,
        common,
    }
}

/// Whether the values of each parameter are part of an instance's key. All are, except for row numbers of tables that
/// no text names.
fn counts(family: &Sweep, named: &[bool]) -> Vec<bool> {
    let params = family.params();
    let is_table = |at: usize| {
        let Some(own) = params.get(at).filter(|param| !param.column) else { return false };
        let columns = params.iter().filter(|param| param.column);
        columns
            .filter_map(|param| param.name.strip_prefix(own.name.as_str()))
            .any(|rest| rest.starts_with('.'))
    };
    (0..params.len() + family.derived().len()).map(|at| named[at] || !is_table(at)).collect()
}

/// The paths among the values of those parameters of a family that are part of the key.
fn paths_of(family: &Sweep, counts: &[bool]) -> Vec<String> {
    let path =
        |value: &ScriptValue| if let ScriptValue::Path(path) = value { Some(path.clone()) } else { None };
    let lists = family.params().iter().zip(counts).filter(|(_, counts)| **counts);
    let lists = lists.filter_map(|(param, _)| match &param.values {
        ParamValues::List(values) => Some(values),
        ParamValues::Range(_) | ParamValues::Spaced(_) => None,
    });
    let rows = family.inner().rows.iter().flatten();
    lists.flat_map(|values| values.iter()).chain(rows).filter_map(path).collect()
}

impl PartHash<'_> {
    fn text(&mut self, text: &str) {
        // the length first, so that `ab`, `c` differs from `a`, `bc`
        self.bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Hashes a template: its fixed text, in which variables are filled in already, and its references by name.
    fn template(&mut self, template: &Template) {
        let mut fixed = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(text) => fixed.push_str(text),
                TemplatePart::Fill { what, format, quote } => {
                    self.text(&std::mem::take(&mut fixed));
                    self.text(&format!("{format:?} {quote:?}"));
                    self.fill(what);
                }
            }
        }
        self.text(&fixed);
    }

    fn fill(&mut self, what: &Fill) {
        match what {
            Fill::Param(at, part) => {
                self.param(*at);
                self.text(&format!("{part:?}"));
            }
            Fill::Fact(fact) => self.fact(*fact),
            Fill::Env(name) => {
                self.text(name);
                self.text(&format!("{:?}", std::env::var(name).ok()));
            }
            Fill::First(all) => all.iter().for_each(|what| self.fill(what)),
            other => self.text(&format!("{other:?}")),
        }
    }

    fn param(&mut self, at: usize) {
        if let Some(named) = self.named.get_mut(at) {
            *named = true;
        }
        let plain = self.family.params().get(at).map(|param| param.name.as_str());
        let derived = at.checked_sub(self.family.params().len());
        let derived =
            derived.and_then(|at| self.family.derived().get(at)).map(|derived| derived.name.as_str());
        self.text(plain.or(derived).unwrap_or_default());
    }

    fn fact(&mut self, fact: RuntimeVar) {
        self.by_index |= fact.is_fixed();
        self.text(&format!("{fact:?}"));
    }

    fn name_source(&mut self, source: &NameSource) {
        match source {
            NameSource::Param(at) => self.param(*at),
            NameSource::Var(value) => self.text(&format!("{value:?}")),
            NameSource::Input(at) => self.text(&at.to_string()),
            NameSource::Fact(fact) => self.fact(*fact),
            NameSource::First(all) => all.iter().for_each(|source| self.name_source(source)),
            NameSource::Own(select) => self.text(&format!("own {select:?}")),
        }
    }

    /// Hashes an action, and adds the files that all instances read to `files`. Returns the action's key in the script,
    /// such as `run`.
    fn action(&mut self, task: &PlanTask, action: &TaskAction, files: &mut Vec<String>) -> &'static str {
        match action {
            TaskAction::Run { argv } => {
                self.text("run");
                argv.iter().for_each(|word| self.template(word));
                // a program that is named by a path is an input, since users rebuild their programs
                let program = argv.first().and_then(Template::as_literal).filter(|word| word.contains('/'));
                files.extend(program.filter(|path| is_own(path)));
                files.extend(argv.iter().filter_map(beside_the_script));
                "run"
            }
            TaskAction::Shell { interpreter, script } => {
                self.text("shell");
                interpreter.iter().for_each(|word| self.template(word));
                self.template(script);
                "shell"
            }
            TaskAction::Merge { command, order, .. } => {
                self.text(&format!("merge {order:?}"));
                self.action(task, command, files);
                "reduce"
            }
            TaskAction::MapReduce(work) => {
                self.text("mapreduce");
                if let MapReduceInput::Files(inputs) = &work.input {
                    inputs.iter().for_each(|file| self.text(file));
                    files.extend(inputs.iter().cloned());
                }
                self.text(&format!("{} {}", work.split, task.family.len()));
                self.text(&work.map.name());
                self.text(&work.combine.as_ref().map(ReduceStage::name).unwrap_or_default());
                self.text(&work.reduce.name());
                for command in work.commands() {
                    self.action(task, command, files);
                }
                "mapreduce"
            }
            TaskAction::Array { text, names, .. } => {
                self.text("array");
                self.text(text);
                for name in names {
                    self.text(&name.name);
                    self.name_source(&name.binding);
                }
                // `random` without a seed depends on the task's name and the instance's index
                if text.contains("random") {
                    self.text(&task.name);
                    self.by_index = true;
                }
                "array"
            }
            TaskAction::Call { function, args } => {
                self.text("call");
                self.text(function);
                for (name, arg) in args {
                    self.text(name);
                    match arg {
                        CallArg::Value(value) => self.text(&format!("{value:?}")),
                        CallArg::Text(text) => self.template(text),
                        CallArg::Binding(source) => self.name_source(source),
                    }
                }
                "call"
            }
            TaskAction::Reduce { of, with, arity, order } => {
                self.text(&format!("reduce {of} {with:?} {arity} {order:?}"));
                "reduce"
            }
        }
    }
}

/// The file that a word `{dtask.here}/name` names, of the script's folder.
fn beside_the_script(word: &Template) -> Option<String> {
    match &word.parts[..] {
        [TemplatePart::Fill { what: Fill::Fact(RuntimeVar::Here), .. }, TemplatePart::Text(name)] => {
            name.strip_prefix('/').map(str::to_owned)
        }
        _ => None,
    }
}

/// Whether a program belongs to the user. The system's programs do not count as inputs, since updates change them.
fn is_own(path: &str) -> bool {
    !["/bin/", "/usr/", "/sbin/", "/lib/"].iter().any(|system| Path::new(path).starts_with(system))
}
