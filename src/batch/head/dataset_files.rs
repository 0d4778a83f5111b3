//! Arrays that are saved: which rank writes what, and when a file of datasets is complete.

use super::stop::Stopped;
use crate::batch::failure::FailedInstance;
use crate::batch::head::collector::RunCollector;
use crate::batch::head::submitter::{OpenTask, Submitter};
use crate::batch::outputs::CommandOutputs;
use crate::batch::rank::inputs::Array;
use crate::batch::rank::save_array::{self, SaveTarget};
use crate::client::future::Future;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::script::plan::task::PlanTask;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// A file of datasets.
#[derive(Debug)]
pub(crate) struct DatasetFile {
    /// The rank that writes it.
    pub owner: Rank,
    /// The datasets that go into it, and of how many arrays each is made.
    pub wanted: BTreeMap<String, u64>,
}

impl Submitter<'_> {
    /// Saves arrays of a task: for each `save`, what writes each of them.
    pub(crate) fn save(
        &mut self,
        begun: &mut OpenTask,
        first: u64,
        arrays: &[Future<Array>],
    ) -> Result<Vec<Vec<Future<CommandOutputs>>>> {
        if begun.def.task.saves.is_empty() {
            return Ok(Vec::new());
        }
        let sent = begun.sent(self.client);
        let options = self.client.options().pure(false);
        let mut all = Vec::with_capacity(begun.def.task.saves.len());
        for number in 0..begun.def.task.saves.len() {
            let mut saves = Vec::with_capacity(arrays.len());
            for (index, array) in (first..).zip(arrays) {
                let arguments = (&sent, index, number as u32, array);
                saves.push(match self.expect_file(&begun.def.task, number, index)? {
                    None => options.submit(save_array::save_file, arguments),
                    Some(owner) => options.clone().on(owner).submit(save_array::save_dataset, arguments),
                });
            }
            all.push(saves);
        }
        Ok(all)
    }

    /// Notes what would have gone into files of datasets, which are not whole without it.
    pub(crate) fn expect_files(&mut self, task: usize, instances: Range<u64>) -> Result<()> {
        let plan = self.plan;
        let task = &plan.tasks[task];
        if task.action.is_command() {
            return Ok(());
        }
        for number in 0..task.saves.len() {
            for index in instances.clone() {
                self.expect_file(task, number, index)?;
            }
        }
        Ok(())
    }

    /// Where an instance is saved in a file of datasets, notes that; gives the file's owner.
    fn expect_file(&mut self, task: &PlanTask, number: usize, index: u64) -> Result<Option<Rank>> {
        let here = self.plan.dir.display().to_string();
        Ok(match save_array::place(task, number, index, &here).map_err(Error::Other)? {
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

    /// The rank that writes a file of datasets: files are spread over the ranks that compute.
    fn owner(&self, file: &Path) -> Rank {
        let hash = xxh3_64(file.as_os_str().as_encoded_bytes());
        let at = hash % (self.computing.len().max(1) as u64);
        self.computing.get(at as usize).copied().unwrap_or(Rank(0))
    }
}

impl RunCollector<'_> {
    /// Gives files of datasets their names, when everything that goes into them has been written or has failed.
    pub(crate) fn finish_files(&mut self) -> Result<()> {
        let stopped = self.outcome.stopped.as_ref().is_some_and(Stopped::is_resumable);
        let left = stopped || self.outcome.failed.iter().any(FailedInstance::is_left);
        for (path, DatasetFile { owner, wanted }) in std::mem::take(&mut self.submitter.files) {
            let wanted: Vec<(String, u64)> = wanted.into_iter().collect();
            let file = path.display().to_string();
            let options = self.client.options().pure(false).on(owner);
            match options.submit(save_array::finish_file, (file, wanted)).result() {
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
