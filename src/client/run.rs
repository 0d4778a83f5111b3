//! The run: starts MPI, makes the ranks meet, runs the program's closure on rank 0 while every rank serves MPI, and
//! ends. Start with [`run`] and `serve`.

use super::Client;
use crate::config::Config;
use crate::console;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::runtime::driver::{Driver, DriverLink};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::handshake::{self, Meeting, Team};
use crate::runtime::head::{Head, Request};
use crate::runtime::host::system_calls::{SchedSlice, name_the_task_at_the_end};
use crate::runtime::host::topology;
use crate::runtime::host::{scratch_place, shares};
use crate::runtime::mailbox::{Mailbox, Waker};
use crate::runtime::nested::Nested;
use crate::runtime::outbox::Links;
use crate::runtime::profile::{self, Profile};
use crate::runtime::reactor::Reactor;
use crate::runtime::threads::job::RankLocation;
use crate::runtime::threads::pool::{Compute, Pool};
use crate::runtime::threads::rank_locals::RankLocals;
use crate::runtime::threads::task_context;
use crate::scheduler::RankInfo;
use crate::task::value::panic_text;
use crate::transport::mpi::{self, Communicator, MpiTransport, MpiWorld};
use crate::transport::{Transport, TransportError};
use std::fmt::Display;
use std::sync::Arc;

/// Number of requests in the queue to the reactor at which a submitting thread has to wait (back-pressure).
const REQUESTS_MAX: usize = 4096;
/// The exit code of a job that MPI has failed.
const FAILED: i32 = 3;
/// The exit code of a job that ended before its work did, through no fault of it: to run it again may help.
const INTERRUPTED: i32 = 75;

/// Starts MPI, runs `body` on rank 0 with a client for all ranks, ends MPI, and returns what `body` has returned.
///
/// Every rank calls this function, as its first use of MPI. Only at rank 0 the closure runs, in a thread of its own,
/// while the calling thread serves MPI. On the other ranks the call computes tasks, and returns `Ok` with the default
/// of the closure's type when rank 0's closure has ended. Without `mpirun` there is one rank, which computes with all
/// its cores.
///
/// Code before this call runs on every rank, and so does code behind it.
///
/// The error is of any type that an [`Error`] becomes with `?`: [`Error`] itself, `anyhow::Error`,
/// `Box<dyn std::error::Error + Send + Sync>`. It comes from the closure's thread, so it has to be `Send`.
///
/// # The end
/// When the closure has returned, tasks that somebody can still want run to their ends: those given to
/// [`Client::fire_and_forget`], and those whose futures were moved out of the closure. All others do not start any
/// more. A task that computes is waited for, and named if that takes longer than five seconds: nothing computes when
/// this function has returned. If the closure fails, nothing more is started.
///
/// ```no_run
/// fn main() -> dtask::Result<()> {
///     dtask::run(|client| {
///         println!("{}", client.submit(|x: i64| x + 1, (1,)).result()?);
///         Ok(())
///     })
/// }
/// ```
///
/// # Errors
/// The error that the closure returns, on rank 0.
///
/// # Panics
/// When the closure does, after the other ranks have been told to leave.
///
/// When the ranks do not fit together (another executable, another version) the process prints one line on rank 0 and
/// exits with code 3; when MPI fails later, all ranks are ended with code 3. Where a job outlives the death of a rank
/// (`mpirun --with-ft ulfm` of Open MPI 5), the run goes on without it; if rank 0 dies, all are ended with code 75.
pub fn run<V, E>(body: impl FnOnce(&Client) -> Result<V, E> + Send) -> Result<V, E>
where
    V: Default + Send,
    E: From<Error> + Send,
{
    run_with(&Config::default(), body)
}

