//! Task functions that run the command of a `run` or `shell` instance.

use super::inputs::Inputs;
use super::stdin;
use crate::batch::artifact::Artifact;
use crate::batch::failure::{left, located};
use crate::batch::failure_detail::FailureDetail;
use crate::batch::outputs;
use crate::batch::rank::device_allocation::Allocation;
use crate::batch::rank::mpi_program::MpiProcesses;
use crate::batch::rank::{condition, deadline, params_file, short_commands};
use crate::batch::rank::{rank_state, save_files};
use crate::batch::task_def::TaskDef;
use crate::clock;
use crate::commands::outputs::{CommandOutputs, Content, OutputRef};
use crate::commands::scratch::is_folder;
use crate::commands::{
    self, CommandError, CommandOutput, CommandSpec, Launcher, OutFile, Scratch, ScratchRoot, StoredFile,
    StreamOutput, Usage, is_program, signals,
};
use crate::error::{Failure, Retry};
use crate::ids::pause;
use crate::script::plan::execution::Dir;
use crate::script::plan::runtime_vars::RuntimeVars;
use crate::script::plan::task::{Select, StreamTarget};
use crate::script::plan::template::RenderScope;
use crate::script::values::execution::RetryOn;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The signals by which batch systems and users end jobs.
const ENDING_SIGNALS: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];
/// The signals by which batch systems give notice that a job ends soon.
const NOTICE_SIGNALS: [i32; 3] = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGXCPU];
/// The time for which the failure of a command is held back if a signal of a batch system or user has killed the
/// command. If this rank gets such a signal meanwhile, the job is being stopped, and the instance has not failed.
const SOON: Duration = Duration::from_millis(200);

/// Runs the command of an instance that has inputs from other tasks. A task function: the engine runs it on the rank
/// chosen by the scheduler.
///
/// # Errors
/// When the command fails, or its inputs or outputs cannot be read or written.
pub(crate) fn run_command(def: &TaskDef, index: u64, inputs: &[Artifact]) -> Result<Artifact, Failure> {
    located(def, index, || execute(def, index, inputs))
}

/// Runs the command of an instance without inputs. A task function, which the engine calls for each instance of a part
/// of the family. `number` counts from the first instance of that part, [`TaskDef::first`].
///
/// # Errors
/// As [`run_command`].
pub(crate) fn run_command_alone(def: &TaskDef, number: u64) -> Result<Artifact, Failure> {
    let index = def.first + number;
    located(def, index, || execute(def, index, &[]))
}

/// Makes one attempt to run the command of an instance. If it fails, the failure tells rank 0 whether to retry, and
/// with how much memory.
pub(crate) fn execute(def: &TaskDef, index: u64, inputs: &[Artifact]) -> Result<Artifact, Failure> {
    attempt(def, index, inputs, StreamPlace::Bounded)
}

/// Does the same as [`execute`] for a caller that reads the command's output at once.
pub(crate) fn execute_for_reading(
    def: &TaskDef,
    index: u64,
    inputs: &[Artifact],
) -> Result<Artifact, Failure> {
    attempt(def, index, inputs, StreamPlace::AsRead)
}

/// Where a command's result has its streams (standard output and error).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPlace {
    /// A large stream is put into a file, since many results together may take any amount of memory.
    Bounded,
    /// A stream stays where it was read to: in memory, if the rank's budget for output had room for it.
    AsRead,
}

fn attempt(def: &TaskDef, index: u64, inputs: &[Artifact], place: StreamPlace) -> Result<Artifact, Failure> {
    let inputs = Inputs::new(def, index, inputs)?;
    if let Some(absent) = condition::absence(def, index, &inputs)? {
        return Ok(absent);
    }
    let execution = &def.task.execution;
    // the cores of an MPI program are those of its whole team
    let threads = def.task.needs.threads.filter(|_| def.task.needs.ranks.is_none());
    let allocation = rank_state::current().devices.take(threads, def.task.needs.gpus)?;
    let attempt = rank_state::here().1.into();
    let memory = rank_state::granted().or(execution.memory);
    let begin = clock::now();
    let (error, mut detail) = match try_once(def, index, &inputs, &allocation, (attempt, memory), place) {
        Ok(outputs) => return Ok(outputs.into()),
        Err(AttemptError::Other(failure)) => return Err(failure),
        Err(AttemptError::Command(error, detail)) => (error, detail),
    };
    let kind = error.failure();
    (detail.command, detail.took) = (Some(kind), clock::since(begin));
    let signal = if let commands::FailureKind::Exit(code) = kind { signals::signal_of(code) } else { None };
    // a batch system signals all processes of a job, and this rank may be the last to get it
    if signal.is_some_and(|signal| ENDING_SIGNALS.contains(&signal)) {
        rank_state::current().is_ending(SOON);
    }
    if signal.is_some_and(|signal| NOTICE_SIGNALS.contains(&signal)) && rank_state::current().is_noticed(SOON)
    {
        return Err(left(deadline::NOTICED));
    }
    if !is_tried_again(&execution.retry_on, kind) {
        return Err(Failure::new(error).or_detail(|| detail.encode()));
    }
    if attempt <= execution.retries {
        if !rank_state::current().deadline.admits(def.number, pause_after(execution.backoff, attempt)) {
            return Err(left(rank_state::current().deadline.why_not()));
        }
        log::info!("{}: attempt {attempt}: {error}; it is tried again", def.label(index));
    }
    let grown = memory.filter(|_| kind == commands::FailureKind::OutOfMemory && execution.memory_step > 1.0);
    let retry = grown
        .map_or(Retry::Allowed, |memory| Retry::WithMemory((memory as f64 * execution.memory_step) as u64));
    Err(Failure::new(error).with_retry(retry).or_detail(|| detail.encode()))
}

