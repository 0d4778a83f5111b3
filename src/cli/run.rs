//! The command `dtask script.toml`, which runs a script.

use super::check::read;
use super::{DONE, FAILED, RunArgs, STARTUP, STOPPED, USAGE, job_end, launch, meaning, other_tools, signals};
use crate::batch::head::deadline::Walltime;
use crate::batch::head::interrupt;
use crate::batch::head::run_folder::{LAST_WORDS, RunFolder};
use crate::batch::head::run_record::RunRecord;
use crate::batch::rank::rank_state;
use crate::batch::resume::run_journal::{JournalUse, RunJournal};
use crate::batch::{self, JobInfo};
use crate::client::Client;
use crate::client::run::run_with_team;
use crate::commands;
use crate::config::Config;
use crate::console::{self, counted};
use crate::error::Result;
use crate::runtime::handshake::Team;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use crate::script::values::settings::RunSettings;
use std::time::{Duration, Instant};

/// Runs a script; every rank has to call this. Returns the exit code.
pub(super) fn run(args: &RunArgs) -> u8 {
    launch::alone();
    let start = Instant::now();
    start_log(args);
    batch::register_bulk_kinds();
    // before MPI is started, since a process with MPI cannot be forked safely, and before any thread
    if let Err(error) = commands::start_process() {
        log::warn!("no process to start commands: {error}; the rank starts them itself");
    }
    signals::watch();
    // The other ranks only serve: the script need not be read a thousand times from a shared file system.
    let first = launch::rank().is_none_or(|rank| rank == 0);
    let limit = if first { time_left(args) } else { None };
    let plan = first.then(|| plan(args, limit));
    if let (None, Some(Err(code))) = (launch::rank(), &plan) {
        tell(*code);
        return *code; // no launcher, so no other rank waits for this one
    }
    // Launched ranks meet even if the script is wrong: one that left early would leave the others to hang, or to be
    // killed.
    let config = Config {
        head_slots: args.head_slots,
        slots: args.slots,
        memory_limit: args.memory_limit,
        profile: args.profile,
        silence: args.silence,
        checksums: args.checksums || Config::default().checksums,
        ..Config::default()
    };
    let mut code = DONE;
    let outcome = run_with_team(&config, |client, team| {
        // Two runs may not share a run folder, so rank 0 locks it. That is done only now that MPI has told which
        // process is rank 0: under a launcher that is not known here, each process would have taken itself for rank 0
        // before.
        let (plan, limit) = match plan {
            Some(plan) => (plan, limit),
            None => {
                // a launcher's variables may name another rank 0 than MPI does: then this process has not read the
                // script yet
                let limit = time_left(args);
                (self::plan(args, limit), limit)
            }
        };
        let prepared = plan.and_then(|plan| Ok((folder(&plan)?, plan)));
        let walltime = limit.map(|limit| Walltime::new(start, limit));
        let is_part = !args.only.is_empty();
        let job = JobInfo { quiet: args.quiet, walltime, progress: args.progress, is_part };
        code = match prepared {
            Ok((folder, plan)) => carry_out(job, args, &plan, &folder, client, team)?,
            Err(code) => code,
        };
        Ok(())
    });
    rank_state::leave();
    commands::stop_process();
    if let Err(error) = outcome {
        console::error(format_args!("dtask: {error}"));
        code = STARTUP;
    }
    if launch::speaks() {
        tell(code);
    }
    code
}

/// Explains an exit code, in the last line of a run that has not done everything.
fn tell(code: u8) {
    if code != DONE {
        console::error(format_args!("dtask: exit code {code}, {}", meaning(code)));
    }
}

/// Reads the script and applies `--only`. `Err` with the exit code if that fails; the errors have then been printed.
fn plan(args: &RunArgs, time_limit: Option<Duration>) -> std::result::Result<Plan, u8> {
    let script = args.script.as_deref().ok_or(USAGE)?;
    if !script.exists()
        && let Some(told) = other_tools::no_command(&script.to_string_lossy(), &[])
    {
        console::error(format_args!("error: {told}; see `dtask --help`"));
        return Err(USAGE);
    }
    let only_these = args.only.clone();
    let options = LoadOptions {
        time_limit,
        starts: true,
        check_paths: true,
        only: only_these,
        ..LoadOptions::default()
    };
    let mut plan = read(script, &args.set, options).map_err(|()| USAGE)?;
    let RunSettings { scratch, output_memory } = &mut plan.settings;
    *scratch = args.scratch.clone().or(scratch.take());
    *output_memory = args.output_memory.or(*output_memory);
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

/// The time until the end of the job; `None` if it is not known or there is no limit. Prints which of these it is, and
/// from where that is known.
fn time_left(args: &RunArgs) -> Option<Duration> {
    match job_end::find(args.time_limit) {
        Ok(end) => {
            if end.is_of_a_job() && !args.quiet {
                console::error(&end);
            } else {
                log::info!("{end}");
            }
            end.left
        }
        Err(why) => {
            log::warn!(
                "the end of the job is not known, so its last tasks may be cut off: {why}. Give --time-limit"
            );
            None
        }
    }
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
        folder.remove_if_empty();
        console::error(wrong.join("\n\n"));
        return Ok(USAGE);
    }
    let journal = match journal(args, plan, folder, team.slots.len()) {
        Ok(journal) => journal,
        Err(code) => return Ok(code),
    };
    if let Err(error) = folder.begin(plan) {
        console::error(format_args!("error: {error}"));
        return Ok(STARTUP);
    }
    interrupt::set_last_words(&folder.path().join(LAST_WORDS));
    let record = RunRecord::begun(plan);
    let summary = batch::run(plan, folder, client, team, job, journal)?;
    // If a signal has come, the thread that handles signals ends the commands, so they fail through no fault of the
    // script. This thread then reports nothing and waits for the exit.
    if interrupt::is_ending() {
        interrupt::stay("its last tasks were under way".to_owned(), || folder.release());
    }
    if folder.is_lost() {
        console::error("warning: another run has taken over the run folder meanwhile");
    }
    let code = match summary.resumable {
        true => STOPPED,
        false if summary.errors.is_empty() => DONE,
        false => FAILED,
    };
    if let Err(error) = folder.record(&record.ended(summary.tally, code)) {
        log::warn!("the end of the run cannot be noted in `{}`: {error}", folder.path().display());
    }
    if !job.quiet {
        console::output(summary.text.trim_end());
    }
    if !summary.errors.is_empty() {
        console::error(summary.errors.trim_end());
    }
    if code == STOPPED {
        let left = counted(summary.tally.left, "task");
        let is = if summary.tally.left == 1 { "is" } else { "are" };
        console::error(format_args!("dtask: {left} {is} left for the next run"));
    }
    if summary.late {
        tell(code);
        folder.release();
        signals::leave(code);
    }
    Ok(code)
}

fn start_log(args: &RunArgs) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => log::LevelFilter::Error,
        (false, 0) => log::LevelFilter::Warn,
        (false, 1) => log::LevelFilter::Info,
        (false, _) => log::LevelFilter::Debug,
    };
    // fails if the program has set up a logger of its own, which then stays
    let _ = env_logger::Builder::new().filter_level(level).try_init();
}
