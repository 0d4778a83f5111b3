//! From texts with references to templates.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Collector, Diagnostic};
use crate::script::diagnostics::source::{Span, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::plan::shell_quote::{self, Quote};
use crate::script::plan::task::Reference;
use crate::script::plan::template::{Fill, Part, Template};
use crate::script::resolve::reference::Meaning;
use crate::script::sweep::expand::Sweeps;
use crate::script::syntax::placeholder::{self, Piece, PieceKind, RawReference};
use crate::script::syntax::script::RawScript;
use crate::script::syntax::symbols::Names;
use crate::script::values::format::Format;
use crate::script::values::format::written;
use crate::script::values::value::Value;

/// Where a text stands, which decides what references may be in it and what they become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An argument or an environment variable: references become paths.
    Command,
    /// A shell script: paths as well, quoted.
    Shell,
    /// Standard input: references become bytes.
    Stdin,
    /// An array expression, in which references have no braces: they become arrays.
    Array,
    /// The name of a file, which must be known without running anything.
    File,
}

/// Resolves the texts of one task.
pub(crate) struct Resolver<'a> {
    pub(crate) script: &'a RawScript,
    pub(crate) names: &'a Names,
    pub(crate) sweeps: &'a Sweeps,
    /// The task's index in the script.
    pub(crate) task: usize,
    /// The dependencies found so far (by index in the script), each with the place that it was first seen at.
    pub(crate) found: Vec<(Reference, Span)>,
    /// Whether its command merges two files, `{a}` and `{b}`.
    pub(crate) merges: bool,
}

/// A reference with the place of the whole of it, braces included.
pub(crate) struct Written<'r> {
    pub(crate) raw: &'r RawReference,
    pub(crate) span: Span,
}

impl Resolver<'_> {
    /// A text as a template.
    pub(crate) fn template(&mut self, text: &Text, place: Place, cx: &mut Collector) -> Template {
        let pieces = placeholder::parse(&text.value);
        let quotes = match place {
            Place::Shell => shell_quote::contexts(&text.value, &pieces),
            _ => vec![Quote::None; pieces.len()],
        };
        let parts = pieces.iter().zip(quotes).map(|(piece, quote)| self.part(text, piece, quote, place, cx));
        Template { parts: parts.collect() }
    }

    /// One piece. What stands in for a wrong one fills in nothing, and keeps later checks from drawing conclusions.
    pub(crate) fn part(
        &mut self,
        text: &Text,
        piece: &Piece,
        quote: Quote,
        place: Place,
        cx: &mut Collector,
    ) -> Part {
        let whole = text.value.get(piece.range.clone()).unwrap_or_default();
        let raw = match &piece.kind {
            PieceKind::Plain => return Part::Text(whole.to_string()),
            PieceKind::Escaped => {
                return Part::Text(whole.get(1..whole.len() - 1).unwrap_or_default().to_string());
            }
            PieceKind::Reference(raw) => raw,
        };
        let reference = Written { raw, span: cx.source.inside(text, piece.range.clone()) };
        match self.fill(&reference, quote, place) {
            Ok(part) => part,
            Err(diagnostic) => {
                cx.push(*diagnostic);
                Part::Fill { what: Fill::Input(usize::MAX), format: None, quote }
            }
        }
    }

    fn fill(&mut self, reference: &Written<'_>, quote: Quote, place: Place) -> Result<Part, Box<Diagnostic>> {
        let meaning = self.meaning(reference, place)?;
        let format = match (&reference.raw.format, &meaning) {
            (None, _) | (_, Meaning::Env(_)) => None,
            (Some(format), meaning) => Some(self.format(format, meaning, reference)?),
        };
        let what = match meaning {
            Meaning::Var(value) => {
                let text = written(&value, format.as_ref()).map_err(|why| misfit(reference, &why))?;
                return Ok(Part::Text(quote.apply(&text)));
            }
            Meaning::Param(at, part) => Fill::Param(at, part),
            Meaning::Input(at) => Fill::Input(at),
            Meaning::Out(at) => Fill::Out(at),
            Meaning::Fact(fact) => Fill::Fact(fact),
            Meaning::Env(name) => Fill::Env(name),
            Meaning::Merged(at) => Fill::Merged(at),
        };
        Ok(Part::Fill { what, format, quote })
    }

    fn format(
        &self,
        text: &str,
        meaning: &Meaning,
        reference: &Written<'_>,
    ) -> Result<Format, Box<Diagnostic>> {
        let Some(format) = Format::parse(text) else {
            let diagnostic =
                Diagnostic::new(Code::BadFormat, reference.span.clone(), format!("`{text}` is no format"));
            return Err(Box::new(
                diagnostic
                    .label("not understood")
                    .help("formats are like `{i:03}`, `{x:.2}`, `{x:.2e}`, `{name:>10}`"),
            ));
        };
        let samples = match meaning {
            Meaning::Param(_, Some(_)) | Meaning::Out(_) | Meaning::Env(_) => {
                vec![Value::Text(String::new())]
            }
            Meaning::Param(at, None) => self.own_samples(*at),
            Meaning::Var(value) => vec![value.clone()],
            Meaning::Fact(fact) => {
                vec![if fact.is_text() { Value::Text(String::new()) } else { Value::Int(0) }]
            }
            Meaning::Input(_) | Meaning::Merged(_) => {
                let what = if matches!(meaning, Meaning::Merged(_)) { "file" } else { "task" };
                let why = format!("formats are for parameters and variables, and this is a {what}");
                return Err(misfit(reference, &why));
            }
        };
        match samples.iter().find_map(|value| format.apply(value).err()) {
            Some(why) => Err(misfit(reference, &why)),
            None => Ok(format),
        }
    }

    /// The error of a name that nothing has.
    pub(crate) fn unknown(&self, reference: &Written<'_>, place: Place) -> Box<Diagnostic> {
        let name = reference.raw.name();
        let params = self.sweeps.params.get(self.task).map_or(&[][..], Vec::as_slice);
        let label = match params {
            [] => "no variable and no task has this name".to_string(),
            params => format!("parameters here: {}", params.join(", ")),
        };
        let mut candidates: Vec<&str> = params.iter().map(String::as_str).collect();
        candidates.extend(self.names.all());
        candidates.extend(["dtask", "env", "out"]);
        candidates.extend(if self.merges { &["a", "b"][..] } else { &[] });
        let (place, braces) = match place {
            Place::Array => ("an array expression", None),
            _ => ("a reference", Some(format!("write `{{{{{name}}}}}` for literal braces"))),
        };
        let other = self
            .script
            .tasks
            .iter()
            .zip(&self.sweeps.params)
            .find(|(_, params)| params.iter().any(|p| p == name));
        let help = match (other, did_you_mean(name, candidates)) {
            (Some((task, _)), _) => Some(format!(
                "`{name}` is a parameter of `{0}`: with `each = \"{0}\"` this task has it as well",
                task.name.value
            )),
            (None, meant) => {
                meant.into_iter().chain(braces).reduce(|meant, braces| format!("{meant} {braces}"))
            }
        };
        Box::new(
            Diagnostic::new(
                Code::UnknownName,
                reference.span.clone(),
                format!("unknown name `{name}` in {place}"),
            )
            .label(label)
            .maybe_help(help),
        )
    }
}

fn misfit(reference: &Written<'_>, why: &str) -> Box<Diagnostic> {
    let format = reference.raw.format.as_deref().unwrap_or_default();
    Box::new(
        Diagnostic::new(
            Code::BadFormat,
            reference.span.clone(),
            format!("the format `{format}` does not fit: {why}"),
        )
        .label("does not fit"),
    )
}
