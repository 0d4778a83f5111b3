//! The file of an instance's parameters: JSON that a program in any language can read. Its path is in `DTASK_PARAMS`.
//!
//! ```json
//! { "task": "sim", "index": 3, "params": { "T": 300, "case": { "id": "A1" } }, "inputs": { "mesh": ["/scratch/.."] },
//!   "outs": { "field": "/scratch/.." }, "threads": 1, "seed": 7, "rank": 2, "attempt": 1, "here": "/home/..", .. }
//! ```

use crate::batch::task_def::TaskDef;
use crate::error::Failure;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::template::RenderScope;
use crate::script::values::value::{Scalar, ScriptValue};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The path of the file in the scratch folder of an instance. Its name begins with a dot, as that of the inputs, so
/// that a command that lists its folder sees what is its own.
pub(crate) fn path(scratch: &Path) -> PathBuf {
    scratch.join(".params.json")
}

/// Writes the file for one attempt of an instance.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(def: &TaskDef, scope: &RenderScope<'_>, scratch: &Path) -> Result<(), Failure> {
    let path = path(scratch);
    let text = serde_json::to_vec_pretty(&Value::Object(content(def, scope)))
        .map_err(|error| Failure::new(format!("internal error: parameters that are no JSON: {error}")))?;
    std::fs::write(&path, text).map_err(|error| {
        Failure::new(format!(
            "the file of parameters `{}` in scratch cannot be written: {error}",
            path.display()
        ))
    })
}

fn content(def: &TaskDef, scope: &RenderScope<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("task".into(), def.task.name.clone().into());
    all.insert("params".into(), params(def, scope.values).into());
    let mut inputs = Map::new();
    let staged = def.staged.iter().zip(def.names.iter().zip(scope.inputs)).zip(&def.task.references);
    for ((_, (name, paths)), reference) in staged.filter(|((is_staged, _), _)| **is_staged) {
        let value = match (&paths[..], reference.is_gather()) {
            ([only], false) => only.clone().into(),
            _ => paths.clone().into(),
        };
        // a task may be read twice, with other instances in brackets
        let mut key = name.clone();
        for number in 2.. {
            if !inputs.contains_key(&key) {
                break;
            }
            key = format!("{name} {number}");
        }
        inputs.insert(key, value);
    }
    all.insert("inputs".into(), inputs.into());
    let outs = def.task.outs.iter().zip(scope.outs);
    let outs =
        outs.map(|(out, path)| (out.name.clone().unwrap_or_else(|| "out".into()), path.clone().into()));
    all.insert("outs".into(), Value::Object(outs.collect()));
    for (name, fact) in RuntimeVar::NAMED.iter().filter(|(_, fact)| *fact != RuntimeVar::Params) {
        all.insert((*name).into(), value(&scope.facts.get(*fact)));
    }
    all
}

/// The parameters by name; the columns of a table are those of an object.
fn params(def: &TaskDef, values: &[ScriptValue]) -> Map<String, Value> {
    let family = &def.task.family;
    let mut all = Map::new();
    let plain = family.params().iter().map(|param| (&param.name, param.column));
    let named = plain.chain(family.derived().iter().map(|derived| (&derived.name, false)));
    for ((name, is_column), own) in named.zip(values) {
        match name.split_once('.').filter(|_| is_column) {
            Some((table, column)) => {
                // the number of the row stands where the table's columns belong
                let row = all.entry(table).or_insert(Value::Null);
                if !row.is_object() {
                    *row = Value::Object(Map::new());
                }
                if let Some(row) = row.as_object_mut() {
                    row.insert(column.to_owned(), value(own));
                }
            }
            None => drop(all.insert(name.clone(), value(own))),
        }
    }
    all
}

fn value(value: &ScriptValue) -> Value {
    match value.scalar() {
        Scalar::Int(number) => number.into(),
        Scalar::Bool(truth) => truth.into(),
        Scalar::Text(text) => text.into(),
        // JSON has no infinity, and nothing for what is no number
        Scalar::Float(number) => {
            serde_json::Number::from_f64(number).map_or_else(|| value.to_string().into(), Value::Number)
        }
    }
}
