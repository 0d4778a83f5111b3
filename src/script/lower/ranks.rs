//! Checks of `ranks`, by which a command is started as an MPI program of several processes.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::syntax::script::{RawAction, RawTask};

/// Programs that start MPI programs.
const LAUNCHERS: [&str; 7] = ["mpirun", "mpiexec", "orterun", "prterun", "srun", "aprun", "jsrun"];

/// Reports keys that cannot stand beside `ranks`, and commands that start an MPI program themselves.
pub(crate) fn check(raw: &RawTask, cx: &mut DiagnosticCollector) {
    let Some(ranks) = raw.needs.ranks() else { return };
    let beside = [
        (
            raw.needs.gpus() > 0,
            "`gpus` cannot stand beside `ranks`: devices are given to commands of one process",
            "leave `gpus` out; each process chooses its device by its number on the host",
        ),
        (
            raw.execution.inherit_mpi,
            "`mpi = \"inherit\"` cannot stand beside `ranks`: the processes would take themselves for ranks of dtask",
            "leave `mpi` out: the launcher of `ranks` gives them variables of their own",
        ),
        (
            raw.execution.clean_env,
            "`clean-env` cannot stand beside `ranks`: the launcher needs the environment",
            "write `run = [\"env\", \"-i\", \"./sim\"]` only if the program does without the launcher's variables",
        ),
    ];
    for (_, message, help) in beside.into_iter().filter(|(is_there, ..)| *is_there) {
        let diagnostic = Diagnostic::new(Code::BadRanks, ranks.span.clone(), message);
        cx.push(diagnostic.label("an MPI program").help(help));
    }
    let first = raw.wrap.iter();
    let own: Vec<&Text> = match &raw.action {
        Some(RawAction::Words(text) | RawAction::Shell(text, _)) => vec![text],
        Some(RawAction::Argv(words, _)) => words.first().into_iter().collect(),
        _ => Vec::new(),
    };
    for text in first.chain(own) {
        let Some((at, word)) = launcher(&text.value) else { continue };
        let span = cx.source.inside(text, at..at + word.len());
        let count = ranks.value;
        let message = format!("`{word}` in a command with `ranks`: it would be started {count} times");
        let help = format!("leave `{word}` and its options out: `ranks = {count}` starts {count} processes");
        cx.push(
            Diagnostic::new(Code::RanksTwice, span, message).label("`ranks` calls the launcher").help(help),
        );
    }
}

/// The first word of a command, or of a line of a script, that is a launcher, and where it begins.
fn launcher(text: &str) -> Option<(usize, &str)> {
    let mut begin = 0;
    for line in text.split_inclusive(['\n', ';', '|', '&']) {
        let word = line.split_whitespace().next().unwrap_or_default();
        let name = word.rsplit('/').next().unwrap_or_default();
        if LAUNCHERS.contains(&name) {
            return Some((begin + line.find(word)?, word));
        }
        begin += line.len();
    }
    None
}
