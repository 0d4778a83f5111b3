//! The syntax tree of an array expression. It travels with the plan, so that an expression is parsed once, at rank 0.
//!
//! Nothing here knows an element type: literals keep whether they were written as whole numbers, so that an
//! `i64` array can one day take `1` and refuse `1.5`.

use super::function::{Function, Signature};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::Cell;
use std::ops::Range;

/// A place in the expression's text, in bytes.
pub(crate) type Span = Range<usize>;

/// The deepest tree that is accepted. Parsing, evaluating and dropping a tree recurse as deep as the tree is,
/// on a compute thread's stack of 2 MiB: the limit makes that safe, and no expression that a person writes
/// comes near it.
pub(crate) const MAX_DEPTH: usize = 200;

/// A number as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Literal {
    /// Written without point and exponent, and fits.
    Int(i64),
    /// Anything else.
    Float(f64),
}

impl Literal {
    /// The value as `f64`.
    pub fn as_f64(self) -> f64 {
        match self {
            Literal::Int(value) => value as f64,
            Literal::Float(value) => value,
        }
    }
}

/// A prefix operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `!x`: 1 where x is zero, else 0.
    Not,
}

/// An infix operator.
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

/// An entry between the brackets of `x[..]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Subscript {
    /// `x[i]`: takes the axis away.
    Index(ExprNode),
    /// `x[start:end:step]`, each part optional.
    Slice {
        /// First element.
        start: Option<ExprNode>,
        /// The end, which is past the last element.
        end: Option<ExprNode>,
        /// Step, possibly negative.
        step: Option<ExprNode>,
        /// Where the slice stands.
        span: Span,
    },
    /// `...`: as many whole axes as are needed.
    Ellipsis(Span),
}

/// A call of a built-in function, its arguments already matched with the function's parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The function.
    pub function: Function,
    /// Where the function's name stands.
    pub name_span: Span,
    /// A slot for each named parameter of the [`Signature`], in its order.
    pub named: Vec<Option<ExprNode>>,
    /// The arguments of a variable number, in order.
    pub rest: Vec<ExprNode>,
    /// The how-manyth `random` of the expression this is: two calls draw different numbers.
    pub random: u64,
}

impl Call {
    /// The function's parameters.
    pub fn signature(&self) -> &'static Signature {
        self.function.signature()
    }

    /// The argument given for the parameter `name`.
    pub fn arg(&self, name: &str) -> Option<&ExprNode> {
        let slot = self.signature().slot(name)?;
        self.named.get(slot)?.as_ref()
    }
}

/// The kind of a node, with its children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NodeKind {
    /// `1_000`, `1e-3`
    Number(Literal),
    /// `"normal"`
    Text(String),
    /// `x`, `sim.probe`
    Name {
        /// Dotted or not.
        name: String,
        /// The name alone; the node's span may have parentheses around it.
        span: Span,
    },
    /// `-x`
    Unary(UnaryOp, Box<ExprNode>),
    /// `a + b`
    Binary(BinaryOp, Box<ExprNode>, Box<ExprNode>),
    /// `x[0:10, :]`
    Index(Box<ExprNode>, Vec<Subscript>),
    /// `(a, b)` or `[a, b]`: a shape, or parts to put together.
    List(Vec<ExprNode>),
    /// `sum(x, axis = 0)`
    Call(Box<Call>),
}

/// A node and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExprNode {
    /// Kind and children.
    pub kind: NodeKind,
    /// Where it stands.
    pub span: Span,
    /// The height of the tree under it, itself included.
    #[serde(skip)]
    pub depth: usize,
}

impl ExprNode {
    /// A node, its depth computed from its children.
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
            NodeKind::Unary(_, a) => visit(a),
            NodeKind::Binary(_, a, b) => {
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
                // The variable arguments of `random`, `concat` stand first; those of `reshape` after the
                // array. The order of the text is the order of the positions.
                let mut all: Vec<&ExprNode> = call.named.iter().flatten().chain(&call.rest).collect();
                all.sort_by_key(|node| node.span.start);
                all.into_iter().for_each(visit);
            }
        }
    }
}

/// A node as it travels: the depth follows from the children.
#[derive(Deserialize)]
struct EncodedNode {
    kind: NodeKind,
    span: Span,
}

thread_local! {
    /// How many nodes, each in the other, this thread decodes now.
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

/// A level of a tree that is decoded.
struct DecodedLevel;

impl Drop for DecodedLevel {
    fn drop(&mut self) {
        DECODED.set(DECODED.get() - 1);
    }
}

impl<'de> Deserialize<'de> for ExprNode {
    /// Decoding recurses as deep as the tree is: no deeper than the parser lets trees be.
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
