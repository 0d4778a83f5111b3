//! Array expressions: the `array` key of a script's task.
//!
//! ```text
//! array = "random(n, seed = i)"
//! array = "where(block > 0, sqrt(block), 0) - clim[0:10, :]"
//! ```
//!
//! A small total language: no loops, no side effects. A text is cut into tokens (`token`), parsed to a tree
//! whose calls are matched with the functions they name (`parse`, `arguments`, `function`), and the
//! tree is walked (`eval`). Element-wise work (`ops`, `broadcast`) and aggregates run on rayon, in
//! whose current pool the caller is; no result depends on the number of threads.
//!
//! Where Python and numpy say what an expression means, it means that here, with these differences:
//! * elements are `f64`; a comparison gives 1 or 0, and `&& || !` work element by element on "is not zero";
//! * there are no methods and no prefix `np.`; a shape may be given without parentheses: `zeros(3, 4)`;
//! * a gather is a list: `x[2]` is an instance of it, `concat(x)` joins it, arithmetic stacks it on a new
//!   first axis;
//! * `concat` takes single numbers as arrays of one element.
//!
//! Beside the language live the operators of reductions ([`reduce`]), their order ([`tree`]), and the printed
//! form of an array ([`text`]).

mod aggregate;
mod arguments;
pub mod ast;
mod broadcast;
mod build;
mod call;
mod error;
mod eval;
mod function;
mod index;
mod item;
mod linalg;
mod ops;
mod parse;
mod philox;
mod random;
pub mod reduce;
mod shape;
#[cfg(test)]
mod tests;
pub mod text;
mod token;
pub mod tree;

pub use ast::Span;
pub use error::ExprError;
pub use function::{Aggregate, FUNCTIONS, Function, Map, Signature};
pub use random::RandomContext;

use ast::{Kind, Node};
use error::At;
use eval::Evaluator;
use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};
use std::borrow::Cow;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    root: Node,
}

impl Expr {
    /// Parses `text`. Functions, the number of their arguments and their keywords are checked here; names are
    /// not, see [`names`](Self::names).
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        Ok(Expr { root: parse::parse(text)? })
    }

    /// The bare names used and where, in the order of the text, a name as often as it occurs. Not among them:
    /// functions and the keywords of arguments.
    pub fn names(&self) -> Vec<(String, Span)> {
        let mut names = Vec::new();
        visit(&self.root, &mut |node| {
            if let Kind::Name { name, span } = &node.kind {
                names.push((name.clone(), span.clone()));
            }
        });
        names
    }

    /// Whether the value depends on the task's name and the instance's index besides the names it uses: it
    /// has a `random` without a seed. Two instances of an expression that does not, with equal names, are the
    /// same task.
    pub fn uses_context(&self) -> bool {
        let mut uses = false;
        visit(&self.root, &mut |node| {
            if let Kind::Call(call) = &node.kind {
                uses |= call.function == Function::Random && call.arg("seed").is_none();
            }
        });
        uses
    }

    /// The tree, for checks that go further than these.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Evaluates the expression in `scope`.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, ExprError> {
        let item = Evaluator::new(scope).eval(&self.root)?;
        Ok(Value::F64(item.into_numeric().at(&self.root.span)?.into_owned()))
    }
}

fn visit<'a>(node: &'a Node, f: &mut dyn FnMut(&'a Node)) {
    f(node);
    node.children(&mut |child| visit(child, f));
}

/// What a name stands for. Arrays are borrowed for the evaluation and never copied as a whole unless they are
/// the result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Binding<'a> {
    /// A parameter or a var.
    Number(f64),
    /// A parameter or a var: it can be compared with `==` and `!=`, and be the `dist` of `random`.
    Text(Cow<'a, str>),
    /// The result of a task.
    Array(ArrayBinding<'a>),
    /// The results of several instances, in the order of their indices.
    List(Vec<ArrayBinding<'a>>),
}

/// A borrowed array of any element type; so far there is one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ArrayBinding<'a> {
    /// Double precision.
    F64(ArrayViewD<'a, f64>),
}

impl<'a> ArrayBinding<'a> {
    fn into_cow(self) -> CowArray<'a, f64, IxDyn> {
        match self {
            ArrayBinding::F64(view) => view.into(),
        }
    }
}

impl<'a> From<&'a ArrayD<f64>> for ArrayBinding<'a> {
    fn from(array: &'a ArrayD<f64>) -> Self {
        ArrayBinding::F64(array.view())
    }
}

impl<'a> From<&'a Value> for ArrayBinding<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::F64(array) => array.into(),
        }
    }
}

/// Where an expression's names come from.
pub trait Scope {
    /// What `name` (dotted as in the text: `sim.probe`) stands for.
    fn get(&self, name: &str) -> Option<Binding<'_>>;

    /// What random numbers without a seed depend on.
    fn context(&self) -> RandomContext;
}

/// The value of an expression: an array in C order, without axes if it is one number. Other element types
/// will be further variants.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Value {
    /// Double precision.
    F64(ArrayD<f64>),
}

impl Value {
    /// The array, borrowed.
    pub fn as_f64(&self) -> &ArrayD<f64> {
        match self {
            Value::F64(array) => array,
        }
    }

    /// The array.
    pub fn into_f64(self) -> ArrayD<f64> {
        match self {
            Value::F64(array) => array,
        }
    }
}
