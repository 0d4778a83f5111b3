//! The syntax tree of an array expression. It travels with the plan, so that an expression is parsed once, at rank 0.
//!
//! The tree has no element types. Literals keep whether they were written as whole numbers: for an `i64` array `x`,
//! `x + 1` is an `i64` array, and `x + 1.0` one of `f64`.

use super::function::{Function, Signature};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::Cell;
use std::ops::Range;

/// A range in the expression's text, in bytes.
pub(crate) type Span = Range<usize>;

/// The largest depth of a syntax tree that is accepted. Parsing, evaluating and dropping a tree recurse to its depth,
/// on a compute thread's stack of 2 MiB. The limit makes that safe; expressions that a person writes are far below it.
pub(crate) const MAX_DEPTH: usize = 200;

/// A number as it is written in the text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Literal {
    /// A number without point and exponent that fits into 64 bits.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// `true` or `false`, which are the numbers 1 and 0.
    Bool(bool),
}

impl Literal {
    /// The literal as an integer; `None` for one with a point or an exponent.
    pub fn as_integer(self) -> Option<i64> {
        match self {
            Literal::Int(value) => Some(value),
            Literal::Bool(truth) => Some(i64::from(truth)),
            Literal::Float(_) => None,
        }
    }
}

/// A prefix operator: `-` or `!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnaryOp {
    /// Negation, `-x`.
    Neg,
    /// Logical not, `!x`: 1 where x is zero, else 0.
    Not,
}

/// An infix operator, such as `+` or `<=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the operators'")]
pub enum BinaryOp {
    Or,
    And,
    Less,
    LessEqual,
    Equal,
    NotEqual,
    GreaterEqual,
    Greater,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
}

/// A subscript between the brackets of `x[..]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Subscript {
    /// An index, as in `x[i]`, which removes the axis.
    Index(ExprNode),
    /// A slice, `x[start:end:step]`, each part of which is optional.
    Slice {
        /// The first element of the slice; `None`: the first of the axis, or the last for a negative step.
        start: Option<ExprNode>,
        /// The end of the slice, exclusive; `None`: the slice goes on, in its direction, until the axis ends.
        end: Option<ExprNode>,
        /// The step of the slice, which may be negative; `None` means 1.
        step: Option<ExprNode>,
        /// The position of the slice in the text.
        span: Span,
    },
    /// An ellipsis, `...`: as many whole axes as are needed.
    Ellipsis(Span),
}

/// A call of a built-in function. Its arguments are already matched with the function's parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The function that is called.
    pub function: Function,
    /// The position of the function's name in the text.
    pub name_span: Span,
    /// The arguments of named parameters, in the order of the [`Signature`]; `None` for one that is not given.
    pub named: Vec<Option<ExprNode>>,
    /// The arguments behind the named ones, in the order of the text, for a function that takes any number of them.
    pub rest: Vec<ExprNode>,
    /// The number of this `random` among the `random` calls of the expression, by which two calls draw different
    /// numbers.
    pub random: u64,
}

impl Call {
    /// The parameters of the function.
    pub fn signature(&self) -> &'static Signature {
        self.function.signature()
    }

    /// The argument for the parameter `name`; `None` if it is not given.
    pub fn arg(&self, name: &str) -> Option<&ExprNode> {
        let slot = self.signature().slot(name)?;
        self.named.get(slot)?.as_ref()
    }
}

/// The kind of a node, with its children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NodeKind {
    /// A number: `1_000`, `1e-3`.
    Number(Literal),
    /// A text in quotes: `"normal"`.
    Text(String),
    /// A name: `x`, `sim.probe`, `cell[r = r - 1]`.
    Name {
        /// The name, with its dots, and with the brackets that choose instances by the values of parameters.
        name: String,
        /// The position of the name alone; the node's span may include parentheses around it.
        span: Span,
    },
    /// A prefix operator with its operand: `-x`.
    Unary(UnaryOp, Box<ExprNode>),
    /// An infix operator with its operands: `a + b`.
    Binary(BinaryOp, Box<ExprNode>, Box<ExprNode>),
    /// An operand with its subscripts: `x[0:10, :]`.
    Index(Box<ExprNode>, Vec<Subscript>),
    /// A list, `(a, b)` or `[a, b]`: a shape, or arrays to join.
    List(Vec<ExprNode>),
    /// A call of a function: `sum(x, axis = 0)`.
    Call(Box<Call>),
    /// A name with what stands for it where its instance is not there: `x[i = i - 1] else 0`.
    Else(Box<ExprNode>, Box<ExprNode>),
    /// A name that is an empty list where its instance is not there: `x[i = i - 1]?`.
    Optional(Box<ExprNode>),
}

/// A node of the syntax tree, with its position in the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExprNode {
    /// The kind of the node, with its children.
    pub kind: NodeKind,
    /// The position of the node in the text.
    pub span: Span,
    /// The depth of the tree below and including this node; 1 for a node without children.
    #[serde(skip)]
    pub depth: usize,
}

impl ExprNode {
    /// Makes a node, and computes its depth from its children.
    pub fn new(kind: NodeKind, span: Span) -> ExprNode {
        let mut node = ExprNode { kind, span, depth: 0 };
        let mut depth = 0;
        node.children(&mut |child| depth = depth.max(child.depth));
        node.depth = depth + 1;
        node
    }

    /// Calls `visit` on each child, in the order of the text.
    pub fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a ExprNode)) {
        match &self.kind {
            NodeKind::Number(_) | NodeKind::Text(_) | NodeKind::Name { .. } => {}
            NodeKind::Unary(_, a) | NodeKind::Optional(a) => visit(a),
            NodeKind::Binary(_, a, b) | NodeKind::Else(a, b) => {
                visit(a);
                visit(b);
            }
            NodeKind::Index(a, subscripts) => {
                visit(a);
                for subscript in subscripts {
                    match subscript {
                        Subscript::Index(index) => visit(index),
                        Subscript::Slice { start, end, step, .. } => {
                            [start, end, step].into_iter().flatten().for_each(&mut *visit);
                        }
                        Subscript::Ellipsis(_) => {}
                    }
                }
            }
            NodeKind::List(items) => items.iter().for_each(visit),
            NodeKind::Call(call) => {
                // The variable arguments of `random` and `concat` come first in the text, those of `reshape` after the
                // array. So the children are sorted by position.
                let mut all: Vec<&ExprNode> = call.named.iter().flatten().chain(&call.rest).collect();
                all.sort_by_key(|node| node.span.start);
                all.into_iter().for_each(visit);
            }
        }
    }
}

/// A node in the form in which it is encoded for other ranks. The depth is not sent: it follows from the children.
#[derive(Deserialize)]
struct EncodedNode {
    kind: NodeKind,
    span: Span,
}

thread_local! {
    /// The depth of the node that this thread is decoding, to limit recursion.
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

/// A guard for one level of a tree that is being decoded: counts the depth up, and down again when dropped.
struct DecodedLevel;

impl Drop for DecodedLevel {
    fn drop(&mut self) {
        DECODED.set(DECODED.get() - 1);
    }
}

impl<'de> Deserialize<'de> for ExprNode {
    /// Decodes a node that another rank has sent. Recursion is limited to `MAX_DEPTH`, as in the parser.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if DECODED.get() >= MAX_DEPTH {
            return Err(D::Error::custom("an expression is nested too deeply"));
        }
        DECODED.set(DECODED.get() + 1);
        let _level = DecodedLevel;
        let EncodedNode { kind, span } = EncodedNode::deserialize(deserializer)?;
        Ok(ExprNode::new(kind, span))
    }
}
