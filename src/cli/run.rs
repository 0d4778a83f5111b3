//! The command `dtask script.toml`, which runs a script.

use super::check::read;
use super::{DONE, FAILED, RunArgs, STARTUP, STOPPED, USAGE, launch, signals};
use crate::batch::head::deadline::Walltime;
use crate::batch::head::interrupt;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::rank::rank_state;
use crate::batch::resume::run_journal::{JournalUse, RunJournal};
use crate::batch::{self, JobInfo};
use crate::client::Client;
use crate::client::run::run_with_team;
use crate::commands;
use crate::config::Config;
use crate::console;
use crate::error::Result;
use crate::runtime::handshake::Team;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Runs a script; every rank has to call this. Returns the exit code.
pub(super) fn run(args: &RunArgs) -> u8 {
    launch::alone();
    let start = Instant::now();
    start_log(args);
    batch::register_bulk_kinds();
    // before MPI is started, and before any thread
    if let Err(error) = commands::start_process() {
        log::warn!("no process to start commands: {error}; the rank starts them itself");
    }
    signals::watch();
    // The other ranks only serve: the script need not be read a thousand times from a shared file system.
    let limit = args.time_limit.or_else(slurm);
    let plan = match launch::rank() {
        None | Some(0) => Some(plan(args, limit)),
        Some(_) => None,
    };
    if let (None, Some(Err(code))) = (launch::rank(), &plan) {
        return *code; // nobody waits for this process
    }
    // Launched ranks meet even if the script is wrong: one that left early would leave the others to hang, or to be
    // killed.
    let config =
        Config { head_slots: args.head_slots, slots: args.slots, profile: args.profile, ..Config::default() };
    let job = JobInfo { quiet: args.quiet, walltime: limit.map(|limit| Walltime::new(start, limit)) };
    let mut code = DONE;
    let outcome = run_with_team(&config, |client, team| {
        // the run folder is for one run: not before it is certain that this is rank 0
        let prepared =
            plan.unwrap_or_else(|| self::plan(args, limit)).and_then(|plan| Ok((folder(&plan)?, plan)));
        code = match prepared {
            Ok((folder, plan)) => carry_out(job, args, &plan, &folder, client, team)?,
            Err(code) => code,
        };
        Ok(())
    });
    rank_state::leave();
    commands::stop_process();
    match outcome {
        Ok(()) => code,
        Err(error) => {
            console::error(format_args!("dtask: {error}"));
            STARTUP
        }
    }
}

/// Reads the script and applies `--only`. `Err` with the exit code if that fails; the errors have then been printed.
fn plan(args: &RunArgs, time_limit: Option<Duration>) -> std::result::Result<Plan, u8> {
    let script = args.script.as_deref().ok_or(USAGE)?;
    let options = LoadOptions { time_limit, ..LoadOptions::default() };
    let plan = read(script, &args.set, options).map_err(|()| USAGE)?;
    only(plan, &args.only)
}

fn folder(plan: &Plan) -> std::result::Result<RunFolder, u8> {
    RunFolder::prepare(plan).map_err(|error| {
        console::error(format_args!("error: {error}"));
        STARTUP
    })
}

/// Reduces a plan to the tasks of `--only` and the tasks that they depend on; unchanged if `names` is empty.
fn only(plan: Plan, names: &[String]) -> std::result::Result<Plan, u8> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = plan.find(name) else {
            let all = plan.tasks.iter().map(|task| task.name.as_str());
            let help = did_you_mean(name, all).map(|help| format!("; {help}")).unwrap_or_default();
            console::error(format_args!("error: `--only {name}`: the script has no task `{name}`{help}"));
            return Err(USAGE);
        };
        found.push(at);
    }
    Ok(if found.is_empty() { plan } else { plan.only(&found) })
}

/// The time that the job still has according to Slurm (`SLURM_JOB_END_TIME`); `None` outside of Slurm.
fn slurm() -> Option<Duration> {
    let end = std::env::var("SLURM_JOB_END_TIME").ok()?.trim().parse().ok()?;
    let left = (UNIX_EPOCH + Duration::from_secs(end)).duration_since(SystemTime::now()).ok()?;
    log::info!("by SLURM_JOB_END_TIME the job has {} s", left.as_secs());
    Some(left)
}

/// The journal of the run folder, with what is left to run. `Err` with the exit code if that fails; the error has then
/// been printed.
fn journal(
    args: &RunArgs,
    plan: &Plan,
    folder: &RunFolder,
    ranks: usize,
) -> std::result::Result<RunJournal, u8> {
    if let Some(name) = args.force.iter().find(|name| plan.find(name).is_none()) {
        let all = plan.tasks.iter().map(|task| task.name.as_str());
        let help = did_you_mean(name, all).map(|help| format!("; {help}")).unwrap_or_default();
        console::error(format_args!("error: `--force {name}`: no task `{name}` runs{help}"));
        return Err(USAGE);
    }
    let using = JournalUse { fresh: args.fresh, force: args.force.clone() };
    RunJournal::begin(plan, folder.path(), ranks, &using).map_err(|error| {
        console::error(format_args!(
            "error: the journal in `{}` cannot be used: {error}; `--fresh` begins a new one",
            folder.path().display()
        ));
        STARTUP
    })
}

fn carry_out(
    job: JobInfo,
    args: &RunArgs,
    plan: &Plan,
    folder: &RunFolder,
    client: &Client,
    team: &Team,
) -> Result<u8> {
    let wrong = batch::head::placement::check(plan, team);
    if !wrong.is_empty() {
        console::error(wrong.join("\n\n"));
        return Ok(USAGE);
    }
    let journal = match journal(args, plan, folder, team.slots.len()) {
        Ok(journal) => journal,
        Err(code) => return Ok(code),
    };
    let summary = batch::run(plan, folder, client, team, job, journal)?;
    // a signal has ended commands: their failures mean nothing
    interrupt::stay_if_ending(|| "its last tasks were under way".to_owned());
    if folder.is_lost() {
        console::error("warning: another run has taken over the run folder meanwhile");
    }
    if !job.quiet {
        console::output(summary.text.trim_end());
    }
    if !summary.errors.is_empty() {
        console::error(summary.errors.trim_end());
    }
    if summary.late {
        folder.release();
        signals::leave();
    }
    Ok(match summary.resumable {
        true => STOPPED,
        false if summary.errors.is_empty() => DONE,
        false => FAILED,
    })
}

fn start_log(args: &RunArgs) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => log::LevelFilter::Error,
        (false, 0) => log::LevelFilter::Warn,
        (false, 1) => log::LevelFilter::Info,
        (false, _) => log::LevelFilter::Debug,
    };
    // no second logger, in a program that has its own
    let _ = env_logger::Builder::new().filter_level(level).try_init();
}
