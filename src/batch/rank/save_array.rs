//! Saving of arrays: as files of their own, or as datasets of HDF5 files.
//!
//! A file of datasets is written by one rank, its owner: see `super::open_datasets`.

use crate::arrays::dataset::{Attribute, NewDataset};
use crate::arrays::slab::{self, Slab};
use crate::arrays::{ArrayValue, text};
use crate::batch::artifact::Artifact;
use crate::batch::failure::located;
use crate::batch::rank::rank_state;
use crate::batch::task_def::TaskDef;
use crate::batch::whole_files::NewFile;
use crate::error::Failure;
use crate::script::plan::task::PlanTask;
use crate::script::plan::template::{Fill, RenderScope, Template, TemplatePart};
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::{Scalar, ScriptValue};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The place to which an array is saved: a file, or a dataset of an HDF5 file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SaveTarget {
    /// The path of a file that has only this array.
    File(PathBuf),
    /// A dataset of an HDF5 file: the path of the file, and the name of the dataset.
    Dataset(PathBuf, String),
}

/// The place to which the array of instance `index` is saved by the task's `save` with the number `number`.
///
/// # Errors
/// When the path cannot be rendered; the text is for the user.
pub(crate) fn place(task: &PlanTask, number: usize, index: u64, here: &str) -> Result<SaveTarget, String> {
    let save = task.saves.get(number).ok_or("internal error: no such save")?;
    let facts = crate::batch::task_def::facts(task, index, here);
    let values = task.family.bindings(index);
    let env = |name: &str| std::env::var(name).ok();
    let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    let path = save.path.render(&scope).map_err(|error| error.to_string())?;
    Ok(match slab::split(&path) {
        Some((file, dataset)) => SaveTarget::Dataset(Path::new(here).join(file), dataset.to_owned()),
        None => SaveTarget::File(Path::new(here).join(path)),
    })
}

/// Saves the array of instance `index` as a file, by the task's `save` with the number `number`; the extension of the
/// path tells the format. A task function, run by the engine.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn save_file(
    def: &TaskDef,
    index: u64,
    number: u32,
    array: &Artifact,
) -> Result<Artifact, Failure> {
    located(def, index, || {
        if array.is_absent() {
            return Ok(Artifact::empty());
        }
        let SaveTarget::File(path) =
            place(&def.task, number as usize, index, &def.here).map_err(Failure::new)?
        else {
            return Err(Failure::new("internal error: a dataset is no file"));
        };
        write_file(&path, array.array()?)
            .map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
        Ok(Artifact::empty())
    })
}

fn write_file(path: &Path, array: &ArrayValue) -> std::io::Result<()> {
    let mut out = BufWriter::new(NewFile::create(path)?);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => super::npy::write(array, &mut out)?,
        Some("csv") => text::write(array, ",", &mut out)?,
        _ => text::write(array, " ", &mut out)?,
    }
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.finish()
}

/// Writes the array of instance `index` to an HDF5 file, by the task's `save` with the number `number`: as a dataset,
/// or as its block of a dataset that several arrays fill. A task function, run on the rank that alone writes the file.
///
/// # Errors
/// When the array does not match the dataset, or the file cannot be written.
pub(crate) fn save_dataset(
    def: &TaskDef,
    index: u64,
    number: u32,
    array: &Artifact,
) -> Result<Artifact, Failure> {
    located(def, index, || {
        if array.is_absent() {
            return Ok(Artifact::empty());
        }
        let SaveTarget::Dataset(path, name) =
            place(&def.task, number as usize, index, &def.here).map_err(Failure::new)?
        else {
            return Err(Failure::new("internal error: a file is no dataset"));
        };
        let (array, save) = (array.array()?, &def.task.saves[number as usize]);
        let (dataset, start) = specify(&def.task, &save.path, name, index, array).map_err(Failure::new)?;
        rank_state::current().datasets.write(path, dataset, &start, array)?;
        Ok(Artifact::empty())
    })
}

