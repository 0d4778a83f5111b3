//! Lowers `array`: parses the expression and resolves the names in it.

use super::command::empty;
use crate::arrays::{Expr, ExprError};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::lower::task::Compiler;
use crate::script::plan::task::{ArrayName, NameSource, TaskAction};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::written::{ReferenceTarget, TextContext, Written};
use crate::script::syntax::placeholder::RawReference;
use std::collections::HashSet;

impl Compiler<'_> {
    /// Lowers an `array` key: compiles the array expression of a task to its action in the plan. The names in the
    /// expression are the task's parameters, variables of the script, and results of other tasks.
    pub(crate) fn array(
        &self,
        text: &Text,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        if text.value.trim().is_empty() {
            empty("array", &text.span, cx);
            return None;
        }
        let expr = match Expr::parse(&text.value) {
            Ok(expr) => expr,
            Err(ExprError { range, message, help }) => {
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
        let all = expr.names();
        let ranges: Vec<_> = all.iter().map(|(_, range)| range.clone()).collect();
        let mut seen = HashSet::new();
        for ((name, _), span) in all.into_iter().zip(cx.source.all_inside(text, &ranges)) {
            if !seen.insert(name.clone()) {
                continue;
            }
            resolver.quiet = cx.is_full();
            // the name of a column may have dots in it
            let path = match name.split_once('.').filter(|_| self.is_parameter(&name, resolver)) {
                Some((table, column)) => vec![table.to_owned(), column.to_owned()],
                None => name.split('.').map(String::from).collect(),
            };
            let raw = RawReference { path, index: None, format: None };
            let written = Written { raw: &raw, span };
            match resolver
                .meaning(&written, TextContext::Array)
                .and_then(|meaning| binding(meaning, &written))
            {
                Ok(binding) => names.push(ArrayName { name, binding }),
                Err(diagnostic) => cx.push(*diagnostic),
            }
        }
        Some(TaskAction::Array { text: text.value.clone(), expr, names })
    }

    fn is_parameter(&self, name: &str, resolver: &Resolver<'_>) -> bool {
        self.sweeps.params.get(resolver.task).is_some_and(|params| params.iter().any(|param| param == name))
    }
}

pub(crate) fn binding(
    meaning: ReferenceTarget,
    reference: &Written<'_>,
) -> Result<NameSource, Box<Diagnostic>> {
    match meaning {
        ReferenceTarget::Param(at, None) => Ok(NameSource::Param(at)),
        ReferenceTarget::Var(value) => Ok(NameSource::Var(value)),
        ReferenceTarget::Input(at) => Ok(NameSource::Input(at)),
        ReferenceTarget::Fact(fact) => Ok(NameSource::Fact(fact)),
        ReferenceTarget::Param(_, Some(_))
        | ReferenceTarget::Out(_)
        | ReferenceTarget::Env(_)
        | ReferenceTarget::Merged(_) => {
            let message = format!("`{}` cannot stand in an array expression", reference.raw.path.join("."));
            Err(Box::new(Diagnostic::new(Code::NotHere, reference.span.clone(), message).label("not here")))
        }
    }
}
