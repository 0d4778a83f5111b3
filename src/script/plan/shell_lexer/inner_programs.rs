//! Commands that run one of their arguments or their standard input as a program: `sh -c '…'`, `ssh host '…'`,
//! `python3 -c '…'`, `awk '…'`.
//!
//! Works on the words of a command without their quotes, with [`VALUE`] in the place of values.

use std::fmt;

use super::{Evaluation, VALUE};

/// The program that runs an argument, a standard input or a file as a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProgramReader {
    /// A shell, or a command that hands its words to one; its name for messages.
    Shell(String),
    /// A program that runs a language of its own, such as awk; its name for messages.
    Language(String),
    /// An unknown program that will run the file into which a here-document is written: the text begins with `#!`.
    Later,
}

impl ProgramReader {
    pub(crate) fn evaluation(&self) -> Evaluation {
        match self {
            ProgramReader::Shell(_) => Evaluation::Shell,
            ProgramReader::Language(_) | ProgramReader::Later => Evaluation::Language,
        }
    }
}

impl ProgramReader {
    /// Whether the text of a program in another language seems to start a shell, as by `system(…)`.
    pub(crate) fn calls_shell(&self, program: &str) -> bool {
        let calls = ["system", "popen", "subprocess", "getline", "exec", "spawn", "qx", "`", "|&"];
        matches!(self, ProgramReader::Language(_)) && calls.iter().any(|call| program.contains(call))
    }
}

impl fmt::Display for ProgramReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramReader::Shell(name) | ProgramReader::Language(name) => write!(f, "`{name}`"),
            ProgramReader::Later => f.write_str("a later command"),
        }
    }
}

const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "ash", "ksh", "mksh", "oksh", "zsh", "yash", "posh", "rbash", "fish", "csh", "tcsh",
];

/// Programs that join their arguments with spaces and have a shell run the result.
const JOINERS: &[&str] = &[
    "ssh",
    "slogin",
    "rsh",
    "autossh",
    "mosh",
    "pdsh",
    "clush",
    "pssh",
    "parallel-ssh",
    "watch",
    "parallel",
    "sem",
    "bsub",
    "tmux",
    "screen",
    "nix-shell",
    "eval",
];

/// Programs whose option `-c` or `--command` has a command for a shell.
const COMMANDERS: &[&str] = &["su", "sg", "runuser", "script", "flock", "newgrp", "nix-shell", "vim", "nvim"];

/// Programs that read a shell script from standard input.
const SUBMITTERS: &[&str] = &["at", "batch", "sbatch", "qsub", "bsub", "msub", "crontab"];

/// Programs that run another language, each with the letters of those of its options that take a program.
const LANGUAGES: &[(&str, &str)] = &[
    ("python", "c"),
    ("pypy", "c"),
    ("ipython", "c"),
    ("psql", "c"),
    ("perl", "eE"),
    ("ruby", "e"),
    ("node", "ep"),
    ("lua", "e"),
    ("luajit", "e"),
    ("Rscript", "e"),
    ("R", "e"),
    ("julia", "eE"),
    ("gnuplot", "e"),
    ("mysql", "e"),
    ("mariadb", "e"),
    ("php", "r"),
    ("octave", ""),
    ("matlab", ""),
    ("sqlite", ""),
    ("gdb", ""),
    ("bc", ""),
    ("dc", "e"),
    ("tclsh", ""),
    ("expect", "c"),
    ("idl", "e"),
];

/// Long options that take a program, of any of the programs in [`LANGUAGES`].
const LONG_OPTIONS: &[&str] = &["--eval", "--command", "--execute", "--print", "-ex", "-batch", "-r"];

/// Programs whose first operand is a program, unless an option gives one.
const FILTERS: &[&str] = &["awk", "gawk", "mawk", "nawk", "sed", "gsed", "jq", "yq"];

/// The most names of [`LANGUAGES`] that are followed up in one command, to bound the time for it.
const MOST_LANGUAGES: usize = 8;

/// The name of a program, without its folder and version: `python` for `/usr/bin/python3.12`.
pub(crate) fn program_name(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or_default();
    let short = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if short.is_empty() { name } else { short }
}

