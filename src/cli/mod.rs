//! The command line: `mpirun -n 64 dtask script.toml`.
//!
//! Parses the arguments and runs a subcommand, each in a file of its own. Only [`run`] starts MPI; with it, every rank
//! parses the same command line, and rank 0 alone prints messages that concern all ranks ([`launch`]). Exit codes are
//! the constants [`DONE`] to [`STOPPED`]. The comments on fields of `Cli` and its parts are the texts of `--help`.
//! Start with [`main`] and [`run`].

mod check;
mod explain;
mod generate;
mod graph;
mod job_end;
mod journal;
mod launch;
mod log;
mod new;
mod other_tools;
mod panic_hook;
mod plan;
mod plan_commands;
mod run;
mod script_file;
mod signals;
mod status;
mod version;

use crate::config::SLOTS_MAX;
use crate::console;
use crate::script::values::settings::RunSettings;
use crate::script::values::units::size;
use clap::{Args, Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code: everything was done.
pub(crate) const DONE: u8 = 0;
/// Exit code: some tasks failed for good.
pub(crate) const FAILED: u8 = 1;
/// Exit code: the script or the command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// Exit code: MPI, or something else that a run needs, could not be started.
pub(crate) const STARTUP: u8 = 3;
/// Exit code: something is left for the next run, since the time was over or a signal came.
pub(crate) const STOPPED: u8 = 75;

/// The meaning of an exit code other than [`DONE`], in some words.
fn meaning(code: u8) -> &'static str {
    match code {
        FAILED => "some tasks failed, or the time is too short for any",
        USAGE => "a mistake in the script or in the command line; nothing has run",
        STARTUP => "MPI, or something else that a run needs, could not be started",
        STOPPED => "not everything is done; run it again to go on",
        _ => "see `dtask --help`",
    }
}

const EXAMPLES: &str = "\
Examples:
  mpirun -n 64 dtask script.toml              run a script on 64 ranks: rank 0 schedules, the others work
  dtask script.toml                           no mpirun: one rank, every core of this machine
  dtask script.toml --set steps=10 --set T=3  with other values of the script's [vars]
  dtask log script.toml 'sim[T=300,p=1]'      what an instance has printed
  dtask check script.toml                     every error with its line, before the job waits in a queue
  dtask explain E21                           what an error means, and a script that has it, mended
  dtask plan script.toml --why                what would run, and why
  dtask script.toml --fresh                   all of it, whatever earlier runs have done
  dtask journal script.toml                   what earlier runs have done
  dtask status script.toml                    how much is done, has failed and is left; also while it runs
  dtask graph script.toml --format svg        a picture of the tasks
  dtask new script.toml                       a commented script to begin with
  generate | dtask -                          a script from standard input; its logs are in stdin.dtask/

Exit codes:
   0  all done
   1  some tasks failed; what does not depend on them has run. NAME.dtask/failures.tsv has all of them. Also if
      something is left and nothing could be done in the time
   2  a mistake in the script or in the command line; nothing has run
   3  MPI could not be started, or something else that a run needs
  75  something is left, since the time limit or a signal came first, and something was done: run it again to go on
Under mpirun the code is that of rank 0, which has the last word.";

