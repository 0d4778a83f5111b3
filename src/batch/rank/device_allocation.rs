//! The cores and devices of a rank, each lent to one command at a time.

use crate::error::Failure;
use crate::runtime::host::shares::{self, HostShare};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The cores and devices that no command has. The rank's share is taken at the first use.
#[derive(Debug, Clone, Default)]
pub(crate) struct FreeDevices(Arc<Mutex<Option<HostShare>>>);

/// The cores and devices that a command has for itself; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    /// Cores; none where those of the rank are not known, or no number of threads is asked for.
    pub cores: Vec<u32>,
    /// Devices.
    pub gpus: Vec<String>,
    free: FreeDevices,
}

impl FreeDevices {
    fn lock(&self) -> MutexGuard<'_, Option<HostShare>> {
        // lists cannot be left half changed
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many cores and devices.
    ///
    /// # Errors
    /// When there are not enough devices. The scheduler sends no more tasks than there are.
    pub(crate) fn take(&self, threads: Option<u32>, gpus: u32) -> Result<Allocation, Failure> {
        if threads.is_none() && gpus == 0 {
            return Ok(Allocation::default());
        }
        let (mut free, gpus) = (self.lock(), gpus as usize);
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
        if let Some(part) = &mut *self.free.lock() {
            part.cores.append(&mut self.cores);
            part.cores.sort_unstable();
            part.gpus.append(&mut self.gpus);
        }
    }
}
