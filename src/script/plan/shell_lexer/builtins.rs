//! Built-in commands of shells that evaluate their arguments again.
//!
//! bash expands subscripts wherever it takes the name of a variable: `read`, `printf -v`, `test -v` and `declare` run
//! the command in `a[$(…)]`. It parses a value that `declare -a` gets as a list, and evaluates the operands of `-eq`
//! in `[[` as arithmetic.

use super::commands::ShellWord;
use super::evaluation::Evaluations;
use super::{Evaluation, inner_programs};

/// Variables whose values a shell expands without being told to.
pub(super) const PROMPTS: &[&str] = &["PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND", "ENV", "BASH_ENV"];

/// Notes which arguments of a command are evaluated again, and the variables that the command sets. `function` is the
/// shell function around the command; `is_certain` tells that the command certainly runs.
pub(super) fn note(
    words: &[ShellWord],
    stdin: &ShellWord,
    (function, is_certain): (&str, bool),
    found: &mut Evaluations,
) {
    let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
    let first = inner_programs::start(&texts);
    let Some(name) = texts.get(first).map(String::as_str) else { return };
    let args = words.get(first + 1..).unwrap_or_default();
    if matches!(name, "mapfile" | "readarray") {
        args.iter().for_each(|word| found.assign(&word.text, &stdin.pieces, &stdin.variables));
    }
    if name == "unset" {
        args.iter().for_each(|word| found.associative(function, &word.text, false));
    }
    let mut all = |args: &[ShellWord], how: Evaluation| {
        for word in args {
            found.add(&word.pieces, &word.variables, how, &format!("`{name}`"));
        }
    };
    // a function or `coproc` that runs its arguments as a command runs an `eval` among them too
    if let Some(at) = texts.iter().position(|text| text == "eval") {
        all(words.get(at + 1..).unwrap_or_default(), Evaluation::Shell);
    }
    match name {
        "eval" | "trap" | "alias" | "compgen" | "complete" | "bind" | "unset" | "mapfile" | "readarray" => {
            all(args, Evaluation::Shell);
        }
        "let" => args.iter().for_each(|word| number(word, "`let`", found)),
        "printf" => {
            for (at, word) in args.iter().enumerate() {
                match word.text.as_str() {
                    "-v" => all(args.get(at + 1..at + 2).unwrap_or_default(), Evaluation::Shell),
                    text if text.starts_with("-v") => all(std::slice::from_ref(word), Evaluation::Shell),
                    _ => break,
                }
            }
        }
        "wait" => {
            let names = args.iter().position(|word| word.text == "-p").map_or(args.len(), |at| at + 1);
            all(args.get(names..).unwrap_or_default(), Evaluation::Shell);
        }
        "read" => read(args, stdin, found),
        "declare" | "typeset" | "local" | "export" | "readonly" => {
            declare(name, args, (function, is_certain), found)
        }
        "test" | "[" => condition(args, name, found),
        "[[" => {
            let parts = args.split(|word| matches!(word.text.as_str(), "&&" | "||" | "(" | ")" | "!"));
            parts.for_each(|part| condition(part, name, found));
        }
        "for" | "select" => {
            if let Some(variable) = args.first() {
                found.add(&variable.pieces, &[], Evaluation::Shell, &format!("`{name}`"));
                for word in args.get(2..).unwrap_or_default() {
                    found.assign(&variable.text, &word.pieces, &word.variables);
                }
                if args.len() == 1 {
                    found.assign(&variable.text, &[], &[positional(function, "@")]);
                }
            }
        }
        "set" => {
            let begin = args.iter().take_while(|word| word.text.starts_with(['-', '+'])).count();
            found.arguments(function, args.get(begin..).unwrap_or_default());
        }
        "shift" => (1..10).for_each(|at| {
            found.assign(&positional(function, &at.to_string()), &[], &[positional(function, "@")]);
        }),
        "getopts" => found.assign("OPTARG", &[], &[positional(function, "@")]),
        "." | "source" => {
            let file = args.first().map(|word| word.files.clone()).unwrap_or_default();
            found.add(&file, &[], Evaluation::Shell, &format!("`{name}`"));
        }
        _ => found.call(name, args),
    }
}

/// The name under which an argument of a function (`$1`, `$@`) is noted, as if it were a variable. `function` is empty
/// for the script's own arguments.
pub(super) fn positional(function: &str, number: &str) -> String {
    format!("{function}/{number}")
}

fn read(args: &[ShellWord], stdin: &ShellWord, found: &mut Evaluations) {
    let mut is_operand = false;
    for word in args {
        if std::mem::take(&mut is_operand) {
            continue;
        }
        if word.text.starts_with('-') {
            is_operand = word.text.ends_with(['p', 'd', 'i', 'n', 'N', 't', 'u']);
            let names = word.text.ends_with('a');
            if names || !word.text.contains(super::VALUE) {
                continue;
            }
        }
        found.add(&word.pieces, &word.variables, Evaluation::Shell, "`read`");
        found.assign(&word.text, &stdin.pieces, &stdin.variables);
    }
}

fn declare(name: &str, args: &[ShellWord], (function, is_certain): (&str, bool), found: &mut Evaluations) {
    let reader = format!("`{name}`");
    let flags: String =
        args.iter().map(|word| word.text.as_str()).filter(|text| text.starts_with(['-', '+'])).collect();
    let has = |flag: char| flags.contains(flag);
    for word in args.iter().filter(|word| !word.text.starts_with(['-', '+'])) {
        let (variable, value) = match word.text.split_once('=') {
            Some((variable, value)) => (variable.trim_end_matches('+'), Some(value)),
            None => (word.text.as_str(), None),
        };
        if variable.contains(super::VALUE) || has('n') {
            found.add(&word.pieces, &word.variables, Evaluation::Shell, &reader);
        }
        if has('a') || has('A') {
            found.array(variable);
            found.add(&word.pieces, &word.variables, Evaluation::Shell, &reader);
        }
        if !matches!(name, "export" | "readonly") {
            found.associative(function, variable, has('A') && is_certain);
        }
        if has('i') {
            number(word, &reader, found);
        }
        if value.is_some() {
            found.assign(variable, &word.pieces, &word.variables);
            found.declare(variable, &word.pieces, &word.variables);
            if PROMPTS.contains(&variable) {
                found.add(&word.pieces, &word.variables, Evaluation::Shell, variable);
            }
        }
    }
}

/// Notes the operands of a condition (`test`, `[`, `[[`) that are evaluated: numbers that are compared, and names of
/// variables behind `-v`.
fn condition(args: &[ShellWord], name: &str, found: &mut Evaluations) {
    let reader = format!("`{name}`");
    for (at, word) in args.iter().enumerate() {
        match word.text.as_str() {
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                let operands = [at.checked_sub(1), Some(at + 1)];
                for word in operands.into_iter().flatten().filter_map(|at| args.get(at)) {
                    number(word, &reader, found);
                }
            }
            "-v" | "-R" => {
                if let Some(word) = args.get(at + 1) {
                    found.add(&word.pieces, &word.variables, Evaluation::Shell, &reader);
                }
            }
            _ => {}
        }
    }
}

/// Notes that a word is evaluated as a number. Names in it are variables, whose values are then evaluated as well.
fn number(word: &ShellWord, reader: &str, found: &mut Evaluations) {
    let names = word.text.split(|c: char| !super::is_name_char(c)).filter(|name| super::is_name(name));
    let variables: Vec<String> = word.variables.iter().cloned().chain(names.map(str::to_owned)).collect();
    found.add(&word.pieces, &variables, Evaluation::Number, reader);
}
