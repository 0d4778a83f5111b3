//! The environment of a command: the rank's without the variables of the MPI launcher, plus the task's own.

use super::{CommandError, CommandSpec, Launcher};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

/// Prefixes of the variables by which MPI launchers tell a process its rank and its daemon. They are removed from a
/// command's environment: an MPI program that finds them takes itself for that rank, connects to the launcher, and
/// hangs or aborts the job; without them it is a job of one rank.
const PREFIXES: &[&str] = &[
    // Open MPI and PRRTE. What users have set among them stays: see `is_users`.
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

/// Prefixes of parameters of Open MPI, PRRTE and PMIx. Users and modules set some; `mpirun` passes its own, and those
/// of its command line, under such names.
const PARAMETERS: &[&str] = &["OMPI_MCA_", "PRTE_MCA_", "PMIX_MCA_"];
/// The beginnings of the parameters, after the prefix, that `mpirun` always passes.
const PASSED: &[&str] = &[
    "ess",
    "orte_",
    "prte_",
    "pmix",
    "initial_wdir",
    "mpi_oversubscribe",
    "shmem_RUNTIME_QUERY_hint",
    "mca_base_component_show_load_errors",
];
/// The beginnings of the parameters, after the prefix, that say where processes are to run. Another call of the
/// launcher says that itself.
const PLACES: &[&str] = &["rmaps_", "ras"];
/// Endings of the names of parameters that no launcher sets, so the user has set them.
const SETTINGS: &[&str] = &["_ALLOW_RUN_AS_ROOT", "_ALLOW_RUN_AS_ROOT_CONFIRM"];
/// The beginnings of the names of launchers that pass on the whole environment in which the user has started them.
const LAUNCHERS: &[&str] = &["mpirun", "mpiexec", "orterun", "prterun"];

/// Whether the user, and not the launcher, has set a variable of the launcher's. `launcher` is the environment in which
/// the launcher was started; `None` where it cannot be read, as on other hosts than its own.
fn is_users(name: &OsStr, value: &OsStr, launcher: Option<&HashMap<OsString, OsString>>) -> bool {
    let bytes = name.as_bytes();
    let parameter = PARAMETERS.iter().find_map(|prefix| bytes.strip_prefix(prefix.as_bytes()));
    let Some(parameter) = parameter else {
        return SETTINGS.iter().any(|setting| bytes.ends_with(setting.as_bytes()));
    };
    let is_passed = PASSED.iter().any(|passed| parameter.starts_with(passed.as_bytes()));
    !is_passed && launcher.is_none_or(|launcher| launcher.get(name).is_some_and(|set| set == value))
}

/// The environment in which the launcher of this process was started, if it is one of [`LAUNCHERS`] on this host.
fn launcher_environment() -> Option<&'static HashMap<OsString, OsString>> {
    // process-wide: the launcher started the process, whatever ranks are in it
    static ENVIRONMENT: OnceLock<Option<HashMap<OsString, OsString>>> = OnceLock::new();
    let read = || {
        let mut pid = std::os::unix::process::parent_id();
        while pid > 1 {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (head, rest) = stat.rsplit_once(')')?;
            let program = head.split_once('(')?.1;
            if LAUNCHERS.iter().any(|launcher| program.starts_with(launcher)) {
                return std::fs::read(format!("/proc/{pid}/environ")).ok().map(|bytes| variables(&bytes));
            }
            pid = rest.split_whitespace().nth(1)?.parse().ok()?;
        }
        None
    };
    ENVIRONMENT.get_or_init(read).as_ref()
}

fn variables(environ: &[u8]) -> HashMap<OsString, OsString> {
    let own = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let variable = |entry: &[u8]| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        Some((own(&entry[..at]), own(&entry[at + 1..])))
    };
    environ.split(|byte| *byte == 0).filter_map(variable).collect()
}

/// Whether an environment variable is one by which an MPI launcher tells a process its rank.
pub(crate) fn is_launcher_variable(name: &OsStr) -> bool {
    let name = name.as_bytes();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
        || NAMES.iter().any(|known| name == known.as_bytes())
}

/// The names of the MPI launcher's variables that are in the environment of this process, without those that the user
/// has set.
pub(crate) fn launcher_variables() -> Vec<OsString> {
    let all = std::env::vars_os().filter(|(name, _)| is_launcher_variable(name));
    let launchers = all.filter(|(name, value)| !is_users(name, value, launcher_environment()));
    launchers.map(|(name, _)| name).collect()
}

/// Whether a variable of the launcher is a parameter that holds for another call of the launcher too: one of its command
/// line, and none by which it tells a process its place.
fn is_parameter_for_all(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let parameter = PARAMETERS.iter().find_map(|prefix| bytes.strip_prefix(prefix.as_bytes()));
    parameter.is_some_and(|parameter| {
        PASSED.iter().chain(PLACES).all(|passed| !parameter.starts_with(passed.as_bytes()))
    })
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
    if spec.launcher == Launcher::Again {
        let parameters = launcher_variables().into_iter().filter(|name| is_parameter_for_all(name));
        let named = |name: OsString| Some((name.to_str()?.to_owned(), std::env::var_os(&name)?));
        added.extend(parameters.filter_map(named));
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
    // the default of the C library for a process without PATH
    own.or_else(inherited).unwrap_or_else(|| "/bin:/usr/bin".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_command_line_hold_for_another_launcher_too() {
        for (name, holds) in [
            ("OMPI_MCA_btl", true),
            ("OMPI_MCA_plm_rsh_agent", true),
            ("PRTE_MCA_oob_tcp_if_include", true),
            ("OMPI_MCA_ess", false),
            ("OMPI_MCA_orte_hnp_uri", false),
            ("OMPI_MCA_rmaps_base_mapping_policy", false),
            ("OMPI_COMM_WORLD_RANK", false),
            ("PMIX_RANK", false),
        ] {
            assert_eq!(is_parameter_for_all(name.as_ref()), holds, "{name}");
        }
    }

    #[test]
    fn what_the_user_has_set_stays_and_what_the_launcher_passes_goes() {
        let launcher =
            variables(b"OMPI_MCA_btl=tcp,self\0OMPI_MCA_coll=x\0HOME=/a=b\0odd\0OMPI_MCA_ess=pmi\0");
        assert_eq!(launcher.get(OsStr::new("HOME")), Some(&"/a=b".into()));
        let stays = |name: &str, value: &str, launcher| is_users(name.as_ref(), value.as_ref(), launcher);
        for (name, value, with, without) in [
            ("OMPI_MCA_btl", "tcp,self", true, true),
            ("OMPI_MCA_coll", "of the command line", false, true),
            ("OMPI_MCA_pml", "of the command line", false, true),
            ("OMPI_MCA_ess", "pmi", false, false),
            ("OMPI_MCA_orte_hnp_uri", "1.0;tcp://", false, false),
            ("PMIX_MCA_mca_base_component_show_load_errors", "1", false, false),
            ("OMPI_COMM_WORLD_RANK", "1", false, false),
            ("PMI_RANK", "1", false, false),
            ("OMPI_ALLOW_RUN_AS_ROOT", "1", true, true),
        ] {
            assert_eq!(stays(name, value, Some(&launcher)), with, "{name} with the launcher's environment");
            assert_eq!(stays(name, value, None), without, "{name} without");
        }
    }
}
