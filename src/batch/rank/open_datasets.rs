//! HDF5 files of datasets that a rank is still writing. The rank is the owner of such a file: rank 0 has chosen it as
//! the only writer, since HDF5 allows only one.
//!
//! A file is written under a temporary name, and renamed when everything that belongs into it has been written or has
//! failed. Datasets with missing parts are removed before that. If a file exists under the final name, its groups,
//! attributes and other datasets are kept: the new datasets are added to a copy, which is renamed over it.

use crate::arrays::ArrayValue;
use crate::arrays::dataset::{ExistingFile, FileWriter, NewDataset};
use crate::batch::whole_files::{self, Destination};
use crate::error::Failure;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Length in bytes up to which a finished HDF5 file is rewritten once more, so that its datasets are in the order of
/// their names. For longer files this would cost too much.
const LAID_OUT: u64 = 1 << 30;

/// The HDF5 files that this rank writes and has not finished, by final path. Arrays come from any rank, but only one
/// rank writes a file.
#[derive(Default)]
pub(crate) struct OpenDatasets(Mutex<HashMap<PathBuf, OpenDataset>>);

/// An HDF5 file into which this rank writes arrays as they come. It has a temporary name until it is finished.
struct OpenDataset {
    writer: FileWriter,
    temporary: NamedTempFile,
    /// The path that the finished file will have, with symbolic links resolved.
    place: PathBuf,
    /// By name of dataset, how many arrays have been written into it.
    written: HashMap<String, u64>,
    /// The datasets of the file, in the order of creation.
    datasets: Vec<NewDataset>,
}

impl OpenDatasets {
    /// Writes an array to the HDF5 file whose final name is `path`: as a dataset, or as its block, which begins at
    /// `start`, of a dataset that several arrays fill.
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
        let mut files = self.0.lock();
        let owned = match files.entry(path) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let failed = |error| not_saved(&shown, error);
                let place = place(entry.key()).map_err(failed)?;
                let temporary = whole_files::temporary(&place).map_err(|error| failed(error.to_string()))?;
                let writer = FileWriter::create(temporary.path()).map_err(Failure::new)?;
                let (written, datasets) = (HashMap::new(), Vec::new());
                entry.insert(OpenDataset { writer, temporary, place, written, datasets })
            }
        };
        if !owned.written.contains_key(&dataset.name)
            && let Some(existing) = existing(&owned.place).map_err(|error| not_saved(&shown, error))?
        {
            existing.admits(&dataset.name).map_err(|error| not_saved(&shown, error))?;
        }
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

    /// Finishes a file: removes datasets that lack arrays and gives the file its final name. `wanted` has the expected
    /// number of arrays of each dataset. Returns the names of the removed datasets.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn finish(&self, path: &Path, wanted: &[(String, u64)]) -> Result<Vec<String>, Failure> {
        let failed = |error: String| not_saved(&path.display().to_string(), error);
        let owned = self.0.lock().remove(path);
        let Some(OpenDataset { writer, temporary, place, written, mut datasets }) = owned else {
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
            let temporary = complete(&place, temporary, datasets).map_err(failed)?;
            whole_files::rename(temporary, &place).map_err(|error| failed(error.to_string()))?;
        }
        Ok(missing)
    }
}

fn not_saved(file: &str, error: String) -> Failure {
    Failure::new(format!("`{file}` could not be saved: {error}"))
}

/// The file that a path leads to when symbolic links are followed. An error for a pipe or a device.
fn place(path: &Path) -> Result<PathBuf, String> {
    match Destination::of(path).map_err(|error| error.to_string())? {
        Destination::File(place) => Ok(place),
        Destination::Special(_) | Destination::Null => {
            Err("it is a pipe or a device, which cannot hold datasets".to_owned())
        }
    }
}

