//! Turns texts into templates: resolves every reference in a text, and collects the dependencies of the task.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{Span, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::options::LoadOptions;
use crate::script::plan::shell_quote::Quote;
use crate::script::plan::task::{Reference, Select};
use crate::script::plan::template::{Fill, Template, TemplatePart};
use crate::script::resolve::written::{ReferenceTarget, TextContext, Written};
use crate::script::sweep::expand::Sweeps;
use crate::script::sweep::join::Join;
use crate::script::syntax::near_reference;
use crate::script::syntax::placeholder::{self, PieceKind, RawOtherwise, RawReference, TextPiece};
use crate::script::syntax::script::RawScript;
use crate::script::syntax::symbols::Symbols;
use crate::script::syntax::toml::is_identifier;
use crate::script::values::format::FormatSpec;
use crate::script::values::format::written;
use crate::script::values::value::ScriptValue;
use std::collections::HashMap;

/// The key by which equal dependencies are found: the other task, its output, whether it is read as a file of paths,
/// the text of the brackets that choose instances, and the reference's position beside `else`.
pub(crate) type DependencyKey = (usize, Select, bool, Option<String>, ElsePlace);

/// The position of a reference beside `else` and `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ElsePlace {
    /// Whether the reference is followed by `else` or `?`, so that its instance may be missing.
    pub(crate) optional: bool,
    /// The numbers of the dependencies in whose place the reference is read: those before the `else` that it follows.
    pub(crate) instead_of: Vec<usize>,
}

/// The resolver of one task, which finds the meaning of the `{references}` in the task's texts and collects the task's
/// dependencies on other tasks.
pub(crate) struct Resolver<'a> {
    pub(crate) script: &'a RawScript,
    pub(crate) names: &'a Symbols,
    pub(crate) sweeps: &'a Sweeps,
    /// The index in the script of the task whose texts are resolved.
    pub(crate) task: usize,
    /// The dependencies found so far. Each names the task that is read by its index in the script.
    pub(crate) found: Vec<Reference>,
    pub(crate) options: LoadOptions,
    /// The numbers of the dependencies found so far, by their keys.
    pub(crate) known: HashMap<DependencyKey, usize>,
    /// The position beside `else` of the reference that is being resolved.
    pub(crate) beside: ElsePlace,
    /// The joins without brackets that were made so far, by the task that is read.
    pub(crate) joins: HashMap<usize, Join>,
    /// The places of the references in the text that is resolved: the text's own place, and for each reference its
    /// first byte in the text with its place in the script.
    pub(crate) places: (Span, Vec<(usize, Span)>),
    /// Whether unknown names get no suggestions, since as many errors have been reported as are printed.
    pub(crate) quiet: bool,
    /// Whether the task is a reduction whose command merges two files, `{a}` and `{b}`, in each step. Then these names
    /// have a meaning.
    pub(crate) merges: bool,
}

