//! Parsing of expressions: `token` splits the text into tokens, `parse` makes the syntax tree (`ast`) by precedence
//! climbing, `call_arguments` matches a call with the parameters of the `function` that it names. Start with `parse`.

pub(crate) mod ast;
pub(crate) mod call_arguments;
pub(crate) mod function;
pub(crate) mod parse;
pub(crate) mod token;