/// Does the same as [`run`], with settings.
///
/// ```no_run
/// fn main() -> dtask::Result<()> {
///     let config = dtask::Config { slots: Some(2), ..dtask::Config::default() };
///     dtask::run_with(&config, |client| {
///         println!("{}", client.submit(|x: i64| x + 1, (1,)).result()?);
///         Ok(())
///     })
/// }
/// ```
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_with<V, E>(config: &Config, body: impl FnOnce(&Client) -> Result<V, E> + Send) -> Result<V, E>
where
    V: Default + Send,
    E: From<Error> + Send,
{
    run_to_its_end(config, true, |client, _| body(client))
}

/// Does the same as [`run_with`]; the closure is also given the team: the list of all ranks with their hosts and slots.
/// The end does not wait for tasks that still run: the caller has its own rules for that.
pub(crate) fn run_with_team(
    config: &Config,
    body: impl FnOnce(&Client, &Team) -> Result<()> + Send,
) -> Result<()> {
    run_to_its_end(config, false, body)
}

fn run_to_its_end<V, E>(
    config: &Config,
    awaits: bool,
    body: impl FnOnce(&Client, &Team) -> Result<V, E> + Send,
) -> Result<V, E>
where
    V: Default + Send,
    E: From<Error> + Send,
{
    let started = MpiWorld::start().and_then(|world| {
        if let Some(warning) = world.singleton_warning() {
            log::warn!("{warning}");
        }
        let transport = world.transport().map_err(|error| Error::Startup(error.0))?;
        Ok((world, transport))
    });
    let (world, transport) = match started {
        Ok(started) => started,
        Err(error) => {
            tell(&error);
            std::process::exit(3)
        }
    };
    let host = world.host().to_owned();
    let rank = transport.rank();
    let (transport, outcome) = serve(transport, &host, config, Ending { fail_fast: true, awaits }, body);
    match outcome {
        Ok(outcome) => {
            if let Err(error) = world.shutdown(transport) {
                give_up(rank, &host, &error.0, FAILED);
            }
            match outcome {
                Closed::Returned(outcome) => outcome,
                Closed::Panicked(payload) => std::panic::resume_unwind(payload),
                Closed::Elsewhere => Ok(V::default()),
            }
        }
        Err(error @ (Error::Startup(_) | Error::Refused)) => {
            // printed before any rank can exit, since mpirun ends the job when the first one does
            tell(&error);
            let _ = world.shutdown(transport);
            std::process::exit(3)
        }
        Err(Error::Transport { message, .. }) => give_up(rank, &host, &message, FAILED),
        Err(error) => give_up(rank, &host, &error.to_string(), FAILED),
    }
}

/// Runs `body` like [`run`], inside a program that has MPI already: works on a duplicate of `comm`, returns on every
/// rank of it, and leaves MPI initialised and the program's own messages alone. Rank 0 of `comm` gets
/// `Ok(Some(value))` with what the closure has returned, the others get `Ok(None)`.
///
/// Must be called by the thread that may call MPI (`MPI_THREAD_FUNNELED` at least). With `MPI_THREAD_SERIALIZED` or
/// more, a round trip takes half the time: threads that wait then call MPI themselves, one at a time. Until this
/// returns, the program must not call MPI in another thread, unless it has `MPI_THREAD_MULTIPLE`.
///
/// ```no_run
/// fn phase(comm: &mpi::topology::SimpleCommunicator) -> dtask::Result<()> {
///     if let Some(next) = dtask::run_on(comm, |client| client.submit(|x: i64| x + 1, (1,)).result())? {
///         println!("{next}"); // on rank 0
///     }
///     Ok(()) // the ranks are yours again
/// }
/// ```
///
/// # Errors
/// On every rank if the closure fails or panics: rank 0 gets the closure's own error, the others an error with its
/// text. [`Error::Startup`] when the ranks do not fit together or MPI lacks the thread level; [`Error::Transport`] when
/// MPI fails, after which the program should call `MPI_Abort`: the other ranks wait.
///
/// # Panics
/// On rank 0 when the closure does, after the other ranks have been told.
pub fn run_on<V, E>(
    comm: &impl Communicator,
    body: impl FnOnce(&Client) -> Result<V, E> + Send,
) -> Result<Option<V>, E>
where
    V: Send,
    E: From<Error> + Display + Send,
{
    run_on_with(comm, &Config::default(), body)
}

