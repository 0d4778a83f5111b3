//! References in a shell script: their places, and those that have none.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::plan::shell_places::{self, Ansi, ShellPart};
use crate::script::plan::shell_quote::{Quote, is_number};
use crate::script::plan::template::{Template, TemplatePart};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::written::{ReferenceTarget, TextContext, Written};
use crate::script::syntax::placeholder::{self, PieceKind, TextPiece};
use crate::script::values::format::{FormatSpec, written};
use crate::script::values::value::ScriptValue;

impl Resolver<'_> {
    /// A script for an interpreter as a template, in which every value is data.
    pub(crate) fn shell(
        &mut self,
        text: &Text,
        interpreter: &[String],
        cx: &mut DiagnosticCollector,
    ) -> Template {
        let pieces = placeholder::parse(&text.value);
        self.warn_of_near_references(text, &pieces, cx);
        let Some(ansi) = Ansi::of(interpreter) else { return self.program(text, &pieces, interpreter, cx) };
        let found = shell_places::find(&text.value, &pieces, ansi);
        for refusal in &found.refused {
            let Some(piece) = pieces.get(refusal.piece) else { continue };
            let message = format!("a value cannot be given to the shell here: {}", refusal.why);
            let span = cx.source.inside(text, piece.range.clone());
            let diagnostic = Diagnostic::new(Code::ValueInShell, span, message).label("at this place");
            cx.push(diagnostic.help(refusal.instead));
        }
        let mut parts = Vec::with_capacity(found.parts.len());
        for part in found.parts {
            match part {
                ShellPart::Text(text) => parts.push(TemplatePart::Text(text)),
                ShellPart::Reference(at, place) => {
                    let Some(piece) = pieces.get(at) else { continue };
                    parts.push(self.part(text, piece, place, TextContext::Shell, cx));
                }
            }
        }
        Template { parts }
    }

    /// A text for an interpreter that is no shell: nothing is known of its quotes.
    fn program(
        &mut self,
        text: &Text,
        pieces: &[TextPiece],
        interpreter: &[String],
        cx: &mut DiagnosticCollector,
    ) -> Template {
        let name = interpreter.first().map_or("", String::as_str);
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            if let PieceKind::Reference(raw) = &piece.kind {
                let reference = raw.path.join(".");
                let span = cx.source.inside(text, piece.range.clone());
                let message = format!(
                    "a value cannot be written into the text of `{name}`, which is no shell known to dtask"
                );
                let upper: String = reference.to_uppercase().replace('.', "_");
                let read = if name.contains("python") {
                    format!("read `os.environ[\"{upper}\"]`")
                } else {
                    format!("read the environment variable `{upper}`")
                };
                let whole = text.value.get(piece.range.clone()).unwrap_or_default();
                let help = format!(
                    "write `env = {{ {upper} = \"{whole}\" }}`, and {read} here; literal braces are `{{{whole}}}`"
                );
                cx.push(Diagnostic::new(Code::ValueInProgram, span, message).label("not here").help(help));
            }
            parts.push(self.part(text, piece, Quote::None, TextContext::Command, cx));
        }
        Template { parts }
    }

    /// Checks that a value that a shell will evaluate is a number.
    pub(crate) fn check_evaluated(
        &self,
        meaning: &ReferenceTarget,
        format: Option<&FormatSpec>,
        reference: &Written<'_>,
    ) -> Result<(), Box<Diagnostic>> {
        let samples = match meaning {
            ReferenceTarget::Var(value) => vec![value.clone()],
            ReferenceTarget::Param(at, None) => self.own_samples(*at),
            ReferenceTarget::Param(at, Some(part)) => {
                let of = |value: &ScriptValue| ScriptValue::Text(part.of(&value.to_string()));
                self.own_samples(*at).iter().map(of).collect()
            }
            ReferenceTarget::Fact(fact) if fact.is_text() => vec![ScriptValue::Text("text".to_owned())],
            // the rank will see
            ReferenceTarget::Fact(_) | ReferenceTarget::Env(_) => Vec::new(),
            ReferenceTarget::Input(_) | ReferenceTarget::Out(_) | ReferenceTarget::Merged(_) => {
                vec![ScriptValue::Text("the path of a file".to_owned())]
            }
        };
        let texts = samples.iter().filter_map(|value| written(value, format).ok());
        let Some(wrong) = texts.into_iter().find(|text| !is_number(text)) else { return Ok(()) };
        let message =
            format!("a shell evaluates what stands here, and `{}` is no number", wrong.escape_debug());
        let diagnostic =
            Diagnostic::new(Code::ValueInShell, reference.span.clone(), message).label("in arithmetic");
        Err(Box::new(diagnostic.help("only a number can stand in arithmetic")))
    }
}
