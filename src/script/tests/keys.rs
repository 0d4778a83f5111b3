//! Compares the table of keys with the readers, with the reference in `docs/` and with the starter script.

use super::*;
use crate::script::syntax::key_row::{KeySection, KnownKeys, ScriptKey, TaskKind};
use crate::script::syntax::key_table::{
    INPUT, MAPREDUCE, PARAMETER, POLICY, REDUCE, SETTINGS, STAGE, TABLES, TASK, TOP,
};
use crate::script::syntax::toml::{self, TomlEntry, TomlKind};
use std::fmt::Write;

/// Returns the lines that a task with the key needs: an action that may have it, and keys that it requires.
fn company(row: &ScriptKey) -> &'static str {
    let action = match row.beside[0] {
        _ if row.is_action => "",
        TaskKind::Run => "run = 'true'",
        TaskKind::Shell => "shell = 'true'",
        TaskKind::Call => "call = 'f'",
        kind => panic!("`{}` goes with {kind:?} first", row.name),
    };
    if row.name == "memory-step" { "run = 'true'\nmemory = '1 GiB'" } else { action }
}

/// Writes a script in which a key of a table has this value; without `value` it has all keys but this one.
fn script(table: &KnownKeys, row: &ScriptKey, value: Option<&str>) -> String {
    let key = row.name;
    let line = value.map(|value| format!("{key} = {value}")).unwrap_or_default();
    let inside = |other: &str| {
        let parts: Vec<&str> = [line.as_str(), other].into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    };
    let family = "[task.x]\nfor = { i = '0..4' }\narray = 'i'";
    let shell = if key == "interpreter" { "shell = 'cat {a} {b} > {out}'" } else { "" };
    let counted = "input = { glob = 'data/*' }\nmap = 'words'\nreduce = 'sum'";
    let named = |place: &KnownKeys| std::ptr::eq(table, place);
    if named(&TOP) {
        let version = if key == "dtask" { "" } else { "dtask = 1" };
        let task = if key == "task" { "" } else { "[task.a]\nrun = 'true'" };
        return format!("{version}\n{line}\n{task}");
    }
    let body = if named(&TASK) {
        format!("[task.a]\n{}\n{line}", company(row))
    } else if named(&POLICY) {
        format!("[policy]\n{line}\n[task.a]\nrun = 'true'")
    } else if named(&SETTINGS) {
        format!("[settings]\n{line}\n[task.a]\nrun = 'true'")
    } else if named(&PARAMETER) {
        let blocks = match key {
            "size" => "blocks = 'in.h5:/t'",
            "sep" => "csv = 'cases.csv'",
            _ => "",
        };
        format!("[task.a]\nrun = 'true'\nfor = {{ x = {{ {} }} }}", inside(blocks))
    } else if named(&REDUCE) {
        let with = if shell.is_empty() { "with = 'add'" } else { shell };
        let rest = ["of = 'x'", with].into_iter().filter(|part| !part.starts_with(&format!("{key} ")));
        format!("{family}\n[task.a]\nreduce = {{ {} }}", inside(&rest.collect::<Vec<_>>().join(", ")))
    } else if named(&MAPREDUCE) {
        let rest = counted.lines().filter(|part| !part.starts_with(&format!("{key} ")));
        format!("[task.a.mapreduce]\n{line}\n{}", rest.collect::<Vec<_>>().join("\n"))
    } else if named(&INPUT) {
        let glob = if key == "split" { "glob = 'data/*'" } else { "" };
        let rest = counted.split_once('\n').unwrap().1;
        format!("[task.a.mapreduce]\ninput = {{ {} }}\n{rest}", inside(glob))
    } else {
        assert!(named(&STAGE));
        let cat = if key == "interpreter" { "shell = 'cat'" } else { "" };
        let rest = counted.replace("'words'", &format!("{{ {} }}", inside(cat)));
        format!("[task.a.mapreduce]\n{rest}")
    };
    format!("dtask = 1\n{body}")
}

/// The rows of all tables.
fn rows() -> impl Iterator<Item = (&'static KnownKeys, &'static ScriptKey)> {
    TABLES.iter().flat_map(|table| table.rows().map(|row| (*table, row)))
}

