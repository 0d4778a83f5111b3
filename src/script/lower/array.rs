//! The names in an array expression.

use super::command::empty;
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Collector, Diagnostic};
use crate::script::diagnostics::source::Text;
use crate::script::lower::task::Compiler;
use crate::script::plan::task::{Action, ArrayName, Binding};
use crate::script::resolve::reference::Meaning;
use crate::script::resolve::resolver::{Place, Resolver, Written};
use crate::script::syntax::placeholder::RawReference;

impl Compiler<'_> {
    /// An `array`: its names are parameters, variables and dependencies.
    pub(crate) fn array(
        &self,
        text: &Text,
        resolver: &mut Resolver<'_>,
        cx: &mut Collector,
    ) -> Option<Action> {
        if text.value.trim().is_empty() {
            empty("array", &text.span, cx);
            return None;
        }
        let found = match self.lang.check(&text.value) {
            Ok(found) => found,
            Err((range, message, help)) => {
                let span = cx.source.inside(text, range);
                cx.push(
                    Diagnostic::new(Code::ArrayExpression, span, message)
                        .label("in this array expression")
                        .maybe_help(help),
                );
                return None;
            }
        };
        let mut names: Vec<ArrayName> = Vec::new();
        for (name, range) in found {
            if names.iter().any(|known| known.name == name) {
                continue;
            }
            let raw =
                RawReference { path: name.split('.').map(String::from).collect(), index: None, format: None };
            let written = Written { raw: &raw, span: cx.source.inside(text, range) };
            match resolver.meaning(&written, Place::Array).and_then(|meaning| binding(meaning, &written)) {
                Ok(binding) => names.push(ArrayName { name, binding }),
                Err(diagnostic) => cx.push(*diagnostic),
            }
        }
        Some(Action::Array { text: text.value.clone(), names })
    }
}

pub(crate) fn binding(meaning: Meaning, reference: &Written<'_>) -> Result<Binding, Box<Diagnostic>> {
    match meaning {
        Meaning::Param(at, None) => Ok(Binding::Param(at)),
        Meaning::Var(value) => Ok(Binding::Var(value)),
        Meaning::Input(at) => Ok(Binding::Input(at)),
        Meaning::Fact(fact) => Ok(Binding::Fact(fact)),
        Meaning::Param(_, Some(_)) | Meaning::Out(_) | Meaning::Env(_) | Meaning::Merged(_) => {
            let message = format!("`{}` cannot stand in an array expression", reference.raw.path.join("."));
            Err(Box::new(Diagnostic::new(Code::NotHere, reference.span.clone(), message).label("not here")))
        }
    }
}
