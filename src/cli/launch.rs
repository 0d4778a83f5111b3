//! The launcher (`mpirun`, `srun`): the rank of this process, which its environment variables give before MPI is
//! started. Without a launcher, this program sets a variable itself, with which Open MPI starts faster.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The environment variables by which launchers tell a process its rank: Open MPI, PMIx, MPICH and Intel MPI, MVAPICH,
/// Slurm.
const RANK: [&str; 5] =
    ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID"];

/// The rank of this process; `None` if no launcher has started it.
pub(super) fn rank() -> Option<u32> {
    RANK.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// Tells Open MPI, where no launcher has started this process, that the process will not start others through MPI. Open
/// MPI would start a helper for that, which takes longer than everything else at start-up. Replaces the process by the
/// same program with one more environment variable (`exec`), and returns only where that is not needed.
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

/// Whether this process prints messages that concern all ranks. Only rank 0 does, since all ranks have the same command
/// line and would print them too.
pub(super) fn speaks() -> bool {
    rank().is_none_or(|rank| rank == 0)
}
