//! Tasks: functions that every rank knows, their arguments, and their results.
//!
//! All ranks run the same executable, so only the identity of a function travels, with its arguments. Start with
//! [`task_fn::TaskFn`], which says which functions can be tasks, and [`value::AnyValue`].
//!
//! * [`function`]: the identity of a function, which is the offset of a record that the compiler made for it;
//! * [`task_fn`]: functions and closures of up to eight parameters, each by value or by reference;
//! * [`actor_fn`]: constructors and functions of actors;
//! * [`arguments`]: unpacking of arguments at the rank that computes;
//! * [`value`]: a result, typed where it was made, encoded or as plain memory while it travels;
//! * [`handed_on`]: a task that hands its input on;
//! * [`tickets`]: copies of handles inside encoded values;
//! * [`shared`]: a value that many parameters share without a copy;
//! * [`allocation`]: memory whose size comes from data, where the lack of it is an error;
//! * [`bulk`]: values that travel as their own memory: vectors and arrays of numbers, and the kinds that a layer above
//!   registers.

pub(crate) mod actor_fn;
pub(crate) mod allocation;
pub(crate) mod arguments;
pub(crate) mod assembly;
pub(crate) mod bulk;
pub(crate) mod function;
pub(crate) mod handed_on;
pub(crate) mod output;
mod parameter_macros;
pub(crate) mod shared;
pub(crate) mod spilled;
pub(crate) mod task_fn;
pub(crate) mod tickets;
pub(crate) mod value;
