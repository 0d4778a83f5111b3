//! Devices and scratch folder of a running task: taken when the task asks for them, given back when it ends.

use crate::runtime::host::shares;
use crate::runtime::threads::task_context;
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// The devices of the rank that no task has taken; `None` before the first task asks.
#[derive(Debug, Default)]
struct FreeGpus(Mutex<Option<Vec<String>>>);

/// The devices and the folder that a task has asked for.
#[derive(Debug, Default)]
pub(crate) struct TaskBelongings {
    devices: Option<(Vec<String>, Arc<FreeGpus>)>,
    scratch: Option<TempDir>,
}

impl TaskBelongings {
    /// Nothing, as at the start of each task.
    pub(crate) const NONE: TaskBelongings = TaskBelongings { devices: None, scratch: None };

    /// The devices of the task, which takes `count` of them, as `CUDA_VISIBLE_DEVICES` lists them. The same at each
    /// call.
    pub(crate) fn devices(&mut self, count: u32) -> Vec<String> {
        if count == 0 {
            return Vec::new();
        }
        let (devices, _) = self.devices.get_or_insert_with(|| {
            let free = task_context::local(FreeGpus::default);
            let mut list = free.0.lock();
            let list_of_rank = list.get_or_insert_with(|| shares::own().gpus);
            // the scheduler gives no more tasks to a rank than it has devices for
            let taken = list_of_rank.drain(..list_of_rank.len().min(count as usize)).collect();
            drop(list);
            (taken, free)
        });
        devices.clone()
    }

    /// An empty folder of the task's own, below `TMPDIR`. The same at each call.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn scratch(&mut self) -> io::Result<PathBuf> {
        let folder = match self.scratch.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new().prefix("dtask-").tempdir()?,
        };
        let path = folder.path().to_owned();
        self.scratch = Some(folder);
        Ok(path)
    }

    /// Gives the devices back to the rank and removes the folder, since the task has ended.
    pub(crate) fn give_back(self) {
        if let Some((devices, free)) = self.devices
            && let Some(list) = &mut *free.0.lock()
        {
            list.extend(devices);
        }
    }
}
