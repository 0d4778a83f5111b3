//! TODO page

pub mod ast;
pub(crate) mod call_arguments;
pub(crate) mod function;
pub(crate) mod parse;
pub(crate) mod token;
