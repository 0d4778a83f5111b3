//! Resolves the references in shell scripts: each becomes a part of a template with its quoting context, and those at
//! places where no value can be data are reported.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::plan::shell_lexer::inner_programs::{self, ProgramReader};
use crate::script::plan::shell_lexer::{self, Ansi, Evaluated, Evaluation, ShellPart, VALUE};
use crate::script::plan::shell_quote::{Quote, is_harmless, is_number};
use crate::script::plan::template::{Template, TemplatePart};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::written::{ReferenceTarget, TextContext, Written};
use crate::script::syntax::placeholder::{self, PieceKind, TextPiece};
use crate::script::values::format::written;
use crate::script::values::value::ScriptValue;

/// A word of a `run` command line: its text, with [`VALUE`] in the place of each reference, and the references.
pub(crate) struct ArgvWord<'t> {
    pub(crate) text: String,
    pub(crate) references: Vec<(&'t Text, TextPiece)>,
}

impl<'t> ArgvWord<'t> {
    /// Makes the word of a text that is one word of a command line.
    pub(crate) fn of(text: &'t Text) -> Self {
        let mut word = ArgvWord { text: String::new(), references: Vec::new() };
        for piece in placeholder::parse(&text.value) {
            match piece.kind {
                PieceKind::Reference(_) => {
                    word.text.push(VALUE);
                    word.references.push((text, piece));
                }
                _ => word.text.push_str(text.value.get(piece.range).unwrap_or_default()),
            }
        }
        word
    }
}

impl Resolver<'_> {
    /// Resolves a script for an interpreter to a template in which every value is data.
    pub(crate) fn shell(
        &mut self,
        text: &Text,
        interpreter: &[String],
        cx: &mut DiagnosticCollector,
    ) -> Template {
        let pieces = placeholder::parse(&text.value);
        self.warn_of_near_references(text, &pieces, cx);
        let Some(ansi) = Ansi::of(interpreter) else { return self.program(text, &pieces, interpreter, cx) };
        let found = shell_lexer::lex(&text.value, &pieces, ansi);
        for refusal in &found.refused {
            let Some(piece) = pieces.get(refusal.piece) else { continue };
            let message = format!("a value cannot be given to the shell here: {}", refusal.why);
            let span = cx.source.inside(text, piece.range.clone());
            let diagnostic = Diagnostic::new(Code::ValueInShell, span, message).label("at this place");
            cx.push(diagnostic.help(refusal.instead));
        }
        let mut parts = Vec::with_capacity(found.parts.len());
        let mut evaluated = found.evaluated.iter().peekable();
        for part in found.parts {
            match part {
                ShellPart::Text(text) => parts.push(TemplatePart::Text(text)),
                ShellPart::Reference(at, place) => {
                    let Some(piece) = pieces.get(at) else { continue };
                    parts.push(self.part(text, piece, place, TextContext::Shell, cx));
                    while evaluated.next_if(|found| found.piece < at).is_some() {}
                    if let Some(found) = evaluated.next_if(|found| found.piece == at) {
                        self.check_evaluated((text, piece), found, TextContext::Shell, cx);
                    }
                }
            }
        }
        Template { parts }
    }

    /// Resolves a script for an interpreter that is no known shell. Its quoting rules are unknown, so every reference
    /// in it is reported.
    fn program(
        &mut self,
        text: &Text,
        pieces: &[TextPiece],
        interpreter: &[String],
        cx: &mut DiagnosticCollector,
    ) -> Template {
        let name = interpreter.first().map_or("", String::as_str);
        let joiner = interpreter
            .iter()
            .find(|word| inner_programs::joins_its_words(inner_programs::program_name(word)));
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            if let PieceKind::Reference(raw) = &piece.kind {
                let span = cx.source.inside(text, piece.range.clone());
                let whole = text.value.get(piece.range.clone()).unwrap_or_default();
                let diagnostic = match joiner {
                    Some(joiner) => Diagnostic::new(
                        Code::ValueInProgram,
                        span,
                        format!(
                            "a value cannot be written into a text that `{joiner}` hands on to another shell"
                        ),
                    )
                    .label("would be read twice")
                    .help(format!(
                        "use an `interpreter` without `{joiner}`, and call `{joiner}` in the script"
                    )),
                    None => {
                        let variable: String = raw.path.join("_").to_uppercase();
                        let read = if name.contains("python") {
                            format!("read `os.environ[\"{variable}\"]`")
                        } else {
                            format!("read the environment variable `{variable}`")
                        };
                        let message = format!(
                            "a value cannot be written into the text of `{name}`, which is no shell known to dtask"
                        );
                        Diagnostic::new(Code::ValueInProgram, span, message).label("not here").help(format!(
                            "write `env = {{ {variable} = \"{whole}\" }}`, and {read} here; literal braces are \
                             `{{{whole}}}`"
                        ))
                    }
                };
                cx.push(diagnostic);
            }
            parts.push(self.part(text, piece, Quote::None, TextContext::Command, cx));
        }
        Template { parts }
    }

    /// Checks those words of a `run` that a program runs as programs, as in `["sh", "-c", ".."]`. `argv` are the same
    /// words as templates.
    pub(crate) fn inner_programs(
        &mut self,
        words: &[ArgvWord<'_>],
        argv: &mut [Template],
        cx: &mut DiagnosticCollector,
    ) {
        let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        for (at, reader) in inner_programs::programs(&texts) {
            let Some(word) = words.get(at) else { continue };
            let is_shell = reader.calls_shell(&word.text) || matches!(reader, ProgramReader::Shell(_));
            let evaluation = if is_shell { Evaluation::Shell } else { reader.evaluation() };
            if is_shell {
                for part in argv.get_mut(at).into_iter().flat_map(|template| &mut template.parts) {
                    if let TemplatePart::Fill { quote, .. } = part {
                        *quote = Quote::Reread;
                    }
                }
            }
            for (text, piece) in &word.references {
                let found = Evaluated { piece: 0, evaluation, reader: reader.to_string() };
                self.check_evaluated((text, piece), &found, TextContext::Command, cx);
            }
        }
    }

    /// Sample texts with which a reference can be replaced in a run.
    fn sample_texts(&self, meaning: ReferenceTarget, reference: &Written<'_>) -> Vec<String> {
        let raw = reference.raw;
        let format = raw.format.as_ref().and_then(|format| self.format(format, &meaning, reference).ok());
        let samples = match meaning {
            ReferenceTarget::Var(value) => vec![value],
            ReferenceTarget::Param(at, None) => self.own_values(at),
            ReferenceTarget::Param(at, Some(part)) => {
                let of = |value: &ScriptValue| ScriptValue::Text(part.of(&value.to_string()));
                self.own_values(at).iter().map(of).collect()
            }
            ReferenceTarget::Fact(fact) if fact.is_text() => vec![ScriptValue::Text("text".to_owned())],
            // these values are known at the rank only, which checks them
            ReferenceTarget::Fact(_) | ReferenceTarget::Env(_) => Vec::new(),
            ReferenceTarget::Input(_) | ReferenceTarget::Out(_) | ReferenceTarget::Merged(_) => {
                vec![ScriptValue::Text("/path/of/a/file".to_owned())]
            }
        };
        samples.iter().filter_map(|value| written(value, format.as_ref()).ok()).collect()
    }

    /// Checks the values of a reference that are evaluated again: only plain words or numbers can be. Mistakes in the
    /// reference itself have been reported.
    fn check_evaluated(
        &mut self,
        (text, piece): (&Text, &TextPiece),
        found: &Evaluated,
        place: TextContext,
        cx: &mut DiagnosticCollector,
    ) {
        let PieceKind::Reference(raw) = &piece.kind else { return };
        let reference = Written { raw, span: cx.source.inside(text, piece.range.clone()) };
        let Ok(meanings) = self.each_alternative(&reference, place) else { return };
        let mut texts = Vec::new();
        for (meaning, raw) in meanings {
            let written = Written { raw: &raw, span: reference.span.clone() };
            texts.extend(self.sample_texts(meaning, &written));
        }
        let is_right = |text: &String| match found.evaluation {
            Evaluation::Key => true,
            Evaluation::Number => is_number(text),
            Evaluation::Language | Evaluation::Shell => is_harmless(text),
        };
        if let Some(wrong) = texts.into_iter().find(|text| !is_right(text)) {
            let whole = text.value.get(piece.range.clone()).unwrap_or_default();
            cx.push(read_again(found, &wrong.escape_debug().to_string(), whole, reference.span));
        }
    }
}

