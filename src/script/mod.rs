//! The script language: from `script.toml` to a plan.
//!
//! The specification is the guide's chapter on the language. The way of a script through this module:
//!
//! 1. [`diagnostics`] holds the text and the messages about it; [`values`] the types of values.
//! 2. [`syntax`] reads the TOML into raw tables, each value with its place, in the order of the file.
//! 3. [`sweep`] makes a [`Family`] of `for`, `each` and what goes with them.
//! 4. [`resolve`] says what references mean, [`lower`] makes the tasks of the [`mod@plan`]: [`Template`]s and dependencies.
//! 5. [`lint`] looks at the whole; [`draw`] shows it.
//!
//! Nothing stops at the first mistake: each step reports what is wrong to one collector and goes on with the rest.
//! A family is never written out. [`Join`] and [`Family`] compute with indices, so ten million instances cost nothing here.

pub mod diagnostics;
pub mod draw;
pub(crate) mod entry;
pub mod lint;
pub(crate) mod load;
pub mod lower;
pub(crate) mod plan;
pub mod resolve;
pub mod sweep;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod values;

pub use crate::script::diagnostics::codes::Code;
pub use crate::script::diagnostics::diagnostic::{Diagnostic, Diagnostics, MAX_SHOWN};
pub use crate::script::diagnostics::source::{At, Source, Span, Text};
pub use crate::script::diagnostics::suggest::{did_you_mean, suggest};
pub use crate::script::draw::graph::{dot, svg};
pub use crate::script::entry::main;
pub use crate::script::lower::call::CallArg;
pub use crate::script::lower::mapreduce::{Input, MapReduce, MapStage, ReduceStage};
pub use crate::script::plan::execution::{Dir, Execution, RetryOn};
pub use crate::script::plan::fingerprint::Keys;
pub use crate::script::plan::runtime_vars::{Facts, RuntimeFact};
pub use crate::script::plan::shell_quote::Quote;
pub use crate::script::plan::task::{
    Action, ArrayName, Binding, Order, Out, Reference, Save, Select, Stream, Task,
};
pub use crate::script::plan::template::{Fill, Part, RenderError, Scope, StdinPiece, Template};
pub use crate::script::sweep::expression::Formula;
pub use crate::script::sweep::family::{Axis, Bindings, Derived, Family, Param};
pub use crate::script::sweep::join::{Gather, Join, Unmatched};
pub use crate::script::sweep::param_values::{Spaced, Values};
pub use crate::script::sweep::range::NumRange;
pub use crate::script::values::format::Format;
pub use crate::script::values::registry::{Argument, CallArgs, Registry};
pub use crate::script::values::resources::{Counter, Needs};
pub use crate::script::values::units::{duration, words};
pub use crate::script::values::value::{PathPart, Value};
pub use load::{ArrayError, ArrayLanguage, LoadOptions, load, parse};
pub use plan::{Plan, Policy};