/// Does the same as [`run_on`], with settings.
///
/// ```no_run
/// fn phase(comm: &mpi::topology::SimpleCommunicator) -> dtask::Result<()> {
///     let config = dtask::Config { slots: Some(2), ..dtask::Config::default() };
///     dtask::run_on_with(comm, &config, |client| client.wait(client.map(|n: u64| n, 0..9)))?;
///     Ok(())
/// }
/// ```
///
/// # Errors
/// As [`run_on`].
///
/// # Panics
/// As [`run_on`].
pub fn run_on_with<V, E>(
    comm: &impl Communicator,
    config: &Config,
    body: impl FnOnce(&Client) -> Result<V, E> + Send,
) -> Result<Option<V>, E>
where
    V: Send,
    E: From<Error> + Display + Send,
{
    mpi::check_thread()?;
    mpi::await_all(comm, config.patience)?;
    let transport = MpiTransport::new(comm, mpi::PIECE_MAX).map_err(|error| Error::Startup(error.0))?;
    let host = mpi::host_name();
    let ending = Ending { fail_fast: false, awaits: true };
    let (mut transport, outcome) = serve(transport, &host, config, ending, |client, _| body(client));
    let outcome = outcome?;
    let failed = |error: TransportError| Error::Startup(error.0);
    let why = match &outcome {
        Closed::Returned(Ok(_)) => Ok(None),
        Closed::Returned(Err(error)) => Ok(Some(format!("{error:#}"))),
        Closed::Panicked(payload) => Ok(Some(format!("it panicked: {}", panic_text(&**payload)))),
        Closed::Elsewhere => transport.hear_outcome(),
    };
    let why = why.map_err(failed)?;
    if !matches!(outcome, Closed::Elsewhere) {
        transport.tell_outcome(why.as_deref());
    }
    transport.close().map_err(failed)?;
    match (outcome, why) {
        (Closed::Returned(outcome), _) => outcome.map(Some),
        (Closed::Panicked(payload), _) => std::panic::resume_unwind(payload),
        (Closed::Elsewhere, None) => Ok(None),
        (Closed::Elsewhere, Some(why)) => {
            Err(Error::Other(format!("the closure given to `run_on` has failed on rank 0: {why}")).into())
        }
    }
}

/// The end of the closure, as the ranks of a run know it.
enum Closed<V, E> {
    /// The closure has run on this rank and has returned.
    Returned(Result<V, E>),
    /// The closure has run on this rank and has panicked, with this payload.
    Panicked(Box<dyn std::any::Any + Send>),
    /// The closure has run on rank 0, and this is another one.
    Elsewhere,
}

/// A guard that ends the whole MPI job when the reactor's thread panics, as it may in the `Drop` of a user's result.
/// Without it, the other ranks and the client would wait for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            mpi::abort(101);
        }
    }
}

/// A guard that drops the rank's shared values (see `local`) at the end of the run, while MPI is still initialised.
struct LocalsOfRun;

impl Drop for LocalsOfRun {
    fn drop(&mut self) {
        RankLocals::of_process().clear();
    }
}

/// A guard whose drop, at the end of the run, withdraws the rank's client from threads of the program's own.
struct HomeOfRun;

impl Drop for HomeOfRun {
    fn drop(&mut self) {
        task_context::set_home_of_process(None);
    }
}

/// The manner in which a run ends.
#[derive(Clone, Copy)]
struct Ending {
    /// Whether a failure of MPI ends all ranks at once; if not, it is returned as an error.
    fail_fast: bool,
    /// Whether the end of the run waits for tasks that are still running.
    awaits: bool,
}

