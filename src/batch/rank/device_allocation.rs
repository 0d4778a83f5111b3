//! Allocation of a rank's cores and GPUs: each is given to one command at a time.

use crate::error::Failure;
use crate::runtime::host::shares::{self, HostShare};
use parking_lot::Mutex;
use std::sync::Arc;

/// The cores and GPUs of a rank that no command holds. The ranks of a host share its devices out; the share of this
/// rank is determined at the first use.
#[derive(Debug, Clone, Default)]
pub(crate) struct FreeDevices(Arc<Mutex<Option<HostShare>>>);

/// The cores and GPUs that a command holds exclusively while it runs. Dropping the value returns them to the rank.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    /// Numbers of the cores; empty if the rank's cores are unknown or the task asks for no number of threads.
    pub cores: Vec<u32>,
    /// Identifiers of the GPUs that the command has, as `CUDA_VISIBLE_DEVICES` lists them.
    pub gpus: Vec<String>,
    free: FreeDevices,
}

impl FreeDevices {
    /// Takes `threads` cores (none for `None`) and `gpus` GPUs of this rank for a command.
    ///
    /// # Errors
    /// When too few devices are free, which the scheduler rules out.
    pub(crate) fn take(&self, threads: Option<u32>, gpus: u32) -> Result<Allocation, Failure> {
        if threads.is_none() && gpus == 0 {
            return Ok(Allocation::default());
        }
        let (mut free, gpus) = (self.0.lock(), gpus as usize);
        let part = free.get_or_insert_with(shares::own);
        let Some(gpus) = (gpus <= part.gpus.len()).then(|| part.gpus.drain(..gpus).collect()) else {
            let left = part.gpus.len();
            return Err(Failure::new(format!(
                "internal error: {gpus} devices are needed, and {left} are left"
            )));
        };
        let threads = threads.unwrap_or(0) as usize;
        let cores =
            if threads <= part.cores.len() { part.cores.drain(..threads).collect() } else { Vec::new() };
        Ok(Allocation { cores, gpus, free: self.clone() })
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.cores.is_empty() && self.gpus.is_empty() {
            return;
        }
        if let Some(part) = &mut *self.free.0.lock() {
            part.cores.append(&mut self.cores);
            part.cores.sort_unstable();
            part.gpus.append(&mut self.gpus);
        }
    }
}
