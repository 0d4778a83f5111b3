//! A row of the table of keys: all that is known of a key, and the kinds of tasks that it goes with.

/// A key of the language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScriptKey {
    /// The name as it is written.
    pub(crate) name: &'static str,
    /// The type of its value, as messages name it.
    pub(crate) wants: &'static str,
    /// Whether it decides the kind of its task.
    pub(crate) is_action: bool,
    /// The kinds of tasks that have it; for a key of `reduce`, the kinds that its task may have.
    pub(crate) beside: &'static [TaskKind],
    /// The help for kinds of tasks that lack it, where more can be said than where it belongs.
    pub(crate) instead: Option<(&'static [TaskKind], &'static str)>,
    /// An example, for a key that must not be missing.
    pub(crate) example: Option<&'static str>,
    /// The value that it has where it is missing: TOML between backticks, or a text; empty where there is none.
    pub(crate) default: &'static str,
    /// The meaning, as a cell of the reference in `docs/`.
    pub(crate) meaning: &'static str,
}

/// Begins a row: a key that goes with every kind of task.
pub(crate) const fn key(name: &'static str, wants: &'static str) -> ScriptKey {
    ScriptKey {
        name,
        wants,
        is_action: false,
        beside: &TaskKind::ALL,
        instead: None,
        example: None,
        default: "",
        meaning: "",
    }
}

impl ScriptKey {
    /// Marks a key that decides the kind of its task.
    pub(crate) const fn action(mut self) -> Self {
        self.is_action = true;
        self
    }

    /// Names the kinds of tasks that have the key.
    pub(crate) const fn beside(mut self, kinds: &'static [TaskKind]) -> Self {
        self.beside = kinds;
        self
    }

    /// Sets the help for kinds of tasks that lack the key.
    pub(crate) const fn instead(mut self, kinds: &'static [TaskKind], help: &'static str) -> Self {
        self.instead = Some((kinds, help));
        self
    }

    /// Marks a key that must not be missing.
    pub(crate) const fn required(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// Sets the value that a missing key has.
    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Sets the meaning.
    pub(crate) const fn means(mut self, meaning: &'static str) -> Self {
        self.meaning = meaning;
        self
    }

    /// The help where the key stands beside an action that it does not go with.
    pub(crate) fn help_beside(&self, kind: TaskKind) -> String {
        match self.instead {
            Some((kinds, help)) if kinds.contains(&kind) => help.to_owned(),
            _ => format!("it belongs to {}", TaskKind::list(self.beside)),
        }
    }
}

/// The kind of a task, as far as its other keys depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Run,
    Shell,
    Array,
    Call,
    /// A `reduce` of arrays.
    Reduce,
    /// A `reduce` by a command.
    Merge,
    /// A `mapreduce` all of whose stages are built in.
    MapReduce,
    /// A `mapreduce` with a stage that is a command.
    Streaming,
}

impl TaskKind {
    /// Every kind.
    pub(crate) const ALL: [TaskKind; 8] = [
        TaskKind::Run,
        TaskKind::Shell,
        TaskKind::Array,
        TaskKind::Call,
        TaskKind::Reduce,
        TaskKind::Merge,
        TaskKind::MapReduce,
        TaskKind::Streaming,
    ];

    /// The kind of a task with this action, of which `has_command` tells whether it starts commands.
    pub(crate) fn of(action: &str, has_command: bool) -> Option<Self> {
        let kind = |kind: &&TaskKind| kind.action() == action;
        let mut kinds = TaskKind::ALL.iter().filter(kind);
        let first = kinds.next()?;
        Some(*kinds.next().filter(|_| has_command).unwrap_or(first))
    }

    /// The key of its action.
    pub(crate) fn action(self) -> &'static str {
        match self {
            TaskKind::Run => "run",
            TaskKind::Shell => "shell",
            TaskKind::Array => "array",
            TaskKind::Call => "call",
            TaskKind::Reduce | TaskKind::Merge => "reduce",
            TaskKind::MapReduce | TaskKind::Streaming => "mapreduce",
        }
    }

    /// Kinds of tasks in words: "`run`, `shell` and `reduce` by a command".
    pub(crate) fn list(kinds: &[TaskKind]) -> String {
        let lacking: Vec<TaskKind> = TaskKind::ALL.into_iter().filter(|kind| !kinds.contains(kind)).collect();
        match lacking.len() {
            0 => "every action".to_owned(),
            1 | 2 => format!("every action but {}", words(&lacking)),
            _ => words(kinds),
        }
    }
}

/// Names kinds of tasks, the two kinds of an action together.
fn words(kinds: &[TaskKind]) -> String {
    let mut all = Vec::new();
    for kind in kinds {
        let is_whole = TaskKind::ALL
            .iter()
            .filter(|other| other.action() == kind.action())
            .all(|other| kinds.contains(other));
        let part = match kind {
            _ if is_whole => "",
            TaskKind::Reduce => " of arrays",
            TaskKind::MapReduce => " without commands",
            TaskKind::Merge => " by a command",
            TaskKind::Streaming => " by commands",
            _ => "",
        };
        all.push((!part.is_empty(), format!("`{}`{part}", kind.action())));
    }
    all.dedup();
    // no "and" after "by a command", where that can be had
    all.sort_by_key(|(is_part, _)| *is_part);
    let mut all: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
    let last = all.pop().unwrap_or_default();
    if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) }
}

/// The keys that a table may have.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    /// For messages: "in a task".
    pub(crate) place: &'static str,
    /// The rows, as the reference in `docs/` has them: a table of each section.
    pub(crate) sections: &'static [KeySection],
}

/// Keys that stand together in the reference.
#[derive(Debug)]
pub(crate) struct KeySection {
    /// The name of the table in `docs/`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test that makes the reference"))]
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [ScriptKey],
}

impl KnownKeys {
    /// All keys of the table.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static ScriptKey> {
        self.sections.iter().flat_map(|section| section.rows)
    }

    /// The row of a key.
    pub(crate) fn row(&self, name: &str) -> Option<&'static ScriptKey> {
        self.rows().find(|row| row.name == name)
    }
}
