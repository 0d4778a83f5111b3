//! References as they are written, with where they stand and what they are found to mean.

use crate::script::diagnostics::source::Span;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::syntax::placeholder::RawReference;
use crate::script::values::value::{PathPart, ScriptValue};

/// The place of a text, which decides what references may be in it and what they become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextContext {
    /// An argument or an environment variable: references become paths.
    Command,
    /// A shell script: paths as well, quoted.
    Shell,
    /// Standard input: references become bytes.
    Stdin,
    /// An array expression, in which references have no braces: they become arrays.
    Array,
    /// The name of a file, which must be known without running anything.
    File,
}

/// A reference with the place of the whole of it, braces included.
pub(crate) struct Written<'r> {
    pub(crate) raw: &'r RawReference,
    pub(crate) span: Span,
}

/// The meaning of a reference.
pub(crate) enum ReferenceTarget {
    Param(usize, Option<PathPart>),
    Var(ScriptValue),
    Input(usize),
    Out(usize),
    Fact(RuntimeVar),
    Env(String),
    /// `{a}` or `{b}` of a step that merges.
    Merged(usize),
}
