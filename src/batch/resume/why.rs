//! Texts for the user on why instances run: `dtask plan --why`.

use crate::batch::resume::known::{KnownInstances, OlderTask};
use crate::batch::resume::todo::{RunReason, Todo};
use crate::console::counted;
use crate::journal::state::JournalState;
use crate::script::plan::Plan;
use crate::script::plan::fingerprint::key_plan::{KeyPlan, KeyTask};
use crate::script::values::value::ScriptValue;
use std::collections::BTreeMap;
use std::ops::Range;

/// The largest number of instances of a range that are looked at one by one for their reasons.
const LOOKED: u64 = 100_000;
/// The text for an instance of which the journal has no record.
const NEVER: &str = "never run";

/// Lists the reasons why instances of a task run, one line each, with the number of instances and one of them as an
/// example; and the number of those whose results are read from checkpoints.
pub(crate) fn reasons(
    plan: &Plan,
    keys: &KeyPlan,
    state: &JournalState,
    known: &KnownInstances,
    todo: &Todo,
    number: usize,
) -> Vec<String> {
    let (Some(task), Some(own), Some(key)) =
        (plan.tasks.get(number), todo.tasks.get(number), keys.tasks.get(number))
    else {
        return Vec::new();
    };
    let older = OlderTask::find(&task.name, key.digest, state);
    let failed = known.tasks.get(number).map(|known| &known.failed);
    // by kind of reason, the number of instances, the first of them, and the reason for that one
    let mut groups: BTreeMap<String, (u64, u64, String)> = BTreeMap::new();
    let mut add = |kind: String, text: String, range: &Range<u64>| {
        let group = groups.entry(kind).or_insert((0, range.start, text));
        group.0 += range.end - range.start;
    };
    for (range, reason) in &own.why {
        let (kind, text) = match reason {
            RunReason::NotDone => {
                let whole = Changes::of_all(key, older.as_ref());
                let looked = range.start..range.end.min(range.start + LOOKED);
                for index in looked.clone() {
                    let one = index..index + 1;
                    if let Some(failed) = failed.and_then(|failed| failed.get(&index)) {
                        let attempts = counted(u64::from(failed.attempts.max(1)), "attempt");
                        let first = failed.message.lines().next().unwrap_or_default();
                        add(first.to_owned(), format!("failed after {attempts}: {first}"), &one);
                        continue;
                    }
                    let same = |text: &String| (text.clone(), text.clone());
                    let found = whole.as_ref().map(same);
                    let file =
                        || changed_file(key, older.as_ref(), index).map(|text| ("file".to_owned(), text));
                    let found = found.or_else(file).or_else(|| input_runs(plan, todo, number, index));
                    let (kind, text) = found.unwrap_or_else(|| same(&NEVER.to_owned()));
                    add(kind, text, &one);
                }
                let rest = looked.end..range.end;
                if !rest.is_empty() {
                    let text = whole.unwrap_or_else(|| NEVER.to_owned());
                    add(text.clone(), text, &rest);
                }
                continue;
            }
            RunReason::Forced => ("forced".to_owned(), "asked for by --force".to_owned()),
            RunReason::Quarantined(why) => {
                ("quarantined".to_owned(), format!("quarantined, so that it fails: {why}"))
            }
            RunReason::Lost(path) => {
                ("lost".to_owned(), format!("result lost: `{path}` is not as it was saved"))
            }
            RunReason::InputNotDone(other) => {
                let text = format!("reads `{}`, of which an instance was not done", name(plan, *other));
                (text.clone(), text)
            }
            RunReason::NeededBy(other, index) => {
                let label = plan.tasks.get(*other).map(|task| task.label(*index)).unwrap_or_default();
                (format!("needed {other}"), format!("result not saved, and needed by {label}"))
            }
            RunReason::SharedFile(path) => {
                let text =
                    format!("`{path}` is not complete, or another of its instances runs: it is written anew");
                (text.clone(), text)
            }
            RunReason::NotInFile(path) => {
                let text = format!("its output is not in `{path}`");
                (text.clone(), text)
            }
            RunReason::Together => {
                ("together".to_owned(), "all instances of the task run together".to_owned())
            }
        };
        add(kind, text, range);
    }
    let read = todo.checkpoints.keys().filter(|(task, index)| *task == number && !todo.runs(number, *index));
    let read: Vec<u64> = read.map(|(_, index)| *index).collect();
    if let Some(first) = read.first() {
        let text = if read.len() > 1 { "read from checkpoints" } else { "read from its checkpoint" };
        groups.insert("checkpoint".to_owned(), (read.len() as u64, *first, text.to_owned()));
    }
    let mut lines: Vec<(u64, u64, String)> = groups.into_values().collect();
    lines.sort_by_key(|(_, first, _)| *first);
    let line = |(count, first, text): (u64, u64, String)| {
        let label = task.label(first);
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        format!("{label}{more}: {text}")
    };
    lines.into_iter().map(line).collect()
}

fn name(plan: &Plan, number: usize) -> &str {
    plan.tasks.get(number).map_or("a task", |task| task.name.as_str())
}

/// The comparison of a task with its older version, for changes that concern all instances.
struct Changes;

impl Changes {
    fn of_all(key: &KeyTask, older: Option<&OlderTask>) -> Option<String> {
        let older = older.filter(|older| older.has_done)?;
        let old = older.plan.tasks.get(older.task)?;
        let changed: Vec<String> = parts_changed(&old.parts, &key.parts);
        if !changed.is_empty() {
            return Some(format!("script changed: {}", changed.join(", ")));
        }
        let file = key.common.iter().find(|path| old.files.get(*path) != key.files.get(*path))?;
        Some(file_changed(key, file))
    }
}

/// Lists the keys of the script (`run`, `env`, ..) whose values differ between two versions of a task, or that only one
/// version has.
fn parts_changed(old: &[(String, u128)], new: &[(String, u128)]) -> Vec<String> {
    let mut names: Vec<&String> = old.iter().chain(new).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let hash = |parts: &[(String, u128)], name: &String| {
        parts.iter().find(|(own, _)| own == name).map(|(_, hash)| *hash)
    };
    names.retain(|name| hash(old, name) != hash(new, name));
    names
        .into_iter()
        .map(|name| if name.contains(' ') { name.clone() } else { format!("`{name}`") })
        .collect()
}

/// Describes the first file among the values of an instance's parameters that has changed; `None` if none has.
fn changed_file(key: &KeyTask, older: Option<&OlderTask>, index: u64) -> Option<String> {
    let old = older.and_then(|older| older.plan.tasks.get(older.task))?;
    key.family.bindings(index).iter().find_map(|value| {
        let ScriptValue::Path(path) = value else { return None };
        let known = old.files.get(path)?;
        (Some(known) != key.files.get(path)).then(|| file_changed(key, path))
    })
}

fn file_changed(key: &KeyTask, path: &str) -> String {
    let is_there = key.files.get(path).is_some_and(|file| file.is_there());
    format!("input changed: `{path}`{}", if is_there { "" } else { ", which is not there" })
}

/// Finds an instance that this one reads and that runs: returns the name of its task, and a text that names it.
fn input_runs(plan: &Plan, todo: &Todo, number: usize, index: u64) -> Option<(String, String)> {
    let task = plan.tasks.get(number)?;
    task.references.iter().find_map(|reference| {
        let other = plan.tasks.get(reference.task)?;
        let input = reference.instances(index).take(1000).find(|input| todo.runs(reference.task, *input))?;
        Some((other.name.clone(), format!("reads {}, which runs", other.label(input))))
    })
}
