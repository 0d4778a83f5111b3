//! Task functions that evaluate arrays: instances of `array` and `call` tasks, and the merge steps of a `reduce`.

use super::inputs::{Inputs, named_file};
use crate::arrays::dataset;
use crate::arrays::reduce::operator::{Reduce, ReduceError};
use crate::arrays::slab::Slab;
use crate::arrays::{self, ExprError, RandomContext};
use crate::batch::artifact::{Array, Artifact};
use crate::batch::failure::{located, located_at};
use crate::batch::outputs;
use crate::batch::rank::{condition, rank_state};
use crate::batch::task_def::TaskDef;
use crate::error::Failure;
use crate::script::plan::runtime_vars::RuntimeVars;
use crate::script::plan::task::CallArg;
use crate::script::plan::task::{ArrayName, NameSource, Select, TaskAction};
use crate::script::plan::template::RenderScope;
use crate::script::values::registry::{self, Argument, CallArgs};
use crate::script::values::value::{Scalar, ScriptValue};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Evaluates an instance of an `array` or `call` task that has inputs from other tasks. A task function: the engine
/// runs it on the rank chosen by the scheduler.
///
/// # Errors
/// When the expression cannot be evaluated.
pub(crate) fn eval_array(def: &TaskDef, index: u64, inputs: &[Artifact]) -> Result<Artifact, Failure> {
    located(def, index, || evaluate(def, index, inputs))
}

/// Evaluates an instance of an `array` or `call` task without inputs. A task function, which the engine calls for each
/// instance of a part of the family. `number` counts from the first instance of that part, [`TaskDef::first`].
///
/// # Errors
/// As [`eval_array`].
pub(crate) fn eval_array_alone(def: &TaskDef, number: u64) -> Result<Artifact, Failure> {
    let index = def.first + number;
    located(def, index, || evaluate(def, index, &[]))
}

fn evaluate(def: &TaskDef, index: u64, inputs: &[Artifact]) -> Result<Artifact, Failure> {
    let inputs = Inputs::new(def, index, inputs)?;
    if let Some(absent) = condition::absence(def, index, &inputs)? {
        return Ok(absent);
    }
    let (facts, values) = (facts(def, index), def.task.family.bindings(index));
    let bound = |binding: &NameSource| bound(binding, &values, &inputs, &facts);
    match &def.task.action {
        TaskAction::Array { text, expr, names } => {
            evaluate_named(def, index, &inputs, ("array", text), expr, names).map(Artifact::from)
        }
        TaskAction::Call { function, args } => {
            let env = |name: &str| std::env::var(name).ok();
            let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
            let mut all = Vec::with_capacity(args.len());
            for (name, arg) in args {
                let argument = match arg {
                    CallArg::Value(value) => Argument::Value(value.clone()),
                    CallArg::Text(text) => Argument::Value(ScriptValue::Text(text.render(&scope)?)),
                    CallArg::Binding(binding) => bound(binding)?.argument(),
                };
                all.push((name.as_str(), argument));
            }
            registry::call(function, &CallArgs { all }).map(Artifact::from)
        }
        _ => Err(Failure::new("internal error: no expression")),
    }
}

fn facts(def: &TaskDef, index: u64) -> RuntimeVars {
    let (rank, attempt) = rank_state::here();
    RuntimeVars {
        rank: rank.0,
        ranks: def.ranks,
        host: rank_state::host(),
        attempt: attempt.into(),
        ..def.facts(index)
    }
}

/// Evaluates an expression of an instance, which stands in the script's key `key` as `text`.
///
/// # Errors
/// When the expression has no value.
pub(crate) fn evaluate_named(
    def: &TaskDef,
    index: u64,
    inputs: &Inputs<'_>,
    (key, text): (&str, &str),
    expr: &arrays::Expr,
    names: &[ArrayName],
) -> Result<arrays::ArrayValue, Failure> {
    let (facts, values) = (facts(def, index), def.task.family.bindings(index));
    let names =
        names.iter().map(|name| Ok((name.name.as_str(), bound(&name.binding, &values, inputs, &facts)?)));
    let context = RandomContext { task: xxh3_64(def.task.name.as_bytes()), index };
    let names = ExpressionNames { bound: names.collect::<Result<_, Failure>>()?, context, here: &def.here };
    expr.eval(&names).map_err(|error| told(key, text, &error))
}