/// The HDF5 file that already exists at `place`; `None` if there is no file, or an empty one.
fn existing(place: &Path) -> Result<Option<ExistingFile>, String> {
    match std::fs::metadata(place) {
        Ok(found) if found.len() > 0 => ExistingFile::open(place).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Makes the file that will replace the one at `place`. It keeps the old datasets, except those that are written anew,
/// in the order of their names, so that its bytes do not depend on which array came first.
fn complete(
    place: &Path,
    file: NamedTempFile,
    mut datasets: Vec<NewDataset>,
) -> Result<NamedTempFile, String> {
    let in_order = datasets.is_sorted_by(|one, next| one.name < next.name);
    datasets.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
    if let Some(existing) = existing(place)?.filter(|existing| existing.has_more_than(&names)) {
        let mut again = whole_files::temporary(place).map_err(|error| error.to_string())?;
        File::open(place)
            .and_then(|mut old| io::copy(&mut old, again.as_file_mut()))
            .map_err(|error| error.to_string())?;
        existing.close();
        copy(FileWriter::open(again.path(), &names)?, &file, &datasets)?;
        return Ok(again);
    }
    let length = file.as_file().metadata().map_err(|error| error.to_string())?.len();
    if in_order || length > LAID_OUT {
        return Ok(file);
    }
    let Ok(again) = whole_files::temporary(place) else { return Ok(file) };
    match FileWriter::create(again.path()).and_then(|writer| copy(writer, &file, &datasets)) {
        Ok(()) => Ok(again),
        Err(error) => {
            log::warn!(
                "`{}` keeps its datasets in the order in which they came; no second copy could be made: {error}",
                place.display()
            );
            Ok(file)
        }
    }
}

fn copy(writer: FileWriter, from: &NamedTempFile, datasets: &[NewDataset]) -> Result<(), String> {
    for dataset in datasets {
        writer.copy(from.path(), dataset)?;
    }
    writer.close()
}

#[cfg(all(test, feature = "hdf5"))]
mod tests {
    use super::*;
    use crate::arrays::{ElementType, dataset};
    use ndarray::{ArrayD, IxDyn};
    use std::os::unix::fs::symlink;

    fn array(shape: &[usize], first: f64) -> ArrayValue {
        let mut next = first - 1.0;
        ArrayValue::F64(ArrayD::from_shape_fn(IxDyn(shape), |_| {
            next += 1.0;
            next
        }))
    }

    /// Saves arrays as datasets with the given names to an HDF5 file, in the given order.
    fn save(path: &Path, names: &[&str]) -> Result<Vec<String>, Failure> {
        let open = OpenDatasets::default();
        let element = ElementType::F64;
        let before = std::fs::read(path).ok();
        for (at, name) in names.iter().enumerate() {
            let new = NewDataset {
                name: (*name).into(),
                element,
                shape: vec![3, 2],
                part: None,
                attributes: Vec::new(),
            };
            open.write(path.into(), new, &[], &array(&[3, 2], at as f64))?;
            assert_eq!(std::fs::read(path).ok(), before, "changed before all is there");
        }
        let wanted: Vec<(String, u64)> = names.iter().map(|name| ((*name).into(), 1)).collect();
        open.finish(path, &wanted)
    }

    /// Makes an HDF5 file that has a dataset, a group with an attribute and a dataset in it, and an attribute of its
    /// own.
    fn with_data(path: &Path) {
        let file = hdf5::File::create(path).unwrap();
        file.new_attr::<i64>().create("version").unwrap().write_scalar(&7).unwrap();
        file.new_dataset_builder().with_data(&[1.0, 2.0]).create("t").unwrap();
        let group = file.create_group("run").unwrap();
        group.new_attr::<i64>().create("seed").unwrap().write_scalar(&3).unwrap();
        group.new_dataset_builder().with_data(&[5u8]).create("other").unwrap();
        file.create_group("empty").unwrap();
        file.close().unwrap();
    }

    #[track_caller]
    fn assert_kept(path: &Path) {
        let file = hdf5::File::open(path).unwrap();
        assert_eq!(file.attr("version").unwrap().read_scalar::<i64>().unwrap(), 7);
        let group = file.group("run").unwrap();
        assert_eq!(group.attr("seed").unwrap().read_scalar::<i64>().unwrap(), 3);
        assert_eq!(group.dataset("other").unwrap().read_raw::<u8>().unwrap(), [5]);
        assert!(file.group("empty").is_ok());
    }

    #[test]
    fn a_file_that_is_there_keeps_everything_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.h5");
        with_data(&path);
        for names in [["/t2", "/run/new"], ["/t2", "/t"], ["/deep/er", "/t"]] {
            assert!(save(&path, &names).unwrap().is_empty());
            assert_kept(&path);
            assert_eq!(dataset::read(&path, names[0], &[]).unwrap(), array(&[3, 2], 0.0));
            assert_eq!(dataset::read(&path, names[1], &[]).unwrap(), array(&[3, 2], 1.0));
        }
        assert!(dataset::read(&path, "/t2", &[]).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_cannot_be_added_leaves_the_file_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.h5");
        with_data(&path);
        let bytes = std::fs::read(&path).unwrap();
        for (name, told) in [("/run", "a group"), ("/t/below", "no group")] {
            let error = save(&path, &[name]).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("in.h5"), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        for (name, told) in [("notes.txt", "no HDF5 file"), ("pipe", "a pipe")] {
            let other = dir.path().join(name);
            match name {
                "pipe" => symlink("/dev/null", &other).unwrap(),
                _ => std::fs::write(&other, "notes").unwrap(),
            }
            let error = save(&other, &["/t"]).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(std::fs::read(dir.path().join("notes.txt")).unwrap(), b"notes");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left beside it");
    }

    #[test]
    fn a_file_of_the_same_datasets_has_the_same_bytes_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("x.h5"), dir.path().join("link.h5"));
        symlink("x.h5", &link).unwrap();
        save(&path, &["/a", "/deep/b"]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..3 {
            save(&link, &["/a", "/deep/b"]).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert!(link.is_symlink());
    }
}
