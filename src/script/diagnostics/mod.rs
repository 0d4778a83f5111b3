//! Messages about a script: [`source`] places in the text, error [`codes`] with an
//! [`explanation`] each, the [`diagnostic`]s and suggestions ([`suggest`]).

pub(crate) mod codes;
pub(crate) mod diagnostic;
pub(crate) mod explanation;
pub(crate) mod source;
pub(crate) mod suggest;
