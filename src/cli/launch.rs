//! What the launcher says before MPI is started, and what is said to MPI.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variables by which launchers tell a process its rank: Open MPI, PMIx, MPICH and Intel MPI, MVAPICH, Slurm.
const RANK: [&str; 5] =
    ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID"];

/// This process's rank, if a launcher has started it.
pub(super) fn rank() -> Option<u32> {
    RANK.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// Tells Open MPI, where no launcher has started this process, that it will not start others through MPI. It would start
/// a helper for that, which takes longer than all else at the start. Does not return where there is something to tell.
pub(super) fn alone() {
    const TOLD: &str = "OMPI_MCA_ess_singleton_isolated";
    if rank().is_some() || std::env::var_os(TOLD).is_some() {
        return;
    }
    let mut args = std::env::args_os();
    let (Some(name), Ok(program)) = (args.next(), std::env::current_exe()) else { return };
    let error = Command::new(program).arg0(name).args(args).env(TOLD, "1").exec();
    log::debug!("this program cannot be started anew: {error}");
}

/// Whether this process tells what concerns all: every rank has the same command line.
pub(super) fn speaks() -> bool {
    rank().is_none_or(|rank| rank == 0)
}