/// The pause before the next attempt, after attempt number `attempt` (from 1) has failed. It doubles with each attempt,
/// from `backoff` on.
fn pause_after(backoff: Duration, attempt: u32) -> Duration {
    Duration::from_millis(pause(u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX), attempt))
}

/// Whether a failure of a command is one of those that the task's `retry-on` lists, so that the command is tried again.
fn is_tried_again(wanted: &[RetryOn], failure: commands::FailureKind) -> bool {
    use commands::FailureKind as Kind;
    let is = |wanted: &RetryOn| match (failure, *wanted) {
        (Kind::Exit(code), RetryOn::Crash) => signals::signal_of(code).is_some(),
        (Kind::System, RetryOn::Crash) => true,
        (Kind::TimedOut, RetryOn::Timeout) | (Kind::OutOfMemory, RetryOn::Oom) => true,
        (Kind::Exit(code), RetryOn::Exit(wanted)) => code == wanted,
        _ => false,
    };
    match failure {
        Kind::NotStarted | Kind::Cancelled => false,
        _ => wanted.is_empty() || wanted.iter().any(is),
    }
}

/// The error of one attempt to run the command of an instance.
enum AttemptError {
    /// The command could not be started, or it failed; with facts of the failure for the user.
    Command(Box<CommandError>, FailureDetail),
    /// Preparing the command's inputs, or handling its outputs, failed.
    Other(Failure),
}

impl<E: Into<Failure>> From<E> for AttemptError {
    fn from(error: E) -> Self {
        AttemptError::Other(error.into())
    }
}

fn try_once(
    def: &TaskDef,
    index: u64,
    inputs: &Inputs<'_>,
    allocation: &Allocation,
    (attempt, memory): (u32, Option<u64>),
    place: StreamPlace,
) -> Result<CommandOutputs, AttemptError> {
    let processes = MpiProcesses::current(def)?;
    let scratch = match &processes {
        Some(processes) if processes.is_on_many_hosts() => Scratch::shared(Path::new(&def.folder))?,
        _ => rank_state::scratch()?,
    };
    let facts = RuntimeVars {
        rank: rank_state::here().0.0,
        ranks: def.ranks,
        host: rank_state::host(),
        scratch: scratch.path().display().to_string(),
        params: params_file::path(scratch.path()).display().to_string(),
        attempt,
        ..def.facts(index)
    };
    let env = |name: &str| std::env::var(name).ok();
    let values = def.task.family.bindings(index);
    let mut scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    let mut files = Vec::with_capacity(def.task.outs.len());
    for out in &def.task.outs {
        files.push(out.file.render(&scope)?);
    }
    let outs = prepare_outs(scratch.path(), &files)?;
    let staged = inputs.stage(scratch.path())?;
    (scope.inputs, scope.outs) = (&staged, &outs);
    if def.task.wants_params {
        params_file::write(def, &scope, scratch.path())?;
    }
    let mut spec = specify(def, &scope, inputs, scratch.path())?;
    let name = |at: usize| def.task.outs[at].name.clone().unwrap_or_else(|| files[at].clone());
    spec.outs = (0..files.len()).map(|at| (name(at), PathBuf::from(&files[at]))).collect();
    spec.memory = memory;
    lend(def, allocation, &mut spec);
    if let Some(processes) = processes {
        processes.launch(def.ranks > 1, &mut spec)?;
    }
    let state = rank_state::current();
    let ends_with_job = state.deadline.bound(&mut spec);
    let output = match short_commands::run(&state.paces, def, spec) {
        Ok(output) => output,
        Err(error) => {
            let detail = log_failed(def, index, attempt, &error);
            if ends_with_job && error.failure() == commands::FailureKind::TimedOut {
                return Err(AttemptError::Other(left(deadline::OVER)));
            }
            return Err(AttemptError::Command(Box::new(error), detail));
        }
    };
    let Usage { cpu, peak_memory } = output.usage;
    log::debug!(
        "{}: code {}, {cpu:?} of processor time, {} MiB",
        def.label(index),
        output.exit,
        peak_memory >> 20
    );
    log(def, index, attempt, &output.stdout, &output.stderr)?;
    check_targets(def, &scope)?;
    save_files::save(def, &scope, &output)?;
    Ok(keep(def, &files, &output, place)?)
}

