//! Words of other tools on the command line, and mistakes in the order of its words: what dtask says in place of the
//! parser's message.

use super::Cli;
use super::script_file::nearest;
use crate::script::diagnostics::suggest::suggest;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::path::Path;

/// Options of other tools, and what dtask has for each.
const OPTIONS: &[(&[&str], &str)] = &[
    (
        &[
            "-j",
            "--jobs",
            "-c",
            "--cores",
            "-n",
            "-np",
            "--np",
            "--ntasks",
            "-p",
            "--parallel",
            "-w",
            "--workers",
            "--max-workers",
            "--procs",
            "--nproc",
            "--cpus",
            "--threads",
            "-P",
            "--max-procs",
        ],
        "how many tasks run at a time: every core, unless `--slots N` says how many on each rank; over several ranks or hosts: \
         `mpirun -n 4 dtask script.toml`",
    ),
    (
        &["--dry-run", "--dryrun", "--dry", "--just-print", "--preview", "--noop", "--simulate", "--what-if"],
        "`dtask plan script.toml` tells what would run, `dtask check script.toml` what is wrong; neither runs anything",
    ),
    (
        &["-f", "-s", "--file", "--script", "--snakefile", "--makefile", "-i", "--input"],
        "the script is an argument of its own: `dtask script.toml`; `-` is standard input",
    ),
    (
        &["-D", "--define", "--config", "--param", "--params", "--var", "--vars", "-e", "--env"],
        "`--set name=value` gives another value to a variable of `[vars]`",
    ),
    (
        &["-t", "--target", "--targets", "--task", "--tasks", "--until", "--rule", "--job", "--filter"],
        "`--only TASK` runs one task and what it needs",
    ),
    (
        &["-k", "--keep-going", "--ignore-errors"],
        "what does not depend on a failed task goes on anyway; `[policy]` in the script says when failures stop the run",
    ),
    (
        &["--fail-fast", "--stop", "--halt", "--strict"],
        "`on-failure = \"stop\"` in `[policy]` of the script stops at the first failure",
    ),
    (
        &["-r", "--retries", "--restart-times", "--retry"],
        "`retries = 2` in a task, or in `[default]` for all tasks",
    ),
    (
        &["--timeout", "--time", "--walltime", "--max-time"],
        "`--time-limit 2h` is how long the whole job has; a task's own limit is `timeout = \"1 h\"` in the script",
    ),
    (
        &["--resume", "-resume", "--continue", "--restart", "--rerun-incomplete"],
        "every run goes on where the last one has ended: it runs what is not done; `dtask plan --why` says what and why",
    ),
    (
        &["--forceall", "-F", "--forcerun", "-B", "--always-make", "--no-cache"],
        "`--fresh` runs everything again, `--force TASK` one task and what depends on it",
    ),
    (
        &["--log", "--log-file", "--logfile", "--logs"],
        "what tasks print: `dtask log script.toml 'task[T=300]'`; dtask's own messages go to standard error",
    ),
    (
        &["-C", "--directory", "--cwd", "--workdir"],
        "paths start from the script's folder, wherever dtask is started",
    ),
    (&["--graph", "--dag", "--viz"], "`dtask graph script.toml --format svg` is a picture of the tasks"),
    (
        &["--host", "--hosts", "--hostfile", "--nodes"],
        "hosts are said to the launcher: `mpirun --host a,b dtask script.toml`",
    ),
];

/// Words of other tools for what a command of dtask does, and how dtask is called for it.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["run", "exec", "execute", "start", "submit", "launch", "build", "make", "all", "go", "apply"],
        "a script is run by its name alone: `dtask {script}`",
    ),
    (
        &["validate", "verify", "lint", "test", "dry-run", "dryrun", "parse", "compile"],
        "`dtask check {script}` tells what is wrong with a script",
    ),
    (
        &["show", "list", "ls", "tasks", "describe", "info", "why"],
        "`dtask plan {script}` tells what would run",
    ),
    (
        &["jobs", "ps", "top", "progress", "history", "runs", "failures", "report", "stats"],
        "`dtask status {script}` tells how much is done, `dtask log {script}` how the last runs went",
    ),
    (&["dag", "dot", "viz", "visualize", "draw", "svg"], "`dtask graph {script}` is a picture of the tasks"),
    (
        &["init", "create", "template", "example", "quickstart"],
        "`dtask new {script}` writes a script to begin with",
    ),
    (
        &["output", "logs", "cat", "tail", "stdout", "stderr"],
        "`dtask log {script} 'task[T=300]'` prints what a task has written",
    ),
    (&["version"], "`dtask --version` prints the versions of dtask, MPI and HDF5"),
    (
        &["resume", "continue", "retry", "rerun", "restart"],
        "a script is run again by its name alone: `dtask {script}`",
    ),
    (
        &["clean", "rm", "clear", "delete"],
        "the logs of a script are in `NAME.dtask/` beside it: `rm -r NAME.dtask`",
    ),
    (
        &["cancel", "kill", "stop", "abort"],
        "Ctrl-C or `scancel` ends a run in order, and its exit code is 75",
    ),
    (&["explainer", "errors", "error", "codes"], "`dtask explain E21` tells what a code means"),
    (&["man-page", "manpage", "manual"], "`dtask man` prints the manual page"),
];

