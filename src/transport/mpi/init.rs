//! The start and the end of MPI.

use super::{MpiTransport, PIECE_MAX, communicator};
use crate::error::{Error, Result};
use crate::transport::TransportError;
use mpi::environment::{self, Universe};
use mpi::topology::SimpleCommunicator;
use mpi::traits::Communicator;
use mpi::{Threading, initialize_with_threading};

/// The MPI library of a process, initialised by dtask itself (in `dtask::run` and the `dtask` command) and finalised
/// when this is dropped.
///
/// Not `Send`: only the thread that starts MPI is sure to be allowed to call it.
pub struct MpiWorld {
    world: SimpleCommunicator,
    host: String,
    // The last field, so that it is dropped last: its drop finalises MPI.
    _universe: Universe,
}

impl MpiWorld {
    /// Initialises MPI on the calling thread, with `MPI_THREAD_SERIALIZED` if MPI allows that, or else with
    /// `MPI_THREAD_FUNNELED`.
    ///
    /// # Errors
    /// When MPI is initialised already or was finalised, and when MPI does not allow a program with threads.
    pub fn start() -> Result<MpiWorld> {
        if environment::is_finalized() {
            return Err(Error::Startup(
                "MPI was finalised before in this process, and cannot be started a second time: call dtask::run only \
                 once, or keep MPI initialised and call dtask::run_on(&comm, ..) as often as you like"
                    .into(),
            ));
        }
        let Some((universe, level)) = initialize_with_threading(Threading::Serialized) else {
            return Err(Error::Startup(
                "MPI is initialised already: use dtask::run_on(&comm, ..) in a program that has MPI itself"
                    .into(),
            ));
        };
        if level < Threading::Funneled {
            let library = library_version();
            return Err(Error::Startup(format!(
                "this MPI does not allow threads: MPI_THREAD_FUNNELED was asked for, MPI_THREAD_SINGLE was given. Use an \
                 MPI that was built with support for threads ({library})"
            )));
        }
        communicator::return_errors().map_err(|error| Error::Startup(error.0))?;
        let host = host_name();
        Ok(MpiWorld { world: universe.world(), host, _universe: universe })
    }

    /// The communicator of all ranks that were started together (`MPI_COMM_WORLD`).
    #[must_use]
    pub fn communicator(&self) -> &SimpleCommunicator {
        &self.world
    }

    /// Makes a transport over all ranks; every rank must call this.
    ///
    /// # Errors
    /// When MPI cannot duplicate its communicator.
    pub fn transport(&self) -> Result<MpiTransport, TransportError> {
        MpiTransport::new(&self.world, PIECE_MAX)
    }

    /// The name of the host that this rank is on.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A warning for the user when this process is alone in MPI although several processes were started, or were to be;
    /// `None` otherwise.
    #[must_use]
    pub fn singleton_warning(&self) -> Option<String> {
        singleton_text(self.world.size(), |name| std::env::var(name).ok())
    }

    /// Ends MPI once every rank has called this. Waiting for the other ranks takes next to no processor time.
    ///
    /// # Errors
    /// When MPI reports an error.
    pub fn shutdown(self, transport: MpiTransport) -> Result<(), TransportError> {
        // MPI_Finalize waits for the others too, but spins while it does so; after `close` there is nobody to wait for.
        transport.close()
    }
}

/// The name of this host as MPI knows it.
#[must_use]
pub fn host_name() -> String {
    environment::processor_name().unwrap_or_else(|_| "unknown".into())
}

/// Ends all ranks of the job at once with this exit status. Allowed at any time, even before MPI is started.
pub fn abort(code: i32) -> ! {
    if environment::is_initialized() && !environment::is_finalized() {
        SimpleCommunicator::world().abort(code)
    }
    std::process::exit(code)
}

/// Whether any thread may call MPI, one at a time; if not, only the thread that initialised MPI is allowed to.
pub(super) fn any_thread() -> bool {
    environment::threading_support() >= Threading::Serialized
}

