//! HDF5 files of datasets, as rank 0 keeps track of them: which rank owns and writes each file, and when a file is
//! complete.

use crate::batch::head::display::shown;
use crate::batch::head::outcome::RunOutcome;
use crate::batch::head::outputs::shared_files::LeftFile;
use crate::batch::head::stopped::Stopped;
use crate::batch::rank::save_array::{self, SaveTarget};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::script::plan::task::PlanTask;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The HDF5 files into which a run saves arrays, each with the rank that writes it and the datasets that it must have.
pub(crate) struct DatasetFiles {
    /// The folder of the script, against which relative paths are resolved.
    here: String,
    /// The ranks that run tasks. For each file one of them is chosen as the owner, which alone writes it.
    computing: Vec<Rank>,
    files: BTreeMap<PathBuf, DatasetFile>,
}

/// The owner and the expected content of one HDF5 file. Several instances may save arrays into it.
#[derive(Debug)]
struct DatasetFile {
    /// The rank that owns the file: only this rank writes it.
    owner: Rank,
    /// The names of the expected datasets, each with the number of arrays that instances write into it.
    wanted: BTreeMap<String, u64>,
}

impl DatasetFiles {
    /// Makes an empty record of HDF5 files. `here` is the folder of the script, and `computing` has the ranks that run
    /// tasks.
    pub(crate) fn new(here: &Path, computing: Vec<Rank>) -> Self {
        DatasetFiles { here: here.display().to_string(), computing, files: BTreeMap::new() }
    }

    /// Counts the arrays of instances that will not run among those that their datasets must have. Since these arrays
    /// never come, such a dataset is incomplete, and is removed from its file at the end.
    ///
    /// # Errors
    /// When a file name cannot be rendered.
    pub(crate) fn expect_all(&mut self, task: &PlanTask, instances: Range<u64>) -> Result<()> {
        if task.action.is_command() {
            return Ok(());
        }
        for number in 0..task.saves.len() {
            for index in instances.clone() {
                self.expect(task, number, index)?;
            }
        }
        Ok(())
    }

    /// Notes that the array of the instance `index` will be saved into an HDF5 file by the task's `save` with the
    /// number `number`, and returns the rank that owns the file. `None` if the array is saved in a file of its own.
    ///
    /// # Errors
    /// When the name of the file cannot be rendered.
    pub(crate) fn expect(&mut self, task: &PlanTask, number: usize, index: u64) -> Result<Option<Rank>> {
        Ok(match save_array::place(task, number, index, &self.here).map_err(Error::Other)? {
            SaveTarget::File(_) => None,
            SaveTarget::Dataset(file, dataset) => {
                let owner = self.owner(&file);
                let file = self.files.entry(file);
                let file = file.or_insert_with(|| DatasetFile { owner, wanted: BTreeMap::new() });
                *file.wanted.entry(dataset).or_insert(0) += 1;
                Some(owner)
            }
        })
    }

    /// The rank that alone writes a file. The rank is chosen by a hash of the path, so that files are spread over all
    /// ranks that run tasks.
    fn owner(&self, file: &Path) -> Rank {
        let hash = xxh3_64(file.as_os_str().as_encoded_bytes());
        let at = hash % (self.computing.len().max(1) as u64);
        self.computing.get(at as usize).copied().unwrap_or(Rank(0))
    }

    /// Asks the ranks that write the HDF5 files to rename them from temporary to final names. Called when each array
    /// has been written or its instance has failed.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) fn finish(&mut self, client: &Client, outcome: &mut RunOutcome) -> Result<()> {
        let stopped = outcome.stopped.as_ref().is_some_and(Stopped::is_resumable);
        let left = stopped || outcome.failed.left() > 0;
        for (path, DatasetFile { owner, wanted }) in std::mem::take(&mut self.files) {
            let wanted: Vec<(String, u64)> = wanted.into_iter().collect();
            let file = path.display().to_string();
            let named = |name: &String| format!("{}:{name}", shown(&path));
            let all: Vec<String> = wanted.iter().map(|(name, _)| named(name)).collect();
            let options = client.options().pure(false).on(owner);
            let sinks = &mut outcome.sinks;
            match options.submit(save_array::finish_file, (file, wanted)).result() {
                Ok(missing) => {
                    if missing.len() < all.len() {
                        outcome.recorder.complete(Path::new(&self.here), [path.clone()]);
                    }
                    sinks.unsaved.extend(missing.iter().map(named));
                    let file = shown(&path);
                    let told =
                        |name: String| format!("{file}:{name} was not written: a part of it is missing");
                    match left {
                        true => {
                            sinks.left.extend(missing.into_iter().map(|name| LeftFile {
                                name: format!("{file}:{name}"),
                                lacks: String::new(),
                            }))
                        }
                        false => sinks.failed.extend(missing.into_iter().map(told)),
                    }
                }
                Err(Error::Task(cause)) => {
                    sinks.unsaved.extend(all);
                    sinks.failed.push(cause.message.clone());
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}
