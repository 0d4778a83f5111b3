//! Saving arrays: as files of their own, or as datasets of HDF5 files.
//!
//! A file of datasets is written by one rank, which owns it, under a temporary name; when everything that goes into it
//! is there, or has failed, it gets its own. Datasets of which a part is missing are taken out of it before.

use crate::arrays::dataset::{self, Attribute, FileWriter, NewDataset};
use crate::arrays::slab::{self, Slab};
use crate::arrays::{ArrayValue, text};
use crate::batch::artifact::Artifact;
use crate::batch::failure::located;
use crate::batch::task_def::TaskDef;
use crate::batch::whole_files;
use crate::error::Failure;
use crate::script::plan::task::PlanTask;
use crate::script::plan::template::{Fill, RenderScope, Template, TemplatePart};
use crate::script::sweep::param_values::ParamValues;
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;

/// Where an array is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SaveTarget {
    /// A file of its own.
    File(PathBuf),
    /// A dataset of a file.
    Dataset(PathBuf, String),
}

/// Where an instance of a task saves, by the number of the `save`.
///
/// # Errors
/// When the path cannot be made up, in words.
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

/// A task function: saves an array as a file, in the form that its name says.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn save_file(
    def: &TaskDef,
    index: u64,
    number: u32,
    array: &Artifact,
) -> Result<Artifact, Failure> {
    located(def, index, || {
        let SaveTarget::File(path) = place(&def.task, number as usize, index, &def.here).map_err(Failure)?
        else {
            return Err(Failure::new("internal error: a dataset is no file"));
        };
        write_file(&path, array.array()?)
            .map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
        Ok(Artifact::empty())
    })
}

fn write_file(path: &Path, array: &ArrayValue) -> std::io::Result<()> {
    let mut out = BufWriter::new(whole_files::temporary(path)?);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => super::npy::write(array, &mut out)?,
        Some("csv") => text::write(array, ",", &mut out)?,
        _ => text::write(array, " ", &mut out)?,
    }
    out.flush()?;
    whole_files::rename(out.into_inner().map_err(|error| error.into_error())?, path)
}

/// The files of datasets that this rank owns.
static OPEN: Mutex<Option<HashMap<PathBuf, Owned>>> = Mutex::new(None);

struct Owned {
    writer: FileWriter,
    temporary: NamedTempFile,
    /// How many arrays have gone into each dataset.
    written: HashMap<String, u64>,
    /// The datasets, in the order in which the first arrays came.
    datasets: Vec<NewDataset>,
}

/// A file up to this length has its datasets in the order of their names. A longer one is not written a second time for
/// that.
const LAID_OUT: u64 = 1 << 30;

fn open() -> MutexGuard<'static, Option<HashMap<PathBuf, Owned>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A task function, at the rank that owns the file: writes an array as a dataset, or as its part of one.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn save_dataset(
    def: &TaskDef,
    index: u64,
    number: u32,
    array: &Artifact,
) -> Result<Artifact, Failure> {
    located(def, index, || {
        let SaveTarget::Dataset(path, name) =
            place(&def.task, number as usize, index, &def.here).map_err(Failure)?
        else {
            return Err(Failure::new("internal error: a file is no dataset"));
        };
        let (array, save) = (array.array()?, &def.task.saves[number as usize]);
        let (dataset, start) = specify(&def.task, &save.path, name, index, array).map_err(Failure)?;
        let shown = path.display().to_string();
        let mut open = open();
        let files = open.get_or_insert_default();
        let owned = match files.entry(path) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let temporary = whole_files::temporary(entry.key())
                    .map_err(|error| Failure::new(format!("`{shown}` could not be saved: {error}")))?;
                let writer = FileWriter::create(temporary.path()).map_err(Failure)?;
                let (written, datasets) = (HashMap::new(), Vec::new());
                entry.insert(Owned { writer, temporary, written, datasets })
            }
        };
        owned
            .writer
            .write(&dataset, &start, array)
            .map_err(|error| Failure(format!("`{shown}`: {error}")))?;
        let written = owned.written.entry(dataset.name.clone()).or_insert(0);
        *written += 1;
        if *written == 1 {
            owned.datasets.push(dataset);
        }
        Ok(Artifact::empty())
    })
}

/// The dataset that an instance writes, and where in it.
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
    // the axes that are cut into blocks; the others are the array's own
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

/// The parameter whose blocks an instance writes, each in its place of one dataset; none where the path tells them
/// apart.
pub(crate) fn block_param(task: &PlanTask, path: &Template) -> Option<usize> {
    let is_block = |values: &ParamValues| extent(values).is_some();
    task.family
        .params()
        .iter()
        .enumerate()
        .position(|(at, param)| !names(path, at) && is_block(&param.values))
}

/// The lengths of the whole that blocks are of, and those of the first of them.
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

fn attribute(value: &crate::script::values::value::ScriptValue) -> Attribute {
    match value {
        crate::script::values::value::ScriptValue::Int(number) => Attribute::Int(*number),
        crate::script::values::value::ScriptValue::Float(number) => Attribute::Float(*number),
        other => Attribute::Text(other.to_string()),
    }
}

/// A task function, at the rank that owns the file, once for each file: gives it its name. `wanted` says how many
/// arrays go into each dataset; the answer, which datasets are missing.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn finish_file(path: &String, wanted: &Vec<(String, u64)>) -> Result<Vec<String>, Failure> {
    let path = Path::new(path);
    let failed = |error: String| Failure(format!("`{}` could not be saved: {error}", path.display()));
    let owned = open().get_or_insert_default().remove(path);
    let Some(Owned { writer, temporary, written, mut datasets }) = owned else {
        return Ok(wanted.iter().map(|(name, _)| name.clone()).collect());
    };
    let mut missing = Vec::new();
    for (name, count) in wanted {
        let found = written.get(name).copied().unwrap_or(0);
        if found < *count {
            missing.push(name.clone());
            if found > 0 {
                writer.remove(name).map_err(failed)?;
            }
        }
    }
    writer.close().map_err(failed)?;
    if missing.len() < wanted.len() {
        datasets.retain(|dataset| !missing.contains(&dataset.name));
        let temporary = laid_out(path, temporary, datasets).map_err(failed)?;
        whole_files::rename(temporary, path).map_err(|error| failed(error.to_string()))?;
    }
    Ok(missing)
}

/// The file with its datasets in the order of their names, so that its bytes do not depend on which came first.
fn laid_out(
    path: &Path,
    file: NamedTempFile,
    mut datasets: Vec<NewDataset>,
) -> Result<NamedTempFile, String> {
    let length = file.as_file().metadata().map_err(|error| error.to_string())?.len();
    if length > LAID_OUT || datasets.is_sorted_by(|one, next| one.name < next.name) {
        return Ok(file);
    }
    datasets.sort_by(|one, other| one.name.cmp(&other.name));
    let again = whole_files::temporary(path).map_err(|error| error.to_string())?;
    let writer = FileWriter::create(again.path())?;
    for dataset in &datasets {
        let array = dataset::read(file.path(), &dataset.name, &[])?;
        let start = vec![0; dataset.part.as_ref().map_or(0, Vec::len)];
        writer.write(dataset, &start, &array)?;
    }
    writer.close()?;
    Ok(again)
}
