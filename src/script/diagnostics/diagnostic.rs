//! Errors and warnings about a script, and how they are printed. A [`DiagnosticCollector`] gathers them in all phases.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::codes::Code;
use super::source::{ScriptSource, Span};
use crate::console::visible;

/// The number of errors and warnings that are printed. The rest is only counted.
pub(crate) const MAX_SHOWN: usize = 20;
/// The most bytes that values of variables may add to the texts of a script.
const GROWN_MAX: usize = 64 << 20;
/// The number of errors, and of warnings, that are kept, from which the first in the script are printed. The rest is
/// only counted: to find what was meant by ten thousand unknown names would take a minute.
const MAX_KEPT: usize = 100;

/// An error or a warning: its message, its place in the script, and a way to fix it.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The code, which also decides whether this is an error or a warning.
    pub code: Code,
    /// The text of the message, in a single line and without the place.
    pub message: String,
    /// The place in the script, a range of bytes; `None` where the mistake is elsewhere (in `--set` on the command
    /// line).
    pub span: Option<Span>,
    /// The text beside the caret that marks the place. Empty for none.
    pub label: String,
    /// Other places that belong to the mistake, each with its label.
    pub also: Vec<(Span, String)>,
    /// A way to fix the mistake, if one is known.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Creates an error or a warning at a place of the script.
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

    /// Creates an error or a warning that has no place in the script.
    pub fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::new(code, 0..0, message) }
    }

    /// Sets the text beside the caret that marks the place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place that belongs to the mistake, with its label.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }

    /// Sets the way to fix the mistake.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the way to fix the mistake; with `None`, one that was set before stays.
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Returns the text that is printed, in the style of rustc, with colours for a terminal if `color` is set.
    pub fn render(&self, source: &ScriptSource, color: bool) -> String {
        let level = if self.code.is_warning() { Level::WARNING } else { Level::ERROR };
        let (message, label) = (visible(&self.message), visible(&self.label));
        let title = level.primary_title(&*message).id(self.code.id());
        let mut group = Group::with_title(title);
        let labels: Vec<Cow<'_, str>> = self.also.iter().map(|(_, l)| visible(l)).collect();
        let (shown, help) = (visible(source.shown()), self.help.as_deref().map(visible));
        if let Some(span) = &self.span {
            let primary = AnnotationKind::Primary.span(source.clamp(span));
            let mut snippet = Snippet::source(source.text()).path(&*shown).annotation(if label.is_empty() {
                primary
            } else {
                primary.label(&*label)
            });
            for ((span, _), label) in self.also.iter().zip(&labels) {
                snippet =
                    snippet.annotation(AnnotationKind::Context.span(source.clamp(span)).label(&**label));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(&**help));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        closed_up(&renderer.render(&[group]))
    }
}

/// Removes the empty gutter line before `= help`, since messages of dtask have none there.
fn closed_up(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let is = |at: usize, what: &str| lines.get(at).is_some_and(|l| plain(l).trim_start().starts_with(what));
    let kept = (0..lines.len()).filter(|&at| !(plain(lines[at]).trim() == "|" && is(at + 1, "= ")));
    kept.map(|at| lines[at]).collect::<Vec<_>>().join("\n")
}

/// Removes the escape codes of terminal colours from a line, so that its text can be compared.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut text = parts.next().unwrap_or_default().to_string();
    parts.for_each(|part| text.push_str(part.split_once('m').map_or("", |(_, rest)| rest)));
    text
}

/// All errors and warnings about a script, with the text that they point into.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The text of the script, into which the places point.
    pub source: ScriptSource,
    /// The errors and warnings, in the order of their places.
    pub list: Vec<Diagnostic>,
    /// The number of further ones, which are not in the list.
    pub left_out: usize,
}