impl Resolver<'_> {
    /// Resolves the `{references}` in a text of the task and returns it as a template, which is filled in for each
    /// instance.
    pub(crate) fn template(
        &mut self,
        text: &Text,
        place: TextContext,
        cx: &mut DiagnosticCollector,
    ) -> Template {
        let pieces = placeholder::parse(&text.value);
        self.warn_of_near_references(text, &pieces, cx);
        let parts = pieces.iter().map(|piece| self.part(text, piece, Quote::None, place, cx));
        Template { parts: parts.collect() }
    }

    /// Warns of braces in a text that look like a reference and are none.
    pub(crate) fn warn_of_near_references(
        &self,
        text: &Text,
        pieces: &[TextPiece],
        cx: &mut DiagnosticCollector,
    ) {
        let params = self.sweeps.params.get(self.task).map_or(&[][..], Vec::as_slice);
        let is_known = |name: &str| {
            params.iter().any(|p| p == name)
                || self.names.var(name).is_some()
                || self.names.task(name).is_some()
        };
        for near in near_reference::find(&text.value, pieces, &is_known) {
            let whole = text.value.get(near.range.clone()).unwrap_or_default();
            let message = format!("`{whole}` looks like a reference and is none: {}", near.why);
            let diagnostic = Diagnostic::new(Code::NoEffect, cx.source.inside(text, near.range), message)
                .label("left as it is");
            cx.push(diagnostic.help(near.help));
        }
    }

    /// Resolves a piece of a text of the kind `place`, which is plain text or a reference, whose value is to be quoted
    /// by `quote`. A wrong reference is reported and replaced by a part that fills in nothing, so that later checks do
    /// not report it again.
    pub(crate) fn part(
        &mut self,
        text: &Text,
        piece: &TextPiece,
        quote: Quote,
        place: TextContext,
        cx: &mut DiagnosticCollector,
    ) -> TemplatePart {
        let whole = text.value.get(piece.range.clone()).unwrap_or_default();
        let raw = match &piece.kind {
            PieceKind::Plain => return TemplatePart::Text(whole.to_string()),
            PieceKind::Escaped => {
                return TemplatePart::Text(whole.get(1..whole.len() - 1).unwrap_or_default().to_string());
            }
            PieceKind::Reference(raw) => raw,
        };
        self.quiet = cx.is_full();
        let reference = Written { raw, span: self.place(text, piece, cx) };
        self.check_environment(&reference, cx);
        match self.fill(&reference, quote, place) {
            Ok(part) => part,
            Err(diagnostic) => {
                cx.push(*diagnostic);
                TemplatePart::Fill { what: Fill::Input(usize::MAX), format: None, quote }
            }
        }
    }

    /// Finds the place of a reference in the script. The places of all references of a text are found at once, since a
    /// search from the text's beginning for each would take long for a text of many.
    fn place(&mut self, text: &Text, piece: &TextPiece, cx: &DiagnosticCollector) -> Span {
        if self.places.0 != text.span {
            let pieces = placeholder::parse(&text.value);
            let ranges: Vec<_> = pieces.into_iter().map(|piece| piece.range).collect();
            let places = cx.source.all_inside(text, &ranges);
            let starts = ranges.iter().map(|range| range.start);
            self.places = (text.span.clone(), starts.zip(places).collect());
        }
        match self.places.1.binary_search_by_key(&piece.range.start, |(start, _)| *start) {
            Ok(at) => self.places.1[at].1.clone(),
            Err(_) => cx.source.inside(text, piece.range.clone()),
        }
    }

    fn fill(
        &mut self,
        reference: &Written<'_>,
        quote: Quote,
        place: TextContext,
    ) -> Result<TemplatePart, Box<Diagnostic>> {
        if reference.raw.otherwise.is_some() {
            return self.alternatives(reference, quote, place);
        }
        let meaning = self.meaning(reference, place)?;
        let format = match (&reference.raw.format, &meaning) {
            (None, _) | (_, ReferenceTarget::Env(_)) => None,
            (Some(format), meaning) => Some(self.format(format, meaning, reference)?),
        };
        let what = match meaning {
            ReferenceTarget::Var(value) => {
                let text = written(&value, format.as_ref()).map_err(|why| misfit(reference, &why))?;
                if quote == Quote::None {
                    return Ok(TemplatePart::Text(text));
                }
                return Ok(TemplatePart::Fill { what: Fill::Constant(text), format: None, quote });
            }
            ReferenceTarget::Param(at, part) => Fill::Param(at, part),
            ReferenceTarget::Input(at) => Fill::Input(at),
            ReferenceTarget::Out(at) => Fill::Out(at),
            ReferenceTarget::Fact(fact) => Fill::Fact(fact),
            // resolved at rank 0, so that all ranks have the same path
            ReferenceTarget::Env(name) if place == TextContext::File => match std::env::var(&name) {
                Ok(value) => return Ok(TemplatePart::Text(value)),
                Err(_) => Fill::Env(name),
            },
            ReferenceTarget::Env(name) => Fill::Env(name),
            ReferenceTarget::Merged(at) => Fill::Merged(at),
        };
        Ok(TemplatePart::Fill { what, format, quote })
    }

    /// Resolves a reference with `else` or `?`: the first of its parts whose instance is there.
    fn alternatives(
        &mut self,
        reference: &Written<'_>,
        quote: Quote,
        place: TextContext,
    ) -> Result<TemplatePart, Box<Diagnostic>> {
        let (mut all, mut format) = (Vec::new(), None);
        for (meaning, written) in self.each_alternative(reference, place)? {
            let written = Written { raw: &written, span: reference.span.clone() };
            if let (Some(text), false) = (&written.raw.format, matches!(meaning, ReferenceTarget::Env(_))) {
                format = Some(self.format(text, &meaning, &written)?);
            }
            all.push(match meaning {
                ReferenceTarget::Var(value) => Fill::Constant(value.to_string()),
                ReferenceTarget::Param(at, part) => Fill::Param(at, part),
                ReferenceTarget::Input(at) => Fill::Input(at),
                ReferenceTarget::Out(at) => Fill::Out(at),
                ReferenceTarget::Fact(fact) => Fill::Fact(fact),
                ReferenceTarget::Env(name) => Fill::Env(name),
                ReferenceTarget::Merged(at) => Fill::Merged(at),
            });
        }
        Ok(TemplatePart::Fill { what: Fill::First(all), format, quote })
    }

    /// Resolves the parts of a reference with `else` or `?`, in their order. Only results of other instances can be
    /// missing, so that all but the last part are such.
    pub(crate) fn each_alternative(
        &mut self,
        reference: &Written<'_>,
        place: TextContext,
    ) -> Result<Vec<(ReferenceTarget, RawReference)>, Box<Diagnostic>> {
        let (mut all, mut before) = (Vec::new(), Vec::new());
        let mut next = Some(reference.raw);
        while let Some(raw) = next {
            let written = RawReference { otherwise: None, ..raw.clone() };
            self.beside = ElsePlace { optional: raw.otherwise.is_some(), instead_of: before.clone() };
            let meaning = self.meaning(&Written { raw: &written, span: reference.span.clone() }, place);
            self.beside = ElsePlace::default();
            let meaning = meaning?;
            match (&meaning, &raw.otherwise) {
                (ReferenceTarget::Input(at), Some(_)) => before.push(*at),
                (_, None) => {}
                (_, Some(_)) => return Err(always_there(&written, reference.span.clone())),
            }
            all.push((meaning, written));
            next = match &raw.otherwise {
                Some(RawOtherwise::Else(other)) => Some(other),
                Some(RawOtherwise::Nothing) | None => None,
            };
        }
        Ok(all)
    }

    /// Reports an environment variable that is not set: an error where the run starts, elsewhere a warning.
    fn check_environment(&self, reference: &Written<'_>, cx: &mut DiagnosticCollector) {
        let (["env"], Some(name)) =
            (&reference.raw.path.iter().map(String::as_str).collect::<Vec<_>>()[..], &reference.raw.format)
        else {
            return;
        };
        let why = match std::env::var(name) {
            Ok(_) => return,
            Err(_) if !is_identifier(name) => return,
            Err(std::env::VarError::NotPresent) => "is not set",
            Err(std::env::VarError::NotUnicode(_)) => "is no UTF-8 text",
        };
        let diagnostic = match self.options {
            LoadOptions { starts: true, .. } => Diagnostic::new(
                Code::NoVariable,
                reference.span.clone(),
                format!("the environment variable `{name}` {why}"),
            )
            .help(format!("`export {name}=..` in the job script, before `dtask`")),
            LoadOptions { check_programs: true, .. } => Diagnostic::new(
                Code::NoVariableHere,
                reference.span.clone(),
                format!("the environment variable `{name}` {why} here"),
            )
            .help("it must be set where the run starts"),
            _ => return,
        };
        cx.push(diagnostic.label("from the environment"));
    }

    /// Reads the format of a reference, which must fit the values.
    pub(crate) fn format(
        &self,
        text: &str,
        meaning: &ReferenceTarget,
        reference: &Written<'_>,
    ) -> Result<FormatSpec, Box<Diagnostic>> {
        let Some(format) = FormatSpec::parse(text) else {
            let diagnostic =
                Diagnostic::new(Code::BadFormat, reference.span.clone(), format!("`{text}` is no format"));
            return Err(Box::new(
                diagnostic
                    .label("not understood")
                    .help("formats are like `{i:03}`, `{x:.2}`, `{x:.2e}`, `{name:>10}`"),
            ));
        };
        let samples = match meaning {
            ReferenceTarget::Param(_, Some(_)) | ReferenceTarget::Out(_) | ReferenceTarget::Env(_) => {
                vec![ScriptValue::Text(String::new())]
            }
            ReferenceTarget::Param(at, None) => self.own_samples(*at),
            ReferenceTarget::Var(value) => vec![value.clone()],
            ReferenceTarget::Fact(fact) => {
                vec![if fact.is_text() { ScriptValue::Text(String::new()) } else { ScriptValue::Int(0) }]
            }
            ReferenceTarget::Input(_) | ReferenceTarget::Merged(_) => {
                let what = if matches!(meaning, ReferenceTarget::Merged(_)) { "file" } else { "task" };
                let why = format!("formats are for parameters and variables, and this is a {what}");
                return Err(misfit(reference, &why));
            }
        };
        match samples.iter().find_map(|value| format.apply(value).err()) {
            Some(why) => Err(misfit(reference, &why)),
            None => Ok(format),
        }
    }

    /// Returns the error message for a reference to an unknown name, with the most similar known name as a suggestion.
    pub(crate) fn unknown(&self, reference: &Written<'_>, place: TextContext) -> Box<Diagnostic> {
        let name = reference.raw.name();
        let params = self.sweeps.params.get(self.task).map_or(&[][..], Vec::as_slice);
        if self.quiet {
            let message = format!("unknown name `{name}` in {}", where_it_is(place));
            return Box::new(Diagnostic::new(Code::UnknownName, reference.span.clone(), message));
        }
        let label = match params {
            [] => "no variable and no task has this name".to_string(),
            params => format!("parameters here: {}", params.join(", ")),
        };
        let mut candidates: Vec<&str> = params.iter().map(String::as_str).collect();
        candidates.extend(self.names.all());
        candidates.extend(["dtask", "env", "out"]);
        candidates.extend(if self.merges { &["a", "b"][..] } else { &[] });
        let braces =
            (place != TextContext::Array).then(|| format!("write `{{{{{name}}}}}` for literal braces"));
        let place = where_it_is(place);
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
            (None, None) if braces.is_some() && is_identifier(name) && reference.raw.path.len() == 1 => {
                let braces = braces.unwrap_or_default();
                Some(format!("a parameter? add `for = {{ {name} = [1, 2] }}` or the like; {braces}"))
            }
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

/// The message for `else` or `?` behind a reference that is never missing.
pub(crate) fn always_there(raw: &RawReference, span: Span) -> Box<Diagnostic> {
    let name = raw.path.join(".");
    let message = format!("`{name}` is always there, and `else` or `?` behind it says nothing");
    let help = "they stand behind an instance of a task that may be missing: `{step[i = i-1] else mesh}`";
    Box::new(Diagnostic::new(Code::AlwaysThere, span, message).label("never missing").help(help))
}

fn where_it_is(place: TextContext) -> &'static str {
    if place == TextContext::Array { "an array expression" } else { "a reference" }
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