/// Makes the message about a value that is evaluated again and could be more than data.
fn read_again(
    found: &Evaluated,
    value: &str,
    whole: &str,
    span: crate::script::diagnostics::source::Span,
) -> Diagnostic {
    let reader = &found.reader;
    let name = reader.trim_matches('`');
    match found.evaluation {
        Evaluation::Number => {
            let message = format!("a shell evaluates what stands here, and `{value}` is no number");
            Diagnostic::new(Code::ValueInShell, span, message)
                .label(format!("read by {reader}"))
                .help("only a number can stand here, or go into a variable that does")
        }
        Evaluation::Shell => {
            let message =
                format!("{reader} reads what stands here once more, and `{value}` is no plain word");
            let help = if name.ends_with("sh -c") {
                format!("hand it over as an argument: `{name} 'echo \"$1\"' sh {whole}`")
            } else {
                "only values of letters, digits and `_-./:` can stand here; hand others over as data, for example by \
                 standard input"
                    .to_owned()
            };
            Diagnostic::new(Code::ValueInShell, span, message).label("would be read as shell text").help(help)
        }
        Evaluation::Language | Evaluation::Key => {
            let message = format!("the value `{value}` becomes a part of the program that {reader} reads");
            let help = match name {
                "awk" | "gawk" | "mawk" | "nawk" => {
                    format!("as data: `v={whole} awk '{{ print ENVIRON[\"v\"] }}'`")
                }
                name if name.starts_with("py") => format!("as data: `python3 -c '… sys.argv[1] …' {whole}`"),
                "perl" => format!("as data: `perl -e '… $ARGV[0] …' {whole}`"),
                _ => format!("as data: `export V={whole}`, and let the program read the environment"),
            };
            Diagnostic::new(Code::ValueInLanguage, span, message)
                .label("dtask does not know its quotes")
                .help(help)
        }
    }
}
