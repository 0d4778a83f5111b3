//! The evaluator: a recursive walk over the syntax tree. Operands are borrowed from the scope; temporaries are
//! overwritten in place.

use super::index::{self, EvaluatedSubscript};
use crate::arrays::error::{ExprError, Fault, PutPosition};
use crate::arrays::eval::operand::Intermediate;
use crate::arrays::exact;
use crate::arrays::numeric::Numeric;
use crate::arrays::syntax::ast::{ExprNode, Literal, NodeKind, Subscript};
use crate::arrays::typed_numbers::{self, TypedNumbers};
use crate::arrays::types::ExprType;
use crate::arrays::{ArrayBinding, Binding, RandomContext, Scope};

/// The evaluator of an expression, with the scope that gives the values of its names.
pub(crate) struct Evaluator<'s> {
    pub(crate) scope: &'s dyn Scope,
    pub(crate) context: RandomContext,
}

impl<'s> Evaluator<'s> {
    pub(crate) fn new(scope: &'s dyn Scope) -> Self {
        Evaluator { scope, context: scope.context() }
    }

    pub(crate) fn eval(&self, node: &ExprNode) -> Result<Intermediate<'s>, ExprError> {
        let span = &node.span;
        match &node.kind {
            NodeKind::Number(Literal::Float(number)) => {
                Ok(TypedNumbers { numbers: Numeric::Scalar(*number), kind: ExprType::Number }.into())
            }
            NodeKind::Number(literal) => integer(literal.as_integer().unwrap_or_default()).at(span),
            NodeKind::Text(text) => Ok(Intermediate::Text(text.clone().into())),
            NodeKind::Name { name, span } => self.name(name).at(span),
            NodeKind::Unary(op, a) => {
                let a = self.typed(a)?;
                typed_numbers::unary(*op, a).at(span).map(Intermediate::from)
            }
            NodeKind::Binary(op, a, b) => {
                let (x, y) = (self.eval(a)?, self.eval(b)?);
                if let (Intermediate::Text(x), Intermediate::Text(y)) = (&x, &y)
                    && let Some(truth) = compare_texts(*op, x, y)
                {
                    return Ok(Intermediate::number(f64::from(u8::from(truth))));
                }
                let (x, y) = (x.into_typed().at(&a.span)?, y.into_typed().at(&b.span)?);
                typed_numbers::binary(*op, x, y).at(span).map(Intermediate::from)
            }
            NodeKind::Index(a, subscripts) => {
                let item = self.eval(a)?;
                let entries = subscripts.iter().map(|s| self.entry(s)).collect::<Result<Vec<_>, _>>()?;
                index::index(item, &entries, span)
            }
            NodeKind::List(items) => {
                Ok(Intermediate::List(items.iter().map(|i| self.eval(i)).collect::<Result<_, _>>()?))
            }
            NodeKind::Call(call) => self.call(call, span),
            NodeKind::Else(a, b) => self.eval(if self.is_missing(a) { b } else { a }),
            NodeKind::Optional(a) if self.is_missing(a) => Ok(Intermediate::List(Vec::new())),
            NodeKind::Optional(a) => self.eval(a),
        }
    }

    /// Evaluates `node` to an operand of arithmetic.
    pub(crate) fn typed(&self, node: &ExprNode) -> Result<TypedNumbers<'s>, ExprError> {
        self.eval(node)?.into_typed().at(&node.span)
    }

    /// Evaluates `node` to an integer of 64 bits, if it is a number in the text or the name of one; else `None`.
    pub(crate) fn integer(&self, node: &ExprNode) -> Option<i64> {
        match &node.kind {
            NodeKind::Number(literal) => literal.as_integer(),
            NodeKind::Name { name, .. } => match self.scope.get(name) {
                Some(Binding::Int(number)) => Some(number),
                _ => None,
            },
            _ => None,
        }
    }

    /// Evaluates `node` to a single number. Any other value is an error, whose message names the argument as `what`.
    pub(crate) fn number(&self, node: &ExprNode, what: &str) -> Result<f64, ExprError> {
        self.eval(node)?.into_number(what).at(&node.span)
    }

    /// Whether a node is a name that has no value in this evaluation.
    fn is_missing(&self, node: &ExprNode) -> bool {
        matches!(&node.kind, NodeKind::Name { name, .. } if self.scope.is_missing(name))
    }

    fn name(&self, name: &str) -> Result<Intermediate<'s>, Fault> {
        Ok(match self.scope.get(name) {
            Some(Binding::Int(number)) => integer(number)?,
            Some(Binding::Number(number)) => {
                TypedNumbers { numbers: Numeric::Scalar(number), kind: ExprType::Number }.into()
            }
            Some(Binding::Text(text)) => Intermediate::Text(text),
            Some(Binding::Bytes(bytes)) => Intermediate::Bytes(bytes),
            Some(Binding::BytesList(all)) => {
                Intermediate::List(all.into_iter().map(Intermediate::Bytes).collect())
            }
            Some(Binding::Array(array)) => array.into_typed()?.into(),
            Some(Binding::List(arrays)) => {
                let item = |array: ArrayBinding<'s>| array.into_typed().map(Intermediate::from);
                Intermediate::List(arrays.into_iter().map(item).collect::<Result<_, _>>()?)
            }
            None => return Err(Fault::new(format!("unknown name `{name}`"))),
        })
    }

    fn entry(&self, subscript: &Subscript) -> Result<EvaluatedSubscript, ExprError> {
        let bound = |node: &ExprNode| index::whole(self.number(node, "an index")?).at(&node.span);
        let part = |node: &Option<ExprNode>| node.as_ref().map(bound).transpose();
        match subscript {
            Subscript::Index(node) => Ok(EvaluatedSubscript::Index(bound(node)?, node.span.clone())),
            Subscript::Slice { start, end, step, span } => Ok(EvaluatedSubscript::Slice {
                start: part(start)?,
                end: part(end)?,
                step: part(step)?.unwrap_or(1),
                span: span.clone(),
            }),
            Subscript::Ellipsis(span) => Ok(EvaluatedSubscript::Ellipsis(span.clone())),
        }
    }
}

/// Makes a number of an integer of the text or of a parameter. Beyond 2^53 it must have an `f64` of its own.
fn integer<'s>(number: i64) -> Result<Intermediate<'s>, Fault> {
    let numbers = exact::float_of(number)
        .ok_or_else(|| Fault::new(exact::no_float(number)).help("arrays are computed with 64-bit floats"))?;
    Ok(TypedNumbers { numbers: Numeric::Scalar(numbers), kind: ExprType::Whole }.into())
}

/// Compares two texts for equality (`==`, `!=`). `None` for other operators, which then fail as arithmetic on texts.
fn compare_texts(op: crate::arrays::syntax::ast::BinaryOp, a: &str, b: &str) -> Option<bool> {
    match op {
        crate::arrays::syntax::ast::BinaryOp::Equal => Some(a == b),
        crate::arrays::syntax::ast::BinaryOp::NotEqual => Some(a != b),
        _ => None,
    }
}