/// Describes the dataset into which an instance's array is written, and gives the position of its block in the dataset.
fn specify(
    task: &PlanTask,
    path: &Template,
    name: String,
    index: u64,
    array: &ArrayValue,
) -> Result<(NewDataset, Vec<usize>), String> {
    let element = array.element_type();
    let mut attributes = vec![("task".to_owned(), Attribute::Text(task.name.clone()))];
    let block = block_param(task, path);
    let values = task.family.bindings(index);
    let value = |at: usize| values.get(at).ok_or("internal error: a parameter without a value");
    for (at, param) in task.family.params().iter().enumerate().filter(|(at, _)| Some(*at) != block) {
        if names(path, at) {
            attributes.push((param.name.clone(), attribute(value(at)?)));
        }
    }
    let Some((at, param)) = block.and_then(|at| Some((at, task.family.params().get(at)?))) else {
        let shape = array.shape().to_vec();
        return Ok((NewDataset { name, element, shape, part: None, attributes }, Vec::new()));
    };
    let slab = Slab::parse(&value(at)?.to_string()).ok_or("internal error: no block")?;
    let (whole, first) = extent(&param.values).ok_or("internal error: no blocks")?;
    // The number of leading axes that the dataset takes from the blocks: up to the last one that they divide. The axes
    // behind it have the lengths that they have in the array.
    let cut = whole.iter().zip(&first).rposition(|(whole, first)| whole != first).map_or(1, |last| last + 1);
    let own = slab.shape();
    let fits = array.shape().len() >= cut && array.shape()[..cut] == own[..cut];
    if !fits {
        return Err(format!(
            "an array of shape {:?} cannot be the part of `{name}` that the block {slab} is: its first {cut} axes must \
             be {:?} long",
            array.shape(),
            &own[..cut]
        ));
    }
    let rest = &array.shape()[cut..];
    let shape = [&whole[..cut], rest].concat();
    let part = [&first[..cut], rest].concat();
    let mut start: Vec<usize> = slab.part[..cut].iter().map(|range| range.start).collect();
    start.resize(shape.len(), 0);
    Ok((NewDataset { name, element, shape, part: Some(part), attributes }, start))
}

/// The parameter of a task whose values are blocks of one array, if the arrays of all instances go into one dataset,
/// each as its block. `None` if there is none, or if the path of the `save` has the parameter, so that each block has a
/// dataset of its own.
pub(crate) fn block_param(task: &PlanTask, path: &Template) -> Option<usize> {
    let is_block = |values: &ParamValues| extent(values).is_some();
    task.family
        .params()
        .iter()
        .enumerate()
        .position(|(at, param)| !names(path, at) && is_block(&param.values))
}

/// The shape of the whole array that the values of a parameter divide into blocks, and the shape of the first block.
/// `None` if the values are not blocks.
fn extent(values: &ParamValues) -> Option<(Vec<usize>, Vec<usize>)> {
    let ParamValues::List(values) = values else { return None };
    let slab = |value: &crate::script::values::value::ScriptValue| {
        Slab::parse(&value.to_string()).filter(|slab| !slab.part.is_empty())
    };
    let (first, last) = (slab(values.first()?)?, slab(values.last()?)?);
    Some((last.part.iter().map(|range| range.end).collect(), first.shape()))
}

fn names(path: &Template, param: usize) -> bool {
    path.parts
        .iter()
        .any(|part| matches!(part, TemplatePart::Fill { what: Fill::Param(at, _), .. } if *at == param))
}

fn attribute(value: &ScriptValue) -> Attribute {
    match value.scalar() {
        Scalar::Int(number) => Attribute::Int(number),
        Scalar::Float(number) => Attribute::Float(number),
        Scalar::Text(_) | Scalar::Bool(_) => Attribute::Text(value.to_string()),
    }
}

/// Finishes an HDF5 file into which arrays were saved; called once for each file. A task function, run on the rank that
/// alone writes it. `wanted` has the expected number of arrays of each dataset. Returns the names of datasets that lack
/// arrays.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn finish_file(path: &String, wanted: &[(String, u64)]) -> Result<Vec<String>, Failure> {
    rank_state::current().datasets.finish(Path::new(path), wanted)
}
