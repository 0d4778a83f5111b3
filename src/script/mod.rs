//! The script language: from `script.toml` to a plan.
//!
//! The specification is the guide's chapter on the language. The way of a script through this module:
//!
//! 1. `source` holds the text; `tree` reads the TOML into values with their places, in the order of the file.
//! 2. `schema`, `schema_task`, `schema_execution`, `schema_needs` and `keys` know which keys there are and what type they have.
//! 3. `names` is the one namespace of variables, tasks and parameters; `sweep` makes a [`Family`] of `for`, `each` and what
//!    goes with them (`spec` puts it together, `kept` is the index of the rows that `where` leaves).
//! 4. `compile` resolves the texts (`syntax` finds references, `words` splits commands, `quote` protects values from the
//!    shell, `meaning` and `outputs` know what names mean, `resolve` puts it together) into [`Template`]s, and finds the dependencies.
//! 5. `order`, `saves`, `unused`, [`walltime`] and `warnings` look at the whole; `outline`, `graph` (with `layout`) and `key` tell of it.
//!
//! Nothing stops at the first mistake: each step reports what is wrong to one collector and goes on with the rest.
//! A family is never written out. [`Join`] and [`Family`] compute with indices, so ten million instances cost nothing here.

mod arrays;
mod blocks;
mod calls;
mod choice;
mod codes;
mod command;
mod compile;
mod diagnostic;
mod execution;
mod facts;
mod family;
mod format;
mod formula;
mod graph;
mod join;
mod kept;
mod key;
mod keys;
mod layout;
mod load;
mod main;
mod mapreduce;
mod matching;
mod meaning;
mod merge;
mod names;
mod needs;
mod order;
mod outline;
mod outputs;
mod plan;
mod program;
mod quote;
mod range;
mod reduction;
pub mod registry;
mod resolve;
pub mod run;
mod saves;
mod schema;
mod schema_execution;
mod schema_mapreduce;
mod schema_needs;
mod schema_policy;
mod schema_reduce;
mod schema_sweep;
mod schema_task;
mod shapes;
mod source;
mod spec;
mod suggest;
mod sweep;
mod sweep_values;
mod syntax;
mod table;
mod task;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod unused;
mod value;
mod values;
mod variables;
pub mod walltime;
mod warnings;
mod words;

pub use calls::CallArg;
pub use codes::Code;
pub use diagnostic::{Diagnostic, Diagnostics, MAX_SHOWN};
pub use execution::{Dir, Execution, RetryOn};
pub use facts::{Facts, RuntimeFact};
pub use family::{Axis, Bindings, Derived, Family, Param};
pub use format::Format;
pub use formula::Formula;
pub use graph::{dot, svg};
pub use join::{Gather, Join, Unmatched};
pub use key::Keys;
pub use load::{ArrayError, ArrayLanguage, LoadOptions, load, parse};
pub use main::main;
pub use mapreduce::{Input, MapReduce, MapStage, ReduceStage};
pub use needs::{Counter, Needs};
pub use plan::{Plan, Policy};
pub use quote::Quote;
pub use range::NumRange;
pub use registry::{Argument, CallArgs, Registry};
pub use source::{At, Source, Span, Text};
pub use suggest::{did_you_mean, suggest};
pub use task::{Action, ArrayName, Binding, Order, Out, Reference, Save, Select, Stream, Task};
pub use template::{Fill, Part, RenderError, Scope, StdinPiece, Template};
pub use units::{duration, words};
pub use value::{PathPart, Value};
pub use values::{Spaced, Values};
