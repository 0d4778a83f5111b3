//! The keys of every table of the language: those that work, and those that this version does not do yet.

use super::codes::Code;
use super::diagnostic::{Collector, Diagnostic};
use super::suggest::did_you_mean;
use super::tree::Entry;

/// The keys that a table may have.
pub(super) struct Keys {
    /// For messages: "in a task".
    pub(super) place: &'static str,
    /// Whether its keys mean something else in other tables, so that messages say where they stand.
    pub(super) nested: bool,
    /// What works.
    pub(super) now: &'static [&'static str],
    /// What the specification has and this version refuses, naming it.
    pub(super) later: &'static [&'static str],
}

pub(super) const TOP: Keys = Keys {
    place: "at the top of a script",
    nested: false,
    now: &["dtask", "name", "vars", "default", "resources", "policy", "task"],
    later: &[],
};

pub(super) const TASK: Keys = Keys {
    place: "in a task",
    nested: false,
    now: &[
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
    later: &[],
};

pub(super) const POLICY: Keys =
    Keys { place: "in `policy`", nested: true, now: &["on-failure", "max-failures"], later: &[] };

pub(super) const REDUCE: Keys = Keys {
    place: "in `reduce`",
    nested: true,
    now: &["of", "with", "run", "shell", "interpreter", "arity", "order", "over", "axis"],
    later: &[],
};

pub(super) const MAPREDUCE: Keys = Keys {
    place: "in `mapreduce`",
    nested: true,
    now: &["input", "map", "combine", "reduce", "partitions", "buffer"],
    later: &[],
};

pub(super) const INPUT: Keys = Keys {
    place: "in the input of a `mapreduce`",
    nested: true,
    now: &["glob", "files", "of", "split"],
    later: &[],
};

pub(super) const STAGE: Keys = Keys {
    place: "in a stage of a `mapreduce`",
    nested: true,
    now: &["run", "shell", "interpreter"],
    later: &[],
};

pub(super) const SWEEP: Keys = Keys {
    place: "in a parameter",
    nested: true,
    now: &["glob", "lines", "csv", "linspace", "logspace", "blocks", "size"],
    later: &[],
};

/// What decides what a task is.
pub(super) const ACTIONS: [&str; 6] = ["run", "shell", "array", "reduce", "mapreduce", "call"];

impl Keys {
    /// Whether a key works; reports it where it does not.
    pub(super) fn check(&self, entry: &Entry, cx: &mut Collector) -> bool {
        let key = entry.key.value.as_str();
        if self.now.contains(&key) {
            return true;
        }
        if self.later.contains(&key) {
            let of = if self.nested { format!(" {}", self.place) } else { String::new() };
            cx.push(not_yet(&format!("`{key}`{of}"), entry.key.span.clone()));
            return false;
        }
        let known = self.now.iter().chain(self.later).copied();
        let diagnostic = Diagnostic::new(
            Code::UnknownKey,
            entry.key.span.clone(),
            format!("unknown key `{key}` {}", self.place),
        );
        let all = format!("the keys {} are: {}", self.place, self.now.join(", "));
        cx.push(diagnostic.label("not a key of this table").help(did_you_mean(key, known).unwrap_or(all)));
        false
    }
}

/// The error of what the specification has and this version does not.
pub(super) fn not_yet(what: &str, span: super::source::Span) -> Diagnostic {
    Diagnostic::new(Code::NotYet, span, format!("{what} is not supported yet in this version"))
        .label("not supported yet")
}
