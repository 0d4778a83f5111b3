//! HDF5 files of datasets that a rank owns and is still writing.
//!
//! A file is written under a temporary name. When all its arrays are written or have failed, incomplete datasets are
//! removed from it, and it gets its final name.

use crate::arrays::ArrayValue;
use crate::arrays::dataset::{self, FileWriter, NewDataset};
use crate::batch::whole_files;
use crate::error::Failure;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;

/// Length in bytes up to which a file is rewritten at the end, so that its datasets are in the order of their names.
/// For longer files this would cost too much.
const LAID_OUT: u64 = 1 << 30;

/// The files of datasets that a rank owns and has not finished, by final path.
#[derive(Default)]
pub(crate) struct OpenDatasets(Mutex<HashMap<PathBuf, OpenDataset>>);

/// A file of datasets that is being written.
struct OpenDataset {
    writer: FileWriter,
    temporary: NamedTempFile,
    /// The number of arrays written so far, by dataset name.
    written: HashMap<String, u64>,
    /// The datasets, in the order of creation.
    datasets: Vec<NewDataset>,
}

impl OpenDatasets {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, OpenDataset>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an array as a dataset, or as its block of a dataset, to the file whose final name is `path`.
    ///
    /// # Errors
    /// When the array does not match the dataset, or the file cannot be written.
    pub(crate) fn write(
        &self,
        path: PathBuf,
        dataset: NewDataset,
        start: &[usize],
        array: &ArrayValue,
    ) -> Result<(), Failure> {
        let shown = path.display().to_string();
        let mut files = self.lock();
        let owned = match files.entry(path) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let temporary = whole_files::temporary(entry.key())
                    .map_err(|error| Failure::new(format!("`{shown}` could not be saved: {error}")))?;
                let writer = FileWriter::create(temporary.path()).map_err(Failure::new)?;
                let (written, datasets) = (HashMap::new(), Vec::new());
                entry.insert(OpenDataset { writer, temporary, written, datasets })
            }
        };
        owned
            .writer
            .write(&dataset, start, array)
            .map_err(|error| Failure::new(format!("`{shown}`: {error}")))?;
        let written = owned.written.entry(dataset.name.clone()).or_insert(0);
        *written += 1;
        if *written == 1 {
            owned.datasets.push(dataset);
        }
        Ok(())
    }

    /// Finishes a file: removes incomplete datasets and gives it its final name. `wanted` has the number of arrays of
    /// each dataset. Returns the names of the incomplete ones.
    ///
    /// When the file cannot be written.
    pub(crate) fn finish(&self, path: &Path, wanted: &[(String, u64)]) -> Result<Vec<String>, Failure> {
        let failed =
            |error: String| Failure::new(format!("`{}` could not be saved: {error}", path.display()));
        let owned = self.lock().remove(path);
        let Some(OpenDataset { writer, temporary, written, mut datasets }) = owned else {
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
}

/// Rewrites a file with its datasets in the order of their names, so that its bytes do not depend on the order of
/// arrival.
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
