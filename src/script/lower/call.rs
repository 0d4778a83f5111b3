//! Lowers `call`: a function of the embedding program, and its arguments.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::lower::array::binding;
use crate::script::lower::task::Compiler;
use crate::script::plan::task::TaskAction;
use crate::script::plan::task::{CallArg, NameSource};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::written::{TextContext, Written};
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::values::registry;
use crate::script::values::value::ScriptValue;

impl Compiler<'_> {
    /// Lowers a `call` key: compiles the call of a Rust function of the embedding program to the task's action in the
    /// plan. Reports a function that the program has not registered.
    pub(crate) fn call(
        &self,
        function: &Text,
        args: &[(Text, At<ScriptValue>)],
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        let names = registry::names();
        if !names.contains(&function.value.as_str()) {
            let message = format!("the function `{}` is not registered", function.value);
            let help = match did_you_mean(&function.value, names.iter().copied()) {
                Some(meant) => meant,
                None if names.is_empty() => {
                    "plain `dtask` has no functions: run the script with a program of your own, which calls \
                     `dtask::script::main(Registry::new().task(\"name\", function))`"
                        .to_owned()
                }
                None => format!("this program offers: {}", names.join(", ")),
            };
            let diagnostic = Diagnostic::new(Code::UnknownFunction, function.span.clone(), message);
            cx.push(diagnostic.label("no such function").help(help));
        }
        let mut found = Vec::with_capacity(args.len());
        for (name, arg) in args {
            let arg = match &arg.value {
                ScriptValue::Text(text) | ScriptValue::Path(text) => {
                    let text = At { value: text.clone(), span: arg.span.clone() };
                    self.argument(&text, resolver, cx)?
                }
                value => CallArg::Value(value.clone()),
            };
            found.push((name.value.clone(), arg));
        }
        Some(TaskAction::Call { function: function.value.clone(), args: found })
    }

    /// Lowers an argument of a `call`. A text that is nothing but a reference, such as `"{mean}"`, passes the value
    /// itself to the function. Any other text is a template and passes a string.
    fn argument(
        &self,
        text: &Text,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<CallArg> {
        let pieces = placeholder::parse(&text.value);
        let [piece] = &pieces[..] else {
            return Some(CallArg::Text(resolver.template(text, TextContext::File, cx)));
        };
        let PieceKind::Reference(raw) = &piece.kind else {
            return Some(CallArg::Text(resolver.template(text, TextContext::File, cx)));
        };
        if raw.format.is_some() {
            return Some(CallArg::Text(resolver.template(text, TextContext::File, cx)));
        }
        let written = Written { raw, span: cx.source.inside(text, piece.range.clone()) };
        let bound = resolver.each_alternative(&written, TextContext::Array).and_then(|all| {
            all.into_iter().map(|(meaning, _)| binding(meaning, &written)).collect::<Result<Vec<_>, _>>()
        });
        let bound = bound.map(|mut all| match (all.len(), &raw.otherwise) {
            (1, None) => all.remove(0),
            _ => NameSource::First(all),
        });
        match bound {
            Ok(binding) => Some(CallArg::Binding(binding)),
            Err(mut diagnostic) => {
                diagnostic.message = diagnostic.message.replace("an array expression", "an argument");
                cx.push(*diagnostic);
                None
            }
        }
    }
}
