//! Reads a `mapreduce` table.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::syntax::key_table::{INPUT, MAPREDUCE, STAGE};
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::syntax::script::{RawInput, RawInputs, RawMapReduce, RawSave, RawStage, RawTask};
use crate::script::syntax::sweep::{RawParam, RawSweep, RawValues};
use crate::script::syntax::toml::{Node, TomlEntry, TomlKind};
use crate::script::syntax::{command, execution};

/// The largest number of partitions of a `mapreduce`. The output of every mapper is split into as many parts.
const MOST_PARTITIONS: i64 = 4096;
/// The number of partitions of a `mapreduce` where the script gives none.
const PARTITIONS: i64 = 8;

/// Reads a `mapreduce` table; `None` where the value is no table, which is reported.
pub(crate) fn read(node: &Node, cx: &mut DiagnosticCollector) -> Option<RawMapReduce> {
    let mut raw = RawMapReduce {
        span: node.span.clone(),
        input: None,
        map: None,
        combine: None,
        reduce: None,
        partitions: PARTITIONS,
        buffer: None,
        given: Vec::new(),
    };
    let entries = node.table("`mapreduce`", cx)?;
    for entry in entries {
        if !MAPREDUCE.check(entry, cx) {
            continue;
        }
        let value = &entry.value;
        match entry.key.value.as_str() {
            "input" => raw.input = input(value, cx),
            "map" => raw.map = stage(&entry.key, value, cx),
            "combine" => raw.combine = stage(&entry.key, value, cx),
            "reduce" => raw.reduce = stage(&entry.key, value, cx),
            "buffer" => raw.buffer = execution::size("buffer", value, cx),
            _ => raw.partitions = partitions(value, cx).unwrap_or(PARTITIONS),
        }
        raw.given.extend(MAPREDUCE.row(&entry.key.value).map(|row| row.name));
    }
    Some(raw)
}

/// Returns the instances of a `mapreduce` task: one for each partition, by the parameter `partition`.
pub(crate) fn instances(raw: &RawMapReduce) -> RawSweep {
    let text = |value: String| At { value, span: raw.span.clone() };
    let values = Some(RawValues::Range(text(format!("0..{}", raw.partitions))));
    let partition = RawParam { name: text("partition".to_owned()), zipped: false, values, holes: Vec::new() };
    RawSweep { params: vec![partition], ..RawSweep::default() }
}

/// Turns the `save` of a `mapreduce` whose path does not contain the partition into a `stdout`: one file with the
/// results of all partitions, in order.
pub(crate) fn save_in_one_file(task: &mut RawTask, cx: &mut DiagnosticCollector) {
    let names_partition = |path: &Text| {
        placeholder::parse(&path.value).iter().any(|piece| match &piece.kind {
            PieceKind::Reference(raw) => raw.name() == "partition" || raw.path == ["dtask", "index"],
            _ => false,
        })
    };
    let is_whole = |save: &RawSave| {
        save.output.as_ref().is_none_or(|output| output.value == "stdout") && !names_partition(&save.path)
    };
    let Some(at) = task.saves.iter().position(is_whole) else { return };
    let save = task.saves.remove(at);
    if let Some(stdout) = &task.stdout {
        let message = "`save` and `stdout` both write all partitions into one file";
        let diagnostic =
            Diagnostic::new(Code::MisplacedKey, save.path.span, message).label("one of two files");
        cx.push(
            diagnostic
                .also(stdout.span.clone(), "the other")
                .help("remove one, or save `{partition}` by itself"),
        );
        return;
    }
    task.stdout = Some(save.path);
}

fn partitions(node: &Node, cx: &mut DiagnosticCollector) -> Option<i64> {
    let count = node.int("`partitions`", cx)?;
    if (1..=MOST_PARTITIONS).contains(&count.value) {
        return Some(count.value);
    }
    let message = format!("`partitions` is a number from 1 to {MOST_PARTITIONS}");
    cx.push(Diagnostic::new(Code::BadValue, count.span, message).label("out of range"));
    None
}

fn input(node: &Node, cx: &mut DiagnosticCollector) -> Option<RawInput> {
    let TomlKind::Table(entries) = &node.value else {
        let example = "input = { glob = \"corpus/*.txt\", split = \"16 MiB\" }";
        cx.push(MAPREDUCE.wrong_type("input", node).help(format!("write `{example}`")));
        return None;
    };
    let before = cx.errors();
    let (mut split, mut source) = (None, None);
    for TomlEntry { key, value } in entries.iter().filter(|entry| INPUT.check(entry, cx)).collect::<Vec<_>>()
    {
        if key.value == "split" {
            split = execution::size("split", value, cx);
            continue;
        }
        if let Some((first, _)) = &source {
            let first: &Text = first;
            let message =
                format!("an input has one source, and this has `{}` and `{}`", first.value, key.value);
            let diagnostic =
                Diagnostic::new(Code::BadValue, key.span.clone(), message).label("the second one");
            cx.push(diagnostic.also(first.span.clone(), "the first one").help("remove one"));
            return None;
        }
        let found = match key.value.as_str() {
            "glob" => value.text("`glob`", cx).map(RawInputs::Glob),
            "files" => value.texts("`files`", cx).map(RawInputs::Files),
            _ => value.text("`of`", cx).map(RawInputs::Of),
        };
        source = Some((key.clone(), found));
    }
    let Some((_, source)) = source else {
        if cx.errors() == before {
            let diagnostic = Diagnostic::new(
                Code::IncompleteMapReduce,
                node.span.clone(),
                "the input of a `mapreduce` has no source",
            );
            cx.push(diagnostic.label("of which files?").help(
                "write `glob = \"corpus/*.txt\"`, `files = [\"a.txt\", \"b.txt\"]`, or `of = \"task\"` for what a task has written",
            ));
        }
        return None;
    };
    Some(RawInput { source: source?, split })
}

/// Whether any stage of a `mapreduce` is a command.
pub(crate) fn has_command(node: &Node) -> bool {
    let is_command =
        |entry: &TomlEntry| entry.key.value != "input" && matches!(entry.value.value, TomlKind::Table(_));
    matches!(&node.value, TomlKind::Table(entries) if entries.iter().any(is_command))
}

fn stage(key: &Text, node: &Node, cx: &mut DiagnosticCollector) -> Option<RawStage> {
    let entries = match &node.value {
        TomlKind::Text(name) => {
            return Some(RawStage::Named(At { value: name.clone(), span: node.span.clone() }));
        }
        TomlKind::Table(entries) => entries,
        _ => {
            cx.push(MAPREDUCE.wrong_type(&key.value, node));
            return None;
        }
    };
    let before = cx.errors();
    let known: Vec<&TomlEntry> = entries.iter().filter(|entry| STAGE.check(entry, cx)).collect();
    let get = |key: &str| known.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value);
    match (get("run"), get("shell")) {
        (Some(_), Some(shell)) => {
            let message = format!("`{}` has two commands, `run` and `shell`", key.value);
            cx.push(Diagnostic::new(Code::ManyActions, shell.span.clone(), message).label("the second one"));
            return None;
        }
        (None, None) if cx.errors() == before => {
            let message = format!("`{}` does nothing", key.value);
            let diagnostic =
                Diagnostic::new(Code::IncompleteMapReduce, node.span.clone(), message).label("no command");
            cx.push(diagnostic.help("write `{ run = \"..\" }` or `{ shell = \"..\" }`"));
        }
        _ => {}
    }
    command::check_interpreter(&known, cx);
    let command = command::read(&get, cx)?;
    Some(RawStage::Command(Box::new(command)))
}