/// Looks up the value of a name in an instance's expression: a parameter, a variable, or results of another task.
fn bound<'a>(
    binding: &NameSource,
    values: &[ScriptValue],
    inputs: &Inputs<'a>,
    facts: &RuntimeVars,
) -> Result<Bound<'a>, Failure> {
    Ok(match binding {
        NameSource::Param(at) => Bound::Value(
            values.get(*at).cloned().ok_or_else(|| Failure::new("internal error: no such parameter"))?,
        ),
        NameSource::Var(value) => Bound::Value(value.clone()),
        NameSource::Fact(fact) => Bound::Value(facts.get(*fact)),
        NameSource::Input(reference) => gathered(inputs, *reference)?,
        NameSource::Own(select) => own(inputs, *select)?,
        NameSource::First(all) => {
            for source in all {
                let found = bound(source, values, inputs, facts)?;
                if !matches!(found, Bound::Missing) {
                    return Ok(found);
                }
            }
            Bound::Missing
        }
    })
}

/// Collects the results that a reference of the script names: arrays, or the contents of files that commands have
/// written.
fn gathered<'a>(inputs: &Inputs<'a>, reference: usize) -> Result<Bound<'a>, Failure> {
    let (group, results) = inputs.results(reference)?;
    if results.is_empty() && group.one {
        return Ok(Bound::Missing);
    }
    if group.is_of_arrays() {
        let arrays: Result<_, Failure> = results.iter().map(|result| result.array().cloned()).collect();
        return Ok(Bound::Arrays(arrays?, group.one));
    }
    let files = inputs.files(reference)?.into_iter().map(|(_, input)| input.bytes());
    Ok(Bound::Files(files.collect::<Result<_, _>>()?, group.one))
}

/// An output of the instance itself, in the condition of its `until`.
fn own<'a>(inputs: &Inputs<'a>, select: Select) -> Result<Bound<'a>, Failure> {
    let result = inputs.own_result().ok_or_else(|| Failure::new("internal error: no result of its own"))?;
    let which = match select {
        Select::Value => return Ok(Bound::Arrays(vec![result.array()?.clone()], true)),
        Select::File(number) => outputs::file(number),
        Select::Stdout | Select::Order => outputs::STDOUT,
    };
    Ok(Bound::Files(vec![named_file(result, which)?.1.bytes()?], true))
}

/// Turns an error of an expression into a failure for the user, whose message quotes the faulty part of `text`.
fn told(key: &str, text: &str, error: &ExprError) -> Failure {
    let part = text.get(error.range.clone()).unwrap_or_default();
    let help = error.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    Failure::new(format!("{}, at `{part}` of `{key} = \"{text}\"`{help}", error.message))
}

/// The value of a name in an expression. For results of tasks, the flag tells whether the reference is to a single
/// instance; false for a gather of a family, even if that has one instance.
enum Bound<'a> {
    Value(ScriptValue),
    Arrays(Vec<Array>, bool),
    Files(Vec<Cow<'a, [u8]>>, bool),
    /// The name refers to an instance that does not exist.
    Missing,
}

impl<'a> Bound<'a> {
    fn argument(self) -> Argument<'a> {
        match self {
            Bound::Value(value) => Argument::Value(value),
            Bound::Arrays(mut arrays, true) if arrays.len() == 1 => Argument::Array(arrays.remove(0)),
            Bound::Arrays(arrays, _) => Argument::Arrays(arrays),
            Bound::Files(mut files, true) if files.len() == 1 => Argument::Bytes(files.remove(0)),
            Bound::Files(files, _) => Argument::Files(files),
            Bound::Missing => Argument::Arrays(Vec::new()),
        }
    }
}

struct ExpressionNames<'a> {
    bound: HashMap<&'a str, Bound<'a>>,
    context: RandomContext,
    here: &'a str,
}

