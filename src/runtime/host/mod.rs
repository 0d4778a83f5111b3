//! The resources of a host (cores, memory, devices, files) and their division among its ranks.
//!
//! * [`topology`]: cores, memory and files of the host, the slots of every rank, and the table of ranks in the first
//!   lines of the log;
//! * [`shares`]: the cores, memory and devices of a host divided among its ranks;
//! * [`memory`]: the memory that the host, its control group or Slurm grants the job; [`scratch_place`]: the choice of
//!   directories for temporary files, in memory or on a disk;
//! * [`system_calls`]: the time slice that the kernel gives to a rank's threads, and the handlers that name the task in
//!   which a process ends.

pub(crate) mod memory;
pub(crate) mod scratch_place;
pub(crate) mod shares;
pub(crate) mod system_calls;
pub(crate) mod topology;
