//! The names in an array expression.

use super::codes::Code;
use super::command::empty;
use super::compile::Compiler;
use super::diagnostic::{Collector, Diagnostic};
use super::meaning::Meaning;
use super::resolve::{Place, Resolver, Written};
use super::source::Text;
use super::syntax::RawReference;
use super::task::{Action, ArrayName, Binding};

impl Compiler<'_> {
    /// An `array`: its names are parameters, variables and dependencies.
    pub(super) fn array(
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

pub(super) fn binding(meaning: Meaning, reference: &Written<'_>) -> Result<Binding, Box<Diagnostic>> {
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