/// The name of a program that is found on PATH or by an absolute path; empty for a relative path, since a program of
/// the user's own may have any name.
fn system_name(word: &str) -> &str {
    if word.contains('/') && !word.starts_with('/') { "" } else { program_name(word) }
}

/// Whether a program has a shell run its words, so that the shell parses them a second time.
pub(crate) fn joins_its_words(name: &str) -> bool {
    JOINERS.contains(&name) || COMMANDERS.contains(&name)
}

/// The index of the word that names the program of a command, behind prefixes such as `env`, `timeout 5` and `srun -n
/// 2`.
pub(crate) fn start(words: &[String]) -> usize {
    let wrappers = [
        "command",
        "builtin",
        "exec",
        "nohup",
        "time",
        "setsid",
        "env",
        "nice",
        "ionice",
        "timeout",
        "stdbuf",
        "taskset",
        "numactl",
        "srun",
        "mpirun",
        "mpiexec",
        "sudo",
        "chrt",
        "xargs",
        "unbuffer",
        "caffeinate",
        "strace",
        "ltrace",
        "prlimit",
        "catchsegv",
        "do",
        "then",
        "else",
        "!",
    ];
    let mut at = 0;
    let mut is_wrapped = false;
    while let Some(word) = words.get(at) {
        let is_setting = word.split_once('=').is_some_and(|(name, _)| super::is_name(name));
        let is_option = word.starts_with('-') && word.len() > 1;
        let is_operand = word.starts_with(|c: char| c.is_ascii_digit());
        if wrappers.contains(&program_name(word)) {
            is_wrapped = true;
        } else if !(is_setting || is_option || is_wrapped && is_operand) {
            break;
        }
        at += 1;
    }
    at
}

/// Finds the words of a command that are programs, each with the program that runs it.
pub(crate) fn programs(words: &[String]) -> Vec<(usize, ProgramReader)> {
    let mut found = Vec::new();
    let mut languages = 0;
    let first = start(words);
    for (at, word) in words.iter().enumerate() {
        let name = program_name(word);
        if SHELLS.contains(&name) {
            let after = after_options(words, at + 1);
            let reads = words.get(at + 1..after).unwrap_or_default().iter().any(|word| is_short(word, "c"));
            if reads && after < words.len() {
                found.push((after, ProgramReader::Shell(format!("{name} -c"))));
            }
        }
        let language = LANGUAGES.iter().find(|(known, _)| *known == name);
        if let Some((_, letters)) = language.filter(|_| languages < MOST_LANGUAGES) {
            languages += 1;
            found.extend(option_programs(words, at, letters, &ProgramReader::Language(name.to_owned())));
        }
    }
    let name = words.get(first).map_or("", |word| system_name(word));
    let rest = first + 1..words.len();
    if JOINERS.contains(&name) && name != "eval" {
        let end = words.iter().position(|word| word.starts_with(":::")).unwrap_or(words.len());
        found.extend((rest.start..end).map(|at| (at, ProgramReader::Shell(name.to_owned()))));
    }
    if COMMANDERS.contains(&name) {
        found.extend(option_programs(words, first, "c", &ProgramReader::Shell(format!("{name} -c"))));
    }
    for (at, word) in words.iter().enumerate().skip(first) {
        let wraps = word.strip_prefix("--wrap").filter(|_| SUBMITTERS.contains(&name));
        match wraps {
            Some("") => found.push((at + 1, ProgramReader::Shell("sbatch --wrap".to_owned()))),
            Some(_) => found.push((at, ProgramReader::Shell("sbatch --wrap".to_owned()))),
            None => {}
        }
    }
    if FILTERS.contains(&name) {
        found.extend(filter_programs(words, first, name));
    }
    if name == "sqlite" {
        found.extend(
            operands(words, first).skip(1).map(|at| (at, ProgramReader::Language("sqlite3".to_owned()))),
        );
    }
    found
}

/// The indices of the words of a command that name script files for shells to run.
pub(super) fn script_files(words: &[String]) -> impl Iterator<Item = usize> {
    let shells = words.iter().enumerate().filter(|(_, word)| SHELLS.contains(&program_name(word)));
    shells.map(|(at, _)| after_options(words, at + 1))
}

