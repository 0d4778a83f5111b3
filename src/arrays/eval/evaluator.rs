//! Evaluation: a walk over the tree. Operands are borrowed from the scope, temporaries are overwritten in
//! place.

use super::index::{self, Entry};
use crate::arrays::error::{At, ExprError, Fault};
use crate::arrays::eval::operand::{Item, Numeric};
use crate::arrays::syntax::ast::{Kind, Literal, Node, Subscript};
use crate::arrays::types::{self, Type, Typed};
use crate::arrays::{ArrayBinding, Binding, RandomContext, Scope};

/// What an evaluation needs at hand.
pub(crate) struct Evaluator<'s> {
    pub(crate) scope: &'s dyn Scope,
    pub(crate) context: RandomContext,
}

impl<'s> Evaluator<'s> {
    pub(crate) fn new(scope: &'s dyn Scope) -> Self {
        Evaluator { scope, context: scope.context() }
    }

    pub(crate) fn eval(&self, node: &Node) -> Result<Item<'s>, ExprError> {
        let span = &node.span;
        match &node.kind {
            Kind::Number(literal @ Literal::Int(_)) => Ok(Item::number(literal.as_f64())),
            Kind::Number(literal) => {
                Ok(Typed { numbers: Numeric::Scalar(literal.as_f64()), kind: Type::Number }.into())
            }
            Kind::Text(text) => Ok(Item::Text(text.clone().into())),
            Kind::Name { name, span } => self.name(name).at(span),
            Kind::Unary(op, a) => {
                let a = self.typed(a)?;
                types::unary(*op, a).at(span).map(Item::from)
            }
            Kind::Binary(op, a, b) => {
                let (x, y) = (self.eval(a)?, self.eval(b)?);
                if let (Item::Text(x), Item::Text(y)) = (&x, &y)
                    && let Some(truth) = compare_texts(*op, x, y)
                {
                    return Ok(Item::number(f64::from(u8::from(truth))));
                }
                let (x, y) = (x.into_typed().at(&a.span)?, y.into_typed().at(&b.span)?);
                types::binary(*op, x, y).at(span).map(Item::from)
            }
            Kind::Index(a, subscripts) => {
                let item = self.eval(a)?;
                let entries = subscripts.iter().map(|s| self.entry(s)).collect::<Result<Vec<_>, _>>()?;
                index::index(item, &entries, span)
            }
            Kind::List(items) => {
                Ok(Item::List(items.iter().map(|i| self.eval(i)).collect::<Result<_, _>>()?))
            }
            Kind::Call(call) => self.call(call, span),
        }
    }

    /// The value of `node`, as an operand of arithmetic.
    pub(crate) fn typed(&self, node: &Node) -> Result<Typed<'s>, ExprError> {
        self.eval(node)?.into_typed().at(&node.span)
    }

    /// The value of `node`, which must be one number.
    pub(crate) fn number(&self, node: &Node, what: &str) -> Result<f64, ExprError> {
        self.eval(node)?.into_number(what).at(&node.span)
    }

    fn name(&self, name: &str) -> Result<Item<'s>, Fault> {
        Ok(match self.scope.get(name) {
            Some(Binding::Int(number)) => {
                Typed { numbers: Numeric::Scalar(number as f64), kind: Type::Whole }.into()
            }
            Some(Binding::Number(number)) => {
                Typed { numbers: Numeric::Scalar(number), kind: Type::Number }.into()
            }
            Some(Binding::Text(text)) => Item::Text(text),
            Some(Binding::Bytes(bytes)) => Item::Bytes(bytes),
            Some(Binding::BytesList(all)) => Item::List(all.into_iter().map(Item::Bytes).collect()),
            Some(Binding::Array(array)) => array.into_item()?,
            Some(Binding::List(arrays)) => {
                Item::List(arrays.into_iter().map(ArrayBinding::into_item).collect::<Result<_, _>>()?)
            }
            None => return Err(Fault::new(format!("unknown name `{name}`"))),
        })
    }

    fn entry(&self, subscript: &Subscript) -> Result<Entry, ExprError> {
        let bound = |node: &Node| index::whole(self.number(node, "an index")?).at(&node.span);
        let part = |node: &Option<Node>| node.as_ref().map(bound).transpose();
        match subscript {
            Subscript::Index(node) => Ok(Entry::Index(bound(node)?, node.span.clone())),
            Subscript::Slice { start, end, step, span } => Ok(Entry::Slice {
                start: part(start)?,
                end: part(end)?,
                step: part(step)?.unwrap_or(1),
                span: span.clone(),
            }),
            Subscript::Ellipsis(span) => Ok(Entry::Ellipsis(span.clone())),
        }
    }
}

/// Texts are equal or not; all else is left to fail as arithmetic on texts.
fn compare_texts(op: crate::arrays::syntax::ast::BinaryOp, a: &str, b: &str) -> Option<bool> {
    match op {
        crate::arrays::syntax::ast::BinaryOp::Equal => Some(a == b),
        crate::arrays::syntax::ast::BinaryOp::NotEqual => Some(a != b),
        _ => None,
    }
}
