//! The keys of every table of the language.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::toml::TomlEntry;

/// The keys that a table may have.
pub(crate) struct KnownKeys {
    /// For messages: "in a task".
    pub(crate) place: &'static str,
    /// All of them.
    pub(crate) known: &'static [&'static str],
}

pub(crate) const TOP: KnownKeys = KnownKeys {
    place: "at the top of a script",
    known: &["dtask", "name", "vars", "default", "resources", "policy", "task"],
};

pub(crate) const TASK: KnownKeys = KnownKeys {
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

pub(crate) const POLICY: KnownKeys =
    KnownKeys { place: "in `policy`", known: &["on-failure", "max-failures"] };

pub(crate) const REDUCE: KnownKeys = KnownKeys {
    place: "in `reduce`",
    known: &["of", "with", "run", "shell", "interpreter", "arity", "order", "over", "axis"],
};

pub(crate) const MAPREDUCE: KnownKeys = KnownKeys {
    place: "in `mapreduce`",
    known: &["input", "map", "combine", "reduce", "partitions", "buffer"],
};

pub(crate) const INPUT: KnownKeys =
    KnownKeys { place: "in the input of a `mapreduce`", known: &["glob", "files", "of", "split"] };

pub(crate) const STAGE: KnownKeys =
    KnownKeys { place: "in a stage of a `mapreduce`", known: &["run", "shell", "interpreter"] };

pub(crate) const SWEEP: KnownKeys = KnownKeys {
    place: "in a parameter",
    known: &["glob", "lines", "csv", "linspace", "logspace", "blocks", "size"],
};

/// What decides what a task is.
pub(crate) const ACTIONS: [&str; 6] = ["run", "shell", "array", "reduce", "mapreduce", "call"];

impl KnownKeys {
    /// Whether there is such a key; reports it where it does not.
    pub(crate) fn check(&self, entry: &TomlEntry, cx: &mut DiagnosticCollector) -> bool {
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
