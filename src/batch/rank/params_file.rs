//! The file of an instance's parameters: JSON that a program in any language can read. Its path is in `DTASK_PARAMS`.
//!
//! ```json
//! { "task": "sim", "params": { "T": 300, "case": { "id": "A1" } }, "inputs": { "mesh": "/scratch/.." },
//!   "outs": { "field": "/scratch/.." }, "index": 3, "threads": 1, "seed": 7, "rank": 2, "here": "/home/.." }
//! ```

use crate::batch::task_def::TaskDef;
use crate::error::Failure;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::template::RenderScope;
use crate::script::sweep::family::Sweep;
use crate::script::values::json::Json;
use crate::script::values::value::ScriptValue;
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
    std::fs::write(&path, format!("{}\n", content(def, scope))).map_err(|error| {
        let path = path.display();
        Failure::new(format!("the file of parameters `{path}` in scratch cannot be written: {error}"))
    })
}

fn content(def: &TaskDef, scope: &RenderScope<'_>) -> Json {
    let mut inputs: Vec<(String, Json)> = Vec::new();
    let staged = def.staged.iter().zip(def.names.iter().zip(scope.inputs)).zip(&def.task.references);
    for ((_, (name, paths)), reference) in staged.filter(|((is_staged, _), _)| **is_staged) {
        // a task may be read twice, with other instances in brackets
        let mut key = name.clone();
        for number in 2.. {
            if inputs.iter().all(|(known, _)| *known != key) {
                break;
            }
            key = format!("{name} {number}");
        }
        inputs.push(match (&paths[..], reference.is_gather()) {
            ([only], false) => (key, Json::Text(only.clone())),
            _ => (key, Json::texts(paths.iter().cloned())),
        });
    }
    let outs = def.task.outs.iter().zip(scope.outs);
    let outs =
        outs.map(|(out, path)| (out.name.clone().unwrap_or_else(|| "out".into()), Json::Text(path.clone())));
    let mut all = vec![
        ("task".to_owned(), Json::Text(def.task.name.clone())),
        ("params".to_owned(), Json::Object(params(&def.task.family, scope.values))),
        ("inputs".to_owned(), Json::Object(inputs)),
        ("outs".to_owned(), Json::Object(outs.collect())),
    ];
    for (name, fact) in RuntimeVar::NAMED.iter().filter(|(_, fact)| *fact != RuntimeVar::Params) {
        all.push(((*name).to_owned(), Json::from(&scope.facts.get(*fact))));
    }
    Json::Object(all)
}

/// The parameters by name; the columns of a table are members of an object, which takes the place of the row's number.
pub(crate) fn params(family: &Sweep, values: &[ScriptValue]) -> Vec<(String, Json)> {
    let mut all: Vec<(String, Json)> = Vec::new();
    let plain = family.params().iter().map(|param| (&param.name, param.column));
    let named = plain.chain(family.derived().iter().map(|derived| (&derived.name, false)));
    for ((name, is_column), value) in named.zip(values) {
        let column = name.split_once('.').filter(|_| is_column);
        let table = column.and_then(|(table, _)| all.iter_mut().find(|(known, _)| known == table));
        match (column, table) {
            (Some((_, column)), Some((_, Json::Object(columns)))) => {
                columns.push((column.to_owned(), Json::from(value)));
            }
            (Some((_, column)), Some((_, row))) => {
                *row = Json::Object(vec![(column.to_owned(), Json::from(value))]);
            }
            _ => all.push((name.clone(), Json::from(value))),
        }
    }
    all
}
