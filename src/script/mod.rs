//! The script language: from `script.toml` to a plan.
//!
//! The specification is the guide's chapter on the language. The way of a script through this module:
//!
//! 1. [`diagnostics`] holds the text and the messages about it; [`values`] the types of values.
//! 2. [`syntax`] reads the TOML into raw tables, each value with its place, in the order of the file.
//! 3. [`sweep`] makes a `Family` of `for`, `each` and what goes with them.
//! 4. [`resolve`] says what references mean, [`lower`] makes the tasks of the [`mod@plan`]: `Template`s and
//!    dependencies.
//! 5. [`lint`] looks at the whole; [`draw`] shows it.
//!
//! Nothing stops at the first mistake: each step reports what is wrong to one collector and goes on with the rest.
//! A family is never written out. `Join` and `Family` compute with indices, so ten million instances cost nothing here.

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
