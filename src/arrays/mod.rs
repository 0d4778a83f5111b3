//! Array expressions: the `array` key of a script's task.
//!
//! ```text
//! array = "random(n, seed = i)"
//! array = "where(block > 0, sqrt(block), 0) - clim[0:10, :]"
//! ```
//!
//! A small total language: no loops, no side effects. A text is cut into tokens (`token`), parsed to a tree
//! whose calls are matched with the functions they name ([`syntax`]), and the
//! tree is walked ([`eval`]). Element-wise work and aggregates ([`kernels`]) run on rayon, in
//! whose current pool the caller is; no result depends on the number of threads.
//!
//! Where Python and numpy say what an expression means, it means that here, with these differences:
//! * elements are `f64` unless said otherwise (`cast`, `load`, `from_bytes`; `argmax`, `histogram` and sums of
//!   integers give `i64`); types meet as in numpy, see `types` and `typed_numbers`;
//! * a comparison gives 1 or 0, and `&& || !` work element by element on "is not zero";
//! * there are no methods and no prefix `np.`; a shape may be given without parentheses: `zeros(3, 4)`;
//! * a gather is a list: `x[2]` is an instance of it, `concat(x)` joins it, arithmetic stacks it on a new
//!   first axis;
//! * `concat` takes single numbers as arrays of one element.
//!
//! Beside the language live the operators of reductions and their order ([`reduce`]), and the printed
//! form of an array ([`text`]).

pub(crate) mod buffer_pool;
pub(crate) mod bulk;
pub(crate) mod csv;
pub(crate) mod dataset;
pub(crate) mod error;
pub(crate) mod eval;
pub(crate) mod exact;
pub(crate) mod kernels;
pub(crate) mod numeric;
pub(crate) mod reduce;
pub(crate) mod shapes;
pub(crate) mod slab;
pub(crate) mod syntax;
#[cfg(test)]
mod tests;
pub mod text;
pub(crate) mod typed_numbers;
pub(crate) mod types;
pub(crate) mod value;

pub use crate::arrays::kernels::random::RandomContext;
pub use crate::arrays::shapes::inference::Sketch;
pub(crate) use crate::arrays::syntax::ast::Span;
pub(crate) use crate::arrays::syntax::function::{Function, Map};
pub(crate) use error::ExprError;
pub(crate) use types::ElementType;
pub(crate) use value::{ArrayBinding, ArrayValue};

use crate::arrays::eval::evaluator::Evaluator;
use crate::arrays::syntax::ast::{ExprNode, NodeKind};
use error::PutPosition;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A table of comma-separated numbers, with or without a header, or the printed form of an array.
///
/// # Errors
/// When it is neither, in words.
pub(crate) fn read_table(bytes: &[u8]) -> Result<ndarray::ArrayD<f64>, String> {
    csv::numbers(bytes).or_else(|_| csv::table(bytes, None))
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    root: ExprNode,
}

impl Expr {
    /// Parses `text`. Functions, the number of their arguments and their keywords are checked here; names are
    /// not, see [`names`](Self::names).
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        Ok(Expr { root: crate::arrays::syntax::parse::parse(text)? })
    }

    /// The bare names used and where, in the order of the text, a name as often as it occurs. Not among them:
    /// functions and the keywords of arguments.
    pub fn names(&self) -> Vec<(String, Span)> {
        let mut names = Vec::new();
        visit(&self.root, &mut |node| {
            if let NodeKind::Name { name, span } = &node.kind {
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
            if let NodeKind::Call(call) = &node.kind {
                uses |= call.function == Function::Random && call.arg("seed").is_none();
            }
        });
        uses
    }

    /// The tree, for checks that go further than these.
    pub fn root(&self) -> &ExprNode {
        &self.root
    }

    /// The shape that the value will have, as far as it follows from what is known of the names.
    ///
    /// # Errors
    /// When shapes do not go together whatever the elements are.
    pub fn sketch(&self, names: &dyn Fn(&str) -> Sketch) -> Result<Sketch, ExprError> {
        crate::arrays::shapes::inference::sketch(&self.root, names)
    }

    /// Evaluates the expression in `scope`.
    pub fn eval(&self, scope: &dyn Scope) -> Result<ArrayValue, ExprError> {
        let item = Evaluator::new(scope).eval(&self.root)?;
        let typed = item.into_typed().at(&self.root.span)?;
        Ok(typed_numbers::stored(typed.numbers.into_owned(), typed.kind.settled()))
    }
}

fn visit<'a>(node: &'a ExprNode, f: &mut dyn FnMut(&'a ExprNode)) {
    f(node);
    node.children(&mut |child| visit(child, f));
}

/// What a name stands for. Arrays are borrowed for the evaluation and never copied as a whole unless they are
/// the result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Binding<'a> {
    /// A parameter or a var that is an integer.
    Int(i64),
    /// A parameter or a var that is another number.
    Number(f64),
    /// A parameter or a var: it can be compared with `==` and `!=`, name a file, and be the `dist` of `random`.
    Text(Cow<'a, str>),
    /// What a command has written.
    Bytes(Cow<'a, [u8]>),
    /// What several instances of a command have written.
    BytesList(Vec<Cow<'a, [u8]>>),
    /// The result of a task.
    Array(ArrayBinding<'a>),
    /// The results of several instances, in the order of their indices.
    List(Vec<ArrayBinding<'a>>),
}

/// A file that an expression reads.
#[derive(Debug, Clone, Copy)]
pub enum File<'a> {
    /// By its path.
    Path(&'a str),
    /// What a command has written, as bytes.
    Bytes(&'a [u8]),
}

/// Where an expression's names come from.
pub trait Scope {
    /// What `name` (dotted as in the text: `sim.probe`) stands for.
    fn get(&self, name: &str) -> Option<Binding<'_>>;

    /// What random numbers without a seed depend on.
    fn context(&self) -> RandomContext;

    /// The bytes of a file, for `from_csv` and `from_bytes` of a path.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("the file `{path}` cannot be read here"))
    }

    /// A dataset, for `load`. Without its name the path says it: `file.h5:/name[0:10]`.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    fn dataset(&self, _file: File<'_>, _dataset: Option<&str>) -> Result<ArrayValue, String> {
        Err("files with datasets cannot be read here".to_owned())
    }
}
