//! The rows of the table of keys: the properties of a key, and the kinds of tasks that it goes with.

/// A key that a table of the script language may have, with all of its properties.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScriptKey {
    /// The name of the key in scripts.
    pub(crate) name: &'static str,
    /// The type that the key's value must have, as messages name it.
    pub(crate) wants: &'static str,
    /// Whether the key is an action (`run`, `array`, ..), which decides the kind of its task.
    pub(crate) is_action: bool,
    /// The kinds of tasks that may have the key. For a key of a `reduce` table: the kinds that a task with such a table
    /// may have.
    pub(crate) beside: &'static [TaskKind],
    /// Kinds of tasks that may not have the key, and the help that messages give for these kinds instead of the usual
    /// "it belongs to .."; `None` if they always give the usual one.
    pub(crate) instead: Option<(&'static [TaskKind], &'static str)>,
    /// An example for a key that must be there; `None` for a key that may be missing.
    pub(crate) example: Option<&'static str>,
    /// The default value: TOML between backticks, or a text. Empty where there is none.
    pub(crate) default: &'static str,
    /// The description, as a cell of the language reference in `docs/`.
    pub(crate) meaning: &'static str,
}

/// Makes a key that every kind of task may have, with all other properties empty. Further calls set them.
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
    /// Marks the key as an action (`run`, `array`, ..), which decides the kind of its task.
    pub(crate) const fn action(mut self) -> Self {
        self.is_action = true;
        self
    }

    /// Sets the kinds of tasks that may have the key.
    pub(crate) const fn beside(mut self, kinds: &'static [TaskKind]) -> Self {
        self.beside = kinds;
        self
    }

    /// Sets the help that messages give for kinds of tasks that may not have the key.
    pub(crate) const fn instead(mut self, kinds: &'static [TaskKind], help: &'static str) -> Self {
        self.instead = Some((kinds, help));
        self
    }

    /// Marks the key as required, with an example of it.
    pub(crate) const fn required(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// Sets the default value.
    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Sets the description.
    pub(crate) const fn means(mut self, meaning: &'static str) -> Self {
        self.meaning = meaning;
        self
    }

    /// Returns the help that messages give for the key in a task of a kind that may not have it.
    pub(crate) fn help_beside(&self, kind: TaskKind) -> String {
        match self.instead {
            Some((kinds, help)) if kinds.contains(&kind) => help.to_owned(),
            _ => format!("it belongs to {}", TaskKind::list(self.beside)),
        }
    }
}

/// The kind of a task: its action (`run`, `array`, ..), and whether it has commands, as far as its other keys depend on
/// that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Run,
    Shell,
    Script,
    Array,
    Call,
    /// A task that merges arrays (`reduce` by an operator).
    Reduce,
    /// A task that merges files (`reduce` by a command).
    Merge,
    /// A `mapreduce` task with built-in stages only.
    MapReduce,
    /// A `mapreduce` task with a stage that is a command (streaming).
    Streaming,
}

impl TaskKind {
    /// All kinds of tasks.
    pub(crate) const ALL: [TaskKind; 9] = [
        TaskKind::Run,
        TaskKind::Shell,
        TaskKind::Script,
        TaskKind::Array,
        TaskKind::Call,
        TaskKind::Reduce,
        TaskKind::Merge,
        TaskKind::MapReduce,
        TaskKind::Streaming,
    ];

    /// Returns the kind of a task with this action; `has_command` tells a `reduce` or `mapreduce` with commands from
    /// one without.
    pub(crate) fn of(action: &str, has_command: bool) -> Option<Self> {
        let kind = |kind: &&TaskKind| kind.action() == action;
        let mut kinds = TaskKind::ALL.iter().filter(kind);
        let first = kinds.next()?;
        Some(*kinds.next().filter(|_| has_command).unwrap_or(first))
    }

    /// The name of the key that is the action of this kind of task.
    pub(crate) fn action(self) -> &'static str {
        match self {
            TaskKind::Run => "run",
            TaskKind::Shell => "shell",
            TaskKind::Script => "script",
            TaskKind::Array => "array",
            TaskKind::Call => "call",
            TaskKind::Reduce | TaskKind::Merge => "reduce",
            TaskKind::MapReduce | TaskKind::Streaming => "mapreduce",
        }
    }

    /// Writes kinds of tasks as words: "`run`, `shell` and `reduce` by a command".
    pub(crate) fn list(kinds: &[TaskKind]) -> String {
        let lacking: Vec<TaskKind> = TaskKind::ALL.into_iter().filter(|kind| !kinds.contains(kind)).collect();
        match lacking.len() {
            0 => "every action".to_owned(),
            1 | 2 => format!("every action but {}", words(&lacking)),
            _ => words(kinds),
        }
    }
}

/// Writes kinds of tasks as words. An action of which both kinds (with commands and without) are in the list is named
/// once.
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
    // Whole actions last: "and" after "by a command" would be ambiguous.
    all.sort_by_key(|(is_part, _)| *is_part);
    let mut all: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
    let last = all.pop().unwrap_or_default();
    if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) }
}

/// The keys that one kind of table in a script (a task, `[policy]`, ..) may have.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    /// The place of the table in messages: "in a task".
    pub(crate) place: &'static str,
    /// The keys by sections. The language reference in `docs/` has a table for each section.
    pub(crate) sections: &'static [KeySection],
}

/// Keys that stand together in a table of the language reference in `docs/`.
#[derive(Debug)]
pub(crate) struct KeySection {
    /// The name of the section's table in the language reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test that makes the reference"))]
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [ScriptKey],
}

impl KnownKeys {
    /// All keys that the table may have.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static ScriptKey> {
        self.sections.iter().flat_map(|section| section.rows)
    }

    /// Returns the properties of a key by its name; `None` if the table may not have the key.
    pub(crate) fn row(&self, name: &str) -> Option<&'static ScriptKey> {
        self.rows().find(|row| row.name == name)
    }
}
