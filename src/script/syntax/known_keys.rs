//! Checks keys against the [table](super::key_table): unknown keys, and keys that do not go with the task's action.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::foreign_keys;
use crate::script::syntax::key_row::{KnownKeys, TaskKind};
use crate::script::syntax::key_table::{TABLES, TASK};
use crate::script::syntax::toml::{self, Node, TomlEntry};

/// The names of the keys that are actions (`run`, `array`, ..), one of which every task has.
pub(crate) fn actions() -> impl Iterator<Item = &'static str> {
    TASK.rows().filter(|row| row.is_action).map(|row| row.name)
}

/// Whether a key is an action (`run`, `array`, ..), which decides the kind of its task.
pub(crate) fn is_action(entry: &TomlEntry) -> bool {
    TASK.row(&entry.key.value).is_some_and(|row| row.is_action)
}

impl KnownKeys {
    /// Whether the table may have such a key. If not, the key is reported.
    pub(crate) fn check(&self, entry: &TomlEntry, cx: &mut DiagnosticCollector) -> bool {
        let key = entry.key.value.as_str();
        if self.row(key).is_some() {
            return true;
        }
        if cx.is_full() {
            // it will not be shown: what may be meant need not be searched
            let message = format!("unknown key `{key}` {}", self.place);
            cx.push(Diagnostic::new(Code::UnknownKey, entry.key.span.clone(), message));
            return false;
        }
        let names: Vec<&str> = self.rows().map(|row| row.name).collect();
        let elsewhere: Vec<&str> =
            TABLES.iter().filter(|table| table.row(key).is_some()).map(|table| table.place).collect();
        let help = if let Some(help) = foreign_keys::help(self, key) {
            help.to_owned()
        } else if elsewhere.is_empty() {
            did_you_mean(key, names.iter().copied())
                .unwrap_or_else(|| format!("the keys {} are: {}", self.place, names.join(", ")))
        } else {
            format!("`{key}` can stand {}", elsewhere.join(", or "))
        };
        let message = format!("unknown key `{key}` {}", self.place);
        let diagnostic = Diagnostic::new(Code::UnknownKey, entry.key.span.clone(), message);
        cx.push(diagnostic.label("not a key of this table").help(help));
        false
    }

    /// Makes the error of a key whose value has another type than the key must have.
    pub(crate) fn wrong_type(&self, key: &str, found: &Node) -> Diagnostic {
        let wanted = self.row(key).map_or("of another type", |row| row.wants);
        toml::wrong_type(&format!("`{key}`"), wanted, found)
    }
}

/// Whether a task of this kind may have the key. Unknown keys are allowed, since they are reported elsewhere.
pub(crate) fn fits(key: &str, kind: TaskKind) -> bool {
    TASK.row(key).is_none_or(|row| row.beside.contains(&kind))
}

/// Reports the keys of a task that tasks with its action may not have.
pub(crate) fn check_beside(kind: TaskKind, entries: &[&TomlEntry], cx: &mut DiagnosticCollector) {
    for entry in entries {
        let key = entry.key.value.as_str();
        let Some(row) = TASK.row(key).filter(|row| !row.beside.contains(&kind)) else { continue };
        let message = format!("`{key}` means nothing beside `{}`", kind.action());
        let diagnostic = Diagnostic::new(Code::MisplacedKey, entry.key.span.clone(), message);
        cx.push(diagnostic.label("remove this").help(row.help_beside(kind)));
    }
}