/// The program that runs the standard input of a command as a program; `None` if the input is data.
pub(crate) fn stdin_reader(words: &[String]) -> Option<ProgramReader> {
    let first = start(words);
    let name = system_name(words.get(first)?);
    for (at, word) in words.iter().enumerate() {
        let shell = program_name(word);
        if SHELLS.contains(&shell) {
            let after = after_options(words, at + 1);
            let options = words.get(at + 1..after).unwrap_or_default();
            let is_command = options.iter().any(|word| is_short(word, "c"));
            let reads = after == words.len() || options.iter().any(|word| is_short(word, "s"));
            if !is_command && (reads || is_stdin(words.get(after..).unwrap_or_default())) {
                return Some(ProgramReader::Shell(shell.to_owned()));
            }
        }
        let languages = LANGUAGES.iter().map(|(name, _)| name);
        if languages.chain(&["gnuplot"]).any(|known| *known == shell) {
            let options = words.get(at + 1..).unwrap_or_default();
            let databases = ["sqlite", "psql", "mysql", "mariadb", "gdb"];
            if options.iter().all(|word| word.starts_with('-'))
                || is_stdin(options)
                || databases.contains(&shell)
            {
                return Some(ProgramReader::Language(shell.to_owned()));
            }
        }
    }
    if SUBMITTERS.contains(&name) {
        return Some(ProgramReader::Shell(name.to_owned()));
    }
    let is_bare = match name {
        "ssh" | "slogin" | "rsh" => operands(words, first).count() < 2,
        "parallel" | "sem" => operands(words, first).count() == 0,
        _ => false,
    };
    // with `-I`, `xargs` inserts its standard input into its arguments
    let replaces =
        |word: &String| word.starts_with("-I") || word.starts_with("-i") || word.starts_with("--repl");
    let inserts = words.iter().any(|word| program_name(word) == "xargs")
        && words.iter().any(replaces)
        && programs(words).iter().any(|(_, reader)| matches!(reader, ProgramReader::Shell(_)));
    if is_bare || inserts {
        return Some(ProgramReader::Shell(name.to_owned()));
    }
    let sources = matches!(name, "." | "source") && words.iter().any(|word| word == "/dev/stdin");
    sources.then(|| ProgramReader::Shell(name.to_owned()))
}

fn is_stdin(words: &[String]) -> bool {
    words.iter().find(|word| *word == "-" || !word.starts_with('-')).is_some_and(|word| {
        word == "-" || word == "/dev/stdin" || word == "/dev/fd/0" || word == "/proc/self/fd/0"
    })
}

/// Whether a word is a group of one-letter options (`-xc`) that has one of these letters.
fn is_short(word: &str, letters: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|rest| !rest.starts_with('-') && rest.contains(|c| letters.contains(c)))
}

/// The index of the first word from `from` on that is no option of a shell.
fn after_options(words: &[String], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = words.get(at).filter(|word| word.starts_with(['-', '+']) && word.len() > 1) {
        let has_operand = word.ends_with(['o', 'O']) || word == "--rcfile" || word == "--init-file";
        at += if has_operand { 2 } else { 1 };
    }
    at.min(words.len())
}

/// The indices of the operands of a program: words that are neither options nor, as far as known, arguments of
/// options.
fn operands(words: &[String], program: usize) -> impl Iterator<Item = usize> {
    let mut is_operand_of_option = false;
    words.iter().enumerate().skip(program + 1).filter_map(move |(at, word)| {
        if std::mem::take(&mut is_operand_of_option) {
            return None;
        }
        if word.starts_with('-') {
            let last = word.chars().last().unwrap_or_default();
            is_operand_of_option = word.len() == 2 && "BDEFIJLQRSWbceijlmopw".contains(last);
            return None;
        }
        Some(at)
    })
}

