//! What the launcher says before MPI is started.

/// The variables by which launchers tell a process its rank: Open MPI, PMIx, MPICH and Intel MPI, MVAPICH, Slurm.
const RANK: [&str; 5] =
    ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID"];

/// This process's rank, if a launcher has started it.
pub fn rank() -> Option<u32> {
    RANK.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// Whether this process tells what concerns all: every rank has the same command line.
pub fn speaks() -> bool {
    rank().is_none_or(|rank| rank == 0)
}
