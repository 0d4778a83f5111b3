//! Lowers `array`: parses the expression and resolves the names in it.

use super::command::empty;
use crate::arrays::syntax::ast::{ExprNode, NodeKind};
use crate::arrays::{Expr, ExprError};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::lower::task::Compiler;
use crate::script::plan::condition::Condition;
use crate::script::plan::task::{ArrayName, NameSource, TaskAction};
use crate::script::resolve::resolver::{ElsePlace, Resolver, always_there};
use crate::script::resolve::written::{ReferenceTarget, TextContext, Written};
use crate::script::syntax::placeholder::RawReference;
use std::collections::HashMap;
use std::ops::Range;

impl Compiler<'_> {
    /// Lowers an `array` key: compiles the array expression of a task to its action in the plan. The names in the
    /// expression are the task's parameters, variables of the script, and results of other tasks.
    pub(crate) fn array(
        &self,
        text: &Text,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        let expr = parsed("array", text, cx)?;
        let names = self.array_names(text, &expr, resolver, cx);
        Some(TaskAction::Array { text: text.value.clone(), expr, names })
    }
}

/// Parses the expression that is the value of the key `key`. Reports mistakes, and returns `None` then.
pub(super) fn parsed(key: &str, text: &Text, cx: &mut DiagnosticCollector) -> Option<Expr> {
    if text.value.trim().is_empty() {
        empty(key, &text.span, cx);
        return None;
    }
    match Expr::parse(&text.value) {
        Ok(expr) => Some(expr),
        Err(ExprError { range, message, help }) => {
            let span = cx.source.inside(text, range);
            let diagnostic = Diagnostic::new(Code::ArrayExpression, span, message);
            cx.push(diagnostic.label(format!("in this {key} expression")).maybe_help(help));
            None
        }
    }
}

/// A name in an array expression. It may occur several times.
pub(super) struct NamePlace {
    pub(super) name: String,
    pub(super) range: Range<usize>,
    /// Whether every occurrence is followed by `else` or `?`, so that the instance may be missing.
    pub(super) optional: bool,
    /// The names in whose place this one is used: every occurrence follows their `else`.
    instead_of: Vec<String>,
}

/// Adds the names of a subexpression to `found`, in the order of the text. `before` has the names whose `else` the
/// subexpression follows.
pub(super) fn places(node: &ExprNode, before: &[String], found: &mut Vec<NamePlace>) {
    let mut add = |name: &str, range: &Range<usize>, optional: bool| match found
        .iter_mut()
        .find(|known| known.name == name)
    {
        Some(known) => {
            known.optional &= optional;
            known.instead_of.retain(|other| before.contains(other));
        }
        None => found.push(NamePlace {
            name: name.to_owned(),
            range: range.clone(),
            optional,
            instead_of: before.to_vec(),
        }),
    };
    match &node.kind {
        NodeKind::Name { name, span } => add(name, span, false),
        NodeKind::Optional(of) | NodeKind::Else(of, _) => {
            let NodeKind::Name { name, span } = &of.kind else { return };
            add(name, span, true);
            if let NodeKind::Else(_, other) = &node.kind {
                let mut before = before.to_vec();
                before.push(name.clone());
                places(other, &before, found);
            }
        }
        _ => node.children(&mut |child| places(child, before, found)),
    }
}

impl Compiler<'_> {
    /// Compiles the expression of the key `key`, such as `when`, which decides whether an instance runs.
    pub(crate) fn condition(
        &self,
        key: &str,
        text: &Text,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<Condition> {
        let expr = parsed(key, text, cx)?;
        let names = self.array_names(text, &expr, resolver, cx);
        Some(Condition { text: text.value.clone(), expr, names })
    }

    /// Resolves the names of an array expression: parameters, variables, and results of other tasks. Reports unknown
    /// names.
    pub(crate) fn array_names(
        &self,
        text: &Text,
        expr: &Expr,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Vec<ArrayName> {
        let (mut all, mut names): (Vec<NamePlace>, Vec<ArrayName>) = Default::default();
        places(expr.root(), &[], &mut all);
        let ranges: Vec<_> = all.iter().map(|place| place.range.clone()).collect();
        let mut inputs: HashMap<String, usize> = HashMap::new();
        for (place, span) in all.into_iter().zip(cx.source.all_inside(text, &ranges)) {
            resolver.quiet = cx.is_full();
            let raw = self.raw_reference(&place.name, resolver);
            let written = Written { raw: &raw, span };
            let instead_of = place.instead_of.iter().filter_map(|name| inputs.get(name).copied()).collect();
            resolver.beside = ElsePlace { optional: place.optional, instead_of };
            let meaning = resolver.meaning(&written, TextContext::Array);
            resolver.beside = ElsePlace::default();
            match meaning.and_then(|meaning| binding(meaning, &written)) {
                Ok(NameSource::Input(at)) => {
                    inputs.insert(place.name.clone(), at);
                    names.push(ArrayName { name: place.name, binding: NameSource::Input(at) });
                }
                Ok(_) if place.optional => cx.push(*always_there(&raw, written.span)),
                Ok(binding) => names.push(ArrayName { name: place.name, binding }),
                Err(diagnostic) => cx.push(*diagnostic),
            }
        }
        names
    }

    /// Takes a name apart as it stands in an expression: `sim.probe[T = 300]`.
    pub(super) fn raw_reference(&self, name: &str, resolver: &Resolver<'_>) -> RawReference {
        let (path, index) = match name.split_once('[') {
            Some((path, index)) => (path, index.strip_suffix(']').map(str::to_owned)),
            None => (name, None),
        };
        // only the first dot separates: the name of a column may have dots in it
        let path = match path.split_once('.').filter(|_| self.is_parameter(path, resolver)) {
            Some((table, column)) => vec![table.to_owned(), column.to_owned()],
            None => path.split('.').map(String::from).collect(),
        };
        RawReference::new(path, index)
    }

    pub(super) fn is_parameter(&self, name: &str, resolver: &Resolver<'_>) -> bool {
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
