//! Lowers `run` and `shell`, and dispatches on the action of a task.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::lower::programs;
use crate::script::lower::task::Compiler;
use crate::script::plan::shell_lexer::VALUE;
use crate::script::plan::shell_lexer::inner_programs;
use crate::script::plan::shell_quote::Quote;
use crate::script::plan::task::{Reference, TaskAction};
use crate::script::plan::template::{Template, TemplatePart};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::shell_text::ArgvWord;
use crate::script::resolve::written::TextContext;
use crate::script::syntax::placeholder::{self, TextPiece};
use crate::script::syntax::script::{RawAction, RawTask};
use crate::script::syntax::shell_words::{self, WordError, WordPart};

/// The command line that runs the script of a `shell` task for which the user names no interpreter. The options make
/// the shell stop at errors and at unset variables.
const INTERPRETER: [&str; 3] = ["/bin/sh", "-eu", "-c"];

impl Compiler<'_> {
    /// Lowers the action of a task: compiles its `run`, `shell`, `array` or other action key from the script to the
    /// plan.
    pub(crate) fn action(
        &self,
        raw: &RawTask,
        action: &RawAction,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        match action {
            RawAction::Words(text) => {
                let (argv, words) = split(text, resolver, cx)?;
                self.command(raw, (argv, words), &text.span, resolver, cx)
            }
            RawAction::Argv(items, span) => {
                let argv: Vec<Template> =
                    items.iter().map(|item| resolver.template(item, TextContext::Command, cx)).collect();
                for (item, word) in items.iter().zip(&argv) {
                    check_word(word, &item.span, resolver, cx);
                }
                let words: Vec<ArgvWord<'_>> = items.iter().map(ArgvWord::of).collect();
                let span = items.first().map_or(span, |first| &first.span);
                self.command(raw, (argv, words), span, resolver, cx)
            }
            RawAction::Script(file, rest) => self.script(raw, file, rest, resolver, cx),
            RawAction::Shell(text, interpreter) => {
                if text.value.trim().is_empty() {
                    empty("shell", &text.span, cx);
                }
                if let Some(words) = interpreter
                    .as_ref()
                    .filter(|words| words.value.first().is_none_or(|first| first.value.is_empty()))
                {
                    empty("interpreter", &words.span, cx);
                }
                let words =
                    |words: &At<Vec<Text>>| words.value.iter().map(|word| word.value.clone()).collect();
                let interpreter: Vec<String> =
                    interpreter.as_ref().map_or_else(|| INTERPRETER.map(String::from).to_vec(), words);
                let script = resolver.shell(text, &interpreter, cx);
                let mut words = self.wrap(raw, resolver, cx);
                refuse_joiners(&raw.wrap, cx);
                words.extend(interpreter.into_iter().map(Template::literal));
                Some(TaskAction::Shell { interpreter: words, script })
            }
            RawAction::Array(text) => self.array(text, resolver, cx),
            RawAction::Call(function, args) => self.call(function, args, resolver, cx),
            RawAction::Reduce(reduce) => self.reduction(raw, reduce, resolver, cx),
            RawAction::MapReduce(mapreduce) => self.mapreduce(raw, mapreduce, resolver, cx),
        }
    }

    /// Makes the action of a command of its words, behind those of `wrap`.
    fn command(
        &self,
        raw: &RawTask,
        (own, own_words): (Vec<Template>, Vec<ArgvWord<'_>>),
        span: &Span,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        if own.first().is_none_or(|program| program.as_literal().is_some_and(|name| name.is_empty())) {
            empty("run", span, cx);
        }
        let mut argv = self.wrap(raw, resolver, cx);
        if argv.is_empty() {
            self.check_program(own.first(), span, cx);
        }
        argv.extend(own);
        let words: Vec<ArgvWord<'_>> = raw.wrap.iter().map(ArgvWord::of).chain(own_words).collect();
        resolver.inner_programs(&words, &mut argv, cx);
        Some(TaskAction::Run { argv })
    }

    /// Resolves the words of `wrap`, of which the first is a program of this machine: that of the command may be one of
    /// a container.
    pub(crate) fn wrap(
        &self,
        raw: &RawTask,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Vec<Template> {
        let words: Vec<Template> =
            raw.wrap.iter().map(|word| resolver.template(word, TextContext::Command, cx)).collect();
        for (word, text) in words.iter().zip(&raw.wrap) {
            check_word(word, &text.span, resolver, cx);
        }
        if let Some(first) = raw.wrap.first() {
            if first.value.trim().is_empty() {
                let message = "`wrap` begins with nothing";
                let diagnostic =
                    Diagnostic::new(Code::BadWrap, first.span.clone(), message).label("no program");
                cx.push(diagnostic.help("write `wrap = [\"apptainer\", \"exec\", \"image.sif\"]`"));
            } else {
                self.check_program(words.first(), &first.span, cx);
            }
        }
        words
    }

    pub(crate) fn check_program(&self, word: Option<&Template>, span: &Span, cx: &mut DiagnosticCollector) {
        if let Some(program) = word.and_then(Template::as_literal).filter(|program| !program.is_empty())
            && self.options.check_programs
        {
            programs::check(&program, span, cx);
        }
    }
}

/// Reports a program in the `wrap` of a shell script that hands its words on to another shell, which would take the
/// script apart.
fn refuse_joiners(wrap: &[Text], cx: &mut DiagnosticCollector) {
    let joins = |word: &&Text| inner_programs::joins_its_words(inner_programs::program_name(&word.value));
    if let Some(joiner) = wrap.iter().find(joins) {
        let message = format!(
            "`{}` hands its words on to another shell, which would take the script apart",
            joiner.value
        );
        let diagnostic =
            Diagnostic::new(Code::BadWrap, joiner.span.clone(), message).label("not before a script");
        cx.push(diagnostic.help("call it in the script, or write `run` with plain words"));
    }
}

/// Splits the text of `run` into its words, as templates and as they are written.
fn split<'t>(
    text: &'t Text,
    resolver: &mut Resolver<'_>,
    cx: &mut DiagnosticCollector,
) -> Option<(Vec<Template>, Vec<ArgvWord<'t>>)> {
    let pieces = placeholder::parse(&text.value);
    let words = match shell_words::split(&text.value, &pieces) {
        Ok(words) => words,
        Err(WordError::Shell(c, range)) => {
            let span = cx.source.inside(text, range);
            let diagnostic = Diagnostic::new(
                Code::ShellCharacter,
                span,
                format!("`run` starts no shell, and only a shell understands `{c}`"),
            );
            cx.push(
                diagnostic
                    .label("for a shell")
                    .help("use `shell` instead of `run`, or put the character between single quotes"),
            );
            return None;
        }
        Err(WordError::Quote(c, range)) => {
            let span = cx.source.inside(text, range);
            cx.push(
                Diagnostic::new(Code::Quotes, span, format!("a {c} that is never closed"))
                    .label("opened here"),
            );
            return None;
        }
    };
    resolver.warn_of_near_references(text, &pieces, cx);
    let mut argv = Vec::with_capacity(words.len());
    for word in &words {
        let part = |part: &WordPart, resolver: &mut Resolver<'_>, cx: &mut DiagnosticCollector| match part {
            WordPart::Text(text) => Some(TemplatePart::Text(text.clone())),
            WordPart::Piece(at) => {
                Some(resolver.part(text, pieces.get(*at)?, Quote::None, TextContext::Command, cx))
            }
        };
        let template = Template { parts: word.iter().filter_map(|p| part(p, resolver, cx)).collect() };
        check_word(&template, &text.span, resolver, cx);
        argv.push(template);
    }
    let inner = words.iter().map(|word| argv_word(word, text, &pieces)).collect();
    Some((argv, inner))
}

