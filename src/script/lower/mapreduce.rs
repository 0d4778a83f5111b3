//! Lowers `mapreduce`: its input and its stages.

use crate::mapreduce::{Mapper, Operator};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{Span, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::lower::task::Compiler;
use crate::script::plan::task::{
    MapReduce, MapReduceInput, MapStage, ReduceStage, Reference, Select, TaskAction,
};
use crate::script::plan::template::{Fill, TemplatePart};
use crate::script::resolve::output_select;
use crate::script::resolve::resolver::Resolver;
use crate::script::sweep::user_files;
use crate::script::syntax::key_table::MAPREDUCE;
use crate::script::syntax::script::{RawInputs, RawMapReduce, RawStage, RawTask};

const SPLIT: u64 = 16 << 20;
const BUFFER: u64 = 256 << 20;

impl Compiler<'_> {
    /// Lowers a `mapreduce` key: compiles its input and its map, combine and reduce stages from the script to the plan.
    pub(crate) fn mapreduce(
        &self,
        task: &RawTask,
        raw: &RawMapReduce,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        for row in MAPREDUCE.rows().filter(|row| !raw.given.contains(&row.name)) {
            let Some(example) = row.example else { continue };
            let message = format!("`mapreduce` without `{}`", row.name);
            let diagnostic = Diagnostic::new(Code::IncompleteMapReduce, raw.span.clone(), message);
            cx.push(diagnostic.label("incomplete").help(format!("write `{example}`")));
        }
        let input = raw.input.as_ref().and_then(|input| self.input(&input.source, resolver, cx));
        let read = resolver.found.len();
        let map = raw.map.as_ref().and_then(|stage| match stage {
            RawStage::Named(name) => built_in("map", name, &Mapper::NAMES, cx).map(MapStage::BuiltIn),
            RawStage::Command(_) => self.stage(task, "map", stage, resolver, cx).map(MapStage::Command),
        });
        let mut lines = |key: &str, stage: &RawStage, cx: &mut DiagnosticCollector| match stage {
            RawStage::Named(name) => built_in(key, name, &Operator::NAMES, cx).map(ReduceStage::BuiltIn),
            RawStage::Command(_) => self.stage(task, key, stage, resolver, cx).map(ReduceStage::Command),
        };
        let combine = raw.combine.as_ref().map(|stage| lines("combine", stage, cx));
        let reduce = raw.reduce.as_ref().and_then(|stage| lines("reduce", stage, cx));
        if let Some(Reference { span, .. }) = resolver.found.get(read) {
            let message = "the stages of a `mapreduce` read lines, and no other task";
            let diagnostic =
                Diagnostic::new(Code::NotHere, span.clone(), message).label("another task's result");
            cx.push(
                diagnostic.help("`save` it there, name the file here, and wait for that task with `after`"),
            );
        }
        Some(TaskAction::MapReduce(Box::new(MapReduce {
            input: input?,
            split: raw.input.as_ref().and_then(|input| input.split).unwrap_or(SPLIT),
            map: map?,
            combine: match combine {
                None => None,
                Some(stage) => Some(stage?),
            },
            reduce: reduce?,
            buffer: raw.buffer.unwrap_or(BUFFER),
        })))
    }

    /// Replaces the script's variables, such as `{dir}`, in the file name or file pattern of a map-reduce input. `None`
    /// where another reference stands there, which is reported.
    fn fill(&self, text: &Text, cx: &mut DiagnosticCollector) -> Option<String> {
        let mut lookup = |name: &str, _: &mut DiagnosticCollector| self.names.var(name).cloned();
        crate::script::syntax::variables::fill(text, "the input of a `mapreduce`", &mut lookup, cx)
    }

    fn input(
        &self,
        source: &RawInputs,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<MapReduceInput> {
        let names: Vec<(String, Span)> = match source {
            RawInputs::Glob(text) => {
                let pattern = self.fill(text, cx)?;
                let found = user_files::paths(&pattern, text, Code::NoInput, cx)?;
                let mut files: Vec<String> = found.iter().map(ToString::to_string).collect();
                files.retain(|file| !cx.source.dir().join(file).is_dir());
                if files.is_empty() {
                    let message = format!("`{pattern}` matches folders only");
                    let diagnostic = Diagnostic::new(Code::NoInput, text.span.clone(), message);
                    cx.push(
                        diagnostic
                            .label("no file")
                            .help(format!("write `{pattern}/*` for the files in them")),
                    );
                    return None;
                }
                return Some(MapReduceInput::Files(files));
            }
            RawInputs::Of(text) => {
                let (target, select) =
                    output_select::named(text, "of", (resolver.script, resolver.names), cx)?;
                if let Some(task) = resolver.script.tasks.get(target)
                    && let Err(diagnostic) = output_select::refuse_folder(task, select, text.span.clone())
                {
                    cx.push(*diagnostic);
                    return None;
                }
                if select == Select::Value {
                    let message = format!("`{}` makes an array, and a `mapreduce` reads lines", text.value);
                    let diagnostic = Diagnostic::new(Code::NoInput, text.span.clone(), message);
                    cx.push(
                        diagnostic.label("an array").help("read what a `run` or `shell` task has written"),
                    );
                    return None;
                }
                return Some(MapReduceInput::Of(resolver.depend(target, select, None, text.span.clone())));
            }
            RawInputs::Files(files) => {
                let names = files.iter().map(|file| Some((self.fill(file, cx)?, file.span.clone())));
                names.collect::<Option<_>>()?
            }
        };
        let before = cx.errors();
        for (name, span) in &names {
            let found = std::fs::metadata(cx.source.dir().join(name));
            let problem = match found {
                Ok(found) if found.is_dir() => "it is a folder".to_owned(),
                Ok(_) => continue,
                Err(error) => error.to_string(),
            };
            let diagnostic = Diagnostic::new(
                Code::NoInput,
                span.clone(),
                format!("the input `{name}` cannot be read: {problem}"),
            );
            cx.push(diagnostic.label("this file").help("paths start from the script's folder"));
        }
        (cx.errors() == before)
            .then(|| MapReduceInput::Files(names.into_iter().map(|(name, _)| name).collect()))
    }

    fn stage(
        &self,
        task: &RawTask,
        key: &str,
        stage: &RawStage,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<Box<TaskAction>> {
        let RawStage::Command(raw) = stage else { return None };
        let action = self.action(task, raw, resolver, cx)?;
        let partition =
            |part: &TemplatePart| matches!(part, TemplatePart::Fill { what: Fill::Param(..), .. });
        if key != "reduce" && action.templates().iter().any(|text| text.parts.iter().any(partition)) {
            let span = raw.span();
            let message =
                format!("`{{partition}}` cannot stand in `{key}`, whose lines go to all partitions");
            cx.push(Diagnostic::new(Code::NotHere, span, message).label("in this command"));
        }
        Some(Box::new(action))
    }
}

/// Finds the built-in mapper or operator of that name among `known`. Reports an unknown name; `key` says in the message
/// which stage it is for.
fn built_in<T: Copy>(
    key: &str,
    name: &Text,
    known: &[(&'static str, T)],
    cx: &mut DiagnosticCollector,
) -> Option<T> {
    let found = known.iter().find(|(known, _)| *known == name.value).map(|(_, stage)| *stage);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let message = format!("`{}` is no built-in `{key}`", name.value);
        let listed = format!(
            "there are: {}; a command is written `{{ run = \"..\" }}` or `{{ shell = \"..\" }}`",
            names.join(", ")
        );
        let diagnostic = Diagnostic::new(Code::UnknownStage, name.span.clone(), message).label("not known");
        cx.push(diagnostic.help(did_you_mean(&name.value, names).unwrap_or(listed)));
    }
    found
}
