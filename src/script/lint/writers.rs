//! Everything that a script writes, by path: no two writers may have one, but for streams, which are appended in order,
//! and for datasets of one file. Nor may a writer have the path of the script, of an input, or of the run folder.

use crate::arrays::slab::{self, Slab};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{ScriptSource, Span};
use crate::script::plan::task::{MapReduceInput, PlanTask, TaskAction};
use crate::script::sweep::param_values::ParamValues;
use crate::script::syntax::script::RawScript;
use crate::script::syntax::sweep::RawValues;
use crate::script::syntax::symbols::Symbols;
use crate::script::values::links;
use crate::script::values::value::ScriptValue;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};

/// The way in which an instance writes a path: the key of the script that names the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteKind {
    Save,
    Target,
    Stdout,
    Stderr,
    /// As the folder in which a command runs.
    Dir,
    /// As a folder that is put there as a whole.
    Folder,
    /// As an HDF5 file in which datasets are saved. Several instances may do so.
    Datasets,
}

impl WriteKind {
    fn is_stream(self) -> bool {
        matches!(self, WriteKind::Stdout | WriteKind::Stderr)
    }

    /// The words between the task and the path in a message.
    pub(super) fn verb(self) -> &'static str {
        match self {
            WriteKind::Save => "saves to",
            WriteKind::Folder => "saves a folder to",
            WriteKind::Target => "has the target",
            WriteKind::Stdout => "writes its standard output to",
            WriteKind::Stderr => "writes its standard error to",
            WriteKind::Dir => "runs in",
            WriteKind::Datasets => "saves datasets in",
        }
    }
}

/// An instance of a task that writes a path, for messages.
#[derive(Clone, Debug)]
pub(super) struct PathWriter {
    pub(super) label: String,
    pub(super) span: Span,
    pub(super) kind: WriteKind,
}

/// The instances that write files, by the paths that they write.
#[derive(Default)]
pub(super) struct Writers(HashMap<String, PathWriter>);