impl Diagnostics {
    /// Returns the text that is printed: the first [`MAX_SHOWN`] messages, then the number of the others.
    pub fn render(&self, color: bool) -> String {
        let shown = self.list.iter().take(MAX_SHOWN).map(|d| d.render(&self.source, color));
        let mut text = shown.collect::<Vec<_>>().join("\n\n");
        if self.count() > MAX_SHOWN {
            text.push_str(&format!("\n\n… and {} more", self.count() - MAX_SHOWN));
        }
        text
    }

    /// The number of errors or warnings.
    pub fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Whether there are no errors and no warnings.
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

/// Collects the errors and warnings of all phases of reading a script. An equal message at the same place is kept once.
#[derive(Debug)]
pub(crate) struct DiagnosticCollector {
    pub(crate) source: ScriptSource,
    found: Vec<Diagnostic>,
    seen: HashSet<(Code, usize, String)>,
    errors: usize,
    warnings: usize,
    /// The bytes by which values of variables have made texts longer.
    grown: usize,
}

impl DiagnosticCollector {
    pub(crate) fn new(source: ScriptSource) -> Self {
        Self { source, found: Vec::new(), seen: HashSet::new(), errors: 0, warnings: 0, grown: 0 }
    }

    /// Whether a variable's value of so many bytes may still be written into a text at that place. Once all texts
    /// together have become too long, that is an error: variables that contain each other twice double with each.
    pub(crate) fn may_grow(&mut self, bytes: usize, place: impl FnOnce() -> Span) -> bool {
        let before = self.grown;
        self.grown = self.grown.saturating_add(bytes);
        if before <= GROWN_MAX && self.grown > GROWN_MAX {
            let message =
                format!("the values of variables make the script longer than {} MiB", GROWN_MAX >> 20);
            self.push(
                Diagnostic::new(Code::TooMuch, place(), message)
                    .label("too long with its variables")
                    .help("a long text belongs into a file, whose path is the variable"),
            );
        }
        self.grown <= GROWN_MAX
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        // The same text can be checked twice, e.g. a family by its own task and by a task with `each`.
        let place = diagnostic.span.as_ref().map_or(usize::MAX, |span| span.start);
        if self.seen.insert((diagnostic.code, place, diagnostic.message.clone())) {
            let count = if diagnostic.code.is_warning() { &mut self.warnings } else { &mut self.errors };
            *count += 1;
            if *count <= MAX_KEPT {
                self.found.push(diagnostic);
            }
        }
    }

    /// The number of messages that are kept so far.
    pub(crate) fn kept(&self) -> usize {
        self.found.len()
    }

    /// Takes back the messages with these codes among those of a step, whose numbers are `among`.
    pub(crate) fn withdraw(&mut self, codes: &[Code], among: &[Range<usize>]) {
        let mut number = 0;
        let (mut errors, mut warnings) = (0, 0);
        self.found.retain(|diagnostic| {
            let is_one =
                among.iter().any(|range| range.contains(&number)) && codes.contains(&diagnostic.code);
            number += 1;
            *(if diagnostic.code.is_warning() { &mut warnings } else { &mut errors }) += usize::from(is_one);
            !is_one
        });
        (self.errors, self.warnings) = (self.errors - errors, self.warnings - warnings);
    }

    /// Whether there are as many errors as are printed. Then suggestions for misspelt names, whose search takes long
    /// among thousands of names, would not be seen.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= MAX_SHOWN
    }

    /// The number of errors collected so far. A phase compares it before and after a step, to see whether the step
    /// added one.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Returns the errors where there are any, and otherwise the warnings as the successful result.
    pub(crate) fn finish(mut self) -> Result<Diagnostics, Diagnostics> {
        let failed = self.errors() > 0;
        // A misspelt reference leaves the task that it means without a reader, and a warning that nobody uses the
        // result would mislead. So warnings are given only where there are no errors.
        self.found.retain(|d| !failed || !d.code.is_warning());
        self.found.sort_by_key(|d| d.span.as_ref().map(|s| s.start));
        let left_out = if failed { self.errors } else { self.warnings } - self.found.len();
        let all = Diagnostics { source: self.source, list: self.found, left_out };
        if failed { Err(all) } else { Ok(all) }
    }
}