#[test]
fn every_key_is_read_and_wants_the_type_of_the_table() {
    let mut wrong = Vec::new();
    for (table, row) in rows() {
        // No key takes a date.
        let script = script(table, row, Some("1979-05-27"));
        let message = format!("`{}` must be {}, not a date", row.name, row.wants);
        let errors =
            try_plan(&script, &[], LoadOptions::default()).map_or_else(|errors| errors.list, |_| vec![]);
        if !errors.iter().any(|error| error.code == Code::WrongType && error.message == message) {
            wrong.push(format!("{script}\nwithout: {message}\nin: {errors:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn defaults_of_the_table_change_nothing() {
    let mut found = 0;
    for (table, row) in rows() {
        let Some(value) = row.default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
            continue;
        };
        let plan = |value: Option<&str>| {
            let script = script(table, row, value);
            let mut plan = try_plan(&script, &[], LoadOptions::default())
                .unwrap_or_else(|errors| panic!("{script}\n{errors}"));
            for task in &mut plan.tasks {
                (task.line, task.origin) = (0, String::new());
                task.references.iter_mut().for_each(|reference| reference.span = 0..0);
            }
            format!("{:?}", (plan.policy, plan.tasks))
        };
        assert_eq!(plan(Some(value)), plan(None), "`{}` {}", row.name, table.place);
        found += 1;
    }
    assert!(found >= 20, "{found}");
}

#[test]
fn keys_beside_other_actions_are_errors() {
    let actions = [
        (TaskKind::Run, "run = 'true'"),
        (TaskKind::Shell, "shell = 'true'"),
        (TaskKind::Script, "script = 'fit.py'"),
        (TaskKind::Array, "array = '1'"),
        (TaskKind::Call, "call = 'f'"),
        (TaskKind::Reduce, "reduce = { of = 'x', with = 'add' }"),
        (TaskKind::Merge, "reduce = { of = 'x', run = 'merge {a} {b} {out}' }"),
        (TaskKind::MapReduce, "mapreduce = { input = { glob = 'data/*' }, map = 'words', reduce = 'sum' }"),
        (
            TaskKind::Streaming,
            "mapreduce = { input = { glob = 'data/*' }, map = 'words', reduce = { run = 'cat' } }",
        ),
    ];
    for (kind, action) in actions {
        for row in TASK.rows().filter(|row| !row.is_action) {
            let script = format!("dtask = 1\n[task.a]\n{action}\n{} = 1979-05-27", row.name);
            let errors = try_plan(&script, &[], LoadOptions::default()).unwrap_err().list;
            let is_misplaced = errors.iter().any(|error| error.code == Code::MisplacedKey);
            // `memory-step` has an error of its own without `memory`.
            if row.name != "memory-step" {
                assert_eq!(is_misplaced, !row.beside.contains(&kind), "{script}\n{errors:#?}");
            }
        }
    }
}

#[test]
fn keys_stand_once_in_a_table_and_have_a_meaning() {
    for table in TABLES {
        let mut names: Vec<&str> = table.rows().map(|row| row.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", table.place);
        assert!(table.rows().all(|row| !row.meaning.is_empty() && !row.beside.is_empty()), "{}", table.place);
    }
}

/// Writes a section as a table of the reference, without its empty columns.
fn markdown(section: &KeySection) -> String {
    let beside = |row: &ScriptKey| match row.beside.len() {
        8 => String::new(),
        _ => TaskKind::list(row.beside),
    };
    // A table of the top level is written with brackets.
    let name = |row: &ScriptKey| match (section.name, row.wants) {
        ("top level", "a table") => format!("`[{}]`", row.name),
        _ => format!("`{}`", row.name),
    };
    let column = |title: &'static str, cell: &dyn Fn(&ScriptKey) -> String| {
        (title, section.rows.iter().map(cell).collect::<Vec<_>>())
    };
    let mut columns = vec![
        column("key", &name),
        column("value", &|row| row.wants.to_owned()),
        column("goes with", &beside),
        column("meaning", &|row| row.meaning.to_owned()),
        column("default", &|row| row.default.to_owned()),
    ];
    columns.retain(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let line = |cells: &[&str]| {
        let cells = cells.iter().map(|cell| if cell.is_empty() { " ".into() } else { format!(" {cell} ") });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let mut text = line(&titles);
    let _ = writeln!(text, "|{}", "---|".repeat(columns.len()));
    for at in 0..section.rows.len() {
        text += &line(&columns.iter().map(|(_, cells)| cells[at].as_str()).collect::<Vec<_>>());
    }
    text
}

#[test]
fn reference_pages() {
    const END: &str = "<!-- end of keys -->\n";
    let mut missing: Vec<&KeySection> = TABLES.iter().flat_map(|table| table.sections).collect();
    for page in ["docs/script.md", "docs/mapreduce.md"] {
        let path = repository().join(page);
        let kept = std::fs::read_to_string(&path).unwrap();
        let mut made = String::new();
        let mut rest = kept.as_str();
        while let Some((before, after)) = rest.split_once("<!-- keys of ") {
            let (name, after) = after.split_once(" -->\n").unwrap();
            let at = missing.iter().position(|section| section.name == name);
            let section = missing.remove(at.unwrap_or_else(|| panic!("{page}: no keys of {name}")));
            let (_, after) = after.split_once(END).unwrap_or_else(|| panic!("{page}: no end of {name}"));
            let _ = write!(made, "{before}<!-- keys of {name} -->\n\n{}\n{END}", markdown(section));
            rest = after;
        }
        made += rest;
        if std::env::var_os("DTASK_RENEW").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept == made, "{page} is out of date: DTASK_RENEW=1 cargo test --lib reference_pages");
    }
    assert!(missing.is_empty(), "without a place in docs/: {missing:#?}");
}

/// The entries of a table.
fn entries(entry: &TomlEntry) -> &[TomlEntry] {
    match &entry.value.value {
        TomlKind::Table(entries) => entries,
        other => panic!("`{}` is {}", entry.key.value, other.name()),
    }
}

#[test]
fn keys_of_the_starter_script_are_in_the_table() {
    let text = include_str!("../../cli/starter.toml");
    let mut cx = DiagnosticCollector::new(ScriptSource::new("starter.toml", folder(), text));
    let known = |table: &KnownKeys, entry: &TomlEntry| {
        assert!(table.row(&entry.key.value).is_some(), "`{}` {}", entry.key.value, table.place);
    };
    let mut tasks = 0;
    for entry in toml::parse(&mut cx) {
        known(&TOP, &entry);
        match entry.key.value.as_str() {
            "default" => entries(&entry).iter().for_each(|entry| known(&TASK, entry)),
            "policy" => entries(&entry).iter().for_each(|entry| known(&POLICY, entry)),
            "settings" => entries(&entry).iter().for_each(|entry| known(&SETTINGS, entry)),
            "task" => {
                for task in entries(&entry) {
                    entries(task).iter().for_each(|entry| known(&TASK, entry));
                    tasks += 1;
                }
            }
            _ => {}
        }
    }
    assert!(tasks > 1 && cx.errors() == 0);
}