/// The message for a word at the place of a script or a command that is neither and looks like a command; `None` if it
/// looks like the path of a script. `rest` has the words behind it on the command line.
pub(super) fn no_command(word: &str, rest: &[String]) -> Option<String> {
    let cli = Cli::command();
    let known = || cli.get_subcommands().map(clap::Command::get_name);
    let script = rest.iter().find(|word| !word.starts_with('-')).map_or("script.toml", String::as_str);
    let call = |help: &str| help.replace("{script}", script);
    if let Some((_, help)) = COMMANDS.iter().find(|(words, _)| words.contains(&word)) {
        return Some(format!("`{word}` is no command of dtask, and no script: {}", call(help)));
    }
    if word.contains(['.', '/']) {
        return None;
    }
    let near = suggest(word, known())?;
    let rest: String = rest.iter().map(|word| format!(" {word}")).collect();
    Some(format!("`{word}` is no command of dtask, and no script; did you mean `dtask {near}{rest}`?"))
}

/// The help for an option of another tool: what dtask has in its place.
fn no_option(given: &str) -> Option<&'static str> {
    let name = given.split('=').next().unwrap_or(given);
    let find = |name: &str| OPTIONS.iter().find(|(words, _)| words.contains(&name)).map(|(_, help)| *help);
    let short = name.get(..2).filter(|_| !name.starts_with("--"));
    find(name).or_else(|| find(short?)) // `-j4`
}

/// The message for a command line that cannot be parsed, where dtask knows better than the parser what is wrong: an
/// option or a command of another tool, words in another order, two scripts. `args` are the arguments.
pub(super) fn better(error: &Error, args: &[String]) -> Option<String> {
    let words: Vec<&String> = args.iter().filter(|word| *word == "-" || !word.starts_with('-')).collect();
    if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) {
        // of `-np` the parser's error has the first letter only
        let whole = args.iter().find(|word| word.starts_with(given.as_str())).unwrap_or(given);
        if let Some(help) = no_option(whole) {
            return Some(format!("dtask has no option `{whole}`: {help}"));
        }
    }
    let (first, rest) = args.split_first()?;
    if first.starts_with('-') && first != "-" {
        return None;
    }
    let cli = Cli::command();
    let is_command =
        |word: &str| word == "help" || cli.get_subcommands().any(|command| command.get_name() == word);
    if is_command(first) {
        return None;
    }
    if !Path::new(first).exists() && first != "-" {
        return no_command(first, rest).or_else(|| {
            let near = nearest(Path::new(first)).map(|near| format!("; did you mean `{}`?", near.display()));
            Some(format!("there is no script `{first}`{}", near.unwrap_or_default()))
        });
    }
    if !matches!(error.kind(), ErrorKind::ArgumentConflict | ErrorKind::UnknownArgument) {
        return None; // a wrong value, which the parser tells better
    }
    match words[..] {
        [script, command] if is_command(command) => {
            Some(format!("the command comes first: `dtask {command} {script}`"))
        }
        [script, other, ..] => Some(format!("one script at a time: `{other}` is left over after `{script}`")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// The message of [`better`] for a command line that the parser refuses; `None` if the parser's own is shown.
    fn told(line: &str) -> Option<String> {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let error = Cli::try_parse_from(["dtask"].iter().map(|name| (*name).to_owned()).chain(args.clone()));
        better(&error.expect_err("the line is wrong"), &args)
    }

    #[test]
    fn every_option_of_another_tool_is_answered() {
        for (words, help) in OPTIONS {
            for word in *words {
                for line in [format!("{word} s.toml"), format!("s.toml {word}")] {
                    let told = told(&line).unwrap_or_else(|| panic!("`dtask {line}` is told by the parser"));
                    assert!(told.ends_with(help), "{line}: {told}");
                }
            }
        }
        assert!(told("-j4 s.toml").is_some_and(|told| told.contains("--slots")));
        assert!(told("--jobs=4 s.toml").is_some_and(|told| told.contains("--slots")));
        assert_eq!(told("--nonsense s.toml"), None);
    }

    #[test]
    fn every_command_of_another_tool_is_answered() {
        for (words, help) in COMMANDS {
            for word in *words {
                let told = told(&format!("{word} x.toml")).expect("it is told");
                assert!(told.ends_with(&help.replace("{script}", "x.toml")), "{word}: {told}");
                assert_eq!(
                    no_command(word, &[]).map(|told| told.contains("{script}")),
                    Some(false),
                    "{word}"
                );
            }
        }
    }

    #[test]
    fn misspelled_commands_are_told_with_the_line_to_type() {
        let told = |line: &str| told(line).expect("it is told");
        assert!(
            told("chekc x.toml").ends_with("did you mean `dtask check x.toml`?"),
            "{}",
            told("chekc x.toml")
        );
        assert!(told("grpah x.toml --format svg").ends_with("`dtask graph x.toml --format svg`?"));
        assert_eq!(told("/ check"), "the command comes first: `dtask check /`");
        assert_eq!(told("/ other.toml"), "one script at a time: `other.toml` is left over after `/`");
        assert_eq!(no_command("flow.toml", &[]), None);
        assert_eq!(no_command("frobnicate", &[]), None);
    }
}
