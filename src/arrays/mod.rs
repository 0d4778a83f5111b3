//! Array expressions: the language of the `array` key of a script's task.
//!
//! ```text
//! array = "random(n, seed = i)"
//! array = "where(block > 0, sqrt(block), 0) - clim[0:10, :]"
//! ```
//!
//! A small total language: no loops, no side effects. A text is split into tokens (`token`) and parsed to a tree, in
//! which calls are matched with the functions that they name ([`syntax`]). The evaluator walks the tree ([`eval`]).
//! Element-wise work and aggregates ([`kernels`]) run in rayon's current thread pool; no result depends on the number
//! of threads. Start with [`Expr`].
//!
//! Where Python and numpy say what an expression means, it means that here, with these differences:
//! * elements are `f64` unless said otherwise (`cast`, `load`, `from_bytes`; `argmax`, `histogram` and sums of
//!   integers give `i64`); types meet as in numpy, see `types` and `typed_numbers`;
//! * a comparison gives 1 or 0, and `&& || !` work element by element on "is not zero";
//! * there are no methods and no prefix `np.`; a shape may be given without parentheses: `zeros(3, 4)`;
//! * a gather (the results of several instances of a task) is a list: `x[2]` is the result of one instance, `concat(x)`
//!   joins them, arithmetic stacks them on a new first axis;
//! * `concat` takes single numbers as arrays of one element.
//!
//! Beside the language this module has the operators of reductions and their order ([`reduce`]), HDF5 files
//! ([`dataset`]), and the printed form of an array ([`text`]).

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
pub(crate) use crate::arrays::syntax::function::{Function, Map, TextFunction};
pub(crate) use error::ExprError;
pub(crate) use types::ElementType;
pub(crate) use value::{ArrayBinding, ArrayValue};

use crate::arrays::eval::evaluator::Evaluator;
use crate::arrays::syntax::ast::{ExprNode, NodeKind};
use error::PutPosition;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Reads a table of comma-separated numbers, with or without a header, or the printed form of an array.
///
/// # Errors
/// When the text is neither; the message is for the user.
pub(crate) fn read_table(bytes: &[u8]) -> Result<ndarray::ArrayD<f64>, String> {
    csv::numbers(bytes).or_else(|_| csv::table(bytes, None))
}

/// An array expression after parsing, ready to be evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    root: ExprNode,
}

impl Expr {
    /// Parses `text`. Function names, the number of their arguments and their keywords are checked; other names are
    /// not, since their values come later (see [`names`](Self::names)).
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        Ok(Expr { root: crate::arrays::syntax::parse::parse(text)? })
    }

    /// The names that the expression uses, with their positions, in the order of the text and as often as they occur.
    /// Functions and keywords of arguments are not among them.
    pub fn names(&self) -> Vec<(String, Span)> {
        let mut names = Vec::new();
        visit(&self.root, &mut |node| {
            if let NodeKind::Name { name, span } = &node.kind {
                names.push((name.clone(), span.clone()));
            }
        });
        names
    }

    /// The root of the syntax tree, for checks beyond those of the parser.
    pub fn root(&self) -> &ExprNode {
        &self.root
    }

    /// Infers the shape of the value before the run, as far as `names` gives the properties of each name.
    ///
    /// # Errors
    /// When shapes do not match, whatever the values of the elements are.
    pub fn sketch(&self, names: &dyn Fn(&str) -> Sketch) -> Result<Sketch, ExprError> {
        crate::arrays::shapes::inference::sketch(&self.root, names)
    }

    /// Evaluates the expression with the names of `scope`.
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

/// The value of a name in an expression. Arrays are borrowed for the evaluation, and copied as a whole only if they are
/// the result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Binding<'a> {
    /// An integer from a parameter or variable of a script.
    Int(i64),
    /// A number that is no integer, from a parameter or a var.
    Number(f64),
    /// A text from a parameter or a var. It can be compared with `==` and `!=`, name a file, and be the `dist` of
    /// `random`.
    Text(Cow<'a, str>),
    /// The output of a command task, as bytes.
    Bytes(Cow<'a, [u8]>),
    /// The outputs of several instances of a command.
    BytesList(Vec<Cow<'a, [u8]>>),
    /// The result of another task, an array.
    Array(ArrayBinding<'a>),
    /// The results of several instances of a task, in the order of their indices.
    List(Vec<ArrayBinding<'a>>),
}

/// A file that an expression reads by `load`.
#[derive(Debug, Clone, Copy)]
pub enum File<'a> {
    /// A file on disk, by its path.
    Path(&'a str),
    /// A file that a command has written, by its content.
    Bytes(&'a [u8]),
}

/// The source of the values of an expression's names, and of the files that it reads.
pub trait Scope {
    /// The value of `name`, which may have dots as in the text: `sim.probe`. `None` if the name is unknown.
    fn get(&self, name: &str) -> Option<Binding<'_>>;

    /// Whether `name` is known and has no value here, so that what stands behind its `else` counts.
    fn is_missing(&self, _name: &str) -> bool {
        false
    }

    /// The inputs of random numbers where an expression gives no seed.
    fn context(&self) -> RandomContext;

    /// Reads a file, for `from_csv` and `from_bytes` of a path.
    ///
    /// # Errors
    /// When the file cannot be read; the message is for the user.
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("the file `{path}` cannot be read here"))
    }

    /// Reads a dataset, for `load`. If `dataset` is `None`, the path names it: `file.h5:/name[0:10]`.
    ///
    /// # Errors
    /// When the dataset cannot be read; the message is for the user.
    fn dataset(&self, _file: File<'_>, _dataset: Option<&str>) -> Result<ArrayValue, String> {
        Err("files with datasets cannot be read here".to_owned())
    }
}