impl Writers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Notes an instance that writes a path. Returns an earlier writer of the path if the two may not share it.
    pub(super) fn note(&mut self, path: &str, writer: PathWriter) -> Option<PathWriter> {
        let kind = writer.kind;
        let other = self.0.insert(path.to_owned(), writer)?;
        let together =
            (kind.is_stream() && other.kind.is_stream()) || [kind, other.kind] == [WriteKind::Datasets; 2];
        (!together).then_some(other)
    }

    /// Reports the mistakes that show only when all writers are known: a path that is the script, an input of a task,
    /// in the run folder, or below a path that is written as a file.
    pub(super) fn finish(
        self,
        script: &RawScript,
        names: &Symbols,
        tasks: &[Option<PlanTask>],
        cx: &mut DiagnosticCollector,
    ) {
        let mut paths: Vec<&String> = self.0.keys().collect();
        paths.sort_unstable();
        let inputs = inputs(script, names, tasks, &cx.source);
        let (own, folder) = own_paths(script, &cx.source);
        let here = cx.source.dir().to_owned();
        // The mistakes reported so far: the place in the script, and the path or reader in its way. Instances of one
        // task make the same mistake again and again.
        let mut told: HashSet<(usize, String)> = HashSet::new();
        for path in paths {
            let Some(writer) = self.0.get(path) else { continue };
            let says = format!("`{}` {} `{path}`", writer.label, writer.kind.verb());
            let mut tell = |way: &str, message: String, help: &str| {
                if told.insert((writer.span.start, way.to_owned())) {
                    let diagnostic = Diagnostic::new(Code::SamePath, writer.span.clone(), message);
                    cx.push(diagnostic.label("this path").help(help));
                }
            };
            if writer.kind == WriteKind::Folder {
                let whole = here.join(path);
                let holds = |other: &str| other != path && here.join(other).starts_with(&whole);
                let help =
                    "a folder is put there as a whole, and all that was in it is gone: choose another path";
                if own.as_ref().is_some_and(|own| holds(own)) || folder.as_ref().is_some_and(|own| holds(own))
                {
                    tell("script", format!("{says}, where this script or its run folder lies"), help);
                }
                let mut below: Vec<_> = inputs.iter().filter(|(input, _)| holds(input)).collect();
                below.sort_unstable();
                if let Some((input, reader)) = below.first() {
                    tell(reader, format!("{says}, where `{input}` lies, an input of `{reader}`"), help);
                }
            }
            if Some(path) == own.as_ref() {
                tell("script", format!("{says}, which is this script"), "choose another path");
            }
            if folder.as_ref().is_some_and(|folder| is_below(path, folder) || path == folder) {
                let message = format!("{says}, in the run folder, where dtask keeps its own files");
                tell("folder", message, "choose another path, or give the script another `name`");
            }
            if let Some(reader) = inputs.get(path).filter(|_| writer.kind != WriteKind::Datasets) {
                let message = format!("{says}, which is an input of `{reader}`");
                tell(reader, message, "a run does not change what it reads: choose another path");
            }
            let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
            for (above, other) in ends.filter_map(|above| Some((above, self.0.get(above)?))) {
                // A `target` is written by the command, which may make a folder there: files below it are no mistake.
                if other.kind == WriteKind::Target || !told.insert((writer.span.start, above.to_owned())) {
                    continue;
                }
                let what = match slab::split(above) {
                    _ if other.kind == WriteKind::Folder => {
                        "a folder is put there as a whole, and all that was in it is gone"
                    }
                    Some(_) => "a dataset cannot be a group as well",
                    None => "a file cannot be a folder as well",
                };
                let message = format!("{says}, and `{}` {} `{above}`", other.label, other.kind.verb());
                let diagnostic = Diagnostic::new(Code::SamePath, writer.span.clone(), message);
                let diagnostic = if other.span == writer.span {
                    diagnostic
                } else {
                    diagnostic.also(other.span.clone(), "the other one")
                };
                cx.push(diagnostic.label("below the other path").help(what));
            }
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Makes the error about two writers of one path.
pub(super) fn clash(first: &PathWriter, second: &PathWriter, path: &str) -> Diagnostic {
    let saves =
        |writer: &PathWriter| matches!(writer.kind, WriteKind::Save | WriteKind::Folder | WriteKind::Target);
    let message = match (saves(first) && saves(second), first.label == second.label) {
        (true, true) => format!("`{}` saves two outputs to `{path}`", first.label),
        (true, false) => format!("`{}` and `{}` both save to `{path}`", first.label, second.label),
        (false, _) => format!(
            "`{}` {} `{path}`, and `{}` {} it",
            first.label,
            first.kind.verb(),
            second.label,
            second.kind.verb()
        ),
    };
    let diagnostic = Diagnostic::new(Code::SamePath, second.span.clone(), message);
    if first.span == second.span { diagnostic } else { diagnostic.also(first.span.clone(), "the other one") }
}

/// The path of the script and that of its run folder, which no task may write.
pub(super) fn own_paths(script: &RawScript, source: &ScriptSource) -> (Option<String>, Option<String>) {
    let shown = Path::new(source.shown());
    let own = shown.file_name().and_then(|name| Some(key(name.to_str()?, source)));
    let stem = shown.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = script.name.as_ref().map(|name| name.value.clone()).or(stem);
    (own, name.map(|name| key(&format!("{name}.dtask"), source)))
}

/// The files and datasets that are read before or in the run, each with the task that reads it, as far as the script
/// names them.
fn inputs<'a>(
    script: &'a RawScript,
    names: &Symbols,
    tasks: &[Option<PlanTask>],
    source: &ScriptSource,
) -> HashMap<String, &'a str> {
    let mut found = HashMap::new();
    // errors in these paths have been reported elsewhere, and are thrown away here
    let mut unheard = DiagnosticCollector::new(ScriptSource::new("", source.dir(), ""));
    let mut add = |path: &str, task: &'a str| {
        let slab = Slab::parse(path);
        if let Some(slab) = &slab {
            found.entry(key(&slab.file, source)).or_insert(task);
        }
        let path = slab.map_or_else(|| path.to_owned(), |slab| format!("{}:{}", slab.file, slab.dataset));
        found.entry(key(&path, source)).or_insert(task);
    };
    for (raw, task) in script.tasks.iter().zip(tasks) {
        let name = raw.name.value.as_str();
        for param in &raw.sweep.params {
            let Some(RawValues::Csv(text, _) | RawValues::Lines(text)) = &param.values else { continue };
            if let Some(path) = names.fill(text, &mut unheard) {
                add(&path, name);
            }
        }
        let Some(task) = task else { continue };
        for param in task.family.params() {
            let ParamValues::List(values) = &param.values else { continue };
            for value in values.iter() {
                let ScriptValue::Path(path) = value else { break };
                add(path, name);
            }
        }
        if let TaskAction::MapReduce(mapreduce) = &task.action
            && let MapReduceInput::Files(files) = &mapreduce.input
        {
            files.iter().for_each(|path| add(path, name));
        }
    }
    found
}

/// The normal form of a path by which writers are compared: relative to the script's folder where the path lies below
/// it, else absolute.
pub(super) fn key(path: &str, source: &ScriptSource) -> String {
    normal(path, source).unwrap_or_else(|| {
        let parts = source.dir().join(path);
        let mut whole = std::path::PathBuf::new();
        for component in parts.components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => drop(whole.pop()),
                other => whole.push(other),
            }
        }
        whole.to_string_lossy().into_owned()
    })
}

/// The path that a symbolic link leads to, or the path itself if it is no link.
pub(super) fn without_links(path: &str, source: &ScriptSource) -> String {
    let whole = source.dir().join(path);
    let end = links::end(&whole).ok().flatten().unwrap_or(whole);
    end.to_str().map_or_else(|| path.to_owned(), |end| key(end, source))
}

/// The path from the script's folder, without `.` and `..`; `None` where it leads out of the folder.
pub(super) fn normal(path: &str, source: &ScriptSource) -> Option<String> {
    let path = Path::new(path);
    let path = if path.is_absolute() { path.strip_prefix(source.dir()).ok()? } else { path };
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}