fn argv_word<'t>(word: &[WordPart], text: &'t Text, pieces: &[TextPiece]) -> ArgvWord<'t> {
    let mut made = ArgvWord { text: String::new(), references: Vec::new() };
    for part in word {
        match part {
            WordPart::Text(text) => made.text.push_str(text),
            WordPart::Piece(at) => {
                made.text.push(VALUE);
                made.references.extend(pieces.get(*at).map(|piece| (text, piece.clone())));
            }
        }
    }
    made
}

/// Reports an argument of a command with two gathers, which are references to several instances of another task. The
/// argument would be repeated for every pair of their paths, and no user means that.
pub(crate) fn check_word(
    word: &Template,
    span: &Span,
    resolver: &Resolver<'_>,
    cx: &mut DiagnosticCollector,
) {
    let is_gather = |at: usize| resolver.found.get(at).is_some_and(Reference::is_gather);
    let gather = |part: &&TemplatePart| match part {
        TemplatePart::Fill { what, .. } => what.inputs().into_iter().any(is_gather),
        TemplatePart::Text(_) => false,
    };
    if word.parts.iter().filter(gather).count() > 1 {
        let diagnostic = Diagnostic::new(
            Code::NotHere,
            span.clone(),
            "two references to several instances in one argument",
        );
        cx.push(diagnostic.label("one argument for each pair?").help("give each an argument of its own"));
    }
}

/// Reports an action key of a task, such as `run` or `shell`, whose text is empty.
pub(crate) fn empty(key: &str, span: &Span, cx: &mut DiagnosticCollector) {
    cx.push(
        Diagnostic::new(Code::EmptyCommand, span.clone(), format!("`{key}` is empty")).label("nothing to do"),
    );
}
