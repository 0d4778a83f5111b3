//! Messages about a script, as a compiler prints them.
//!
//! A [`diagnostic`] is an error or a warning at a place (a range of bytes) in the [`source`]. It has one of the
//! [`codes`], each of which has an [`explanation`], and may [`suggest`] a name that was meant.

pub(crate) mod codes;
pub(crate) mod diagnostic;
pub(crate) mod explanation;
pub(crate) mod source;
pub(crate) mod suggest;
pub(crate) mod text_file;