/// Runs this rank on the calling thread until the run is over: the loop that serves MPI, and on rank 0 the user's
/// closure in a thread beside it.
fn serve<T: Transport + Send + 'static, V: Send, E: Send>(
    mut transport: T,
    host: &str,
    config: &Config,
    ending: Ending,
    body: impl FnOnce(&Client, &Team) -> Result<V, E> + Send,
) -> (T, Result<Closed<V, E>>) {
    let _guard = AbortOnPanic;
    let _locals = LocalsOfRun;
    let _slice = SchedSlice::shorten();
    let rank = transport.rank();
    let meeting = match handshake::hello(host)
        .and_then(|hello| handshake::meet(&mut transport, hello, config, ending.awaits))
    {
        Ok(meeting) => meeting,
        Err(error) => return (transport, Err(error)),
    };
    let Meeting { slots, profile, part, silence, memory_limit, awaits, checksums, same_files, team, early } =
        meeting;
    shares::set_own(part);
    shares::set_own_host(host);
    if let Some(hook) = &config.initialiser {
        hook.run();
    }
    name_the_task_at_the_end(format!("rank {rank} ({host})"));
    let stack = config.stack.unwrap_or_else(topology::main_stack);
    let place = RankLocation {
        rank,
        host: host.into(),
        locals: None,
        cancelled: Arc::default(),
        teams: Arc::default(),
    };
    let waker = Waker::new();
    let ranks = transport.ranks();
    let mailbox = Mailbox::bounded(waker.clone(), REQUESTS_MAX);
    let link = Arc::new(DriverLink::default());
    let client = Client::new(mailbox.clone(), link.clone(), rank, ranks);
    let home = Arc::new(client.clone());
    task_context::set_home_of_process(Some(home.clone()));
    let _home = HomeOfRun;
    let pool = match Pool::new(slots, place.clone(), waker.clone(), Some(home), link.clone(), stack) {
        Ok(pool) => pool,
        Err(error) => return (transport, Err(Error::Startup(format!("rank {rank} ({host}): {error}")))),
    };
    let mut node = Executor::new(slots, pool, place);
    let scratch = config.scratch.clone();
    node.limit_memory(memory_limit, move || scratch_place::for_spill(scratch.as_deref()));
    node.fetches.same_files.extend(same_files);
    node.checksums = checksums;
    let mut links = Links::new(transport);
    if profile {
        links.profile = Profile::on(slots);
    }
    let fail =
        |error: ExecutorError| Error::Transport { rank, host: host.to_owned(), message: error.to_string() };
    let Some(team) = team else {
        let reactor = Reactor::new(links, node, None);
        let reactor = reactor
            .watching(awaits, silence)
            .with_nested(Nested::new(mailbox, client.shared().counters.clone()))
            .with_early(early);
        let (reactor, outcome) = turn(reactor, waker, false, &link);
        if let (true, Err(error @ ExecutorError::HeadDied)) = (ending.fail_fast, &outcome) {
            give_up(rank, host, &error.to_string(), INTERRUPTED);
        }
        client.shared().close("this rank has left the run");
        return (reactor.links.transport, outcome.map_err(fail).map(|()| Closed::Elsewhere));
    };
    log_team(&team);
    let own_core = topology::head_has_core(&team.hellos, &team.slots);
    let infos: Vec<RankInfo> = (team.slots.iter().zip(&team.memory_limits))
        .zip(shares::hosts(&team.hellos).into_iter().zip(team.hellos.iter().zip(&team.parts)))
        .map(|((&slots, &memory_limit), (host, (hello, part)))| RankInfo {
            slots,
            memory_limit,
            host,
            memory: hello.memory,
            gpus: part.gpus.len() as u32,
        })
        .collect();
    let mut head = Head::new(&infos);
    head.name_hosts(team.hellos.iter().map(|hello| hello.host.clone()).collect());
    head.tells = awaits;
    let reactor = Reactor::new(links, node, Some((head, mailbox.clone()))).watching(awaits, silence);
    let (reactor, outcome) = std::thread::scope(|scope| {
        let body_client = client.clone();
        let hosts = team.hellos.iter().map(|hello| hello.host.clone()).collect();
        let body = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, move || {
            let mut close = CloseAtEnd { mailbox, succeeded: false };
            let _ = body_client.shared().hosts.set(hosts);
            let outcome = body(&body_client, &team);
            if outcome.is_ok() {
                body_client.shared().finish_callbacks();
            }
            close.succeeded = outcome.is_ok();
            outcome
        });
        // panics, as `scope.spawn` does when no thread can be started
        let body =
            body.unwrap_or_else(|error| panic!("the thread of the closure cannot be started: {error}"));
        let _guard = AbortOnPanic;
        let (mut reactor, served) = turn(reactor, waker, own_core, &link);
        let served = served.map_err(fail);
        let why = match &served {
            Ok(()) => "the closure given to `run` has returned".to_owned(),
            Err(Error::Transport { message, .. }) => message.clone(),
            Err(error) => error.to_string(),
        };
        if ending.fail_fast && served.is_err() {
            // the closure cannot be stopped, and may compute for hours before it notices that the run has failed
            give_up(rank, host, &why, FAILED);
        }
        client.shared().close(&why);
        if let Some((head, _)) = &mut reactor.head {
            head.close(&why);
        }
        if served.is_ok()
            && let Some((head, _)) = &reactor.head
        {
            print_profile(head, &reactor.links.profile);
            head.tell_spilled();
        }
        let closed = body.join().map_or_else(Closed::Panicked, Closed::Returned);
        (reactor, served.map(|()| closed))
    });
    (reactor.links.transport, outcome)
}