/// Runs many tasks that depend on each other inside one MPI job.
#[derive(Debug, Parser)]
#[command(name = "dtask", after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
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
    Check {
        #[command(flatten)]
        script: CheckArgs,
        /// How long the job will have: "2h", "1 h 30 min"; tasks whose `time` is longer are errors
        #[arg(long, value_name = "TIME", value_parser = job_end::time_limit)]
        time_limit: Option<Duration>,
    },
    /// Tells what a script would do: how many instances, the critical path, the largest fan-in
    Plan(PlanArgs),
    /// Prints the graph of a script's tasks, each family as one node
    Graph(GraphArgs),
    /// Writes a commented script to begin with
    New {
        /// The file to write
        #[arg(default_value = "script.toml")]
        script: PathBuf,
    },
    /// Prints the completions of a shell: `dtask completions bash > ~/.local/share/bash-completion/completions/dtask`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page: `dtask man > dtask.1`
    Man,
    /// Explains an error or a warning, with a script that has it and the same script mended
    Explain {
        /// The code, as in `error[E21]`; without one, all codes are listed
        code: Option<String>,
    },
    /// Prints what an instance has written, from the logs of the last run; without an instance, how the last runs ended
    Log(LogArgs),
    /// Prints what the journal of a script says: its runs, and what is done
    Journal(JournalArgs),
    /// Prints how many instances are done, have failed and are left; also while the script runs
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The script to run; `-` is standard input, with paths from the working folder and logs in `stdin.dtask/`
    script: Option<PathBuf>,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
    /// Only this task, and what it needs; as often as needed
    #[arg(long, value_name = "TASK")]
    only: Vec<String>,
    /// How long the job has from now: "2h", "1 h 30 min", or as Slurm has it, 1:30:00 [default: what Slurm, SGE or PBS
    /// says]. Nothing is started that would not end before; what is left makes the exit code 75
    #[arg(long, value_name = "TIME", value_parser = job_end::time_limit)]
    time_limit: Option<Duration>,
    /// Begins anew: what earlier runs have done is done again
    #[arg(long)]
    fresh: bool,
    /// Runs all instances of this task again, and all that depend on them; as often as needed
    #[arg(long, value_name = "TASK")]
    force: Vec<String>,
    /// Tasks that rank 0 computes at a time, beside scheduling [default: 0, or every core if it is alone]
    #[arg(long, value_name = "N", value_parser = slots_from::<0>)]
    head_slots: Option<u32>,
    /// Tasks that each other rank computes at a time [default: its share of its host's cores]
    #[arg(long, value_name = "N", value_parser = slots_from::<1>)]
    slots: Option<u32>,
    /// The directory in which each rank makes its own for temporary files; every host has it [default: the script's
    /// `scratch`, SLURM_TMPDIR, TMPDIR, or a local disk]
    #[arg(long, value_name = "DIR", value_parser = RunSettings::scratch)]
    scratch: Option<String>,
    /// Memory of a rank for its commands' output: "64 MiB"; beyond it output goes to files in scratch [default: the
    /// script's `output-memory`, or 64 MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    output_memory: Option<u64>,
    /// Memory that the results of each rank may take: "4 GiB"; beyond it, results are moved to a disk of the host
    /// [default: 60 % of its share of the memory that the host, its control group or Slurm grants]
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory_limit: Option<u64>,
    /// At the end, tells on standard error what each rank's time went into
    #[arg(long)]
    profile: bool,
    /// Time between two lines of progress, where standard error is no terminal [default: 10 s, longer in a long run]
    #[arg(long, value_name = "TIME", value_parser = job_end::time_limit)]
    progress: Option<Duration>,
    /// Time without a sign of life from a rank after which one line names it and its host; 0 for never
    #[arg(long, value_name = "TIME", default_value = "1min", value_parser = silence)]
    silence: Duration,

    /// Compare checksums of large results that go from rank to rank
    ///
    /// A result that has arrived damaged is asked for once more; then the tasks that take it fail
    #[arg(long)]
    checksums: bool,
    /// Tells nothing but errors
    #[arg(short, long)]
    quiet: bool,
    /// Tells more; twice, even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The script to look at
    script: PathBuf,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
}

/// Parses the time after which a silent rank is told; `0` is never.
fn silence(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" { Ok(Duration::ZERO) } else { job_end::time_limit(text) }
}

/// Parses a number of slots of at least `LEAST`.
fn slots_from<const LEAST: u32>(text: &str) -> Result<u32, String> {
    let slots = text.parse().ok().filter(|slots| (LEAST..=SLOTS_MAX).contains(slots));
    slots.ok_or_else(|| format!("a number from {LEAST} to {SLOTS_MAX}: each slot is a thread"))
}

#[derive(Debug, Args)]
struct PlanArgs {
    #[command(flatten)]
    script: CheckArgs,
    /// Also tells why tasks would run
    #[arg(long)]
    why: bool,
    /// Also prints the key of every instance: what it does and what it reads, as a number
    #[arg(long)]
    keys: bool,
    /// Prints what instances would do instead: their commands, what they read, write and save; of one task or instance,
    /// `'sim[T=300]'`, or of all
    #[arg(long, value_name = "INSTANCE", num_args = 0..=1, default_missing_value = "")]
    commands: Option<String>,
    /// The form of `--commands`
    #[arg(long, value_enum, default_value = "text", requires = "commands")]
    format: plan_commands::CommandFormat,
}

