//! Fingerprints: the key of an instance is a 128-bit hash of the work it does and of the inputs it reads.
//!
//! Two instances with one key give the same result, wherever and whenever they run. Into a key go the action after
//! substitution, the environment that it sets, the names of its outputs, and the keys of its inputs: other instances by
//! their own keys, files by size and time of modification. Values that change from run to run (rank, host, scratch
//! folder, attempt, place of the script) are left out. Start at [`Fingerprints::of`].

use std::collections::HashMap;
use std::fs::Metadata;
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::task::{NameSource, PlanTask, TaskAction};
use super::template::{RenderScope, StdinPiece, Template};
use crate::script::plan::Plan;
use crate::script::plan::runtime_vars::RuntimeVars;
use crate::script::plan::task::{CallArg, MapReduceInput, ReduceStage};
use crate::script::values::value::ScriptValue;

/// Computes the keys of a plan's instances. A key is a hash of an instance's work and inputs, by which its result is
/// recognized. The keys of a task are computed all at once, when the first of them is asked for.
#[derive(Debug)]
pub(crate) struct Fingerprints<'p> {
    plan: &'p Plan,
    known: Vec<Option<Vec<u128>>>,
    files: HashMap<String, Option<(u64, u128)>>,
}

impl<'p> Fingerprints<'p> {
    /// Creates the object that computes the keys of a plan's instances. No key is computed yet.
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Fingerprints { plan, known: vec![None; plan.tasks.len()], files: HashMap::new() }
    }

    /// Returns the keys of a task's instances in the order of their indices. Keys that were not asked for before are
    /// computed now.
    pub(crate) fn of(&mut self, task: usize) -> &[u128] {
        let mut needed = vec![false; self.plan.tasks.len()];
        if let Some(needed) = needed.get_mut(task) {
            *needed = true;
        }
        // In a plan, a task comes after the tasks that it needs. So from the last task to the first, all that need a
        // task have marked it before its turn.
        for at in (0..needed.len()).rev().filter(|at| *at <= task) {
            if needed[at] && self.known[at].is_none() {
                self.plan.tasks[at].references.iter().for_each(|reference| needed[reference.task] = true);
            }
        }
        for at in needed.iter().enumerate().filter(|(_, needed)| **needed).map(|(at, _)| at) {
            if self.known[at].is_none() {
                let task = &self.plan.tasks[at];
                let keys = (0..task.family.len()).map(|instance| self.key(task, instance)).collect();
                self.known[at] = Some(keys);
            }
        }
        self.known.get(task).and_then(Option::as_deref).unwrap_or_default()
    }

    fn key(&mut self, task: &PlanTask, instance: u64) -> u128 {
        let mut hash = Hash(Xxh3::new());
        let values = task.family.bindings(instance);
        let inputs: Vec<Vec<String>> = task
            .references
            .iter()
            .map(|reference| {
                let other = self.known.get(reference.task).and_then(Option::as_deref).unwrap_or_default();
                let key = |at: u64| other.get(at as usize).copied().unwrap_or_default();
                reference.instances(instance).map(|at| format!("{:032x}", key(at))).collect()
            })
            .collect();
        let outs: Vec<String> = (0..task.outs.len()).map(|number| format!("out{number}")).collect();
        let seed = xxh3_64_with_seed(task.name.as_bytes(), instance);
        let facts = RuntimeVars { index: instance, seed, here: ".".into(), ..RuntimeVars::default() };
        let env = |name: &str| std::env::var(name).ok();
        let scope = RenderScope { values: &values, inputs: &inputs, outs: &outs, facts: &facts, env: &env };
        self.action(task, &scope, &mut hash);
        for (name, value) in &task.env {
            hash.text(name);
            hash.template(value, &scope);
        }
        for out in &task.outs {
            hash.text(out.name.as_deref().unwrap_or_default());
            hash.template(&out.file, &scope);
        }
        for target in &task.targets {
            hash.template(target, &scope);
        }
        for piece in task.stdin.iter().flat_map(|stdin| stdin.render_stdin(&scope).unwrap_or_default()) {
            match piece {
                StdinPiece::Text(text) => hash.text(&text),
                piece => hash.text(&format!("{piece:?}")),
            }
        }
        for (reference, keys) in task.references.iter().zip(&inputs) {
            hash.text(&format!("{:?}", reference.select));
            keys.iter().for_each(|key| hash.text(key));
        }
        for value in &values {
            hash.text(&value.to_string());
            if let ScriptValue::Path(path) = value {
                self.file(path, &mut hash);
            }
        }
        hash.0.digest128()
    }

    fn action(&mut self, task: &PlanTask, scope: &RenderScope<'_>, hash: &mut Hash) {
        match &task.action {
            TaskAction::Run { .. } | TaskAction::Shell { .. } => self.command(&task.action, scope, hash),
            TaskAction::Merge { command, order, .. } => {
                hash.text(&format!("merge {order:?}"));
                self.command(command, scope, hash);
            }
            TaskAction::MapReduce(work) => {
                hash.text("mapreduce");
                if let MapReduceInput::Files(files) = &work.input {
                    for file in files {
                        hash.text(file);
                        self.file(file, hash);
                    }
                }
                hash.number(work.split);
                hash.number(task.family.len());
                for stage in [Some(work.map.name()), work.combine.as_ref().map(ReduceStage::name)] {
                    hash.text(&stage.unwrap_or_default());
                }
                hash.text(&work.reduce.name());
                work.commands().for_each(|command| self.command(command, scope, hash));
            }
            TaskAction::Array { text, names, .. } => {
                hash.text("array");
                hash.text(text);
                for name in names {
                    hash.text(&name.name);
                    hash.binding(&name.binding, scope);
                }
                // Without a `seed`, the numbers of `random` depend on the task's name and the instance's index.
                hash.text(&task.name);
                hash.number(scope.facts.index);
            }
            TaskAction::Call { function, args } => {
                hash.text("call");
                hash.text(function);
                for (name, arg) in args {
                    hash.text(name);
                    match arg {
                        CallArg::Value(value) => hash.text(&value.to_string()),
                        CallArg::Text(text) => hash.template(text, scope),
                        CallArg::Binding(binding) => hash.binding(binding, scope),
                    }
                }
            }
            other => hash.text(&format!("{other:?}")),
        }
    }

    fn command(&mut self, action: &TaskAction, scope: &RenderScope<'_>, hash: &mut Hash) {
        match action {
            TaskAction::Run { argv } => {
                hash.text("run");
                for (at, word) in argv.iter().enumerate() {
                    hash.template(word, scope);
                    // A program that is named by a path is often the user's own, and rebuilt between two runs. So it
                    // counts as an input.
                    if let Some(program) = word.as_literal().filter(|word| at == 0 && word.contains('/')) {
                        self.file(&program, hash);
                    }
                }
            }
            TaskAction::Shell { interpreter, script } => {
                hash.text("shell");
                interpreter.iter().for_each(|word| hash.text(word));
                hash.template(script, scope);
            }
            _ => {}
        }
    }

    fn file(&mut self, path: &str, hash: &mut Hash) {
        let stamp = self.files.entry(path.to_string()).or_insert_with(|| {
            let stamp = |meta: Metadata| {
                let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
                Some((meta.len(), changed.as_nanos()))
            };
            std::fs::metadata(self.plan.dir.join(path)).ok().and_then(stamp)
        });
        hash.text(&format!("{stamp:?}"));
    }
}

/// A hash of a sequence of texts. Each text is preceded by its length, so that `ab`, `c` differs from `a`, `bc`.
struct Hash(Xxh3);

impl Hash {
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn binding(&mut self, binding: &NameSource, scope: &RenderScope<'_>) {
        match binding {
            NameSource::Param(at) => {
                self.text(&scope.values.get(*at).map(ScriptValue::to_string).unwrap_or_default())
            }
            NameSource::Var(value) => self.text(&value.to_string()),
            NameSource::Input(at) => self.number(*at as u64),
            NameSource::Fact(fact) => self.text(&scope.facts.get(*fact).to_string()),
            NameSource::First(all) => all.iter().for_each(|binding| self.binding(binding, scope)),
        }
    }

    fn template(&mut self, template: &Template, scope: &RenderScope<'_>) {
        match template.render_args(scope) {
            Ok(words) => words.iter().for_each(|word| self.text(word)),
            // A template that cannot be filled in fails when it runs. Until then all such templates are alike.
            Err(error) => self.text(&error.to_string()),
        }
    }
}
