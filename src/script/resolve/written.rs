//! References as they are written, the texts that they stand in, and the meanings that they can have.

use crate::script::diagnostics::source::Span;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::syntax::placeholder::RawReference;
use crate::script::values::value::{PathPart, ScriptValue};

/// The kind of text that a reference stands in. The kind decides which references are allowed, and what replaces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextContext {
    /// An argument or an environment variable: references become paths.
    Command,
    /// A shell script: references become paths, quoted for the shell.
    Shell,
    /// Standard input: references become the bytes of files.
    Stdin,
    /// An array expression, in which references have no braces: they become arrays.
    Array,
    /// The name of a file, which must be known before anything runs: references to results are refused.
    File,
}

/// A reference, such as `{sim.out}`, with its place in the script: a range of bytes, braces included.
pub(crate) struct Written<'r> {
    pub(crate) raw: &'r RawReference,
    pub(crate) span: Span,
}

/// The meaning of a reference. A number in a variant is an index among the task's parameters, dependencies or output
/// files.
pub(crate) enum ReferenceTarget {
    Param(usize, Option<PathPart>),
    Var(ScriptValue),
    Input(usize),
    Out(usize),
    Fact(RuntimeVar),
    Env(String),
    /// The first (0, `{a}`) or second (1, `{b}`) file that the command of a reduction merges in each step.
    Merged(usize),
}
