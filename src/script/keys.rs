//! The keys of every table of the language.

use super::codes::Code;
use super::diagnostic::{Collector, Diagnostic};
use super::suggest::did_you_mean;
use super::tree::Entry;

/// The keys that a table may have.
pub(super) struct Keys {
    /// For messages: "in a task".
    pub(super) place: &'static str,
    /// All of them.
    pub(super) known: &'static [&'static str],
}

pub(super) const TOP: Keys = Keys {
    place: "at the top of a script",
    known: &["dtask", "name", "vars", "default", "resources", "policy", "task"],
};

pub(super) const TASK: Keys = Keys {
    place: "in a task",
    known: &[
        "run",
        "shell",
        "interpreter",
        "array",
        "reduce",
        "call",
        "args",
        "mapreduce",
        "for",
        "zip",
        "each",
        "let",
        "include",
        "exclude",
        "where",
        "stdin",
        "out",
        "save",
        "stdout",
        "stderr",
        "after",
        "env",
        "ok-exit",
        "optional",
        "priority",
        "target",
        "dir",
        "clean-env",
        "mpi",
        "timeout",
        "memory",
        "memory-step",
        "retries",
        "retry-on",
        "backoff",
        "keep",
        "threads",
        "gpus",
        "needs",
        "on",
        "time",
    ],
};

pub(super) const POLICY: Keys = Keys { place: "in `policy`", known: &["on-failure", "max-failures"] };

pub(super) const REDUCE: Keys = Keys {
    place: "in `reduce`",
    known: &["of", "with", "run", "shell", "interpreter", "arity", "order", "over", "axis"],
};

pub(super) const MAPREDUCE: Keys =
    Keys { place: "in `mapreduce`", known: &["input", "map", "combine", "reduce", "partitions", "buffer"] };

pub(super) const INPUT: Keys =
    Keys { place: "in the input of a `mapreduce`", known: &["glob", "files", "of", "split"] };

pub(super) const STAGE: Keys =
    Keys { place: "in a stage of a `mapreduce`", known: &["run", "shell", "interpreter"] };

pub(super) const SWEEP: Keys = Keys {
    place: "in a parameter",
    known: &["glob", "lines", "csv", "linspace", "logspace", "blocks", "size"],
};

/// What decides what a task is.
pub(super) const ACTIONS: [&str; 6] = ["run", "shell", "array", "reduce", "mapreduce", "call"];

impl Keys {
    /// Whether there is such a key; reports it where it does not.
    pub(super) fn check(&self, entry: &Entry, cx: &mut Collector) -> bool {
        let key = entry.key.value.as_str();
        if self.known.contains(&key) {
            return true;
        }
        let known = self.known.iter().copied();
        let diagnostic = Diagnostic::new(
            Code::UnknownKey,
            entry.key.span.clone(),
            format!("unknown key `{key}` {}", self.place),
        );
        let all = format!("the keys {} are: {}", self.place, self.known.join(", "));
        cx.push(diagnostic.label("not a key of this table").help(did_you_mean(key, known).unwrap_or(all)));
        false
    }
}