/// Gives a command its cores, by `allocation`, and the variables that tell it the number of threads and its GPUs.
/// Variables that the task sets itself take precedence.
fn lend(def: &TaskDef, allocation: &Allocation, spec: &mut CommandSpec) {
    spec.cores.clone_from(&allocation.cores);
    let mut told = Vec::new();
    // processes of an MPI program that each took all cores would get in each other's way
    let threads = def.task.needs.threads.or(def.task.needs.ranks.map(|_| 1));
    if let Some(threads) = threads {
        told.push(("OMP_NUM_THREADS", threads.to_string()));
    }
    if !allocation.gpus.is_empty() {
        told.extend(
            ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"].map(|name| (name, allocation.gpus.join(","))),
        );
    }
    told.retain(|(name, _)| def.task.env.iter().all(|(own, _)| own != name));
    spec.env.extend(told.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
}

/// The paths of the command's output files, from their names `files`. Their directories in `scratch` are created, and
/// those outputs that are folders.
fn prepare_outs(scratch: &Path, files: &[String]) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::with_capacity(files.len());
    for file in files {
        let path: PathBuf = scratch.join(file).components().collect();
        let folder = if is_folder(Path::new(file)) { Some(&*path) } else { path.parent() };
        if let Some(folder) = folder.filter(|folder| folder.starts_with(scratch)) {
            fs::create_dir_all(folder).map_err(|error| {
                Failure::new(format!(
                    "the directory `{}` in scratch cannot be made: {error}",
                    folder.display()
                ))
            })?;
        }
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

fn specify(
    def: &TaskDef,
    scope: &RenderScope<'_>,
    inputs: &Inputs<'_>,
    scratch: &Path,
) -> Result<CommandSpec, Failure> {
    let argv = def.task.action.command(scope)?.ok_or_else(|| Failure::new("internal error: no command"))?;
    let execution = &def.task.execution;
    let dir = match &execution.dir {
        Dir::Here => PathBuf::from(&def.here),
        Dir::Scratch => scratch.to_owned(),
        Dir::Path(path) => {
            let path = Path::new(&def.here).join(path.render(scope)?);
            fs::create_dir_all(&path).map_err(|error| {
                Failure::new(format!("`dir` `{}` cannot be made: {error}", path.display()))
            })?;
            path
        }
    };
    let mut spec = CommandSpec::new(argv, dir, scratch);
    spec.clean_env = execution.clean_env;
    spec.launcher = if execution.inherit_mpi { Launcher::Inherit } else { Launcher::Scrub };
    spec.timeout = execution.timeout;
    spec.max_output = execution.max_output;
    spec.unread = unread(def);
    let facts = scope.facts;
    let told = [
        ("DTASK_TASK", def.task.name.clone()),
        ("DTASK_INDEX", facts.index.to_string()),
        ("DTASK_RANK", facts.rank.to_string()),
        ("DTASK_ATTEMPT", facts.attempt.to_string()),
        ("DTASK_SCRATCH", facts.scratch.clone()),
        ("DTASK_THREADS", facts.threads.to_string()),
    ];
    if def.task.wants_params {
        spec.env.push(("DTASK_PARAMS".to_owned(), facts.params.clone().into()));
    }
    spec.env.extend(told.map(|(name, value)| (name.to_owned(), value.into())));
    for (name, value) in &def.task.env {
        spec.env.push((name.clone(), value.render(scope)?.into()));
    }
    stdin::fill(def, scope, inputs, &mut spec)?;
    spec.ok_exit.clone_from(&def.task.ok_exit);
    Ok(spec)
}

/// Whether standard output and standard error of a command, in this order, are thrown away, so that the rank need not
/// read them.
fn unread(def: &TaskDef) -> [bool; 2] {
    let saved = def.task.saves.iter().any(|save| !matches!(save.select, Select::File(_)));
    let kept = |which| def.keep.contains(&which);
    [
        def.task.stdout == StreamTarget::Null && !saved && !kept(outputs::STDOUT),
        def.task.stderr == StreamTarget::Null && !kept(outputs::STDERR),
    ]
}

fn log(
    def: &TaskDef,
    index: u64,
    attempt: u32,
    stdout: &StreamOutput,
    stderr: &StreamOutput,
) -> Result<(), Failure> {
    for (stream, name, output) in [(&def.task.stdout, "stdout", stdout), (&def.task.stderr, "stderr", stderr)]
    {
        if *stream == StreamTarget::Log {
            rank_state::current().log(def, index, (attempt, false), name, output.content())?;
        }
    }
    Ok(())
}

/// Logs the streams of a command that failed, except those that the script discards. Files for its streams are written
/// only when it succeeds. Returns what the log has of them.
fn log_failed(def: &TaskDef, index: u64, attempt: u32, error: &CommandError) -> FailureDetail {
    let Some(captured) = error.captured() else { return FailureDetail::default() };
    let log = |stream: &StreamTarget, name, output: &StreamOutput| {
        if *stream == StreamTarget::Null {
            return false;
        }
        let logged = rank_state::current().log(def, index, (attempt, true), name, output.content());
        logged.map_err(|failure| log::warn!("{failure}")).unwrap_or(false)
    };
    FailureDetail {
        stdout_logged: log(&def.task.stdout, "stdout", &captured.stdout),
        stderr_logged: log(&def.task.stderr, "stderr", &captured.stderr),
        ..FailureDetail::default()
    }
}

/// Checks that the files exist that the command had to write directly at their final paths (`targets`), not in scratch.
fn check_targets(def: &TaskDef, scope: &RenderScope<'_>) -> Result<(), Failure> {
    for target in &def.task.targets {
        let path = Path::new(&def.here).join(target.render(scope)?);
        if !path.exists() {
            return Err(Failure::new(format!("the target `{}` was not written", path.display())));
        }
    }
    Ok(())
}

/// Collects the outputs that other tasks read. Those of at least [`outputs::LARGE`] bytes are files: output files are
/// moved out of the command's directory, which does not outlive the command, and streams are written.
fn keep(
    def: &TaskDef,
    files: &[String],
    output: &CommandOutput,
    place: StreamPlace,
) -> Result<CommandOutputs, Failure> {
    let mut held = Vec::with_capacity(def.keep.len());
    for &which in &def.keep {
        let (name, bytes) = match which {
            outputs::STDOUT => ("stdout", KeptOutput::stream(&output.stdout, place)?),
            outputs::STDERR => ("stderr", KeptOutput::stream(&output.stderr, place)?),
            file => {
                let at = file as usize - 2;
                let (Some(name), Some(out)) = (files.get(at), output.outs.get(at)) else { continue };
                (name.as_str(), KeptOutput::file(out)?)
            }
        };
        held.push((which, name, bytes));
    }
    let outputs =
        held.iter().map(|(which, name, kept)| OutputRef { which: *which, name, content: kept.content() });
    Ok(CommandOutputs::new(&outputs.collect::<Vec<_>>()))
}

/// An output of a command that is kept on this rank, since other tasks read it.
enum KeptOutput<'a> {
    Borrowed(&'a [u8]),
    Small(Vec<u8>),
    Large(Arc<StoredFile>),
}

impl<'a> KeptOutput<'a> {
    fn file(out: &OutFile) -> Result<KeptOutput<'a>, Failure> {
        let root = ScratchRoot::current()?;
        // a program keeps its mode as a file
        let kept = if out.is_folder {
            root.keep_folder(&out.path).map(|folder| KeptOutput::Large(Arc::new(folder)))
        } else if out.length < outputs::LARGE && !is_program(&out.path) {
            fs::read(&out.path).map(KeptOutput::Small)
        } else {
            root.keep(&out.path).map(|file| KeptOutput::Large(Arc::new(file)))
        };
        kept.map_err(|error| root.full(&format!("the output `{}` cannot be kept", out.name), &error))
    }

    /// Makes an output of a stream. A large stream in memory is moved to a file, since the rank's memory for what
    /// commands print is bounded.
    fn stream(output: &'a StreamOutput, place: StreamPlace) -> Result<KeptOutput<'a>, Failure> {
        match output.content() {
            Content::File(file) => Ok(KeptOutput::Large(file.clone())),
            Content::Memory(bytes)
                if place == StreamPlace::AsRead || (bytes.len() as u64) < outputs::LARGE =>
            {
                Ok(KeptOutput::Borrowed(bytes))
            }
            Content::Memory(bytes) => {
                let root = ScratchRoot::current()?;
                let kept = root.keep_bytes(bytes).map(|file| KeptOutput::Large(Arc::new(file)));
                kept.map_err(|error| root.full("what the command has printed cannot be kept", &error))
            }
        }
    }

    fn content(&self) -> Content<'_> {
        match self {
            KeptOutput::Borrowed(bytes) => Content::Memory(bytes),
            KeptOutput::Small(bytes) => Content::Memory(bytes),
            KeptOutput::Large(file) => Content::File(file),
        }
    }
}
