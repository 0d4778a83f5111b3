//! `dtask script.toml`.

use super::check::read;
use super::{DONE, FAILED, RunArgs, STARTUP, USAGE, launch, signals};
use crate::call::command;
use crate::client::{Client, run_with};
use crate::config::Config;
use crate::error::Result;
use crate::runtime::start::Team;
use crate::script::run::{self, RunFolder, Telling, rank};
use crate::script::{Plan, did_you_mean};
use crate::tell;

/// Runs a script; every rank comes here.
pub fn run(args: &RunArgs) -> u8 {
    start_log(args);
    // before MPI is started, and before any thread
    if let Err(error) = command::start_process() {
        log::warn!("no process to start commands: {error}; the rank starts them itself");
    }
    signals::watch();
    // The others only serve: the script need not be read a thousand times from a shared file system.
    let plan = match launch::rank() {
        None | Some(0) => Some(plan(args)),
        Some(_) => None,
    };
    if let (None, Some(Err(code))) = (launch::rank(), &plan) {
        return *code; // nobody waits for this process
    }
    // Launched ranks meet even if the script is wrong: one that left early would leave the others to hang, or to be killed.
    let config =
        Config { head_slots: args.head_slots, slots: args.slots, profile: args.profile, ..Config::default() };
    let mut code = DONE;
    let outcome = run_with(&config, |client, team| {
        // the run folder is for one run: not before it is certain that this is rank 0
        let prepared = plan.unwrap_or_else(|| self::plan(args)).and_then(|plan| Ok((folder(&plan)?, plan)));
        code = match prepared {
            Ok((folder, plan)) => carry_out(args, &plan, &folder, client, team)?,
            Err(code) => code,
        };
        Ok(())
    });
    rank::leave();
    command::stop_process();
    match outcome {
        Ok(()) => code,
        Err(error) => {
            tell::error(format_args!("dtask: {error}"));
            STARTUP
        }
    }
}

/// Reads the script, or says with which exit code it is none.
fn plan(args: &RunArgs) -> std::result::Result<Plan, u8> {
    let script = args.script.as_deref().ok_or(USAGE)?;
    let plan = read(script, &args.set, false).map_err(|()| USAGE)?;
    only(plan, &args.only)
}

fn folder(plan: &Plan) -> std::result::Result<RunFolder, u8> {
    RunFolder::prepare(plan).map_err(|error| {
        tell::error(format_args!("error: {error}"));
        STARTUP
    })
}

/// What `--only` leaves of a plan.
fn only(plan: Plan, names: &[String]) -> std::result::Result<Plan, u8> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = plan.find(name) else {
            let all = plan.tasks.iter().map(|task| task.name.as_str());
            let help = did_you_mean(name, all).map(|help| format!("; {help}")).unwrap_or_default();
            tell::error(format_args!("error: `--only {name}`: the script has no task `{name}`{help}"));
            return Err(USAGE);
        };
        found.push(at);
    }
    Ok(if found.is_empty() { plan } else { plan.only(&found) })
}

fn carry_out(args: &RunArgs, plan: &Plan, folder: &RunFolder, client: &Client, team: &Team) -> Result<u8> {
    let wrong = run::needs::check(plan, team);
    if !wrong.is_empty() {
        tell::error(wrong.join("\n\n"));
        return Ok(USAGE);
    }
    let summary = run::run(plan, folder, client, team, Telling { quiet: args.quiet })?;
    folder.remove_if_empty();
    if !args.quiet {
        tell::output(summary.text.trim_end());
    }
    if !summary.errors.is_empty() {
        tell::error(summary.errors.trim_end());
    }
    Ok(if summary.errors.is_empty() { DONE } else { FAILED })
}

fn start_log(args: &RunArgs) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => log::LevelFilter::Error,
        (false, 0) => log::LevelFilter::Warn,
        (false, 1) => log::LevelFilter::Info,
        (false, _) => log::LevelFilter::Debug,
    };
    // a second one, in a program that has its own, is not wanted
    let _ = env_logger::Builder::new().filter_level(level).try_init();
}
