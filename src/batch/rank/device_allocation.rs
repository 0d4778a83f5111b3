//! The cores and devices of a rank, each lent to one command at a time.

use crate::error::Failure;
use crate::runtime::host::shares::{self, HostShare};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What no command has.
static FREE: Mutex<Option<HostShare>> = Mutex::new(None);

fn free() -> MutexGuard<'static, Option<HostShare>> {
    // lists cannot be left half changed
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a command has for itself; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    /// Cores; none where those of the rank are not known, or no number of threads is asked for.
    pub cores: Vec<u32>,
    /// Devices.
    pub gpus: Vec<String>,
}

impl Allocation {
    /// Takes so many cores and devices.
    ///
    /// # Errors
    /// When there are not enough devices. The scheduler sends no more tasks than there are.
    pub(crate) fn take(threads: Option<u32>, gpus: u32) -> Result<Allocation, Failure> {
        if threads.is_none() && gpus == 0 {
            return Ok(Allocation::default());
        }
        let (mut free, gpus) = (free(), gpus as usize);
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
        Ok(Allocation { cores, gpus })
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.cores.is_empty() && self.gpus.is_empty() {
            return;
        }
        if let Some(part) = &mut *free() {
            part.cores.append(&mut self.cores);
            part.cores.sort_unstable();
            part.gpus.append(&mut self.gpus);
        }
    }
}
