//! Errors and warnings, and how they are printed.

use std::collections::HashSet;
use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::codes::Code;
use super::source::{ScriptSource, Span};

/// How many errors are printed before the rest are only counted.
pub(crate) const MAX_SHOWN: usize = 20;

/// One thing that is wrong: what, where, and how to mend it.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The kind.
    pub code: Code,
    /// One line, without the place.
    pub message: String,
    /// The place; `None` where it is not in the file (`--set`).
    pub span: Option<Span>,
    /// Printed beside the caret.
    pub label: String,
    /// Other places that belong to it, each with its label.
    pub also: Vec<(Span, String)>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place of the script.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span: Some(span),
            label: String::new(),
            also: Vec::new(),
            help: None,
        }
    }

    /// An error that is in no line of the script.
    pub fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::new(code, 0..0, message) }
    }

    /// Adds the text beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a second place.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }

    /// Adds the way to mend it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the way to mend it, where one is known.
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The text that is printed, in rustc's manner.
    pub fn render(&self, source: &ScriptSource, color: bool) -> String {
        let level = if self.code.is_warning() { Level::WARNING } else { Level::ERROR };
        let (message, label) = (one_line(&self.message), one_line(&self.label));
        let title = level.primary_title(message.as_str()).id(self.code.id());
        let mut group = Group::with_title(title);
        let labels: Vec<String> = self.also.iter().map(|(_, l)| one_line(l)).collect();
        if let Some(span) = &self.span {
            let primary = AnnotationKind::Primary.span(source.clamp(span));
            let mut snippet = Snippet::source(source.text())
                .path(source.shown())
                .annotation(if label.is_empty() { primary } else { primary.label(label.as_str()) });
            for ((span, _), label) in self.also.iter().zip(&labels) {
                snippet = snippet
                    .annotation(AnnotationKind::Context.span(source.clamp(span)).label(label.as_str()));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        closed_up(&renderer.render(&[group]))
    }
}

/// Names come from the script and may hold anything; a message is one line whatever they hold.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Without the empty gutter line before `= help`, as the specification prints it.
fn closed_up(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let is = |at: usize, what: &str| lines.get(at).is_some_and(|l| plain(l).trim_start().starts_with(what));
    let kept = (0..lines.len()).filter(|&at| !(plain(lines[at]).trim() == "|" && is(at + 1, "= ")));
    kept.map(|at| lines[at]).collect::<Vec<_>>().join("\n")
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut text = parts.next().unwrap_or_default().to_string();
    parts.for_each(|part| text.push_str(part.split_once('m').map_or("", |(_, rest)| rest)));
    text
}

/// Everything that was found wrong with a script, together with the text that it points into.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The script.
    pub source: ScriptSource,
    /// Errors and warnings, in the order of the file.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// All that is printed: the first [`MAX_SHOWN`], then how many more there are.
    pub fn render(&self, color: bool) -> String {
        let shown = self.list.iter().take(MAX_SHOWN).map(|d| d.render(&self.source, color));
        let mut text = shown.collect::<Vec<_>>().join("\n\n");
        if self.list.len() > MAX_SHOWN {
            text.push_str(&format!("\n\n… and {} more", self.list.len() - MAX_SHOWN));
        }
        text
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Collects what is found wrong in one pass.
#[derive(Debug)]
pub(crate) struct DiagnosticCollector {
    pub(crate) source: ScriptSource,
    found: Vec<Diagnostic>,
    seen: HashSet<(Code, usize, String)>,
    errors: usize,
}

impl DiagnosticCollector {
    pub(crate) fn new(source: ScriptSource) -> Self {
        Self { source, found: Vec::new(), seen: HashSet::new(), errors: 0 }
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        // The same text can be looked at twice, e.g. a family by its own task and by one with `each`.
        let place = diagnostic.span.as_ref().map_or(usize::MAX, |span| span.start);
        if self.seen.insert((diagnostic.code, place, diagnostic.message.clone())) {
            self.errors += usize::from(!diagnostic.code.is_warning());
            self.found.push(diagnostic);
        }
    }

    /// The number of errors so far, to see whether a step added one.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Errors where there are any; otherwise the warnings.
    pub(crate) fn finish(mut self) -> Result<Diagnostics, Diagnostics> {
        let failed = self.errors() > 0;
        // A reference that was not understood leaves a result unused: beside errors, warnings mislead.
        self.found.retain(|d| !failed || !d.code.is_warning());
        self.found.sort_by_key(|d| d.span.as_ref().map(|s| s.start));
        let all = Diagnostics { source: self.source, list: self.found };
        if failed { Err(all) } else { Ok(all) }
    }
}