/// Finds the programs that options of a command give: in the word behind the option, or in the rest of the option
/// itself.
fn option_programs(
    words: &[String],
    program: usize,
    letters: &str,
    reader: &ProgramReader,
) -> Vec<(usize, ProgramReader)> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate().skip(program + 1) {
        let Some(rest) = word.strip_prefix('-') else { continue };
        let long = LONG_OPTIONS.iter().find(|long| word.starts_with(**long) && **long != "-r");
        if long.is_some() && word.contains('=') {
            found.push((at, reader.clone()));
        } else if long.is_some() || rest.ends_with(|c| letters.contains(c)) && !rest.starts_with('-') {
            found.push((at + 1, reader.clone()));
        } else if rest.contains(|c| letters.contains(c)) && rest.contains(VALUE) {
            found.push((at, reader.clone()));
        }
    }
    found
}

/// Finds the programs in the arguments of `awk`, `sed` and the like.
fn filter_programs(words: &[String], program: usize, name: &str) -> Vec<(usize, ProgramReader)> {
    let reader = ProgramReader::Language(name.to_owned());
    let mut found = Vec::new();
    let mut at = program + 1;
    while let Some(word) = words.get(at) {
        let is_file = word.starts_with("-f") || word.starts_with("--f");
        match word.as_str() {
            "-e" | "--expression" | "--source" => {
                found.push((at + 1, reader.clone()));
                at += 2;
            }
            "-F" | "-v" | "-l" | "-i" | "--arg" if name != "sed" => at += if word == "--arg" { 3 } else { 2 },
            word if word.starts_with("-e") || word.starts_with("--expression=") => {
                found.push((at, reader.clone()));
                at += 1;
            }
            _ if is_file => return found,
            word if word.starts_with('-') && word.len() > 1 => at += 1,
            _ if found.is_empty() => return vec![(at, reader)],
            _ => return found,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(String::from).collect()
    }

    fn at(text: &str) -> Vec<String> {
        let words = words(text);
        programs(&words).iter().map(|(at, _)| words.get(*at).cloned().unwrap_or_default()).collect()
    }

    #[test]
    fn programs_in_arguments_are_found() {
        assert_eq!(at("sh -c PROGRAM a b"), ["PROGRAM"]);
        assert_eq!(at("env A=1 timeout 5 bash -euo pipefail -lc PROGRAM x"), ["PROGRAM"]);
        assert_eq!(at("find . -exec sh -c PROGRAM sh {} +"), ["PROGRAM"]);
        assert_eq!(at("/usr/bin/python3.11 -uc PROGRAM a"), ["PROGRAM"]);
        assert_eq!(at("perl -i.bak -pe PROGRAM f"), ["PROGRAM"]);
        assert_eq!(at("ssh -p 22 host PROGRAM"), ["-p", "22", "host", "PROGRAM"]);
        assert_eq!(at("awk -F : -v a=b PROGRAM f"), ["PROGRAM"]);
        assert_eq!(at("sed -i PROGRAM f"), ["PROGRAM"]);
        assert_eq!(at("sed -n -e PROGRAM -e SECOND f"), ["PROGRAM", "SECOND"]);
        assert_eq!(at("parallel -j 2 PROGRAM ::: a b"), ["-j", "2", "PROGRAM"]);
        assert_eq!(at("sbatch --wrap PROGRAM"), ["PROGRAM"]);
        assert_eq!(at("sbatch --wrap=PROGRAM"), ["--wrap=PROGRAM"]);
        assert_eq!(at("su - user -c PROGRAM"), ["PROGRAM"]);
    }

    #[test]
    fn arguments_are_no_programs() {
        for text in
            ["echo a", "bash x.sh -c a", "python3 x.py -c a", "awk -f p.awk f", "./sh.py -c a", "cat -e a"]
        {
            let found = at(text);
            assert!(found.is_empty() || text.starts_with("python3"), "{text}: {found:?}");
        }
    }

    #[test]
    fn programs_on_standard_input_are_found() {
        for text in [
            "sh",
            "bash -eu",
            "bash -s a b",
            "ssh host",
            "ssh host bash -s",
            "sbatch",
            "python3 -",
            "srun bash",
        ] {
            assert!(stdin_reader(&words(text)).is_some(), "{text}");
        }
        for text in ["cat", "bash x.sh", "python3 x.py", "sh -c cat", "ssh host cat", "grep -e a"] {
            assert_eq!(stdin_reader(&words(text)), None, "{text}");
        }
    }
}