impl arrays::Scope for ExpressionNames<'_> {
    fn get(&self, name: &str) -> Option<arrays::Binding<'_>> {
        Some(match self.bound.get(name)? {
            Bound::Value(value) => match value.scalar() {
                Scalar::Int(number) => arrays::Binding::Int(number),
                Scalar::Float(number) => arrays::Binding::Number(number),
                Scalar::Bool(truth) => arrays::Binding::Int(i64::from(truth)),
                Scalar::Text(text) => arrays::Binding::Text(text.into()),
            },
            Bound::Arrays(arrays, true) => arrays::Binding::Array((&**arrays.first()?).into()),
            Bound::Arrays(arrays, false) => {
                arrays::Binding::List(arrays.iter().map(|array| (&**array).into()).collect())
            }
            Bound::Files(files, true) => arrays::Binding::Bytes(Cow::Borrowed(files.first()?)),
            Bound::Files(files, false) => {
                arrays::Binding::BytesList(files.iter().map(|file| Cow::Borrowed(&**file)).collect())
            }
            Bound::Missing => return None,
        })
    }

    fn is_missing(&self, name: &str) -> bool {
        matches!(self.bound.get(name), Some(Bound::Missing))
    }

    fn context(&self) -> RandomContext {
        self.context
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(Path::new(self.here).join(path))
            .map_err(|error| format!("the file `{path}` cannot be read: {error}"))
    }

    fn dataset(&self, file: arrays::File<'_>, dataset: Option<&str>) -> Result<arrays::ArrayValue, String> {
        let here = Path::new(self.here);
        match (file, dataset) {
            (arrays::File::Path(path), Some(name)) => dataset::read(&here.join(path), name, &[]),
            (arrays::File::Path(path), None) => match Slab::parse(path) {
                Some(slab) => dataset::read(&here.join(&slab.file), &slab.dataset, &slab.part),
                None => Err(format!("`{path}` names no dataset: write `load(\"{path}\", \"/dataset\")`")),
            },
            (arrays::File::Bytes(_), None) => Err("which dataset? write `load(x, \"/dataset\")`".to_owned()),
            (arrays::File::Bytes(bytes), Some(name)) => {
                // the HDF5 library can read only files, so the bytes become one in scratch
                let scratch = rank_state::scratch().map_err(|error| error.to_string())?;
                let file = scratch.path().join("dataset.h5");
                std::fs::write(&file, bytes)
                    .map_err(|error| format!("the file cannot be written to scratch: {error}"))?;
                dataset::read(&file, name, &[])
            }
        }
    }
}

/// A merge step of a reduction of arrays, as rank 0 sends it to a rank. The steps of an instance form a tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ArrayReduceStep {
    /// The number of the `reduce` task in the plan.
    pub task: u32,
    /// The index of the instance of the `reduce` task to which the step belongs.
    pub index: u64,
    /// The operation, such as addition, that merges arrays.
    pub with: Reduce,
    /// For each input, whether it is an array of the reduced family (a leaf of the tree: true) or the result of another
    /// step (false).
    pub is_leaf: Vec<bool>,
    /// The number of all arrays that the tree reduces; `Some` only for the last step, as a mean needs it.
    pub leaves: Option<u64>,
}

/// Runs a merge step of a reduction: combines the arrays `inputs` from left to right. A task function, run by the
/// engine.
///
/// # Errors
/// When the shapes of the arrays do not match.
pub(crate) fn reduce_step(step: &ArrayReduceStep, inputs: &[Artifact]) -> Result<Artifact, Failure> {
    located_at(step.task, step.index, || {
        let told = |error: ReduceError| {
            let help = error.help.map(|help| format!("; {help}")).unwrap_or_default();
            Failure::new(format!("{}{help}", error.message))
        };
        let mut partials: Vec<Cow<'_, arrays::ArrayValue>> = Vec::with_capacity(inputs.len());
        if let [only @ Artifact::Absent(_)] = inputs {
            return Ok(only.clone()); // all instances of the family were skipped
        }
        for (input, is_leaf) in inputs.iter().zip(&step.is_leaf) {
            let input = input.array()?;
            partials.push(if *is_leaf && !step.with.takes_leaves() {
                Cow::Owned(step.with.leaf(input).map_err(told)?)
            } else {
                Cow::Borrowed(input)
            });
        }
        let partials: Vec<&arrays::ArrayValue> = partials.iter().map(|partial| &**partial).collect();
        let merged = step.with.merge(&partials).map_err(told)?;
        let merged = match step.leaves {
            Some(leaves) => step.with.finish(merged, leaves).map_err(told)?,
            None => merged,
        };
        Ok(merged.into())
    })
}
