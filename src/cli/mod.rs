//! The command line: `mpirun -n 64 dtask script.toml`.

mod check;
mod launch;
mod run;
mod signals;
mod version;

use crate::config::SLOTS_MAX;
use crate::tell;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Everything was done.
pub const DONE: u8 = 0;
/// Some tasks failed for good.
pub const FAILED: u8 = 1;
/// The script or the command line is wrong.
pub const USAGE: u8 = 2;
/// MPI, or something else that a run needs, could not be started.
pub const STARTUP: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  mpirun -n 64 dtask script.toml              run a script on 64 ranks: rank 0 schedules, the others work
  dtask script.toml                           no mpirun: one rank, every core of this machine
  dtask script.toml --set steps=10 --set T=3  with other values of the script's [vars]
  dtask check script.toml                     every error with its line, before the job waits in a queue

Exit codes: 0 all done, 1 some tasks failed, 2 script or usage error, 3 MPI or start-up problem";

/// Runs many tasks that depend on each other inside one MPI job.
#[derive(Debug, Parser)]
#[command(name = "dtask", after_help = EXAMPLES, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
    /// Prints the versions of dtask, MPI and HDF5
    #[arg(short = 'V', long)]
    version: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads a script and tells everything that is wrong with it; runs nothing, and starts no MPI
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The script to run
    script: Option<PathBuf>,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
    /// Tasks that rank 0 computes at a time, beside scheduling [default: 0, or every core if it is alone]
    #[arg(long, value_name = "N", value_parser = slots_from::<0>)]
    head_slots: Option<u32>,
    /// Tasks that each other rank computes at a time [default: its share of its host's cores]
    #[arg(long, value_name = "N", value_parser = slots_from::<1>)]
    slots: Option<u32>,
    /// Tells nothing but errors
    #[arg(short, long)]
    quiet: bool,
    /// Tells more; twice, even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The script to check
    script: PathBuf,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
}

/// A number of slots of at least `LEAST`.
fn slots_from<const LEAST: u32>(text: &str) -> Result<u32, String> {
    let slots = text.parse().ok().filter(|slots| (LEAST..=SLOTS_MAX).contains(slots));
    slots.ok_or_else(|| format!("a number from {LEAST} to {SLOTS_MAX}: each slot is a thread"))
}

/// One `--set`.
fn set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    if name.trim().is_empty() {
        return Err("the name is missing: write it as name=value".into());
    }
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// The program: parses its arguments and does what they say.
pub fn main() -> ExitCode {
    if let Some(code) = crate::call::command::serve_if_asked() {
        return code;
    }
    install_panic_hook();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // help is no error; and one rank's words are enough
            if launch::speaks() {
                let _ = error.print();
            }
            return ExitCode::from(if error.use_stderr() { USAGE } else { DONE });
        }
    };
    let code = match cli {
        Cli { version: true, .. } => {
            if launch::speaks() {
                tell::output(version::text());
            }
            DONE
        }
        Cli { command: Some(Command::Check(args)), .. } => check::check(&args.script, &args.set),
        Cli { run: RunArgs { script: Some(_), .. }, .. } => run::run(&cli.run),
        _ => {
            if launch::speaks() {
                tell::error("error: which script? `mpirun -n 4 dtask script.toml`; see `dtask --help`");
            }
            USAGE
        }
    };
    ExitCode::from(code)
}

/// A panic outside of tasks is a bug of dtask: one line, with what is needed to report it.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let rank = launch::rank().map_or_else(|| "the only rank".to_owned(), |rank| format!("rank {rank}"));
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic without a message").replace('\n', " ");
        let at = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        tell::error(format_args!(
            "dtask {version}: internal error on {rank}{at}: {text}. This is a bug of dtask: please report this line, \
             with the script, to its authors"
        ));
    }));
}