/// Makes turns of the reactor (receive, decide, send) until the run is over. Other threads of the rank that wait for
/// the reactor make turns too, if MPI allows calls from any thread: they find the driver in `link`. `own_core` says
/// that each thread of the rank has a core.
fn turn<T, C>(
    reactor: Reactor<T, C>,
    waker: Arc<Waker>,
    own_core: bool,
    link: &DriverLink,
) -> (Reactor<T, C>, std::result::Result<(), ExecutorError>)
where
    T: Transport + Send + 'static,
    C: Compute + Send + 'static,
{
    let any_thread = reactor.links.transport.any_thread();
    let driver = Arc::new(Driver::new(reactor, waker, own_core, || mpi::abort(101)));
    if any_thread {
        let weak = Arc::downgrade(&driver);
        link.set(weak);
    }
    driver.run()
}

/// Prints how the time of each rank divides into phases, if the run measured it (`--profile`).
fn print_profile(head: &Head, own: &Profile) {
    let table = profile::table(&head.spent(own.spent()));
    if !table.is_empty() {
        console::error(table.trim_end());
    }
}

/// A guard that tells the reactor, when it is dropped, that the client's closure has returned or panicked, so that the
/// run ends.
struct CloseAtEnd {
    mailbox: Arc<Mailbox<Request>>,
    succeeded: bool,
}

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.mailbox.push(Request::Close { succeeded: self.succeeded });
    }
}

fn log_team(team: &Team) {
    for line in topology::table(&team.hellos, &team.slots).lines() {
        log::info!("{line}");
    }
    for warning in topology::idle_cores(&team.hellos, &team.slots, topology::online()) {
        log::warn!("{warning}");
    }
}

/// Prints why the run cannot begin, in one line for the whole job: on rank 0, or on a rank that failed before it could
/// reach rank 0.
fn tell(error: &Error) {
    if !matches!(error, Error::Refused) {
        console::error(format_args!("dtask: {error}"));
    }
}

/// Prints `message`, the reason why this rank cannot go on, and ends all ranks of the job with this exit code.
fn give_up(rank: Rank, host: &str, message: &str, code: i32) -> ! {
    console::error(format_args!("dtask: rank {rank} ({host}): {message}"));
    mpi::abort(code)
}