#[derive(Debug, Args)]
struct GraphArgs {
    #[command(flatten)]
    script: CheckArgs,
    /// The form of the graph
    #[arg(long, value_enum, default_value = "dot")]
    format: graph::GraphFormat,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// The script that was run
    script: PathBuf,
    /// Prints one number alone, for job scripts: the instances that are left. Those that have failed, and those that
    /// failures hold up, are not among them
    #[arg(long)]
    left: bool,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct JournalArgs {
    /// The script that was run
    script: PathBuf,
    /// Prints every record, as a line of JSON
    #[arg(long, conflicts_with_all = ["check", "compact"])]
    json: bool,
    /// Looks whether all of it can be read; exit code 1 if not
    #[arg(long, conflicts_with = "compact")]
    check: bool,
    /// Writes it anew, as short as it can be; not while the script runs
    #[arg(long)]
    compact: bool,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct LogArgs {
    /// The script that was run, or its run folder `NAME.dtask`
    script: PathBuf,
    /// The instance: `task`, `task[T=300]` or `task[T=300,p=1]`; without one, the runs are listed
    instance: Option<String>,
    /// The standard error of the instance, in place of its standard output
    #[arg(long)]
    stderr: bool,
    /// The run: 0 is the last one, 1 the one before, up to 4
    #[arg(long, value_name = "N", default_value_t = 0)]
    run: u32,
    /// Another value for a variable of the script's [vars]; as often as needed
    #[arg(long, value_name = "NAME=VALUE", value_parser = set)]
    set: Vec<(String, String)>,
}

/// Parses a size as scripts write it.
fn memory_size(text: &str) -> Result<u64, String> {
    size(text).ok_or_else(|| "a number and a unit, as in 500MB or \"2 GiB\"".to_owned())
}

/// Parses the argument `name=value` of `--set`.
fn set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    if name.trim().is_empty() {
        return Err("the name is missing: write it as name=value".into());
    }
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Parses the command line, runs the command, and returns the exit code.
pub fn main() -> ExitCode {
    if let Some(code) = crate::commands::serve_if_asked() {
        return code;
    }
    panic_hook::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // a request for help is no error; and one rank prints for all
            if launch::speaks() {
                let args: Vec<String> =
                    std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
                match other_tools::better(&error, &args).filter(|_| error.use_stderr()) {
                    Some(better) => console::error(format_args!("error: {better}; see `dtask --help`")),
                    None => {
                        let printed = error.print().and_then(|()| std::io::stdout().flush());
                        if let (Err(failed), false) = (printed, error.use_stderr()) {
                            console::note(&failed);
                        }
                    }
                }
            }
            return ended(if error.use_stderr() { USAGE } else { DONE });
        }
    };
    let code = match cli {
        Cli { version: true, .. } => {
            if launch::speaks() {
                console::output(version::text());
            }
            DONE
        }
        Cli { command: Some(Command::Check { script, time_limit }), .. } => {
            check::check(&script.script, &script.set, time_limit)
        }
        Cli { command: Some(Command::Plan(args)), .. } => {
            let details = plan::Details {
                why: args.why,
                keys: args.keys,
                commands: args.commands.as_deref().map(|wanted| (wanted, args.format)),
            };
            plan::plan(&args.script.script, &args.script.set, details)
        }
        Cli { command: Some(Command::Graph(args)), .. } => {
            graph::graph(&args.script.script, &args.script.set, args.format)
        }
        Cli { command: Some(Command::New { script }), .. } => new::new(&script),
        Cli { command: Some(Command::Completions { shell }), .. } => generate::completions(shell),
        Cli { command: Some(Command::Man), .. } => generate::man(),
        Cli { command: Some(Command::Explain { code }), .. } => explain::explain(code.as_deref()),
        Cli { command: Some(Command::Log(args)), .. } => log::log(&args),
        Cli { command: Some(Command::Journal(args)), .. } => journal::journal(&args),
        Cli { command: Some(Command::Status(args)), .. } => status::status(&args),
        Cli { run: RunArgs { script: Some(_), .. }, .. } => return ran(run::run(&cli.run)),
        _ => {
            if launch::speaks() {
                console::error("error: which script? `mpirun -n 4 dtask script.toml`; see `dtask --help`");
            }
            USAGE
        }
    };
    ended(code)
}

/// Time for which a rank that prints nothing waits before it ends with an error that another rank prints.
const SILENT_END: Duration = Duration::from_millis(500);

/// The exit code of a command whose purpose is to print something: [`DONE`] becomes another code if standard output
/// could not be written.
fn ended(code: u8) -> ExitCode {
    if code != DONE && !launch::speaks() {
        // `mpirun` kills the other ranks when one has failed, and the one that speaks may not have spoken yet
        std::thread::sleep(SILENT_END);
    }
    ran(if code == DONE && console::failure().is_some() { STARTUP } else { code })
}

/// The exit code of a run. It depends on the run's tasks alone, even if the summary could not be written.
fn ran(code: u8) -> ExitCode {
    if let Some(why) = console::failure() {
        console::error(format_args!("error: standard output cannot be written: {why}"));
    }
    ExitCode::from(code)
}
