//! The environment of a command: the rank's without the variables of the MPI launcher, plus the task's own.

use super::{CommandError, CommandSpec, Launcher};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Prefixes of the variables by which MPI launchers tell a process its rank and its daemon. They are removed from a
/// command's environment: an MPI program that finds them takes itself for that rank, connects to the launcher, and
/// hangs or aborts the job; without them it is a job of one rank.
const PREFIXES: &[&str] = &[
    // Open MPI and PRRTE. Users' settings (OMPI_MCA_*) go too: mpirun passes its own under the same names.
    "OMPI_",
    "PRTE_",
    "PMIX_",
    "ORTE_",
    "OPAL_",
    // MPICH, Intel MPI and others that use Hydra; Cray; Slurm's PMI.
    "PMI_",
    "PMI2_",
    "HYDI_",
    "HYDRA_",
    "PALS_",
    "ALPS_APP_",
    // MVAPICH.
    "MV2_COMM_WORLD_",
    "MPISPAWN_",
    // The step of `srun` that started this rank. Variables of the job itself (SLURM_JOB_ID, SLURM_JOB_NODELIST ..)
    // stay.
    "SLURM_STEP_",
    "SLURM_SRUN_COMM_",
];

/// Full names of other variables by which MPI launchers speak to a process. They are removed too.
const NAMES: &[&str] = &[
    "MPI_LOCALRANKID",
    "MPI_LOCALNRANKS",
    "MPIR_RANK",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_STEPID",
    "SLURM_GTIDS",
    "SLURM_TASK_PID",
    "SLURM_LAUNCH_NODE_IPADDR",
    // Set by Hydra for all programs. It changes how Fortran programs buffer their output.
    "GFORTRAN_UNBUFFERED_PRECONNECTED",
];

/// Whether an environment variable is one by which an MPI launcher tells a process its rank.
pub(crate) fn is_launcher_variable(name: &OsStr) -> bool {
    let name = name.as_bytes();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
        || NAMES.iter().any(|known| name == known.as_bytes())
}

/// The names of the MPI launcher's variables that are in the environment of this process.
pub(crate) fn launcher_variables() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_launcher_variable(name)).collect()
}

/// The variables that are added for a command to the spawner's environment (the spawner is the process that starts it).
/// The task's own come last, and so take precedence.
pub(crate) fn added(spec: &CommandSpec) -> Result<Vec<(String, OsString)>, CommandError> {
    let mut added = Vec::with_capacity(spec.env.len());
    if spec.launcher == Launcher::Inherit && !spec.clean_env {
        // a command inherits the spawner's environment, and the spawner was started without these
        let named = |name: OsString| Some((name.to_str()?.to_owned(), std::env::var_os(&name)?));
        added.extend(launcher_variables().into_iter().filter_map(named));
    }
    for (name, value) in &spec.env {
        // std and the system would cut such a name or value in two, or refuse it without naming it.
        if name.is_empty() || name.contains(['=', '\0']) || value.as_bytes().contains(&0) {
            return Err(CommandError::Variable { name: name.clone() });
        }
        added.push((name.clone(), value.clone()));
    }
    Ok(added)
}

/// The value of PATH in the command's environment, by which its program is found.
pub(crate) fn path(spec: &CommandSpec) -> OsString {
    let own = spec.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let inherited = || if spec.clean_env { None } else { std::env::var_os("PATH") };
    // The C library's default for a process without PATH.
    own.or_else(inherited).unwrap_or_else(|| "/bin:/usr/bin".into())
}