/// The name and version of the MPI library, in one line. Allowed at any time, even before MPI is started.
#[must_use]
pub fn library_version() -> String {
    let text = environment::library_version().unwrap_or_default();
    // MPICH tells its whole configuration after the first line.
    let line = text.trim_end_matches('\0').lines().next().unwrap_or_default();
    let text = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let (major, minor) = environment::version();
    format!("{text} (MPI standard {major}.{minor})")
}

/// Whether the MPI library has the functions by which a job can go on after a rank has died (User-Level Failure
/// Mitigation, ULFM); the launcher must have been told so as well.
#[must_use]
pub fn can_survive() -> bool {
    communicator::has_ulfm()
}

/// Checks that dtask is allowed to call MPI on the calling thread, where the program has initialised MPI itself.
///
/// # Errors
/// When MPI is not initialised, was finalised, allows no threads, or belongs to another thread.
pub fn check_thread() -> Result<()> {
    let refuse = |text: &str| Err(Error::Startup(format!("dtask::run_on: {text}")));
    if !environment::is_initialized() {
        return refuse("MPI is not initialised; dtask::run does so itself");
    }
    if environment::is_finalized() {
        return refuse("MPI is finalised already");
    }
    match environment::threading_support() {
        Threading::Single => refuse(
            "MPI was initialised with MPI_THREAD_SINGLE, but dtask computes in threads: initialise it by \
             mpi::initialize_with_threading(mpi::Threading::Funneled), or MPI_Init_thread with MPI_THREAD_FUNNELED",
        ),
        Threading::Funneled => match communicator::is_thread_main() {
            Ok(true) => Ok(()),
            Ok(false) => refuse(
                "MPI was initialised with MPI_THREAD_FUNNELED by another thread: call dtask::run_on from that thread, or \
                 initialise MPI with MPI_THREAD_SERIALIZED",
            ),
            Err(error) => refuse(&error.0),
        },
        _ => Ok(()),
    }
}

/// The text of [`MpiWorld::singleton_warning`], given the number of ranks and the environment.
fn singleton_text(ranks: i32, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if ranks != 1 {
        return None;
    }
    let many =
        |name: &&str| variable(name).and_then(|text| text.trim().parse::<u64>().ok()).filter(|&n| n > 1);
    // Set in every process that a launcher started.
    let launched = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"];
    if let Some((name, n)) = launched.iter().find_map(|name| Some((name, many(name)?))) {
        return Some(format!(
            "{name}={n}, but this process is alone: {n} programs run the same thing beside each other. The launcher and \
             the MPI library do not fit together; start with the mpirun of the library that dtask was built with (under \
             Slurm also: srun --mpi=pmix)"
        ));
    }
    // Set in a Slurm job, whether or not a launcher was used.
    let n = many(&"SLURM_NTASKS")?;
    Some(format!(
        "SLURM_NTASKS={n}, but this process is alone: start with mpirun or srun to use all {n} tasks of the job"
    ))
}

#[cfg(test)]
mod tests {
    use super::singleton_text;

    fn warn(ranks: i32, variables: &[(&str, &str)]) -> Option<String> {
        singleton_text(ranks, |name| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_string()))
    }

    #[test]
    fn only_a_lonely_rank_among_many_is_warned() {
        assert_eq!(warn(1, &[]), None);
        assert_eq!(warn(1, &[("SLURM_NTASKS", "1"), ("OMPI_COMM_WORLD_SIZE", "1")]), None);
        assert_eq!(warn(4, &[("SLURM_NTASKS", "4"), ("PMI_SIZE", "4")]), None);
        assert_eq!(warn(1, &[("SLURM_NTASKS", "many")]), None);
    }

    #[test]
    fn the_warning_says_whether_a_launcher_was_used() {
        let text = warn(1, &[("SLURM_NTASKS", "64")]).unwrap_or_default();
        assert!(text.contains("SLURM_NTASKS=64") && text.contains("start with mpirun"), "{text}");
        let text = warn(1, &[("SLURM_NTASKS", "64"), ("PMI_SIZE", "64")]).unwrap_or_default();
        assert!(text.contains("PMI_SIZE=64") && text.contains("do not fit"), "{text}");
    }
}
