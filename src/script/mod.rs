//! The script language: a compiler from `script.toml` to a plan. Nothing here starts a thread or uses MPI.
//!
//! The guide's chapter on the language is its specification. [`load`] runs the phases of the compiler in this order:
//!
//! 1. [`syntax`] reads the TOML into raw tables, each value with its place, in the order of the file.
//! 2. [`sweep`] makes a family (`Sweep`) of `for`, `each` and the keys beside them.
//! 3. [`resolve`] gives references their meaning, and [`lower`] makes the tasks of the [`mod@plan`]: `Template`s and
//!    dependencies.
//! 4. [`lint`] checks the plan as a whole; [`draw`] shows it as a picture.
//!
//! All phases share [`diagnostics`], the text with the messages about it, and [`values`], the types of values.
//!
//! The compiler does not stop at the first mistake: each phase reports to one collector and goes on with the rest. A
//! family is never written out. `Join` and `Sweep` compute with indices, so ten million instances cost nothing here.

pub(crate) mod diagnostics;
pub(crate) mod draw;
pub(crate) mod entry;
pub(crate) mod lint;
pub(crate) mod load;
pub(crate) mod lower;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod resolve;
pub(crate) mod sweep;
pub(crate) mod syntax;
#[cfg(test)]
mod tests;
pub(crate) mod values;

pub use crate::script::entry::main;
pub use crate::script::values::registry::{Argument, CallArgs, Registry};
