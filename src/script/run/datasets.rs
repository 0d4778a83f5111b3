//! Arrays that are saved: which rank writes what, and when a file of datasets is complete.

use super::collect::Collector;
use super::def::Def;
use super::failure::Failed;
use super::inputs::Array;
use super::pack::Pack;
use super::save::{self, Place};
use super::stop::Stopped;
use super::submit::{Submitter, internal};
use crate::client::Future;
use crate::error::{Error, Result};
use crate::ids::Rank;
use std::collections::BTreeMap;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// A file of datasets.
#[derive(Debug)]
pub struct DatasetFile {
    /// The rank that writes it.
    pub owner: Rank,
    /// The datasets that go into it, and of how many arrays each is made.
    pub wanted: BTreeMap<String, u64>,
}

impl Submitter<'_> {
    /// Saves every array of a task: for each `save`, what writes each of them.
    pub(super) fn save(
        &mut self,
        def: &Def,
        arrays: &[Option<Future<Array>>],
    ) -> Result<Vec<Vec<Option<Future<Pack>>>>> {
        let sent = self.client.scatter(def.clone());
        let options = self.client.options().pure(false);
        let mut all = Vec::with_capacity(def.task.saves.len());
        for number in 0..def.task.saves.len() {
            let mut saves = Vec::with_capacity(arrays.len());
            for (index, array) in arrays.iter().enumerate() {
                let index = index as u64;
                let array = array.as_ref().ok_or_else(|| internal("an instance that is not there"))?;
                let arguments = (&sent, index, number as u32, array);
                saves.push(Some(
                    match save::place(&def.task, number, index, &def.here).map_err(Error::Other)? {
                        Place::File(_) => options.submit(save::save_file, arguments),
                        Place::Dataset(file, dataset) => {
                            let owner = self.owner(&file);
                            let file = self.files.entry(file);
                            let file = file.or_insert_with(|| DatasetFile { owner, wanted: BTreeMap::new() });
                            *file.wanted.entry(dataset).or_insert(0) += 1;
                            options.clone().on(owner).submit(save::save_dataset, arguments)
                        }
                    },
                ));
                self.steps += 1;
            }
            all.push(saves);
        }
        Ok(all)
    }

    /// The rank that writes a file of datasets: files are spread over the ranks that compute.
    fn owner(&self, file: &Path) -> Rank {
        let hash = xxh3_64(file.as_os_str().as_encoded_bytes());
        let at = hash % (self.computing.len().max(1) as u64);
        self.computing.get(at as usize).copied().unwrap_or(Rank(0))
    }
}

impl Collector<'_> {
    /// Gives files of datasets their names, when everything that goes into them has been written or has failed.
    pub(super) fn finish_files(&mut self) -> Result<()> {
        let stopped = self.outcome.stopped.as_ref().is_some_and(Stopped::is_resumable);
        let left = stopped || self.outcome.failed.iter().any(Failed::is_left);
        for (path, DatasetFile { owner, wanted }) in std::mem::take(&mut self.submitter.files) {
            let wanted: Vec<(String, u64)> = wanted.into_iter().collect();
            let file = path.display().to_string();
            let options = self.client.options().pure(false).on(owner);
            match options.submit(save::finish_file, (file, wanted)).result() {
                Ok(missing) => {
                    let shown = super::summary::shown(&path);
                    let told =
                        |name: String| format!("{shown}:{name} was not written: a part of it is missing");
                    let sinks = &mut self.outcome.sinks;
                    match left {
                        true => sinks.left.extend(missing.into_iter().map(|name| format!("{shown}:{name}"))),
                        false => sinks.failed.extend(missing.into_iter().map(told)),
                    }
                }
                Err(Error::Task(cause)) => self.outcome.sinks.failed.push(cause.message.clone()),
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}
